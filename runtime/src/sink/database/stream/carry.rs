//! Operations that were published under another schema, read as today's schema reads rows: by the names of columns, now
//! or formerly, with the defaults of those that they lack.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::canonical::field::Field;
use crate::canonical::row::{Layout, Row};
use crate::operation::{ChangeLine, Fields, Scalar, segment_json};
use crate::sink::database::cell::Cell;
use crate::sink::database::dump::as_dumped;
use crate::sink::database::shape::{Shape, hex};
use crate::table::{Column, Table, Type};

/// Carries operations over to today's schema of a table.
pub(super) struct Carry {
    table: &'static Table,
    layout: Layout,
    /// The texts of the columns that an operation lacks, in the order of the layout's columns.
    defaults: Vec<Option<String>>,
}

impl Carry {
    pub(super) fn new(table: &'static Table) -> Self {
        let (layout, today) = (Layout::new(as_dumped(table)), Layout::new(table));
        let default = |column: &Column| {
            let json = segment_json(column, &today.default_segment(column.name)?).to_string();
            text(column, &serde_json::from_str(&json).ok()?)?
        };
        let defaults = layout.table.columns.iter().map(default).collect();
        Self { table, layout, defaults }
    }

    /// The cells of an operation: those of its columns, and its hash. `None` if today's schema cannot read it.
    pub(super) fn cells(&self, shape: &Shape, line: &[u8]) -> Option<Vec<Cell<'static>>> {
        let line = ChangeLine::parse(line)?;
        let names = line.key.0.iter().map(|(name, _)| &**name);
        if !names.eq(self.table.primary_key.iter().copied()) {
            return None;
        }
        let Some(after) = &line.after else {
            let cells = shape.cells(&line)?;
            return Some(cells.iter().map(Cell::to_owned_cell).chain([Cell::Null]).collect());
        };
        let columns = self.layout.table.columns.iter().zip(&self.defaults);
        let texts = columns.map(|(column, default)| match self.value(column, &line.key, after) {
            Some(value) => text(column, value),
            None => Some(default.clone()),
        });
        let texts: Vec<Option<String>> = texts.collect::<Option<_>>()?;
        let mut row = Row::default();
        // As in a dump: NULL is an empty field, and every value is quoted.
        let field = |index: usize| {
            let text = texts[index].as_deref();
            Field::new(text.unwrap_or_default().as_bytes(), text.is_some())
        };
        if !self.layout.read(field, &mut row, |_, _, _| ()) {
            return None;
        }
        let mut cells = shape.cells_of_row(self.table, &row)?;
        cells.push(Cell::Integer(self.layout.hash(&row)));
        Some(cells)
    }

    /// The value of a column in an operation; `None` if it has none.
    fn value<'l>(&self, column: &Column, key: &'l Fields<'l>, after: &'l Fields<'l>) -> Option<&'l Scalar<'l>> {
        let formerly = self.table.column(column.name).and_then(|column| column.formerly);
        let named = |name: &str| {
            let mut fields = key.0.iter().chain(&after.0);
            fields.find(|(field, _)| *field == name).map(|(_, value)| value)
        };
        named(column.name).or_else(|| named(formerly?))
    }
}

/// A value as a dump has it; `None` inside is NULL, and outside it is not a value of the type.
#[expect(clippy::option_option, reason = "a value can be NULL, and it can be none")]
fn text(column: &Column, value: &Scalar<'_>) -> Option<Option<String>> {
    Some(Some(match value {
        Scalar::Null => return Some(None),
        Scalar::Bool(word) => word.to_string(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Number(number) => format!("{number:e}"),
        Scalar::Text(base64) if matches!(column.ty, Type::Binary(_)) => {
            hex(&BASE64_STANDARD.decode(base64.as_bytes()).ok()?)
        }
        Scalar::Text(text) => text.to_string(),
    }))
}
