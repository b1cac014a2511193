//! The key of the row to find.

use std::ffi::OsStr;

use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::Layout;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::TableKey;
use crate::operation::key_json;
use crate::reject;
use crate::table::Table;
use crate::wording::plural;

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
    /// Parses a typed key: one text per key column, read like a field of the table's exports. `hmac_key` is that of the
    /// tenant's pseudonyms.
    pub fn parse(key: &TableKey, table: &'static Table, texts: &[String], hmac_key: Option<&HmacKey>) -> Result<Self> {
        let columns = table.primary_key.join(", ");
        if texts.len() != table.primary_key.len() {
            let were = if texts.len() == 1 { "was" } else { "were" };
            let problem = format!("the key is ({columns}), but {} {were} given", plural(texts.len() as u64, "value"));
            let names: Vec<String> = table.primary_key.iter().map(|name| name.to_uppercase()).collect();
            let key_text = key.to_string();
            let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"why", &key_text];
            words.extend(names.iter().map(|name| name as &dyn AsRef<OsStr>));
            return Err(Error::usage(key.to_string(), problem)
                .help(format!("give one value for each, in this order: {}", command(&words))));
        }
        let layout = Layout::new(table).with_key(hmac_key);
        let bytes = layout.key_from_texts(texts).map_err(|(column, reason)| {
            let index = table.primary_key.iter().position(|name| *name == column.name).unwrap_or_default();
            let problem = reject::explain(table, column, texts[index].as_bytes(), reason);
            Error::usage("", format!("key column `{}`: {problem}", column.name))
                .help(format!("the key is ({columns}); see: {}", command(&[&"tables", &table.name])))
        })?;
        Ok(Self { shown: layout.shown_key(&bytes), json: key_json(&layout, &bytes), bytes })
    }
}
