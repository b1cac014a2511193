//! Row bytes, the row hash and the id of an operation.

use runtime::table::{Column, Table};
use xxhash_rust::xxh3::xxh3_128;
use xxhash_rust::xxh64::xxh64;

use super::value::Value;

/// One row, with its values in `columns` order.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Canonical values, one for each column; NULL in a column that is not published.
    pub values: Vec<Value>,
}

impl Row {
    /// The value of a column.
    pub fn value(&self, table: &Table, name: &str) -> &Value {
        let position = table.columns.iter().position(|column| column.name == name);
        &self.values[position.expect("the table has the column")]
    }

    /// The row bytes of the key.
    pub fn key_bytes(&self, table: &Table) -> Vec<u8> {
        row_bytes(table.primary_key.iter().map(|name| self.value(table, name)))
    }

    /// The row bytes of all columns outside the key.
    pub fn after_bytes(&self, table: &Table) -> Vec<u8> {
        row_bytes(outside_key(table).map(|column| self.value(table, column.name)))
    }

    /// The canonical row bytes: the key, then the compared columns.
    pub fn canonical_bytes(&self, table: &Table) -> Vec<u8> {
        let compared = compared(table).map(|column| self.value(table, column.name));
        [self.key_bytes(table), row_bytes(compared)].concat()
    }

    /// XXH64 of the canonical row bytes.
    pub fn hash(&self, table: &Table) -> i64 {
        xxh64(&self.canonical_bytes(table), 0).cast_signed()
    }
}

/// The published columns outside the key, in `columns` order.
pub fn outside_key(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| column.publish && !table.is_key(column))
}

/// The columns outside the key whose changes are UPDATEs.
pub fn compared(table: &Table) -> impl Iterator<Item = &Column> {
    outside_key(table).filter(|column| column.compare)
}

fn row_bytes<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<u8> {
    values.flat_map(|value| framed(value.text.as_deref().map(str::as_bytes))).collect()
}

fn framed(bytes: Option<&[u8]>) -> Vec<u8> {
    match bytes {
        None => b"-".to_vec(),
        Some(bytes) => [format!("{}:", bytes.len()).as_bytes(), bytes].concat(),
    }
}

/// The id over its seven parts, in the order of the design.
pub fn id(parts: [&[u8]; 7]) -> String {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| framed(Some(part))).collect();
    format!("{:032x}", xxh3_128(&bytes))
}
