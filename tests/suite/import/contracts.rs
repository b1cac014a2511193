//! Data contracts: what is exported has the shape of the standard, and comes back as it was.

use std::fs;
use std::path::{Path, PathBuf};

use generator::import::Selection;
use generator::source::{self, Source};
use proptest::prelude::*;
use serde_json::Value;
use tests::yaml;

use crate::generator::Workspace;
use crate::random;

/// The schemas of the samples and of every case.
fn schemas() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_cases = fs::read_dir(root.join("cases")).unwrap().map(|entry| entry.unwrap().path().join("schema.yaml"));
    let of_samples = fs::read_dir(root.join("../schemas")).unwrap().map(|entry| entry.unwrap().path());
    let is_schema = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml") && path.exists();
    let paths = of_cases.chain(of_samples).filter(is_schema);
    paths
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .filter(|(_, text)| generator::parse(text).is_ok())
        .collect()
}

/// The contract of a schema, and the schema that is imported from it.
fn there_and_back(text: &str) -> (String, String) {
    let contract = generator::export_odcs(&Source::new("schemas/t.yaml", text)).unwrap();
    let source = Source::new("t.odcs.yaml", contract.as_str());
    let import = generator::import(&[source], &Selection::default());
    let import = import.unwrap_or_else(|mistakes| panic!("{contract}\n{mistakes:?}"));
    assert_eq!(import.schemas.len(), 1);
    (contract, import.schemas[0].yaml.clone())
}

#[test]
fn an_exported_table_comes_back_as_it_was() {
    let schemas = schemas();
    assert!(schemas.len() > 200, "{}", schemas.len());
    for (path, text) in schemas {
        let (contract, back) = there_and_back(&text);
        let (expected, found) = (generator::parse(&text).unwrap(), generator::parse(&back).unwrap());
        assert_eq!(found, expected, "{}:\n{contract}\n{back}", path.display());
    }
}

/// The standard's own JSON Schema is in its package on PyPI.
#[cfg(feature = "aws")]
#[test]
fn every_contract_is_valid_under_the_json_schema_of_the_standard() {
    use crate::limits::command;
    use crate::stack::Stack;
    use crate::workspace::add_to_summary;

    let folder = tempfile::tempdir().unwrap();
    for (index, (_, text)) in schemas().into_iter().enumerate() {
        let contract = generator::export_odcs(&Source::new("schemas/t.yaml", &text)).unwrap();
        fs::write(folder.path().join(format!("{index}.odcs.yaml")), contract).unwrap();
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack/contracts.py");
    let output = command(Stack::get().python()).arg(program).arg(folder.path()).output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    add_to_summary(report.trim());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_table_comes_back_as_it_was(dice in random::schema()) {
        let text = yaml::schema(dice.table()).replace(r#""athena":true"#, r#""athena":false"#);
        let (contract, back) = there_and_back(&text);
        prop_assert_eq!(generator::parse(&back).unwrap(), generator::parse(&text).unwrap(), "{}\n{}", contract, back);
    }
}

#[test]
fn a_contract_reads_like_one_that_a_person_wrote() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = source::read_all(&root).unwrap();
    let orders = sources.iter().find(|source| source.file_name() == "orders.yaml").unwrap();
    insta::assert_snapshot!(generator::export_odcs(orders).unwrap());
}

#[test]
fn every_contract_has_the_shape_of_the_standard() {
    for (path, text) in schemas() {
        let contract = generator::export_odcs(&Source::new("schemas/t.yaml", text)).unwrap();
        let contract: Value = serde_saphyr::from_str(&contract).unwrap();
        let shown = path.display();
        let head = ["apiVersion", "kind", "id", "name", "version", "status", "schema"];
        assert_fields(&contract, &head, &["apiVersion", "kind", "id", "version", "status"], &shown);
        assert_eq!((&contract["apiVersion"], &contract["kind"]), (&"v3.1.0".into(), &"DataContract".into()));
        for object in contract["schema"].as_array().unwrap() {
            let known = ["name", "logicalType", "physicalType", "description", "customProperties", "properties"];
            assert_fields(object, &known, &["name"], &shown);
            assert_eq!(object["logicalType"], "object");
            assert_custom(object, &shown);
            object["properties"].as_array().unwrap().iter().for_each(|property| assert_property(property, &shown));
        }
    }
}

fn assert_property(property: &Value, shown: &impl std::fmt::Display) {
    let texts = ["name", "physicalName", "logicalType", "physicalType", "description"];
    let others = ["logicalTypeOptions", "required", "primaryKey", "primaryKeyPosition", "customProperties"];
    assert_fields(property, &[&texts[..], &others[..]].concat(), &["name"], shown);
    assert!(texts.iter().all(|field| property.get(field).is_none_or(Value::is_string)), "{shown}: {property}");
    let flags = ["required", "primaryKey"];
    assert!(flags.iter().all(|field| property.get(field).is_none_or(Value::is_boolean)), "{shown}: {property}");
    assert!(property.get("primaryKeyPosition").is_none_or(Value::is_u64), "{shown}: {property}");
    // The options that the standard has for each type.
    let options: &[&str] = match property["logicalType"].as_str().unwrap() {
        "string" => &["minLength", "maxLength", "pattern", "format"],
        "integer" | "number" => &["multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "format"],
        "timestamp" => &["format", "timezone", "defaultTimezone"],
        "date" => &["format"],
        "boolean" => &[],
        other => panic!("{shown}: {other}"),
    };
    if let Some(found) = property.get("logicalTypeOptions") {
        assert_fields(found, options, &[], shown);
    }
    assert_custom(property, shown);
}

fn assert_custom(node: &Value, shown: &impl std::fmt::Display) {
    for property in node.get("customProperties").and_then(Value::as_array).into_iter().flatten() {
        assert_fields(property, &["property", "value"], &["property", "value"], shown);
        assert_eq!(property["property"], "tidemark");
    }
}

/// Checks that a mapping has no other fields than `known`, and all that are `required`.
fn assert_fields(node: &Value, known: &[&str], required: &[&str], shown: &impl std::fmt::Display) {
    let node = node.as_object().unwrap_or_else(|| panic!("{shown}: {node}"));
    assert!(node.keys().all(|field| known.contains(&field.as_str())), "{shown}: {node:?}");
    assert!(required.iter().all(|field| node.contains_key(*field)), "{shown}: {node:?}");
}

#[test]
fn the_command_writes_a_contract_for_each_table() {
    let orders = "{ table: orders, primary_key: [id], columns: [{ name: id, type: int }] }";
    let workspace = Workspace::new(&[("orders", orders), ("customers", &orders.replace("orders", "customers"))]);
    let (status, stdout, stderr) = workspace.outcome(&["export", "--odcs", "orders", "--out", "-"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout.contains("name: orders") && !stdout.contains("customers"), "{stdout}");
    assert_eq!(workspace.outcome(&["export", "--odcs"]).0, 0);
    assert!(workspace.read("contracts/customers.odcs.yaml").contains("name: customers"));
    assert_eq!(workspace.outcome(&["export", "--odcs"]).0, 1, "the files exist");
    assert_eq!(workspace.outcome(&["export", "--odcs", "--force"]).0, 0);
    let (status, _, stderr) = workspace.outcome(&["export", "--odcs", "order"]);
    assert_eq!(status, 1);
    assert!(stderr.contains("there is no table `order`; expected one of customers, orders"), "{stderr}");
    assert_eq!(workspace.outcome(&["export"]).0, 2, "--odcs is required");
}
