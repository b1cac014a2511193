//! Row bytes, hashes and ids against vectors that somebody else's code computed: see `golden/make.py`.

use std::fs;
use std::path::Path;

use runtime::table::Table;
use serde::Deserialize;
use serde_json::Value as Json;
use tests::reference::export;

use crate::engines::{ENGINES, Given, Parts};
use crate::world::tell;

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
    tell(&format!("{} golden vectors, each through {} engines", vectors.len(), ENGINES.len()));
    assert!(vectors.len() > 200);
}

impl Vector {
    fn check(&self) {
        let table = tests::table::parse(&self.schema).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let (row, nothing) = (export(table, Some(&self.fields)), export(table, None));
        let read = export::read(table, &[(&row[0].0, &row[0].1)]).unwrap();
        let bytes = read.rows.values().next().unwrap_or_else(|| panic!("{:?}", read.rejects)).canonical_bytes(table);
        assert_eq!(String::from_utf8(bytes).unwrap(), self.row_bytes, "{:?}", self.fields);

        self.expect(table, None, &row, [("id", &self.insert), ("hash", &self.hash)]);
        self.expect(table, Some(&row), &nothing, [("id", &self.delete), ("previous_hash", &self.hash)]);
        if let (Some(before), Some(update), Some(previous)) = (&self.before, &self.update, &self.previous_hash) {
            let before = export(table, Some(before));
            self.expect(table, Some(&before), &row, [("id", update), ("hash", &self.hash)]);
            self.expect(table, Some(&before), &row, [("id", update), ("previous_hash", previous)]);
        }
    }

    /// The one operation that every engine finds says this.
    fn expect(&self, table: &'static Table, baseline: Option<&Parts>, snapshot: &Parts, wanted: [(&str, &String); 2]) {
        let given = Given { table, baseline: baseline.cloned(), snapshot: snapshot.clone() };
        for engine in ENGINES {
            let finding = (engine.delta)(&given);
            let [operation] = finding.changes().operations.as_slice() else { panic!("not one operation: {finding:?}") };
            for (name, value) in wanted {
                assert_eq!(operation[name], Json::from(value.as_str()), "{}, {name}, {:?}", engine.name, self.fields);
            }
        }
    }
}

/// A file of one row, or of none. Fields that are empty stay without quotes, as NULL or the empty string.
fn export(table: &Table, fields: Option<&Vec<String>>) -> Parts {
    let quoted =
        |text: &String| if text.is_empty() { String::new() } else { format!("\"{}\"", text.replace('"', "\"\"")) };
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let row = fields.map(|fields| fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n");
    let text = format!("{}\n{}", names.join(","), row.unwrap_or_default());
    vec![("part-1.csv".into(), text.into_bytes())]
}
