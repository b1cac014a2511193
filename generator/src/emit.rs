//! Renders tables as artifacts. Each kind of artifact is one module, with one line in [`PER_TABLE`] or
//! [`OVERALL`].

pub(crate) mod artifact;
mod athena;
mod cloudformation;
mod ddl;
mod delta;
mod json_schema;
mod registry;
mod rust;
mod rustdoc;
mod target;
mod template;

use rayon::prelude::*;

use crate::model::Table;
pub use artifact::COMMAND;
use artifact::{Files, Origin};
pub(crate) use json_schema::schema_for_editors;

/// The artifacts of one table.
const PER_TABLE: &[fn(&Table, Origin<'_>, &mut Files)] =
    &[rust::emit, ddl::emit, delta::emit, target::emit, cloudformation::emit_table];

/// The artifacts that concern all tables, which are sorted by name.
const OVERALL: &[fn(&[Table], Origin<'_>, &mut Files)] =
    &[registry::emit, athena::emit, json_schema::emit, cloudformation::emit];

/// The command of this repository, for texts that are not written to files.
const HERE: Origin<'_> = Origin(COMMAND);

/// The folders that contain one or more files per table. A file there that is no longer emitted belonged to a table
/// whose schema was deleted, provided that its first or second line contains
/// [`RECOGNISED`](artifact::RECOGNISED).
pub(crate) const OUTPUT_FOLDERS: &[OutputFolder] = &[
    OutputFolder { folder: "generated/src", extension: "rs" },
    OutputFolder { folder: ddl::FOLDER, extension: "sql" },
    OutputFolder { folder: ddl::FOLDER, extension: "json" },
    OutputFolder { folder: delta::FOLDER, extension: "sql" },
    OutputFolder { folder: target::SQLITE, extension: "sql" },
    OutputFolder { folder: target::POSTGRES, extension: "sql" },
    OutputFolder { folder: cloudformation::FOLDER, extension: "yaml" },
];

/// A folder that contains generated files, possibly along with others.
pub(crate) struct OutputFolder {
    /// The path below the root.
    pub(crate) folder: &'static str,
    /// The extension of the generated files, without the dot.
    pub(crate) extension: &'static str,
}

/// Emits every artifact.
pub(crate) fn all(tables: &[Table], origin: Origin<'_>) -> Files {
    let of_table = |table| {
        let mut files = Files::new();
        PER_TABLE.iter().for_each(|emit| emit(table, origin, &mut files));
        files
    };
    let per_table: Vec<Files> = tables.par_iter().map(of_table).collect();
    let mut files: Files = per_table.into_iter().flatten().collect();
    OVERALL.iter().for_each(|emit| emit(tables, origin, &mut files));
    files
}

/// The length of the longest Athena query of a table, in bytes.
pub(crate) fn delta_length(table: &Table) -> usize {
    delta::statement(table, true, HERE).len()
}

/// The SQL statements and the Glue table with which Athena computes the deltas of a table.
pub struct Statements {
    /// The statement for a first import: every row of an export as an INSERT.
    pub first_import: String,
    /// The statement for the operations between two exports.
    pub delta: String,
    /// The table in Glue's data catalog, as JSON.
    pub glue: String,
}

/// Renders the Athena statements of a table, even if the table may not run there.
pub fn statements(table: &Table) -> Statements {
    Statements {
        first_import: delta::statement(table, false, HERE),
        delta: delta::statement(table, true, HERE),
        glue: ddl::glue(table, HERE),
    }
}

/// The statements that create a table in a database; or why it cannot be there.
pub struct Target {
    /// In SQLite.
    pub sqlite: Result<String, String>,
    /// In PostgreSQL.
    pub postgres: Result<String, String>,
    /// Those of its history, if it has one: the table and the view in SQLite, and in PostgreSQL.
    pub history: Option<[[String; 2]; 2]>,
}

/// Renders the statements that create a table in a database.
pub fn target(table: &Table) -> Target {
    let history = || [target::sqlite_history(table, HERE), target::postgres_history(table, HERE)];
    Target {
        sqlite: target::sqlite(table, HERE),
        postgres: target::postgres(table, HERE),
        history: table.target.history.then(history),
    }
}
