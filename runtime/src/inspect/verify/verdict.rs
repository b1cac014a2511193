//! The result of checking files.

use serde::Serialize;

use crate::error::{ErrorKind, Fault, Result};

/// The result of checking files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "problem", rename_all = "kebab-case")]
pub enum Verdict {
    /// They match the registry.
    Same,
    /// Their bytes match. Their rows were read with another schema, so no fingerprint was computed.
    SameBytes,
    /// There are none: the version went to a database or a stream alone.
    NoFiles,
    /// None of them exists any more.
    Gone,
    /// They differ, or some of them are missing.
    Different(String),
    /// They cannot be read now, and may be as they were.
    Unreadable(String),
}

impl Verdict {
    /// The verdict if a check failed: a file at fault is different, and a fault of the machine says nothing about it.
    /// Only an interruption ends the check of other files.
    pub(super) fn from_check(check: Result<Self>) -> Result<Self> {
        match check {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) if error.fault() == Fault::Machine => Ok(Verdict::Unreadable(error.to_string())),
            Err(error) => Ok(Verdict::Different(error.to_string())),
            verdict => verdict,
        }
    }
}
