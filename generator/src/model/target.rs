//! The table in a database that holds the rows.

/// The table in a database that holds the rows of every tenant's newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name: `table`, or `schema.table`.
    pub name: String,
    /// Whether there is also a table with every state of every row.
    pub history: bool,
    /// How the name of a version says its time: a format, and `*` at its end for any text. Never without history.
    pub version_time: Option<String>,
    /// Each tenant has its own table, in a schema named after the tenant. `name` then has no schema.
    pub tenant_schemas: bool,
}

/// What stands for the schema of a tenant in statements. No name of a table has capital letters.
pub const TENANT: &str = "TENANT";

/// The name of the table with the states of a table's rows.
pub fn history_name(name: &str) -> String {
    format!("{name}_history")
}

/// The name of the view of a table as of a version.
pub fn as_of_name(name: &str) -> String {
    format!("{name}_as_of")
}

impl Target {
    /// The name in statements for PostgreSQL.
    pub fn postgres_name(&self) -> String {
        if self.tenant_schemas { format!("{TENANT}.{}", self.name) } else { self.name.clone() }
    }

    /// The name in SQLite, which has no schemas.
    pub fn sqlite_name(&self) -> String {
        self.name.replace('.', "_")
    }

    /// The names of everything that belongs to it in SQLite.
    pub fn names_in_sqlite(&self) -> Vec<String> {
        if self.tenant_schemas { Vec::new() } else { self.names(self.sqlite_name()) }
    }

    /// The names of everything that belongs to it in PostgreSQL, without its schema; and the schema, if it has one.
    pub fn names_in_postgres(&self) -> (Option<&str>, Vec<String>) {
        let (schema, name) = match self.name.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, self.name.as_str()),
        };
        (schema, self.names(name.to_owned()))
    }

    fn names(&self, name: String) -> Vec<String> {
        match self.history {
            true => vec![history_name(&name), as_of_name(&name), name],
            false => vec![name],
        }
    }
}
