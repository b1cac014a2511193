//! A consumer that follows `docs/wire-format.md`: it applies an operation if its sequence is larger than the last one
//! applied to the key, remembers deleted keys, drops the keys that a reset does not contain, carries rows over to a
//! changed schema, and checks every END.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use xxhash_rust::xxh64::xxh64;

use super::rows::Row;

/// The columns of a row outside its key.
type Columns = Map<String, Value>;

/// The state of a key: the last sequence, and the row unless it is deleted.
type KeyState = (u64, Option<Columns>);

#[derive(Default)]
pub(super) struct Consumer {
    keys: BTreeMap<i64, KeyState>,
    /// The sequence of the last reset: older versions are ignored.
    reset: u64,
    /// The sequence of the newest version so far.
    newest: u64,
}

impl Consumer {
    /// Reads a complete version, which may have been read before. Fails if the rows are not those that END describes.
    pub(super) fn read(&mut self, records: &[Value]) -> Result<(), String> {
        let (begin, end) = (&records[0], records.last().unwrap());
        let sequence = begin["sequence"].as_u64().unwrap();
        if sequence > self.newest {
            self.newest = sequence;
            if let Some(change) = begin.get("schema_change") {
                let rows = self.keys.values_mut().filter_map(|(_, row)| row.as_mut());
                rows.for_each(|row| carry_over(row, change));
            }
        }
        if sequence < self.reset {
            return Ok(());
        }
        for record in &records[1..records.len() - 1] {
            self.apply(record, sequence);
        }
        if begin["reset"] == true && sequence > self.reset {
            self.reset = sequence;
            self.keys.retain(|_, (last, _)| *last >= sequence);
        }
        if sequence == self.newest { self.check(end) } else { Ok(()) }
    }

    fn apply(&mut self, record: &Value, sequence: u64) {
        let key = record["key"]["id"].as_i64().unwrap();
        if self.keys.get(&key).is_none_or(|(last, _)| *last < sequence) {
            self.keys.insert(key, (sequence, record.get("after").and_then(Value::as_object).cloned()));
        }
    }

    fn check(&self, end: &Value) -> Result<(), String> {
        let rows: Vec<_> = self.keys.iter().filter_map(|(key, (_, row))| Some((*key, row.as_ref()?))).collect();
        let fingerprint: i128 = rows.iter().map(|(key, row)| row_hash(*key, row)).sum();
        let (expected, actual) = ((end["rows"].as_u64(), &end["fingerprint"]), fingerprint.to_string());
        let is_right = expected == (Some(rows.len() as u64), &Value::from(actual));
        if is_right { Ok(()) } else { Err(format!("{end}: the consumer has {rows:?}")) }
    }

    /// The rows that exist now.
    pub(super) fn rows(&self) -> BTreeMap<i64, Row> {
        let row = |(key, (_, row)): (&i64, &KeyState)| Some((*key, Row::from_json(row.as_ref()?)));
        self.keys.iter().filter_map(row).collect()
    }
}

/// No column is renamed or retyped in a history.
fn carry_over(row: &mut Columns, change: &Value) {
    for name in change["dropped"].as_array().unwrap() {
        row.remove(name.as_str().unwrap());
    }
    for column in change["added"].as_array().unwrap() {
        row.insert(column["name"].as_str().unwrap().into(), column["value"].clone());
    }
}

fn row_hash(key: i64, row: &Columns) -> i128 {
    let segment = |text: Option<String>| text.map_or_else(|| "-".into(), |text| format!("{}:{text}", text.len()));
    let texts = ["value", "tag"].into_iter().filter_map(|name| row.get(name));
    let texts = texts.map(|value| value.as_str().map(str::to_owned));
    let row_bytes: String = [Some(key.to_string())].into_iter().chain(texts).map(segment).collect();
    i128::from(xxh64(row_bytes.as_bytes(), 0).cast_signed())
}
