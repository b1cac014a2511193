//! The table `_tidemark_tables`: which columns were made for a table, and which types they have in the schema. So it is
//! known what a user added, and what the columns of a history were.

use std::collections::BTreeMap;

use super::cell::Cell;
use super::engine::Engine;
use super::shape::literal;
use crate::error::{Error, Result};
use crate::table::Table;

/// Its name.
pub(super) const TABLE: &str = "_tidemark_tables";

/// The statement that creates it, in every database.
pub(super) const STATEMENT: &str = r#"CREATE TABLE "_tidemark_tables" (
  table_name TEXT NOT NULL PRIMARY KEY,
  columns TEXT NOT NULL -- The types of its columns in the schema, as JSON.
);
"#;

/// The types of a table's columns in the schema, by the names of the columns in the database.
pub(super) type Columns = BTreeMap<String, String>;

/// The columns of today's schema.
pub(super) fn today<E: Engine>(table: &Table) -> Columns {
    let published = table.columns.iter().filter(|column| column.publish);
    published.map(|column| (E::column_name(column.name), column.ty.to_string())).collect()
}

/// The columns that were made for a table; `None` if nothing is known.
pub(super) fn read<E: Engine>(engine: &mut E, table: &Table) -> Result<Option<Columns>> {
    if engine.columns(TABLE)?.is_empty() {
        return Ok(None);
    }
    let sql = format!("SELECT columns FROM \"{TABLE}\" WHERE table_name = {}", literal(table.name));
    let mut found = None;
    engine.query(&sql, &mut |cells| {
        let columns = if let [Cell::Text(json)] = cells { serde_json::from_str(json).ok() } else { None };
        let unreadable = || {
            Error::diverged(table.name, format!("its row in `{TABLE}` cannot be read"))
                .help("delete the row, then run again with --create")
        };
        found = Some(columns.ok_or_else(unreadable)?);
        Ok(())
    })?;
    Ok(found)
}

/// The statement that records the columns of a table.
pub(super) fn record(table: &Table, columns: &Columns) -> String {
    let json = serde_json::to_string(columns).expect("names and types are texts");
    format!(
        "INSERT INTO \"{TABLE}\" (table_name, columns) VALUES ({}, {}) \
         ON CONFLICT (table_name) DO UPDATE SET columns = excluded.columns;\n",
        literal(table.name),
        literal(&json)
    )
}
