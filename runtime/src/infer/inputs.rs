//! The versions that a command line names: files, folders of parts, folders of versions, and whole trees of exports.

use std::fs;
use std::path::Path;

use super::request::Request;
use crate::delta;
use crate::error::{Error, IoContext as _, Result};
use crate::name::{is_table_name, natural_cmp};
use crate::snapshot::discover::{Selection, discover};
use crate::snapshot::local::Local;
use crate::snapshot::{Export, Listing, Snapshots as _};

/// The manifest of an export.
const MANIFEST: &str = "_manifest.json";

/// The name of a table whose path does not say one.
const UNNAMED: &str = "new_table";

/// What is read.
#[derive(Debug)]
pub(super) struct Inputs {
    /// The table's name, and whether the paths or the user say it.
    pub(super) table: String,
    pub(super) is_named: bool,
    /// All versions; the last one is the newest.
    pub(super) versions: Vec<Version>,
}

/// One export, with the names of its markers.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) export: Export,
    pub(super) sidecars: Vec<String>,
    /// How many bytes of text are read of each part; `None` if all are.
    pub(super) limit: Option<u64>,
}

/// How many bytes of text the beginnings of all parts of a version have together, and at least.
const BEGINNING: u64 = 1 << 20;
const MIN_BEGINNING: u64 = 64 << 10;

impl Inputs {
    /// The same versions, of which only the beginning of each part is read.
    pub(super) fn beginnings(&self) -> Vec<Version> {
        let beginning = |version: &Version| Version {
            export: version.export.clone(),
            sidecars: version.sidecars.clone(),
            limit: Some((BEGINNING / version.export.parts.len().max(1) as u64).max(MIN_BEGINNING)),
        };
        self.versions.iter().map(beginning).collect()
    }
}

impl Version {
    /// Its label without the folders that lead to it.
    pub(super) fn name(&self) -> String {
        let label = Path::new(&self.export.label);
        label.file_name().map_or_else(|| self.export.label.clone(), |name| name.to_string_lossy().into_owned())
    }

    pub(super) fn has_manifest(&self) -> bool {
        self.sidecars.iter().any(|name| name == MANIFEST)
    }

    /// A marker that says that the export is complete.
    pub(super) fn marker(&self) -> Option<&String> {
        self.sidecars.iter().find(|name| *name != MANIFEST && name.starts_with('_'))
    }
}

/// Finds the versions at the paths.
pub(super) fn find(request: &Request) -> Result<Inputs> {
    let (table, tenant) = (request.table.as_deref(), request.tenant.as_deref());
    let mut inputs = Inputs { table: String::new(), is_named: false, versions: Vec::new() };
    for path in &request.paths {
        match levels(path)? {
            3.. => tree(path, table, tenant, &mut inputs)?,
            _ if tenant.is_some() => return Err(no_tree(path)),
            2 => return Err(tenant_folder(path)),
            1 => versions(path, &mut inputs)?,
            _ => inputs.versions.push(one(path)?),
        }
    }
    if let Some(table) = table {
        (inputs.table, inputs.is_named) = (table.into(), true);
    } else if !inputs.is_named {
        let name = request.file.as_deref().and_then(table_of);
        inputs.is_named = name.is_some();
        inputs.table = name.unwrap_or_else(|| guessed(&request.paths[0]));
    }
    Ok(inputs)
}

/// The only table whose schema can be in a file of this name.
fn table_of(file: &Path) -> Option<String> {
    file.file_stem()?.to_str().filter(|stem| is_table_name(stem)).map(Into::into)
}

/// How many folders are above the first file: none for a file and a folder of parts.
fn levels(path: &Path) -> Result<u32> {
    let metadata = fs::metadata(path).map_err(|error| Error::named_path(error, "cannot open", path))?;
    if !metadata.is_dir() {
        return Ok(0);
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).at("cannot list", path)? {
        let entry = entry.at("cannot list", path)?;
        if entry.file_name().to_string_lossy().starts_with(['_', '.']) {
            continue;
        }
        if !entry.file_type().at("cannot inspect", &entry.path())?.is_dir() {
            return Ok(0);
        }
        folders.push(entry.path());
    }
    folders.sort();
    let below = folders.first().map(|folder| levels(folder)).transpose()?;
    Ok(below.map_or(0, |levels| levels + 1))
}

/// A file, or a folder of parts.
fn one(path: &Path) -> Result<Version> {
    let export = delta::export(path)?;
    let listing = if path.is_dir() { export.folder.list()? } else { Listing::default() };
    Ok(Version { export, sidecars: listing.sidecars, limit: None })
}

/// A folder of versions.
fn versions(path: &Path, inputs: &mut Inputs) -> Result<()> {
    let entries = fs::read_dir(path).at("cannot list", path)?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.at("cannot list", path)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !name.starts_with(['_', '.']));
    names.sort_by(|a, b| natural_cmp(a, b));
    for name in names {
        inputs.versions.push(one(&path.join(name))?);
    }
    Ok(())
}

/// The versions of one table in a tree of TENANT/TABLE/VERSION.
fn tree(path: &Path, table: Option<&str>, tenant: Option<&str>, inputs: &mut Inputs) -> Result<()> {
    let exports = Local::new(path)?;
    let selection = Selection { tenant: tenant.map(Into::into), table: table.map(Into::into) };
    let mut found = discover(&exports, &selection)?;
    if let Some(unreadable) = found.unreadable.pop() {
        return Err(unreadable.error);
    }
    let mut names: Vec<&str> = found.tables.iter().map(|(key, _)| key.table.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let [name] = names[..] else { return Err(not_one_table(path, &names)) };
    (inputs.table, inputs.is_named) = (name.into(), true);
    let mut all: Vec<_> =
        found.tables.iter().flat_map(|(key, names)| names.iter().map(move |name| (key, name))).collect();
    all.sort_by(|(key, name), (other, other_name)| natural_cmp(name, other_name).then(key.cmp(other)));
    for (key, name) in all {
        let folder = exports.folder(&key.tenant, &key.table, name);
        let sidecars = folder.list()?.sidecars;
        let export = delta::folder_export(format!("{key}/{name}"), folder)?;
        inputs.versions.push(Version { export, sidecars, limit: None });
    }
    Ok(())
}

fn not_one_table(path: &Path, names: &[&str]) -> Error {
    let subject = path.display().to_string();
    match names {
        [] => Error::usage(subject, "it has no exports of this tenant and table").help("check --tenant and --table"),
        names => Error::usage(subject, format!("it has exports of {} tables", names.len()))
            .help(format!("choose one with --table: {}", names.join(", "))),
    }
}

fn tenant_folder(path: &Path) -> Error {
    Error::usage(path.display().to_string(), "it is the folder of one tenant")
        .help("name the folder of a table in it, or the folder above it with --tenant and --table")
}

fn no_tree(path: &Path) -> Error {
    Error::usage(path.display().to_string(), "--tenant chooses from folders TENANT/TABLE/VERSION, which it is not")
        .help("leave out --tenant, or name the folder of all tenants")
}

/// A name for the table: that of the file or of its folder.
fn guessed(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let names = absolute.ancestors().take(2).filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    let cleaned = names.map(|name| {
        let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
    });
    let is_table = |name: &String| is_table_name(name) && !is_version(name);
    cleaned.into_iter().find(is_table).unwrap_or_else(|| UNNAMED.into())
}

/// `v1`, `20260101`: a letter at most, and digits.
fn is_version(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_digit()) && name.bytes().filter(u8::is_ascii_alphabetic).count() <= 1
}
