//! Schema files as they were read, and the line and column of a byte in them.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use encoding_rs::Encoding;

use crate::error::{Context as _, Error};

/// The folder of the schemas, below the root of the workspace.
pub const SCHEMAS: &str = "schemas";

/// The byte order mark that some editors put before the text.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One schema file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path below the root, with `/` as the separator on every system.
    pub path: String,
    /// Its text. Bytes that are not UTF-8 are replaced with U+FFFD.
    pub text: String,
    /// The offset of the first byte that is not UTF-8.
    pub not_utf8: Option<usize>,
}

/// A position in a file as people count it: both numbers start at 1, and a column is one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl Source {
    /// Creates a schema from text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), not_utf8: None }
    }

    /// Creates a schema from the bytes of a file. A byte order mark is dropped.
    pub fn from_bytes(path: impl Into<String>, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        let not_utf8 = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to());
        Self { path: path.into(), text: String::from_utf8_lossy(bytes).into_owned(), not_utf8 }
    }

    /// Returns the line and column of a byte. An offset beyond the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Returns the line that contains `offset`, without its line break.
    pub fn line_around(&self, offset: usize) -> &str {
        let offset = self.text.floor_char_boundary(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..].lines().next().unwrap_or_default()
    }

    /// Returns the name of the file without its folder.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Reads every `*.yaml` of the schema folder of a workspace, sorted by name. `*.yml` is read too, so that validation
/// can ask for it to be renamed.
///
/// # Errors
/// Returns an error if the folder or one of its files cannot be read.
pub fn read_all(root: &Path) -> Result<Vec<Source>, Error> {
    read_as(&root.join(SCHEMAS), SCHEMAS)
}

/// Reads every schema in a folder of any name, as [`read_all`] does.
///
/// # Errors
/// Returns an error if the folder or one of its files cannot be read.
pub fn read_folder(folder: &Path) -> Result<Vec<Source>, Error> {
    let shown = folder.to_string_lossy();
    read_as(folder, shown.strip_suffix('/').unwrap_or(&shown))
}

/// Reads a file of any name. A byte order mark tells its encoding; without one, it is UTF-8.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub fn read_file(path: &Path) -> Result<Source, Error> {
    let bytes = fs::read(path).context(|| format!("cannot read {}", path.display()))?;
    Ok(decode(path.to_string_lossy(), &bytes))
}

/// Reads standard input as [`read_file`] reads a file.
///
/// # Errors
/// Returns an error if it cannot be read.
pub fn read_stdin() -> Result<Source, Error> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).context(|| "cannot read standard input".to_owned())?;
    Ok(decode("stdin", &bytes))
}

fn decode(path: impl Into<String>, bytes: &[u8]) -> Source {
    match Encoding::for_bom(bytes) {
        Some((encoding, _)) if encoding != encoding_rs::UTF_8 => Source::new(path, encoding.decode(bytes).0),
        _ => Source::from_bytes(path, bytes),
    }
}

/// Reads the schemas in a folder, which diagnostics call `shown`.
fn read_as(folder: &Path, shown: &str) -> Result<Vec<Source>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).context(|| format!("cannot list the schemas in {shown}/"))? {
        let name = entry.context(|| format!("cannot list the schemas in {shown}/"))?.file_name();
        // Editors keep lock files and backups under names with a leading dot.
        let is_schema = Path::new(&name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
            && !name.to_string_lossy().starts_with('.');
        if is_schema {
            names.push(name);
        }
    }
    names.sort();
    let read = |name: OsString| {
        let path = format!("{shown}/{}", name.to_string_lossy());
        let bytes = fs::read(folder.join(&name)).context(|| format!("cannot read the schema {path}"))?;
        Ok(Source::from_bytes(path, &bytes))
    };
    names.into_iter().map(read).collect()
}
