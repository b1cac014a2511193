//! Artifacts in memory to files on disk, or to a diff.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use similar::TextDiff;

use crate::emit::{Files, MARK, PLACES};
use crate::error::{Attempt as _, Error};

/// One file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path below the root.
    pub path: String,
    /// What has to happen to it.
    pub kind: Kind,
    /// What stands there now; empty when nothing does.
    before: Vec<u8>,
    /// What should stand there; empty when nothing should.
    after: String,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It was not there.
    Created,
    /// It had other bytes.
    Updated,
    /// Its table is gone.
    Removed,
}

impl Kind {
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
    /// The change as a unified diff, from what is there to what should be.
    pub fn diff(&self) -> String {
        let before = String::from_utf8_lossy(&self.before);
        let old = if self.kind == Kind::Created { "/dev/null".to_owned() } else { format!("a/{}", self.path) };
        let new = if self.kind == Kind::Removed { "/dev/null".to_owned() } else { format!("b/{}", self.path) };
        TextDiff::from_lines(before.as_ref(), self.after.as_str()).unified_diff().header(&old, &new).to_string()
    }
}

/// What differs between the artifacts and the files below `root`, sorted by path: files that are missing or have other
/// bytes, and generated files whose table is gone. Nothing else in those folders is looked at.
///
/// # Errors
/// When a file or folder cannot be read.
pub fn compare(root: &Path, files: &Files) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for (path, text) in files {
        let (kind, before) = match fs::read(root.join(path)) {
            Ok(bytes) if bytes == text.as_bytes() => continue,
            Ok(bytes) => (Kind::Updated, bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => (Kind::Created, Vec::new()),
            failed => (Kind::Updated, failed.attempt(|| format!("cannot read {path}"))?),
        };
        changes.push(Change { path: path.clone(), kind, before, after: text.clone() });
    }
    for path in left_over(root, files)? {
        let before = fs::read(root.join(&path)).attempt(|| format!("cannot read {path}"))?;
        if is_generated(&before) {
            changes.push(Change { path, kind: Kind::Removed, before, after: String::new() });
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

/// Brings the files below `root` up to date. A file is replaced as a whole, so that nobody reads half of one.
///
/// # Errors
/// When a file cannot be written or removed.
pub fn apply(root: &Path, changes: &[Change]) -> Result<(), Error> {
    for change in changes {
        let path = root.join(&change.path);
        match change.kind {
            Kind::Removed => fs::remove_file(&path).attempt(|| format!("cannot remove {}", change.path))?,
            Kind::Created | Kind::Updated => {
                write(&path, &change.after).attempt(|| format!("cannot write {}", change.path))?;
            }
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}.tmp", std::process::id()));
    let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The first error is the one to tell; a file that was never made cannot be removed either.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// The files in the places of generated files that are no artifact.
fn left_over(root: &Path, files: &Files) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for place in PLACES {
        let entries = match fs::read_dir(root.join(place.folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.attempt(|| format!("cannot list {}", place.folder))?,
        };
        for entry in entries {
            let entry = entry.attempt(|| format!("cannot list {}", place.folder))?;
            let name = entry.file_name();
            let path = format!("{}/{}", place.folder, name.to_string_lossy());
            let is_candidate = Path::new(&name).extension().is_some_and(|extension| extension == place.extension)
                && entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_candidate && !files.contains_key(&path) {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// In JSON, which knows no comments, the mark stands in a field behind the first brace.
fn is_generated(bytes: &[u8]) -> bool {
    let mut first_lines = bytes.split(|byte| *byte == b'\n').take(2);
    first_lines.any(|line| String::from_utf8_lossy(line).contains(MARK))
}
