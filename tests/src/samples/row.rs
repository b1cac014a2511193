//! A made-up row.

/// The fields of one row, in the order of the model's columns; `None` is NULL.
pub(super) type Row = Vec<Option<String>>;
