//! The schema files as they were read, and where a byte of them stands.

use std::fs;
use std::path::Path;

use crate::error::{Attempt as _, Error};

/// Where the schemas are kept, below the root of the workspace.
pub const SCHEMAS: &str = "schemas";

/// The byte order mark that some editors put before the text.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One schema file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path below the root, with `/` between the parts on every system.
    pub path: String,
    /// What it says. Bytes that are no UTF-8 stand as U+FFFD.
    pub text: String,
    /// Where the first byte stands that is no UTF-8.
    pub not_utf8: Option<usize>,
}

/// A place in a file as people count it: both numbers start at 1, a column is one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl Source {
    /// A schema from text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), not_utf8: None }
    }

    /// A schema from the bytes of a file; a byte order mark is dropped.
    pub fn from_bytes(path: impl Into<String>, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        let not_utf8 = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
        Self { path: path.into(), text: String::from_utf8_lossy(bytes).into_owned(), not_utf8 }
    }

    /// The line and column of a byte; a byte past the end stands right behind the last.
    pub fn place(&self, offset: usize) -> Place {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The bytes of one line, without its end.
    pub fn line_around(&self, offset: usize) -> &str {
        let offset = self.text.floor_char_boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..].lines().next().unwrap_or_default()
    }

    /// The file's name without its folder.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Reads every `*.yaml` (and `*.yml`, which is told to change its name) of the schema folder, sorted by name.
///
/// # Errors
/// When the folder or one of its files cannot be read.
pub fn read_all(root: &Path) -> Result<Vec<Source>, Error> {
    let folder = root.join(SCHEMAS);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).attempt(|| format!("cannot list the schemas in {SCHEMAS}/"))? {
        let entry = entry.attempt(|| format!("cannot list the schemas in {SCHEMAS}/"))?;
        let name = entry.file_name();
        // Editors keep locks and copies under names with a leading dot.
        let is_schema = Path::new(&name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
            && !name.to_string_lossy().starts_with('.');
        if is_schema {
            names.push(name);
        }
    }
    names.sort();
    let read = |name: std::ffi::OsString| {
        let path = format!("{SCHEMAS}/{}", name.to_string_lossy());
        let bytes = fs::read(folder.join(&name)).attempt(|| format!("cannot read the schema {path}"))?;
        Ok(Source::from_bytes(path, &bytes))
    };
    names.into_iter().map(read).collect()
}
