//! The table `_tidemark_tables`: for which schema a table was made, with which columns, and which types they have in
//! that schema. So it is known whether the schema has changed, what a user added, and what the columns of a history
//! were. A history has a row of its own, which stays as it is while the history is off.

use std::collections::BTreeMap;

use super::cell::Cell;
use super::engine::Engine;
use super::shape::literal;
use super::tenants::{TENANT, made_name};
use crate::error::{Error, Result};
use crate::table::{Table, Tenants};

/// Its name.
pub(super) const TABLE: &str = "_tidemark_tables";

/// The statement that creates it, in every database.
pub(super) const STATEMENT: &str = r#"CREATE TABLE "_tidemark_tables" (
  table_name TEXT NOT NULL PRIMARY KEY,
  schema_hash TEXT NOT NULL, -- The schema that it was made for.
  columns TEXT NOT NULL -- The types of its columns in the schema, as JSON.
);
"#;

/// What a table was made for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// The hash of the schema.
    pub(super) schema: String,
    pub(super) columns: Columns,
}

/// The types of a table's columns in the schema, by the names of the columns in the database.
pub(super) type Columns = BTreeMap<String, String>;

/// The name of the row of a table's history. No table has a dot in its name.
pub(super) fn history_row(table: &Table) -> String {
    format!("{}.history", made_name(table))
}

/// The name of the row that says where a table's rows are.
pub(super) fn place_row(table: &Table) -> String {
    format!("{}.place", table.name)
}

/// Where a table's rows are, in place of a schema: the name of the target.
pub(super) fn place<E: Engine>(table: &Table) -> Made {
    let name = E::table_name(&table.target);
    let schema = match table.target.tenants {
        Tenants::Is(tenant) => name.replacen(tenant, TENANT, 1),
        Tenants::Share | Tenants::HaveSchemas => name,
    };
    Made { schema, columns: Columns::new() }
}

/// Today's schema.
pub(super) fn today<E: Engine>(table: &Table) -> Made {
    let published = table.columns.iter().filter(|column| column.publish);
    let columns = published.map(|column| (E::column_name(column.name), column.ty.to_string())).collect();
    Made { schema: table.schema.to_owned(), columns }
}

/// What the table, or the history, with this name was made for; `None` if nothing is known.
pub(super) fn read<E: Engine>(engine: &mut E, name: &str) -> Result<Option<Made>> {
    if engine.columns(TABLE)?.is_empty() {
        return Ok(None);
    }
    let sql = format!("SELECT schema_hash, columns FROM \"{TABLE}\" WHERE table_name = {}", literal(name));
    let mut found = None;
    engine.query(&sql, &mut |cells| {
        let made = match cells {
            [Cell::Text(schema), Cell::Text(json)] => serde_json::from_str(json).ok().map(|columns| (schema, columns)),
            _ => None,
        };
        let unreadable = || {
            Error::diverged(name, format!("its row in `{TABLE}` cannot be read"))
                .help("delete the row, then run again with --create")
        };
        let (schema, columns) = made.ok_or_else(unreadable)?;
        found = Some(Made { schema: schema.to_string(), columns });
        Ok(())
    })?;
    Ok(found)
}

/// The statement that records what a table was made for.
pub(super) fn record(name: &str, made: &Made) -> String {
    let json = serde_json::to_string(&made.columns).expect("names and types are texts");
    format!(
        "INSERT INTO \"{TABLE}\" (table_name, schema_hash, columns) VALUES ({}, {}, {}) ON CONFLICT (table_name) \
         DO UPDATE SET schema_hash = excluded.schema_hash, columns = excluded.columns;\n",
        literal(name),
        literal(&made.schema),
        literal(&json)
    )
}
