//! The SQL that the generator writes for a table.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// The SQL of a table that Athena can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statements {
    /// The table's name.
    pub table: &'static str,
    /// Selects every row of an export as an INSERT. The parameters are the export's tenant and version.
    pub first_import: &'static str,
    /// Selects the operations between two exports. The parameters are tenant and version of the baseline, then of the
    /// snapshot.
    pub delta: &'static str,
    /// The table in Glue's data catalog: a `TableInput` in JSON, with `BUCKET` in place of the bucket's name.
    pub glue: &'static str,
    /// How many bytes a query may read: `engine.max_scan` of the schema.
    pub max_scan: Option<u64>,
}

/// Knows the SQL of tables.
pub trait StatementSource: fmt::Debug + Send + Sync {
    /// The SQL of a table, if Athena can read it.
    fn statements(&self, table: &str) -> Option<Statements>;
}

impl StatementSource for &'static [Statements] {
    fn statements(&self, table: &str) -> Option<Statements> {
        self.iter().find(|statements| statements.table == table).copied()
    }
}

impl StatementSource for Arc<dyn StatementSource> {
    fn statements(&self, table: &str) -> Option<Statements> {
        (**self).statements(table)
    }
}

/// The error for a table that has no statements.
pub(crate) fn not_for_athena(table: &str) -> Error {
    Error::refused(table, "its schema declares `engine: { athena: false }`, so Athena cannot read it")
        .help("use --engine native, or enable Athena in the schema")
}
