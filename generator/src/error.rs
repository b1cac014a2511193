//! Failures of the machine: files and folders that cannot be read or written.

use std::{error, fmt, io};

/// A file or folder could not be read or written.
#[derive(Debug)]
pub struct Error {
    action: String,
    cause: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.cause)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Adds to an I/O error what was being done.
pub(crate) trait Context<T> {
    /// `action` reads like `cannot read the schema schemas/orders.yaml`.
    fn context(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|cause| Error { action: action(), cause })
    }
}
