//! What a `.tidemarkignore` hides: tenants, tables, versions, and files next to them, but never a file of an export.

use std::io;
use std::path::Path;

use ::ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{EntryKind, IGNORE_FILE, Snapshots};
use crate::error::{Error, Result};

/// The patterns of a `.tidemarkignore`, in the syntax of a `.gitignore`.
pub(super) struct IgnoreRules(Gitignore);

impl IgnoreRules {
    /// The rules at the root of these exports; without a file, nothing is ignored.
    pub(super) fn from_file(exports: &dyn Snapshots) -> Result<Self> {
        let mut rules = GitignoreBuilder::new("");
        let text = exports.ignore_file()?.unwrap_or_default();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            rules.add_line(None, line).map_err(|error| invalid(exports, index as u64 + 1, &error))?;
        }
        rules.build().map(Self).map_err(|error| invalid(exports, 1, &error))
    }

    /// Returns whether an entry is ignored. Nothing below an ignored folder is looked at.
    pub(super) fn hides(&self, folder: &[&str], name: &str, kind: EntryKind) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = [folder, &[name]].concat().join("/");
        self.0.matched(path, kind == EntryKind::Folder).is_ignore()
    }
}

/// The error of a file of patterns that cannot be read. What is wrong with its text is no error of the operating
/// system, and none of a service.
pub(super) fn unreadable(error: io::Error, path: &Path) -> Error {
    if error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return Error::read(error, path);
    }
    Error::export(path, format!("cannot be read as patterns: {error}"))
        .help("write it as UTF-8 text, in the syntax of a .gitignore")
}

fn invalid(exports: &dyn Snapshots, line: u64, error: &::ignore::Error) -> Error {
    Error::export_line(&exports.path(&[IGNORE_FILE]), line, error.to_string())
        .help("fix the pattern; the file has the syntax of a .gitignore")
}
