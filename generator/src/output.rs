//! Writes artifacts to disk, or compares them with what is there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rayon::prelude::*;
use similar::TextDiff;

use crate::emit::OUTPUT_FOLDERS;
use crate::emit::artifact::{Files, RECOGNISED};
use crate::error::{Context as _, Error};

/// A file that differs from its artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path below the root.
    pub path: String,
    /// The action that brings it up to date.
    pub kind: ChangeKind,
    /// The current content; empty if the file does not exist.
    before: Vec<u8>,
    /// The expected content; empty if the file should not exist.
    after: String,
}

/// The action that brings a file up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The file does not exist.
    Created,
    /// The file has different content.
    Updated,
    /// The file belongs to a table that no longer has a schema.
    Removed,
}

impl ChangeKind {
    /// The word for it, in the past tense.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Removed => "removed",
        }
    }
}

impl Change {
    /// The change as a unified diff, from the current content to the expected content.
    pub fn diff(&self) -> String {
        let before = String::from_utf8_lossy(&self.before);
        let old = if self.kind == ChangeKind::Created { "/dev/null".to_owned() } else { format!("a/{}", self.path) };
        let new = if self.kind == ChangeKind::Removed { "/dev/null".to_owned() } else { format!("b/{}", self.path) };
        TextDiff::from_lines(before.as_ref(), self.after.as_str()).unified_diff().header(&old, &new).to_string()
    }
}

/// Compares the artifacts with the files below `root`. Returns the differences sorted by path: files that are missing
/// or have different content, and generated files of tables that no longer have a schema. Other files are ignored.
///
/// # Errors
/// Returns an error if a file or folder cannot be read.
pub fn compare(root: &Path, files: &Files) -> Result<Vec<Change>, Error> {
    let compared: Result<Vec<Option<Change>>, Error> =
        files.par_iter().map(|(path, text)| compare_file(root, path, text)).collect();
    let mut changes: Vec<Change> = compared?.into_iter().flatten().collect();
    for path in orphan_candidates(root, files)? {
        let before = fs::read(root.join(&path)).context(|| format!("cannot read {path}"))?;
        if is_generated(&before) {
            changes.push(Change { path, kind: ChangeKind::Removed, before, after: String::new() });
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn compare_file(root: &Path, path: &str, text: &str) -> Result<Option<Change>, Error> {
    let (kind, before) = match fs::read(root.join(path)) {
        Ok(bytes) if bytes == text.as_bytes() => return Ok(None),
        Ok(bytes) => (ChangeKind::Updated, bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => (ChangeKind::Created, Vec::new()),
        failed => (ChangeKind::Updated, failed.context(|| format!("cannot read {path}"))?),
    };
    Ok(Some(Change { path: path.to_owned(), kind, before, after: text.to_owned() }))
}

/// Brings the files below `root` up to date. Each file is replaced atomically, so that nobody reads half of one.
///
/// # Errors
/// Returns an error if a file cannot be written or removed.
pub fn apply(root: &Path, changes: &[Change]) -> Result<(), Error> {
    changes.par_iter().try_for_each(|change| {
        let path = root.join(&change.path);
        match change.kind {
            ChangeKind::Removed => fs::remove_file(&path).context(|| format!("cannot remove {}", change.path)),
            ChangeKind::Created | ChangeKind::Updated => {
                write(&path, &change.after).context(|| format!("cannot write {}", change.path))
            }
        }
    })
}

/// Writes one file, so that nobody reads half of it.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn write_file(path: &Path, text: &str) -> Result<(), Error> {
    write(path, text).context(|| format!("cannot write {}", path.display()))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let result = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // The write error is the one to report; the temporary file may not even exist.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Lists the files in the output folders that are not artifacts.
fn orphan_candidates(root: &Path, files: &Files) -> Result<BTreeSet<String>, Error> {
    let mut candidates = BTreeSet::new();
    for output in OUTPUT_FOLDERS {
        let entries = match fs::read_dir(root.join(output.folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.context(|| format!("cannot list {}", output.folder))?,
        };
        for entry in entries {
            let entry = entry.context(|| format!("cannot list {}", output.folder))?;
            let name = entry.file_name();
            let path = format!("{}/{}", output.folder, name.to_string_lossy());
            let is_candidate = Path::new(&name).extension().is_some_and(|extension| extension == output.extension)
                && entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_candidate && !files.contains_key(&path) {
                candidates.insert(path);
            }
        }
    }
    Ok(candidates)
}

/// Returns whether one of the first two lines has the mark. JSON has no comments, so there the mark is in the first
/// field, on the second line.
fn is_generated(bytes: &[u8]) -> bool {
    let mut first_lines = bytes.split(|byte| *byte == b'\n').take(2);
    first_lines.any(|line| String::from_utf8_lossy(line).contains(RECOGNISED))
}
