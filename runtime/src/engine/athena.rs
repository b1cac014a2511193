//! The delta on Athena, for exports that one machine does not hold: the statements that the generator writes, and what is
//! read back of them.
//!
//! A statement reads each export once and leaves lines of JSON (`unloaded`): a line for each operation, with its rows in
//! the very bytes that [`crate::canonical::row`] defines; one for each reason to refuse rows; and one for all rows that did not
//! change. Ids, changed columns and everything else are made of these by the code that the native engine uses.

#[cfg(feature = "aws")]
mod checks;
#[cfg(feature = "aws")]
mod query;
#[cfg(feature = "aws")]
mod run;
mod unloaded;

#[cfg(feature = "aws")]
pub use run::Athena;
pub use unloaded::{Totals, Unloaded};

use crate::error::Error;

/// That a table has no statements.
pub(crate) fn not_for_athena(table: &str) -> Error {
    Error::refused(table, "the table is not for Athena: its schema says `engine: { athena: false }`")
        .help("take --engine native, or mend the schema")
}

/// What the generator writes about a table for Athena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statements {
    /// The table's name.
    pub table: &'static str,
    /// Every row of an export as an INSERT; parameters are tenant and version.
    pub first_import: &'static str,
    /// The operations between two exports; parameters are tenant and version of the baseline, then of the snapshot.
    pub delta: &'static str,
    /// The table in Glue's data catalog: a `TableInput` in JSON, with `BUCKET` for the bucket.
    pub glue: &'static str,
    /// How many bytes a statement may read, as `engine.max_scan` says.
    pub max_scan: Option<u64>,
}
