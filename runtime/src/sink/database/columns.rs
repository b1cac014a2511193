//! The columns of a table in a database, and the steps from those of an earlier schema.

use super::cell::Cell;

/// A column of a table in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnDefinition {
    /// Its name.
    pub(crate) name: String,
    /// Its type, as the database spells it.
    pub(crate) ty: String,
    /// Whether it can be NULL.
    pub(crate) is_nullable: bool,
    /// Its position in the primary key, from 1; 0 if it is not part of it.
    pub(crate) key_position: i64,
}

/// One step from the columns that are there to those that are generated.
#[derive(Debug)]
pub(crate) enum Alteration {
    /// A column has another name.
    Rename { from: String, to: String },
    /// A column is new. Rows have its default until they are read again.
    Add { column: ColumnDefinition, value: Cell<'static> },
    /// A column is gone.
    Drop { name: String },
    /// A column has another type, or can be NULL now, or no longer.
    Change { column: ColumnDefinition },
}
