//! Recognises a root that is one level too high or too low, before anything is registered under the wrong names.

use std::ffi::OsStr;
use std::path::Path;

use crate::error::{Error, Result};
use crate::invocation::repeated;
use crate::snapshot::discover::{Discovery, Selection, is_hidden};
use crate::snapshot::{Entry, EntryKind, Snapshots};
use crate::table::Table;

/// How many folders of a folder are searched.
const MAX_FOLDERS: usize = 100;

/// Fails if the folder is not the root of the exports, but one of its tenants or tables or the folder above it.
pub(super) fn check_root(
    exports: &dyn Snapshots,
    tables: &[&'static Table],
    selection: &Selection,
    found: &Discovery,
) -> Result<()> {
    let is_known = |name: &str| tables.iter().any(|table| table.name == name);
    if found.tables.iter().any(|(key, _)| is_known(&key.table)) || !found.unreadable.is_empty() {
        return Ok(());
    }
    let root = exports.root()?;
    let error = match root_below(exports, selection, &is_known) {
        Some(name) => Some(wrong(
            &exports.path(&[]),
            &root,
            "one level above the exports",
            exports.path(&[&name]).as_os_str(),
            &[],
        )),
        None if found.tables.is_empty() => too_low(exports, &root, &is_known),
        None => None,
    };
    error.map_or(Ok(()), Err)
}

/// The folder that is the root: one with a tenant that has a table.
fn root_below(exports: &dyn Snapshots, selection: &Selection, is_known: &dyn Fn(&str) -> bool) -> Option<String> {
    let tenants = |name: &str| match &selection.tenant {
        Some(tenant) => vec![tenant.clone()],
        None => folders(exports, &[name]),
    };
    let has_table = |name: &str, tenant: &str| folders(exports, &[name, tenant]).iter().any(|table| is_known(table));
    let is_root = |name: &String| tenants(name).iter().any(|tenant| has_table(name, tenant));
    folders(exports, &[]).into_iter().find(is_root)
}

/// A folder of a tenant has tables, one of a table is named like it, and one of a version is below it.
fn too_low(exports: &dyn Snapshots, root: &str, is_known: &dyn Fn(&str) -> bool) -> Option<Error> {
    let above: Vec<(&str, &str)> = root.rmatch_indices('/').map(|(at, _)| (&root[..at], &root[at + 1..])).collect();
    let parent = |levels: usize| above.get(levels).map(|(parent, _)| *parent).filter(|parent| !parent.is_empty());
    let name = |levels: usize| above.get(levels).map(|(_, below)| below.split('/').next().unwrap_or_default());
    if folders(exports, &[]).iter().any(|name| is_known(name)) {
        let tenant = ("--tenant", name(0));
        return Some(wrong(&exports.path(&[]), root, "the folder of one tenant", parent(0)?.as_ref(), &[tenant]));
    }
    let has_versions = || folders(exports, &[]).iter().any(|version| has_file(exports, &[version]));
    let (table, what) = match (name(0), name(1)) {
        (Some(table), _) if is_known(table) && has_versions() => (0, "the folder of one table"),
        (_, Some(table)) if is_known(table) && has_file(exports, &[]) => (1, "the folder of one version"),
        _ => return None,
    };
    let selection = [("--tenant", name(table + 1)), ("--table", name(table))];
    Some(wrong(&exports.path(&[]), root, what, parent(table + 1)?.as_ref(), &selection))
}

/// The names of the first folders in a folder; none if it cannot be listed.
fn folders(exports: &dyn Snapshots, folder: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    let listed = exports.list(folder, None, &mut |Entry { name, kind }| {
        if kind == EntryKind::Folder && !is_hidden(name) && names.len() < MAX_FOLDERS {
            names.push(name.to_owned());
        }
    });
    if listed.is_ok() { names } else { Vec::new() }
}

/// Returns whether a folder holds a file that can be a part.
fn has_file(exports: &dyn Snapshots, folder: &[&str]) -> bool {
    let mut found = false;
    let listed = exports.list(folder, None, &mut |Entry { name, kind }| {
        found |= kind == EntryKind::File && !is_hidden(name);
    });
    listed.is_ok() && found
}

/// `selection` are the options that select what was typed below the right root.
fn wrong(typed: &Path, root: &str, what: &str, right: &OsStr, selection: &[(&str, Option<&str>)]) -> Error {
    let run = repeated((typed.as_os_str(), right), selection);
    Error::usage(root, format!("this is {what}; exports are at DIR/TENANT/TABLE/VERSION/FILE"))
        .help(format!("run: {run}"))
}
