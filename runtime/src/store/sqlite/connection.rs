//! Opens the file for writing, and explains what SQLite refuses.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::layout;
use crate::error::Error;

/// How long a write waits for another process.
const BUSY: Duration = Duration::from_secs(60);

/// Opens an existing file for writing.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    layout::create(&mut connection)?;
    Ok(connection)
}

/// Returns whether a reader was refused because a writer has to recover the file first, or for want of a right.
pub(super) fn needs_recovery(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

/// The error of the registry at a path.
pub(super) fn failed(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly,
    };
    let help = match error.sqlite_error_code() {
        Some(DatabaseBusy) => "another run is writing; try again",
        Some(DiskFull) => "free some space, then run again; nothing is lost",
        Some(CannotOpen | PermissionDenied | ReadOnly) => "check the permissions, or name another folder with --state",
        Some(DatabaseCorrupt | NotADatabase) => {
            "restore it from a backup. If there is none, move it away and run exports with --adopt: a new registry \
             continues above everything that was published (docs/operations.md, \"Backup and restore\")"
        }
        _ => "run again; nothing is lost",
    };
    Error::registry(path, &error).help(help).caused_by(error)
}
