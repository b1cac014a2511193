//! The key of the row to find.

use crate::canonical::row::Layout;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::operation::key_json;
use crate::reject;
use crate::table::Table;

/// The key of a row.
#[derive(Debug)]
pub struct Key {
    /// For people, such as `(eu-west, 17)`; masked if its column is `pii`.
    pub shown: String,
    /// As canonical bytes.
    pub(super) bytes: Vec<u8>,
    /// As it is in the line of an operation.
    pub(super) json: Vec<u8>,
}

impl Key {
    /// Parses a typed key: one text per key column, read like a field of the table's exports.
    pub fn parse(key: &TableKey, table: &'static Table, texts: &[String]) -> Result<Self> {
        let columns = table.primary_key.join(", ");
        if texts.len() != table.primary_key.len() {
            let were = if texts.len() == 1 { "value was" } else { "values were" };
            let problem = format!("the key is ({columns}), but {} {were} given", texts.len());
            let usage = table.primary_key.join(" ").to_uppercase();
            return Err(Error::refused(key.to_string(), problem)
                .help(format!("give one value for each, in this order: cargo tidemark why {key} {usage}")));
        }
        let layout = Layout::new(table);
        let bytes = layout.key_from_texts(texts).map_err(|(column, reason)| {
            let index = table.primary_key.iter().position(|name| *name == column.name).unwrap_or_default();
            let problem = reject::explain(column, texts[index].as_bytes(), reason);
            Error::refused("", format!("key column `{}`: {problem}", column.name))
                .help(format!("the key is ({columns}); see: cargo tidemark tables {}", table.name))
        })?;
        Ok(Self { shown: layout.shown_key(&bytes), json: key_json(&layout, &bytes), bytes })
    }
}
