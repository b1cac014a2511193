//! Opens the file for writing, and explains what SQLite refuses.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::layout;
use crate::clock;
use crate::error::{Error, Result};
use crate::fs::file_type;
use crate::name::printable_path;
use crate::sqlite::wait_for_writers;

/// How long a write waits for another process.
const BUSY: Duration = Duration::from_secs(60);

/// How long to pause before a file that is locked is opened again.
const PAUSE: Duration = Duration::from_millis(20);

/// Opens an existing file for writing. SQLite waits for other writers itself, but not where two processes switch a new
/// file to its write-ahead log at once: one of them has to let go first.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let start = clock::instant();
    loop {
        match open(path) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && start.elapsed() < BUSY => {
                thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_writers(&mut connection, name(path), BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    layout::create(&mut connection)?;
    Ok(connection)
}

/// The registry, for people.
pub(super) fn name(path: &Path) -> String {
    format!("the registry {}", printable_path(path))
}

/// Returns whether a reader was refused because a writer has to recover the file first, or for want of a right.
pub(super) fn needs_recovery(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

/// The error of the registry at a path.
pub(super) fn failed(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly, Unknown,
    };
    let help = match error.sqlite_error_code() {
        Some(DatabaseBusy) => "another run is writing; try again",
        Some(DiskFull) => "free some space, then run again; nothing is lost",
        Some(CannotOpen | PermissionDenied | ReadOnly) => "check the permissions, or name another folder with --state",
        // The statements are right: what they name is missing, or has another type.
        None | Some(DatabaseCorrupt | NotADatabase | Unknown) => {
            return Error::damaged_registry(path, format!("it is damaged: {}", reason(&error))).caused_by(error);
        }
        _ => "run again; nothing is lost",
    };
    Error::registry(path, &error).help(help).caused_by(error)
}

/// What SQLite says, without the statement.
fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    }
}

/// Refuses what SQLite would wait for, or misunderstand: only regular files are opened.
pub(super) fn check_files(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let file = Path::new(&file);
        if file_type(file)?.is_some_and(|kind| !kind.is_file()) {
            let problem = "a registry is a regular file, and this is a folder, a fifo or something else";
            return Err(Error::registry(file, problem).help("move it away, or name another folder with --state"));
        }
    }
    Ok(())
}

/// Locks what several threads use. One that panicked has left it usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
