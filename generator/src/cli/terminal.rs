//! What every command of the generator prints with, and ends with.

use std::io::{self, Write as _};

use clap::ValueEnum;

/// How mistakes are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

/// The exit status.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exit {
    /// Everything is up to date.
    Success = 0,
    /// The input is at fault: a schema is invalid or, with `--check`, a file is stale.
    InvalidInput = 1,
    /// The machine is at fault: a file cannot be read or written.
    IoFailure = 2,
}

/// Writes to stderr, and goes on if stderr is full or closed: the exit status still reports the failure.
pub(crate) fn to_stderr(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Writes to stdout. A closed pipe means that the reader has seen enough.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}
