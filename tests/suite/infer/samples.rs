//! The committed samples: an inferred schema gives the operations of the committed one, key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use generator::model;
use runtime::delta::{self, Delta};
use runtime::engine::{Engines, Limits};
use runtime::infer::{Request, infer};
use runtime::table::Table;
use runtime::telemetry::Watch;

use crate::workspace::ndjson;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports")
}

/// The kind of the operation of each key, between two exports.
fn operations(table: &'static Table, versions: [&str; 2]) -> BTreeMap<String, String> {
    let export = |version| delta::export(&samples().join("acme").join(table.name).join(version)).unwrap();
    let delta = Delta {
        table,
        tenant: "acme".into(),
        version: versions[1].into(),
        previous: versions[0].into(),
        baseline: Some(export(versions[0])),
        snapshot: export(versions[1]),
        engines: Engines::default(),
        limits: Limits::default(),
        hmac_key: None,
    };
    let mut lines = Vec::new();
    delta.run(&mut lines, &Watch::default()).unwrap();
    let operations = ndjson(&String::from_utf8(lines).unwrap());
    let key = |operation: &serde_json::Value| {
        let texts = operation["key"].as_object().unwrap().values().map(|value| value.to_string().replace('"', ""));
        texts.collect::<Vec<_>>().join(" ")
    };
    operations.iter().map(|operation| (key(operation), operation["op"].to_string())).collect()
}

/// What no export says, or what could be read in several ways: the columns whose description is the committed one, and
/// why. Everything else is inferred.
const NOT_IN_EXPORTS: &[(&str, &[&str], &str)] = &[
    ("orders", &["order_id"], "a number with leading zeros stays text"),
    ("products", &["weight_kg"], "a number with leading zeros stays text"),
    ("sensor_readings", &["sensor_id", "battery_mv"], "a number with leading zeros or a plus stays text"),
    ("sensor_readings", &["firmware_sha", "payload"], "binary is not guessed"),
    ("sensor_readings", &["serial"], "blanks around a text are part of it"),
    ("support_tickets", &["priority"], "a number with leading zeros or a plus stays text"),
    ("test_table", &["COL_1"], "a number with leading zeros or a plus stays text"),
    ("web_events", &["event_no", "duration_ms"], "a number with leading zeros or a plus stays text"),
];

/// Infers the schema of a table, and adds what no export says, such as which columns are not compared.
fn inferred(committed: &'static Table) -> &'static Table {
    let name = committed.name;
    let schema = std::fs::read_to_string(samples().join(format!("../../schemas/{name}.yaml"))).unwrap();
    let schema = generator::parse(&schema).unwrap();
    let key = schema.primary_key.iter().map(|index| schema.columns[*index].name.clone());
    let headerless = || vec!["column_1".to_owned()];
    let key = if committed.source.header { key.collect() } else { headerless() };
    let request = Request { paths: vec![samples()], table: Some(name.into()), key, ..Request::default() };
    let draft = infer(&request).unwrap();
    let mut model: model::Table = generator::parse(&draft.yaml).unwrap();
    let listed =
        |column: &str| NOT_IN_EXPORTS.iter().any(|(table, columns, _)| *table == name && columns.contains(&column));
    for (index, known) in schema.columns.iter().enumerate() {
        let found = model.columns.iter().position(|column| column.name == known.name).unwrap_or(index);
        let column = &mut model.columns[found];
        column.compare = known.compare;
        if listed(&known.name) {
            let nulls = known.nulls.clone().or_else(|| Some(schema.source.nulls.clone()));
            let name = std::mem::take(&mut column.name);
            *column = known.clone();
            (column.name, column.nulls) = (name, nulls);
        }
    }
    runtime::schemas::table(&model)
}

fn agree(name: &str, versions: [&str; 2]) {
    let committed = generated::TABLES.iter().find(|table| table.name == name).unwrap();
    let expected = operations(committed, versions);
    assert!(!expected.is_empty());
    let found = operations(inferred(committed), versions);
    let differs = |(key, op): &(&String, &String)| expected.get(*key) != Some(*op);
    let wrong: Vec<_> = found.iter().filter(differs).collect();
    let missing: Vec<_> = expected.keys().filter(|key| !found.contains_key(*key)).collect();
    assert!(wrong.is_empty() && missing.is_empty(), "{name}: wrong {wrong:?}, missing {missing:?}");
}

#[test]
fn an_inferred_schema_of_a_sample_gives_its_operations() {
    let days = ["20260101_V0001", "20260102_V0001"];
    for name in ["orders", "ledger_entries", "sensor_readings", "support_tickets", "test_table", "web_events"] {
        agree(name, days);
    }
    agree("products", ["V9", "V10"]);
}
