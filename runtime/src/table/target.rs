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
    /// The table with every state of every row, if there is one.
    pub history: Option<History>,
    /// How tenants are kept apart.
    pub tenants: Tenants,
}

/// How the rows of tenants are kept apart in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenants {
    /// They share a table, which has a column for the tenant.
    Share,
    /// Each has a table of its own, in a schema of its name. `TENANT` stands for that name in the statements.
    HaveSchemas,
    /// The target is that of this tenant.
    Is(&'static str),
}

/// The history of a table in a database: a table, and a view of it as of each version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The statements that create the table and the view in SQLite.
    pub sqlite: [&'static str; 2],
    /// The statements that create the table and the view in PostgreSQL.
    pub postgres: [&'static str; 2],
    /// How the name of a version says its time: a format, and `*` at its end for any text. `None` means that it does
    /// not.
    pub version_time: Option<&'static str>,
}

impl Target {
    /// That of a table whose rows go to no database.
    pub const NONE: Self = Self::new("", Err("it has no target"), Err("it has no target"));

    /// A table without a history.
    pub const fn new(
        name: &'static str,
        sqlite: Result<&'static str, &'static str>,
        postgres: Result<&'static str, &'static str>,
    ) -> Self {
        Self { name, sqlite, postgres, history: None, tenants: Tenants::Share }
    }

    /// The same with a table for each tenant, in a schema of the tenant's name.
    #[must_use]
    pub const fn with_tenant_schemas(self) -> Self {
        Self { tenants: Tenants::HaveSchemas, ..self }
    }

    /// The same with a history.
    #[must_use]
    pub const fn with_history(
        self,
        sqlite: [&'static str; 2],
        postgres: [&'static str; 2],
        version_time: Option<&'static str>,
    ) -> Self {
        Self { history: Some(History { sqlite, postgres, version_time }), ..self }
    }
}
