//! Suggests how to declare the texts that mean NULL.

use crate::table::{Column, Table};

/// In a text column, a NULL marker can be a value.
pub(super) fn own(text: &[u8]) -> String {
    match text {
        b"" => "declare `nulls: []` in this column if the empty text is a value".to_owned(),
        _ => "declare `nulls` in this column, without this text, if it is a value".to_owned(),
    }
}

/// A text may mean NULL, except in the key.
pub(super) fn word(table: &Table, column: &Column) -> Option<String> {
    let nullable = if column.nullable { "" } else { "make the column nullable and " };
    (!table.is_key(column)).then(|| format!("{nullable}add it to the column's `nulls` if it means NULL"))
}
