//! The table in a database that holds the rows.

/// A table in a database that holds the rows of every tenant's newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name there: `table`, or `schema.table`.
    pub name: &'static str,
    /// The statements that create it in SQLite; or why it cannot be there.
    pub sqlite: Result<&'static str, &'static str>,
    /// The statements that create it in PostgreSQL; or why it cannot be there.
    pub postgres: Result<&'static str, &'static str>,
}

impl Target {
    /// That of a table whose rows go to no database.
    pub const NONE: Self = Self { name: "", sqlite: Err("it has no target"), postgres: Err("it has no target") };
}
