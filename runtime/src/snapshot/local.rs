//! Exports in folders: DIR/TENANT/TABLE/VERSION/FILE.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Listing, Part};
use crate::error::{Error, IoContext as _, Result};
use crate::name::{NAME_RULE, is_name, natural_cmp};

/// A tree of exports.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

/// What a tree holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Tenant, table and version of each folder, in order, versions in natural order.
    pub versions: Vec<(String, String, String)>,
    /// What lies there and cannot be an export, with the reason.
    pub strays: Vec<(PathBuf, String)>,
}

impl Local {
    /// A tree below `root`, which must be a folder that can be read.
    pub fn new(root: &Path) -> Result<Self> {
        fs::read_dir(root).map_err(|error| Error::of_named_path(error, "cannot read the exports in", root))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The root of the tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every version of every tenant and table that `wanted` lets through. Names are checked here, once.
    pub fn discover(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<Found> {
        let mut found = Found::default();
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

    /// The folder of an export.
    pub fn folder(&self, tenant: &str, table: &str, version: &str) -> PathBuf {
        self.root.join(tenant).join(table).join(version)
    }
}

/// What a version's folder holds; nothing where there is no such folder.
pub fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        entries => entries.at("cannot list", folder)?,
    };
    for entry in entries {
        let entry = entry.at("cannot list", folder)?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::export(&path, "the file's name is not UTF-8").help("rename or remove it"));
        };
        let is_note = name.starts_with(['_', '.']);
        let kind = entry.file_type().at("cannot look at", &path)?;
        if kind.is_file() && is_note {
            listing.notes.push(name);
        } else if kind.is_file() {
            listing.parts.push(look(&path, name)?);
        } else if !is_note {
            let problem = if kind.is_dir() { "a folder inside an export" } else { "not a regular file" };
            return Err(Error::export(&path, problem).help("an export holds files only; move it away"));
        }
    }
    listing.parts.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    listing.notes.sort();
    Ok(listing)
}

/// One file as a part.
pub fn look(path: &Path, name: String) -> Result<Part> {
    let metadata = fs::metadata(path).at("cannot look at", path)?;
    let modified = metadata.modified().at("cannot look at", path)?;
    let identity = match modified.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos().to_string(),
        Err(before) => format!("-{}", before.duration().as_nanos()),
    };
    Ok(Part { name, size: metadata.len(), identity, checksum: None, rows: None })
}

/// Opens a part to be read.
pub fn open(path: &Path) -> Result<File> {
    File::open(path).at("cannot open", path)
}

/// The names of the folders in a folder, in natural order. What can be no tenant, table or version is a stray, but for
/// names that begin with `_` or `.`, which belong to somebody else.
fn folders(parent: &Path, strays: &mut Vec<(PathBuf, String)>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent).at("cannot list", parent)? {
        let entry = entry.at("cannot list", parent)?;
        let path = entry.path();
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with(['_', '.']) {
            continue;
        }
        if !entry.file_type().at("cannot look at", &path)?.is_dir() {
            strays.push((path, "not a folder; exports lie at TENANT/TABLE/VERSION/FILE".into()));
        } else if is_name(&text) {
            names.push(text.into_owned());
        } else {
            strays.push((path, format!("not a usable name; it takes {NAME_RULE}")));
        }
    }
    names.sort_by(|a, b| natural_cmp(a, b));
    Ok(names)
}
