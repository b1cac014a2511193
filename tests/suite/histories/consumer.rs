//! A consumer as the README tells one to be: it applies an operation when its sequence is larger than the last one
//! applied to the key, remembers deleted keys, and drops what a reset leaves behind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::model::{Columns, Row};

/// What it holds of a key: the last sequence, and the row unless it is deleted.
type Held = (u64, Option<Row>);

#[derive(Default)]
pub(super) struct Consumer {
    keys: BTreeMap<i64, Held>,
    /// The last reset: what is older is no longer applied.
    floor: u64,
    /// The newest version it has seen, and the columns of its schema.
    newest: (u64, Columns),
}

impl Consumer {
    /// Takes a version that is whole; it may be one that it has taken before.
    pub(super) fn take(&mut self, records: &[Value], columns: Columns) {
        let begin = &records[0];
        let sequence = begin["sequence"].as_u64().unwrap();
        if sequence > self.newest.0 {
            self.newest = (sequence, columns);
            // What the schema no longer has is no longer kept.
            for row in self.keys.values_mut().filter_map(|(_, row)| row.as_mut()) {
                *row = columns.of(row);
            }
        }
        if sequence < self.floor {
            return;
        }
        for record in &records[1..records.len() - 1] {
            self.apply(record, sequence);
        }
        if begin["reset"] == true && sequence > self.floor {
            self.floor = sequence;
            self.keys.retain(|_, (last, _)| *last >= sequence);
        }
    }

    fn apply(&mut self, record: &Value, sequence: u64) {
        let key = record["key"]["id"].as_i64().unwrap();
        if self.keys.get(&key).is_some_and(|(last, _)| *last >= sequence) {
            return;
        }
        let row = record.get("after").map(|after| self.newest.1.of(&Row::of(after)));
        self.keys.insert(key, (sequence, row));
    }

    /// The rows it holds.
    pub(super) fn rows(&self) -> BTreeMap<i64, Row> {
        self.keys.iter().filter_map(|(key, (_, row))| Some((*key, row.clone()?))).collect()
    }
}
