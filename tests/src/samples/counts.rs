//! The counts of an export.

use serde::Serialize;
use std::fmt;

/// The counts that a run must have for one export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The tenant's folder.
    pub tenant: String,
    /// The table's folder.
    pub table: String,
    /// The export's folder.
    pub version: String,
    /// Rows in the export.
    pub rows: u64,
    /// Keys that the previous version does not have.
    pub inserted: u64,
    /// Keys of both versions with another value in a compared column.
    pub updated: u64,
    /// Keys that only the previous version has.
    pub deleted: u64,
}

impl fmt::Display for Counts {
    /// One line of a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, table, version, rows, inserted, updated, deleted } = self;
        write!(f, "| {tenant} | {table} | {version} | {rows} | {inserted} | {updated} | {deleted} |")
    }
}
