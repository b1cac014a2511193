//! Excludes others for the instant in which somebody finds out who publishes a table, and takes over.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::{Error, IoContext as _, Result};
use crate::fs::create_folders;

/// The file that is locked: OUT/.writing/TENANT/TABLE/lock. It exists only meanwhile.
const NAME: &str = "lock";

/// How often, and with which pauses, a lock is tried that somebody else has. Nobody has it for longer than a few writes
/// take, unless his machine has stopped.
const ATTEMPTS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// The right to replace the mark and the publishers of a table. The operating system takes it from a process that ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// Unlocked when it is closed.
    _file: File,
}

impl Lock {
    /// Waits until nobody else has it.
    pub(super) fn acquire(of_table: &Path) -> Result<Self> {
        create_folders(of_table)?;
        let path = of_table.join(NAME);
        for _ in 0..ATTEMPTS {
            let file = File::options().create(true).append(true).open(&path).at("cannot create", &path)?;
            match file.try_lock() {
                // Whoever had it before has removed the file.
                Ok(()) if !is_at(&file, &path).at("cannot inspect", &path)? => {}
                Ok(()) => return Ok(Self { path, _file: file }),
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error).at("cannot lock", &path),
            }
        }
        Err(Error::io(io::ErrorKind::TimedOut.into(), "cannot lock", &path))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: who opens it now finds out that it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        metadata => Ok(metadata?.ino() == file.metadata()?.ino()),
    }
}
