//! The columns of a target, in the schema that a version was read with.

use super::cell::{Cell, Kind};
use super::engine::Engine;
use crate::canonical::row::{Layout, Row};
use crate::canonical::row_bytes::{Segment, segments};
use crate::epoch::Epoch;
use crate::operation::{ChangeLine, Fields, Scalar, segment_json};
use crate::store::Version;
use crate::table::{self, Table};

/// A table in a database, as the operations of one version fill it.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its name, quoted.
    pub(super) table: String,
    /// The key columns, in the key's order.
    pub(super) key: Vec<Column>,
    /// The other published columns, in the order of the schema.
    pub(super) values: Vec<Column>,
}

/// A column of a target.
#[derive(Debug)]
pub(super) struct Column {
    /// The name in operations.
    pub(super) name: String,
    /// The name in the database, quoted.
    pub(super) quoted: String,
    kind: Kind,
    /// Whether its values are masked wherever a person sees them.
    is_private: bool,
    /// Whether rows that differ in it alone are different.
    pub(super) is_compared: bool,
}

impl Shape {
    pub(super) fn new<E: Engine>(table: &Table, version: &Version) -> Self {
        let epoch = version.epoch.clone().unwrap_or_else(|| Epoch::from_table(table));
        let column = |name: &String| {
            let ty = epoch.columns.iter().find(|column| column.name == *name).map(|column| column.ty.as_str());
            Column {
                name: name.clone(),
                quoted: quoted(&E::column_name(name)),
                kind: Kind::from_type_name(ty.unwrap_or_default()),
                // Under another schema, the column may have another name.
                is_compared: table.column(name).is_none_or(|column| column.compare),
                is_private: table.column(name).is_none_or(crate::table::Column::is_masked),
            }
        };
        let published = epoch.columns.iter().filter(|column| column.publish).map(|column| &column.name);
        let values = published.filter(|name| !epoch.primary_key.contains(name));
        Self {
            table: quoted_path(&E::table_name(&table.target)),
            key: epoch.primary_key.iter().map(column).collect(),
            values: values.map(column).collect(),
        }
    }

    /// The quoted names of all columns of the schema, the key's first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().chain(&self.values).map(|column| column.quoted.as_str())
    }

    /// The cells of an operation: the key's, then the others'. A DELETE has NULL in the others. `None` if the operation
    /// is not of this table.
    pub(super) fn cells<'a>(&self, line: &ChangeLine<'a>) -> Option<Vec<Cell<'a>>> {
        let mut cells = Vec::with_capacity(self.key.len() + self.values.len() + 3);
        add_cells(&self.key, &line.key, &mut cells)?;
        match &line.after {
            Some(after) => add_cells(&self.values, after, &mut cells)?,
            None => cells.resize(cells.len() + self.values.len(), Cell::Null),
        }
        Some(cells)
    }

    /// The cells of a row in canonical bytes: the key's, then the others'.
    pub(super) fn cells_of_row(&self, table: &'static Table, row: &Row) -> Option<Vec<Cell<'static>>> {
        let columns = self.key.iter().chain(&self.values);
        let cell = |(column, segment): (&Column, Segment<'_>)| {
            canonical_cell(column.kind, table.column(&column.name)?, segment.bytes)
        };
        columns.zip(segments(row.key()).chain(segments(row.values()))).map(cell).collect()
    }

    /// A key for people, `(eu-west, 17)`; masked where the column is `pii`.
    pub(super) fn shown_key(&self, cells: &[Cell<'_>]) -> String {
        let show = |(column, cell): (&Column, &Cell<'_>)| match cell {
            _ if column.is_private => "***".to_owned(),
            Cell::Null => "NULL".into(),
            Cell::Bool(value) => value.to_string(),
            Cell::Integer(value) => value.to_string(),
            Cell::Real(value) => value.to_string(),
            Cell::Text(text) => text.chars().take(SHOWN).collect(),
            Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
        };
        format!("({})", self.key.iter().zip(cells).map(show).collect::<Vec<_>>().join(", "))
    }
}

/// How many characters of a key's value are shown.
const SHOWN: usize = 200;

fn add_cells<'a>(columns: &[Column], fields: &Fields<'a>, cells: &mut Vec<Cell<'a>>) -> Option<()> {
    if fields.0.len() != columns.len() {
        return None;
    }
    for (column, (name, value)) in columns.iter().zip(&fields.0) {
        cells.push(column.kind.cell(value).filter(|_| column.name == *name)?);
    }
    Some(())
}

/// The default of a column by its name in the database, as an operation would have it; NULL if there is none.
pub(super) fn cell_of_default<E: Engine>(table: &'static Table, name: &str) -> Cell<'static> {
    let column = table.columns.iter().find(|column| E::column_name(column.name) == name);
    let segment = column.and_then(|column| Some((column, Layout::new(table).default_segment(column.name)?)));
    let Some((column, segment)) = segment else { return Cell::Null };
    canonical_cell(Kind::from_type_name(&column.ty.to_string()), column, &segment).unwrap_or(Cell::Null)
}

/// A value in canonical bytes, as an operation would have it.
fn canonical_cell(kind: Kind, column: &table::Column, segment: &[u8]) -> Option<Cell<'static>> {
    let json = segment_json(column, segment).to_string();
    let value = serde_json::from_str::<Scalar<'_>>(&json).ok()?;
    Some(kind.cell(&value)?.to_owned_cell())
}

/// A name in SQL. No name contains a quote, but a schema may have been checked by another release.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a table in SQL, `schema.table` or `table`.
pub(super) fn quoted_path(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// Bytes in hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text in SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
