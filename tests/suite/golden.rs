//! Row bytes, hashes and ids, compared with golden vectors from an independent implementation in `golden/make.py`.

use std::fs;
use std::path::Path;

use runtime::table::Table;
use serde::Deserialize;
use serde_json::Value as Json;
use tests::reference::export;

use crate::engines::{DeltaInput, ENGINES, Parts};
use crate::workspace::add_to_summary;

#[derive(Deserialize)]
struct Vector {
    schema: String,
    fields: Vec<String>,
    row_bytes: String,
    hash: String,
    insert: String,
    delete: String,
    before: Option<Vec<String>>,
    previous_hash: Option<String>,
    update: Option<String>,
}

#[test]
fn every_engine_reproduces_the_golden_vectors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/rows.json");
    let vectors: Vec<Vector> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for vector in &vectors {
        vector.check();
    }
    add_to_summary(&format!("{} golden vectors, each run through {} engines", vectors.len(), ENGINES.len()));
    assert!(vectors.len() > 200);
}

impl Vector {
    fn check(&self) {
        let table = tests::table::parse(&self.schema).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let (row, no_rows) = (export(table, Some(&self.fields)), export(table, None));
        let read = export::read(table, &[(&row[0].0, &row[0].1)]).unwrap();
        let bytes = read.rows.values().next().unwrap_or_else(|| panic!("{:?}", read.rejects)).canonical_bytes(table);
        assert_eq!(String::from_utf8(bytes).unwrap(), self.row_bytes, "{:?}", self.fields);

        self.assert_operation(table, None, &row, [("id", &self.insert), ("hash", &self.hash)]);
        self.assert_operation(table, Some(&row), &no_rows, [("id", &self.delete), ("previous_hash", &self.hash)]);
        if let (Some(before), Some(update), Some(previous)) = (&self.before, &self.update, &self.previous_hash) {
            let before = export(table, Some(before));
            self.assert_operation(table, Some(&before), &row, [("id", update), ("hash", &self.hash)]);
            self.assert_operation(table, Some(&before), &row, [("id", update), ("previous_hash", previous)]);
        }
    }

    /// Asserts that every engine produces exactly one operation, with these fields.
    fn assert_operation(
        &self,
        table: &'static Table,
        baseline: Option<&Parts>,
        snapshot: &Parts,
        expected: [(&str, &String); 2],
    ) {
        let input = DeltaInput { table, baseline: baseline.cloned(), snapshot: snapshot.clone() };
        for engine in ENGINES {
            let result = (engine.delta)(&input);
            let [operation] = result.changes().operations.as_slice() else {
                panic!("expected one operation, got {result:?}")
            };
            for (name, value) in expected {
                assert_eq!(operation[name], Json::from(value.as_str()), "{}, {name}, {:?}", engine.name, self.fields);
            }
        }
    }
}

/// An export of one row, or of none. Empty fields are not quoted: they are NULL or the empty string.
fn export(table: &Table, fields: Option<&Vec<String>>) -> Parts {
    let quoted =
        |text: &String| if text.is_empty() { String::new() } else { format!("\"{}\"", text.replace('"', "\"\"")) };
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let row = fields.map(|fields| fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n");
    let text = format!("{}\n{}", names.join(","), row.unwrap_or_default());
    vec![("part-1.csv".into(), text.into_bytes())]
}
