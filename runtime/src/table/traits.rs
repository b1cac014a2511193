//! What is particular about a column, for people.

use super::{Column, Table};

impl Table {
    /// What is particular about one of its columns, such as `key, pii`.
    pub(crate) fn traits_of(&self, column: &Column) -> String {
        let traits = [
            (self.is_key(column), "key"),
            (column.nullable, "nullable"),
            (!column.compare && column.publish, "not compared"),
            (column.pii, "pii"),
            (!column.publish, "not published"),
        ];
        traits.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}
