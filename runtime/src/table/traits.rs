//! What is particular about a column.

use super::{Column, Table, Type};

impl Table {
    /// What is particular about one of its columns, such as `key, pii`.
    pub(crate) fn traits_of(&self, column: &Column) -> String {
        let traits = [
            (self.is_key(column), "key"),
            (column.nullable, "nullable"),
            (!column.compare && column.publish, "not compared"),
            (column.pii, "pii"),
            (!column.publish, "not published"),
            (column.hmac.is_some(), "hmac"),
        ];
        traits.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    /// Replaces the column's values by pseudonyms before anybody sees them.
    pub const fn hmac(self) -> Self {
        Self { ty: Type::PSEUDONYM, hmac: Some(self.ty), ..self }
    }

    /// The type its text is read as.
    pub fn source_type(&self) -> Type {
        self.hmac.unwrap_or(self.ty)
    }

    /// Returns whether the column's values are masked wherever people can see them.
    pub(crate) fn is_masked(&self) -> bool {
        self.pii || !self.publish || self.hmac.is_some()
    }
}
