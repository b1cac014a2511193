//! What can go wrong although every schema is right: the machine's faults.

use std::{error, fmt, io};

/// A file or folder that could not be read or written.
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

/// Says what was being done when an input or output failed.
pub(crate) trait Attempt<T> {
    /// `action` reads like `cannot read the schema schemas/orders.yaml`.
    fn attempt(self, action: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, action: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|cause| Error { action: action(), cause })
    }
}
