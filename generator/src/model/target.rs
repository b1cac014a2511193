//! The table in a database that holds the rows.

/// The table in a database that holds the rows of every tenant's newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name: `table`, or `schema.table`.
    pub name: String,
}

impl Target {
    /// The name in SQLite, which has no schemas.
    pub fn sqlite_name(&self) -> String {
        self.name.replace('.', "_")
    }
}
