//! That every option of a schema decides in the case table what is read, and what is refused: without the option, the
//! result of a case is another.

use std::collections::BTreeMap;
use std::path::Path;

use runtime::table::Table;
use serde_json::Value as Json;

use super::{Case, cases};
use crate::engines::{DeltaInput, DeltaResult, difference, reference_delta};

/// Options that decide neither, and the test of each.
const OTHERS: [(&str, &str); 6] = [
    ("columns.description", "generator: it becomes documentation"),
    ("columns.pii", "hygiene::secrets"),
    ("columns.default", "epochs::an_added_column_takes_its_default_in_baseline_rows"),
    ("columns.formerly", "epochs::a_renamed_column_is_held_unless_formerly_names_it"),
    ("columns.compare", "cases: `compare-false`; it refuses nothing"),
    ("source.complete", "flow, parts: when an export is complete, before it is read"),
];

/// Whether some case is read because an option is declared or not, and whether some case is refused because of it.
#[derive(Debug, Default, Clone, Copy)]
struct Decided {
    read: bool,
    refused: bool,
}

#[test]
fn every_option_decides_what_is_read_and_what_is_refused() {
    let mut decided: BTreeMap<String, Decided> = BTreeMap::new();
    for case in cases() {
        let expected = reference_delta(&case.input);
        for (option, without) in schemas_without_an_option(&case) {
            let found = decided.entry(option).or_default();
            let Ok(table) = tests::table::parse(&without) else { continue };
            let input = DeltaInput { table: with_schema_of(table, case.input.table), ..case.input.clone() };
            let other = reference_delta(&input);
            if difference(&expected, &other).is_some() {
                let results = [&expected, &other].map(|result| matches!(result, DeltaResult::Changes(_)));
                found.read |= results.contains(&true);
                found.refused |= results.contains(&false);
            }
        }
    }
    let missing = |name: &String| {
        let found = decided.get(name).copied().unwrap_or_default();
        (!found.read || !found.refused).then(|| format!("{name}: {found:?}"))
    };
    let is_other = |name: &&String| OTHERS.iter().any(|(other, _)| other == name);
    let options = options();
    let problems: Vec<String> = options.iter().filter(|name| !is_other(name)).filter_map(missing).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(OTHERS.iter().all(|(name, _)| options.contains(&(*name).to_owned())));
}

/// The options of `columns` and `source`, as the schema of schemas lists them.
fn options() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/table.schema.json");
    let schema: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names = |place: &str, node: &Json| -> Vec<String> {
        let names = node["properties"].as_object().unwrap().keys();
        names.filter(|name| !["name", "type"].contains(&name.as_str())).map(|name| format!("{place}.{name}")).collect()
    };
    let properties = &schema["properties"];
    [names("columns", &properties["columns"]["items"]), names("source", &properties["source"])].concat()
}

/// For each option of a case's schema, the schema without it.
fn schemas_without_an_option(case: &Case) -> Vec<(String, String)> {
    let yaml = std::fs::read_to_string(case.folder.join("schema.yaml")).unwrap();
    // `n` and `y` are names.
    let options = serde_saphyr::options! { strict_booleans: true };
    let schema: Json = serde_saphyr::from_str_with_options(&yaml, options).unwrap();
    let mut schemas = Vec::new();
    let fields = |node: &Json| node.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    for name in fields(&schema["source"]) {
        let mut without = schema.clone();
        without["source"].as_object_mut().unwrap().remove(&name);
        schemas.push((format!("source.{name}"), without.to_string()));
    }
    for at in 0..schema["columns"].as_array().unwrap().len() {
        for name in fields(&schema["columns"][at]) {
            let mut without = schema.clone();
            let column = without["columns"][at].as_object_mut().unwrap();
            column.remove(&name);
            // The words for true and false are there together.
            let pair = [("true_values", "false_values"), ("false_values", "true_values")];
            pair.iter().filter(|(one, _)| *one == name).for_each(|(_, other)| drop(column.remove(*other)));
            schemas.push((format!("columns.{name}"), without.to_string()));
        }
    }
    schemas
}

/// The table under the schema hash of another, which is part of operations.
fn with_schema_of(table: &'static Table, other: &Table) -> &'static Table {
    Box::leak(Box::new(Table { schema: other.schema, ..table.clone() }))
}
