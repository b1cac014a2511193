//! What `tidemark doctor` finds out.

use serde::Serialize;

use crate::error::Error;

/// What was found about one thing.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What was checked.
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) found: String,
    /// What to do about a problem.
    pub(super) help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// A run works, but somebody should know.
    Note,
    /// It would keep a run from working.
    Problem,
}

impl Check {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), help: None }
    }

    pub(super) fn note(check: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { check, state: State::Note, found: found.into(), help: Some(help.into()) }
    }

    pub(super) fn problem(check: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self { check, state: State::Problem, found: found.into(), help: Some(help.into()) }
    }

    pub(super) fn error(check: &'static str, error: &Error) -> Self {
        Self { check, state: State::Problem, found: error.to_string(), help: error.next_step().map(Into::into) }
    }
}
