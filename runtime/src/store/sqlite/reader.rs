//! Reading a registry without writing anything: no lock, no file, not even on a file system that is read-only.
//!
//! In WAL mode, SQLite needs two more files, `-wal` and `-shm`, and a reader creates those that are missing. While a
//! writer is at work, they exist, and a reader neither waits for the writer nor disturbs it. While nobody is, there is
//! no `-wal`, and all is in the main file. Then it is opened as `immutable`, which needs no other file; a query whose
//! files changed meanwhile is repeated.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::connection::name;
use crate::sqlite::wait_for_writers;

/// How long a query waits while another process recovers the write-ahead log after a crash.
const BUSY: Duration = Duration::from_secs(5);

/// How often a query is repeated because the files changed.
const ATTEMPTS: usize = 5;

/// Reads a registry.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    open: Option<(Files, Connection)>,
}

/// The files of a registry. Two states between which something was written differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Files {
    main: Option<Stamp>,
    /// The write-ahead log. An empty one counts as none.
    wal: Option<Stamp>,
    /// The journal of a file that is not in WAL mode, such as a backup.
    journal: Option<Stamp>,
}

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Reader {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into(), open: None }
    }

    /// Closes the files.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Runs a query, which reads one consistent state.
    pub(super) fn read<T>(&mut self, query: impl Fn(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        for _ in 0..ATTEMPTS {
            let files = Files::from_disk(&self.path);
            if !files.are_quiet() {
                break;
            }
            let result = self.connection(files).and_then(&query);
            if Files::from_disk(&self.path) == files {
                return result;
            }
        }
        let files = Files::from_disk(&self.path);
        query(self.connection(files)?)
    }

    /// An open connection that fits the files.
    fn connection(&mut self, files: Files) -> rusqlite::Result<&Connection> {
        let fits = |open: &Files| *open == files || !open.are_quiet() && !files.are_quiet();
        if !self.open.as_ref().is_some_and(|(open, _)| fits(open)) {
            self.open = None;
            self.open = Some((files, self.connect(files)?));
        }
        Ok(&self.open.as_ref().expect("it is open").1)
    }

    fn connect(&self, files: Files) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if files.are_quiet() {
            let uri = format!("file:{}?immutable=1", encoded(&self.path));
            return Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI);
        }
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        wait_for_writers(&mut connection, name(&self.path), BUSY)?;
        Ok(connection)
    }
}

impl Files {
    fn from_disk(path: &Path) -> Self {
        let with = |suffix: &str| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            Stamp::from_metadata(Path::new(&path)).filter(|stamp| stamp.size > 0)
        };
        Self { main: Stamp::from_metadata(path), wal: with("-wal"), journal: with("-journal") }
    }

    /// Returns whether all is in the main file.
    fn are_quiet(&self) -> bool {
        self.wal.is_none() && self.journal.is_none()
    }
}

impl Stamp {
    /// The stamp of a file; `None` if it does not exist or cannot be inspected: opening it says why.
    fn from_metadata(path: &Path) -> Option<Self> {
        let inspected: io::Result<fs::Metadata> = fs::metadata(path);
        let metadata = inspected.ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Some(Self { inode: metadata.ino(), size: metadata.len(), modified })
    }
}

/// A path in a URI. <https://sqlite.org/uri.html>
fn encoded(path: &Path) -> String {
    let mut encoded = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            write!(encoded, "%{byte:02x}").expect("a text can be written");
        }
    }
    encoded
}
