//! The result of checking files.

use serde::Serialize;

/// The result of checking files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "problem", rename_all = "kebab-case")]
pub enum Verdict {
    /// They match the registry.
    Same,
    /// Their bytes match. Their rows were read with another schema, so no fingerprint was computed.
    SameBytes,
    /// None of them exists any more.
    Gone,
    /// They differ, or some of them are missing.
    Different(String),
}
