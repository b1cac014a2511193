//! Why a merge join stops.

use crate::error::Error;

/// Why a merge join stops before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something is irregular; the hash join takes over.
    Fallback,
    /// An operation cannot be written, or the user asked to stop.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
