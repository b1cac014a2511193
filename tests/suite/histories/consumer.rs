//! A consumer that follows the README: it applies an operation if its sequence is larger than the last one applied to
//! the key, remembers deleted keys, and drops the keys that a reset does not contain.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rows::{Columns, Row};

/// The state of a key: the last sequence, and the row unless it is deleted.
type KeyState = (u64, Option<Row>);

#[derive(Default)]
pub(super) struct Consumer {
    keys: BTreeMap<i64, KeyState>,
    /// The sequence of the last reset: older versions are ignored.
    reset: u64,
    /// The sequence of the newest version so far, and the columns of its schema.
    newest: (u64, Columns),
}

impl Consumer {
    /// Reads a complete version, which may have been read before.
    pub(super) fn read(&mut self, records: &[Value], columns: Columns) {
        let begin = &records[0];
        let sequence = begin["sequence"].as_u64().unwrap();
        if sequence > self.newest.0 {
            self.newest = (sequence, columns);
            // Drop the values of columns that the schema has dropped.
            for row in self.keys.values_mut().filter_map(|(_, row)| row.as_mut()) {
                *row = columns.project(row);
            }
        }
        if sequence < self.reset {
            return;
        }
        for record in &records[1..records.len() - 1] {
            self.apply(record, sequence);
        }
        if begin["reset"] == true && sequence > self.reset {
            self.reset = sequence;
            self.keys.retain(|_, (last, _)| *last >= sequence);
        }
    }

    fn apply(&mut self, record: &Value, sequence: u64) {
        let key = record["key"]["id"].as_i64().unwrap();
        if self.keys.get(&key).is_some_and(|(last, _)| *last >= sequence) {
            return;
        }
        let row = record.get("after").map(|after| self.newest.1.project(&Row::from_json(after)));
        self.keys.insert(key, (sequence, row));
    }

    /// The rows that exist now.
    pub(super) fn rows(&self) -> BTreeMap<i64, Row> {
        self.keys.iter().filter_map(|(key, (_, row))| Some((*key, row.clone()?))).collect()
    }
}
