//! Exports in folders: DIR/TENANT/TABLE/VERSION/FILE.
//!
//! Whoever may deliver to one tenant's folder must not get at another's files, or at any other of this machine. So the
//! root may be a link, and nothing below it is reached through one; and what is no regular file is never read.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{Discovery, Folder, Listing, Part, Snapshots, Stray};
use crate::error::{Error, IoContext as _, Result};
use crate::name::{NAME_RULE, is_name, is_visible_text, natural_cmp};

/// Longest marker or manifest that is read, in bytes: room for some 200,000 parts.
pub(super) const MAX_SIDECAR: u64 = 16 << 20;

const LINK: &str = "a symbolic link, which is never followed";

/// A tree of exports.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

/// A folder of parts.
#[derive(Debug)]
pub struct LocalFolder {
    root: PathBuf,
    /// The folders that lead there from the root; none of them may be a link.
    below: Vec<String>,
}

impl Local {
    /// A tree below `root`, which must be a folder that can be read.
    pub fn new(root: &Path) -> Result<Self> {
        fs::read_dir(root).map_err(|error| Error::named_path(error, "cannot read the exports in", root))?;
        Ok(Self { root: root.to_path_buf() })
    }
}

impl Snapshots for Local {
    fn root(&self) -> Result<String> {
        let absolute = std::path::absolute(&self.root).at("cannot find", &self.root)?;
        Ok(absolute.to_string_lossy().into_owned())
    }

    fn discover(&self, wanted: &dyn Fn(&str, &str) -> bool) -> Result<Discovery> {
        let mut found = Discovery::default();
        for tenant in folders(&self.root, &mut found.strays)? {
            for table in folders(&self.root.join(&tenant), &mut found.strays)? {
                if !wanted(&tenant, &table) {
                    continue;
                }
                for version in folders(&self.root.join(&tenant).join(&table), &mut found.strays)? {
                    found.versions.push((tenant.clone(), table.clone(), version));
                }
            }
        }
        Ok(found)
    }

    fn path(&self, tenant: &str, table: &str) -> PathBuf {
        self.root.join(tenant).join(table)
    }

    fn folder(&self, tenant: &str, table: &str, version: &str) -> Arc<dyn Folder> {
        Arc::new(LocalFolder { root: self.root.clone(), below: [tenant, table, version].map(Into::into).into() })
    }
}

impl LocalFolder {
    /// A folder that somebody named: if it is a link, it is theirs to follow.
    pub fn named(path: &Path) -> Self {
        Self { root: path.to_path_buf(), below: Vec::new() }
    }
}

impl Folder for LocalFolder {
    fn list(&self) -> Result<Listing> {
        let mut folder = self.root.clone();
        for name in &self.below {
            folder.push(name);
            match fs::symlink_metadata(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
                Ok(metadata) if metadata.is_symlink() => {
                    return Err(Error::export(&folder, LINK).help(way_out("folder")));
                }
                looked => looked.at("cannot look at", &folder)?,
            };
        }
        list(&folder)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        open(&self.path(name)).map(|file| Box::new(file) as _)
    }

    fn read_sidecar(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        open_file(&self.path(name))?.take(MAX_SIDECAR + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_SIDECAR {
            return Err(io::Error::other("it is larger than 16 MiB"));
        }
        Ok(text)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.below.iter().fold(self.root.clone(), |path, name| path.join(name)).join(name)
    }
}

/// What a folder of parts holds; nothing where there is no such folder.
fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        entries => entries.at("cannot list", folder)?,
    };
    for entry in entries {
        let entry = entry.at("cannot list", folder)?;
        let path = entry.path();
        let kind = entry.file_type().at("cannot look at", &path)?;
        match note(&path) {
            Some(name) if kind.is_file() => listing.notes.push(name),
            Some(name) if !kind.is_dir() => listing.odd_notes.push((name, what_is(kind))),
            Some(_) => {}
            None if kind.is_file() => listing.parts.push(look(&path)?),
            None => return Err(no_part(&path, kind)),
        }
    }
    listing.parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    listing.notes.sort();
    Ok(listing)
}

/// One file as a part.
pub fn look(path: &Path) -> Result<Part> {
    let name = path.file_name().unwrap_or_default();
    let unusable = |problem: &str| Err(Error::export(path, problem).help("rename or remove it"));
    let Some(name) = name.to_str() else { return unusable("the file's name is not UTF-8") };
    if !is_visible_text(name) {
        return unusable("the file's name has characters that cannot be shown");
    }
    let metadata = fs::symlink_metadata(path).at("cannot look at", path)?;
    let modified = metadata.modified().at("cannot look at", path)?;
    let identity = match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos().to_string(),
        Err(before) => format!("-{}", before.duration().as_nanos()),
    };
    Ok(Part { name: name.into(), size: metadata.len(), identity, checksum: None, rows: None })
}

/// Opens a part to be read. That it was taken away since it was listed is no fault of the machine.
pub fn open(path: &Path) -> Result<File> {
    match open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::refused(path.display().to_string(), "it was taken away after it was found")
                .help("deliver it again, then run again"))
        }
        opened => opened.at("cannot open", path),
    }
}

/// Opens a regular file, whatever took its place since it was listed: a link is not followed, and nothing waits for a
/// writer of a fifo.
fn open_file(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// The name of a marker, a manifest or somebody else's file; `None` for a part's.
fn note(path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['_', '.']).then(|| name.into_owned())
}

/// What is neither a file nor a folder, in words for `status`.
fn what_is(kind: FileType) -> &'static str {
    if kind.is_symlink() { LINK } else { "a special file, such as a fifo or a device" }
}

fn no_part(path: &Path, kind: FileType) -> Error {
    if kind.is_symlink() {
        return Error::export(path, LINK).help(way_out("file"));
    }
    let problem = if kind.is_dir() { "a folder inside an export" } else { "not a regular file" };
    Error::export(path, problem).help("an export holds files only; move it away")
}

/// What to do about a link.
fn way_out(what: &str) -> String {
    format!("put the {what} itself there, or take the link away")
}

/// The names of the folders in a folder, in natural order. What can be no tenant, table or version is a stray, but for
/// names that begin with `_` or `.`, which belong to somebody else.
fn folders(parent: &Path, strays: &mut Vec<Stray>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent).at("cannot list", parent)? {
        let entry = entry.at("cannot list", parent)?;
        let path = entry.path();
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with(['_', '.']) {
            continue;
        }
        let kind = entry.file_type().at("cannot look at", &path)?;
        if kind.is_symlink() {
            strays.push((path, LINK.into(), Some(way_out("folder"))));
        } else if !kind.is_dir() {
            strays.push((path, "not a folder; exports lie at TENANT/TABLE/VERSION/FILE".into(), None));
        } else if is_name(&text) {
            names.push(text.into_owned());
        } else {
            strays.push((path, format!("not a usable name; it takes {NAME_RULE}"), None));
        }
    }
    names.sort_by(|a, b| natural_cmp(a, b));
    Ok(names)
}
