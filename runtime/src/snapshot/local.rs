//! Exports in folders: DIR/TENANT/TABLE/VERSION/FILE.
//!
//! A tenant who can write to one folder must not get at another tenant's files, or at any other file of the machine. So
//! the root may be a link, but no link below it is followed, and only regular files are read.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::discover::{LINK, replace_link};
use super::{Entry, EntryKind, Folder, IGNORE_FILE, Listing, Part, Snapshots, ignore};
use crate::error::{Error, IoContext as _, Result};
use crate::fs::open_regular;
use crate::name::{is_visible_text, natural_cmp};

/// The maximum size of a marker or manifest, in bytes: enough for about 200,000 parts.
pub(super) const MAX_SIDECAR: u64 = 16 << 20;

/// A tree of exports.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

/// A folder of parts.
#[derive(Debug)]
pub struct LocalFolder {
    root: PathBuf,
    /// The folders from the root to there, none of which may be a link.
    below: Vec<String>,
}

impl Local {
    /// The tree below `root`, which must be a folder.
    pub fn new(root: &Path) -> Result<Self> {
        let metadata = fs::metadata(root).and_then(|metadata| match metadata.is_dir() {
            true => Ok(metadata),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        metadata.map_err(|error| Error::named_path(error, "cannot read the exports in", root))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The path of a folder below the root; `None` if it does not exist. A link on the way is an error.
    fn inside<'a>(&self, below: impl IntoIterator<Item = &'a str>) -> Result<Option<PathBuf>> {
        let mut folder = self.root.clone();
        for name in below {
            folder.push(name);
            match fs::symlink_metadata(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Ok(metadata) if metadata.is_symlink() => {
                    return Err(Error::export(&folder, LINK).help(replace_link("folder")));
                }
                metadata => metadata.at("cannot inspect", &folder)?,
            };
        }
        Ok(Some(folder))
    }
}

impl Snapshots for Local {
    fn root(&self) -> Result<String> {
        let absolute = std::path::absolute(&self.root).at("cannot find", &self.root)?;
        Ok(absolute.to_string_lossy().into_owned())
    }

    fn list(&self, folder: &[&str], only: Option<&str>, visit: &mut dyn FnMut(Entry<'_>)) -> Result<()> {
        let Some(path) = self.inside(folder.iter().copied())? else { return Ok(()) };
        if let Some(name) = only {
            let path = path.join(name);
            return match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                metadata => {
                    visit(Entry { name, kind: entry_kind(metadata.at("cannot inspect", &path)?.file_type()) });
                    Ok(())
                }
            };
        }
        for entry in fs::read_dir(&path).at("cannot list", &path)? {
            let entry = entry.at("cannot list", &path)?;
            let kind = entry_kind(entry.file_type().at("cannot inspect", &entry.path())?);
            visit(Entry { name: &entry.file_name().to_string_lossy(), kind });
        }
        Ok(())
    }

    fn ignore_file(&self) -> Result<Option<String>> {
        let path = self.root.join(IGNORE_FILE);
        let kind = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.at("cannot inspect", &path)?.file_type(),
        };
        if kind.is_symlink() {
            return Err(Error::export(&path, LINK).help(replace_link("file")));
        }
        if !kind.is_file() {
            return Err(
                Error::export(&path, "not a regular file").help("replace it by a file of patterns, or remove it")
            );
        }
        match open_regular(&path).and_then(read_text) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => text.map(Some).map_err(|error| ignore::unreadable(error, &path)),
        }
    }

    fn path(&self, below: &[&str]) -> PathBuf {
        below.iter().fold(self.root.clone(), |path, name| path.join(name))
    }

    fn folder(&self, tenant: &str, table: &str, version: &str) -> Arc<dyn Folder> {
        Arc::new(LocalFolder { root: self.root.clone(), below: [tenant, table, version].map(Into::into).into() })
    }
}

impl LocalFolder {
    /// A folder that the user named, which may be a link.
    pub fn named(path: &Path) -> Self {
        Self { root: path.to_path_buf(), below: Vec::new() }
    }
}

impl Folder for LocalFolder {
    fn list(&self) -> Result<Listing> {
        let tree = Local { root: self.root.clone() };
        match tree.inside(self.below.iter().map(String::as_str))? {
            Some(folder) => list(&folder),
            None => Ok(Listing::default()),
        }
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        open(&self.path(name)).map(|file| Box::new(file) as _)
    }

    fn read_sidecar(&self, name: &str) -> io::Result<String> {
        read_text(open_regular(&self.path(name))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.below.iter().fold(self.root.clone(), |path, name| path.join(name)).join(name)
    }
}

/// The files in a folder; none if it does not exist.
fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        entries => entries.at("cannot list", folder)?,
    };
    for entry in entries {
        let entry = entry.at("cannot list", folder)?;
        let path = entry.path();
        let kind = entry.file_type().at("cannot inspect", &path)?;
        match sidecar(&path) {
            Some(name) if kind.is_file() => listing.sidecars.push(name),
            Some(name) if !kind.is_dir() => listing.irregular_sidecars.push((name, describe(kind))),
            Some(_) => {}
            // The entry finds its file faster than the path does.
            None if kind.is_file() => listing.parts.push(part(&path, || entry.metadata())?),
            None => return Err(not_a_part(&path, kind)),
        }
    }
    listing.parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    listing.sidecars.sort();
    Ok(listing)
}

/// The part that a file is.
pub(crate) fn inspect(path: &Path) -> Result<Part> {
    part(path, || fs::symlink_metadata(path))
}

fn part(path: &Path, metadata: impl FnOnce() -> io::Result<fs::Metadata>) -> Result<Part> {
    let name = path.file_name().unwrap_or_default();
    let unusable = |problem: &str| Err(Error::export(path, problem).help("rename or remove it"));
    let Some(name) = name.to_str() else { return unusable("the file's name is not UTF-8") };
    if !is_visible_text(name) {
        return unusable("the file's name has characters that cannot be shown");
    }
    let metadata = metadata().at("cannot inspect", path)?;
    let modified = metadata.modified().at("cannot inspect", path)?;
    let identity = match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos().to_string(),
        Err(before) => format!("-{}", before.duration().as_nanos()),
    };
    Ok(Part::listed(name.into(), metadata.len(), identity))
}

/// Opens a part. If it was removed after it was listed, the error is the input's fault, not the machine's.
fn open(path: &Path) -> Result<File> {
    match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::refused(path.display().to_string(), "the file was removed after it was listed")
                .help("deliver it again, then run again"))
        }
        opened => opened.at("cannot open", path),
    }
}

/// The text of a small file.
fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_SIDECAR + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SIDECAR {
        return Err(io::Error::other("larger than 16 MiB"));
    }
    Ok(text)
}

fn entry_kind(kind: FileType) -> EntryKind {
    if kind.is_symlink() {
        EntryKind::Link
    } else if kind.is_dir() {
        EntryKind::Folder
    } else {
        EntryKind::File
    }
}

/// The name of a marker, a manifest or an unrelated file; `None` for the name of a part.
fn sidecar(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['_', '.']).then(|| name.into_owned())
}

/// Describes a link or special file, for `status`.
fn describe(kind: FileType) -> &'static str {
    if kind.is_symlink() { LINK } else { "a special file, such as a fifo or a device" }
}

fn not_a_part(path: &Path, kind: FileType) -> Error {
    if kind.is_symlink() {
        return Error::export(path, LINK).help(replace_link("file"));
    }
    let problem = if kind.is_dir() { "a folder inside an export" } else { "not a regular file" };
    Error::export(path, problem).help("an export holds files only; move it away")
}
