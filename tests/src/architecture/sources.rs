//! The text of the files that the rules check.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

/// Folders without hand-written Rust or Python: build output, test data and snapshots.
const SKIPPED: [&str; 4] = ["target", "cases", "exports", "snapshots"];

/// Returns whether a file is Python: a module, or a program without an extension.
pub(super) fn is_python(path: &str) -> bool {
    path.ends_with(".py") || !path.rsplit('/').next().unwrap_or(path).contains('.')
}

/// Rust, Python and Cargo manifests by their path from the root of the repository, with `/` on every system.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The text by path.
    pub files: BTreeMap<String, String>,
}

impl Sources {
    /// Reads every such file below a folder.
    ///
    /// # Errors
    /// The first file or folder that cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut sources = Self::default();
        sources.add_folder(root, "")?;
        Ok(sources)
    }

    /// Makes sources from texts in memory.
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { files: files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect() }
    }

    /// Returns the files whose path has this start and this end, sorted by path.
    pub fn matching<'a>(&'a self, start: &'a str, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.starts_with(start) && path.ends_with(end))
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                    self.add_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if name.ends_with(".rs") || name.ends_with(".py") || name == "Cargo.toml" {
                self.files.insert(path, fs::read_to_string(entry.path())?);
            } else if is_python(&name) {
                // A file without an extension may be binary.
                let bytes = fs::read(entry.path())?;
                if bytes.starts_with(b"#!/usr/bin/env python") {
                    self.files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
                }
            }
        }
        Ok(())
    }
}
