//! Masks private values. Those that the registry has were masked when they were recorded; what has become private since
//! is masked here, and what is no longer in the schema, because it may have been private.

use crate::table::{Column, Table};

const MASK: &str = "***";

/// A value of a column.
pub(super) fn value(table: Option<&Table>, column: &str, value: &str) -> String {
    let column = table.and_then(|table| table.column(column));
    if column.is_none_or(Column::is_masked) { MASK.into() } else { value.into() }
}

/// A key for people, `(eu-west, 17)`.
pub(super) fn key(table: Option<&Table>, key: &str) -> String {
    let is_public = |name: &&str| value(table, name, "") != MASK;
    let is_shown = table.is_some_and(|table| table.primary_key.iter().all(is_public));
    if is_shown { key.into() } else { MASK.into() }
}

/// What was wrong with a value of a column, or with a whole row.
pub(super) fn problem(table: Option<&Table>, column: Option<&str>, message: &str) -> String {
    match column {
        Some(column) if value(table, column, "") == MASK => "a masked value cannot be read".into(),
        _ => message.into(),
    }
}
