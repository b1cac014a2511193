//! What is asked for.

use std::path::PathBuf;

/// What to read, and what the user knows about it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Files, folders of parts, folders of versions, or folders of TENANT/TABLE/VERSION.
    pub paths: Vec<PathBuf>,
    /// The table's name; it also chooses one from TENANT/TABLE/VERSION.
    pub table: Option<String>,
    /// The file of the schema. Its name is that of the table, unless a folder of TENANT/TABLE/VERSION has another.
    pub file: Option<PathBuf>,
    /// The tenant, to choose from TENANT/TABLE/VERSION.
    pub tenant: Option<String>,
    /// The names of the key columns; otherwise a key is searched for.
    pub key: Vec<String>,
    /// Whether progress is shown on a terminal.
    pub progress: bool,
}
