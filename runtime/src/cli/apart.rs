//! Keeps what is written apart from the exports: a file among them would be read as one.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::name::printable_path;

/// Refuses a folder for `what` that is the folder of the exports, or in it. Hidden folders are no exports.
pub(super) fn check_apart(exports: &Path, what: &str, folder: &Path) -> Result<()> {
    let is_among = real(folder).strip_prefix(real(exports)).is_ok_and(|below| match below.components().next() {
        Some(Component::Normal(name)) => !name.to_string_lossy().starts_with(['.', '_']),
        _ => true,
    });
    if !is_among {
        return Ok(());
    }
    let problem = format!("{what} would be among the exports in {}, and be read as exports", printable_path(exports));
    Err(Error::usage(printable_path(folder), problem).help("name a folder elsewhere, with --out or --state"))
}

/// The path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let resolve = |ancestor: &Path| Some(ancestor.canonicalize().ok()?.join(path.strip_prefix(ancestor).ok()?));
    path.ancestors().find_map(resolve).unwrap_or_else(|| path.clone())
}
