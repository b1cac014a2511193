//! Finds the exports below a root: ROOT/TENANT/TABLE/VERSION.
//!
//! A folder that cannot be listed stops nothing but what is in it, and what is not selected is not looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::ignore::IgnoreRules;
use super::{Entry, EntryKind, Snapshots};
use crate::error::{Error, Result};
use crate::name::{NAME_RULE, TABLE_RULE, TableKey, is_name, is_table_name, natural_cmp};
use crate::telemetry::check_stop;

/// How many strays of one folder are listed; there can be any number.
pub const LISTED: usize = 100;

/// Which exports to look for; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only this table's.
    pub table: Option<String>,
}

impl Selection {
    /// Returns whether a table is selected.
    pub fn includes(&self, key: &TableKey) -> bool {
        let matches = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        matches(&self.tenant, &key.tenant) && matches(&self.table, &key.table)
    }
}

/// What was found below a root.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Every table that has a folder of a version: its versions in natural order.
    pub tables: Vec<(TableKey, Vec<String>)>,
    /// The folders that hold something that cannot be part of an export.
    pub strays: Vec<FolderStrays>,
    /// The folders that cannot be listed.
    pub unreadable: Vec<Unreadable>,
    /// How many entries a `.tidemarkignore` hides.
    pub ignored: u64,
}

/// A folder of a tenant or of a table that cannot be listed.
#[derive(Debug)]
pub struct Unreadable {
    /// The tenant.
    pub tenant: String,
    /// The table; `None` if the tenant's folder is at fault.
    pub table: Option<String>,
    /// Why it cannot be listed.
    pub error: Error,
}

/// What is in a folder without being part of an export.
#[derive(Debug, Default)]
pub struct FolderStrays {
    /// The folder, or the only entry of it that was looked at.
    pub folder: String,
    /// How many there are.
    pub count: u64,
    /// The sum of the hashes of their names: it does not depend on the order in which a folder lists them.
    pub digest: u64,
    /// The first [`LISTED`] of them, by name.
    pub listed: BTreeMap<String, Stray>,
}

/// A file or folder that cannot be part of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// Its path.
    #[serde(serialize_with = "crate::name::serialize_path")]
    pub path: PathBuf,
    /// Why it cannot be part of an export.
    pub problem: String,
    /// What to do next.
    pub help: Option<String>,
}

/// The hash of a stray's name.
pub fn hash_of_name(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// Finds the selected exports. Fails only if nothing can be found at all.
pub fn discover(exports: &dyn Snapshots, selection: &Selection) -> Result<Discovery> {
    let mut search = Search { exports, rules: IgnoreRules::from_file(exports)?, found: Discovery::default() };
    for tenant in search.folders(&[], selection.tenant.as_deref())? {
        let tables = match search.folders(&[&tenant], selection.table.as_deref()) {
            Ok(tables) => tables,
            Err(error) => {
                search.found.unreadable.push(Unreadable { tenant, table: None, error });
                continue;
            }
        };
        for table in tables {
            let key = TableKey { tenant: tenant.clone(), table };
            match search.folders(&[&tenant, &key.table], None) {
                Ok(versions) if versions.is_empty() => {}
                Ok(versions) => search.found.tables.push((key, versions)),
                Err(error) => {
                    let TableKey { tenant, table } = key;
                    search.found.unreadable.push(Unreadable { tenant, table: Some(table), error });
                }
            }
        }
    }
    Ok(search.found)
}

struct Search<'a> {
    exports: &'a dyn Snapshots,
    rules: IgnoreRules,
    found: Discovery,
}

impl Search<'_> {
    /// The names in a folder that can be tenants, tables or versions, in natural order.
    fn folders(&mut self, folder: &[&str], only: Option<&str>) -> Result<Vec<String>> {
        check_stop()?;
        let (mut names, mut ignored) = (Vec::new(), 0);
        let mut strays = FolderStrays { folder: location(self.exports, folder, only), ..FolderStrays::default() };
        self.exports.list(folder, only, &mut |Entry { name, kind }| {
            if is_hidden(name) {
                return;
            }
            if self.rules.hides(folder, name, kind) {
                ignored += 1;
                return;
            }
            match problem(folder.len(), name, kind) {
                None => names.push(name.to_owned()),
                Some(problem) => strays.add(name, || stray(self.exports, folder, name, problem)),
            }
        })?;
        self.found.ignored += ignored;
        if strays.count > 0 {
            self.found.strays.push(strays);
        }
        names.sort_by(|a, b| natural_cmp(a, b));
        Ok(names)
    }
}

impl FolderStrays {
    pub(crate) fn add(&mut self, name: &str, stray: impl FnOnce() -> Stray) {
        self.count += 1;
        self.digest = self.digest.wrapping_add(hash_of_name(name));
        let is_listed = self.listed.len() < LISTED || self.listed.keys().next_back().is_some_and(|last| &**last > name);
        if is_listed {
            self.listed.insert(name.into(), stray());
        }
        if self.listed.len() > LISTED {
            self.listed.pop_last();
        }
    }
}

/// Names that start with `_` or `.` belong to other programs.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

/// The levels of a tree of exports, by the depth of the folder that lists them.
const TABLES: usize = 1;

/// Why an entry cannot be a tenant, a table or a version; and what to do.
fn problem(depth: usize, name: &str, kind: EntryKind) -> Option<(String, Option<String>)> {
    match kind {
        EntryKind::Link => Some((LINK.into(), Some(replace_link("folder")))),
        EntryKind::File => Some(("not a folder; exports are at TENANT/TABLE/VERSION/FILE".into(), None)),
        EntryKind::Folder if !is_name(name) => Some((format!("not a valid name; expected {NAME_RULE}"), None)),
        EntryKind::Folder if depth == TABLES && !is_table_name(name) => {
            Some((format!("no table can have this name; expected {TABLE_RULE}"), None))
        }
        EntryKind::Folder => None,
    }
}

/// What is wrong with a symbolic link.
pub(super) const LINK: &str = "a symbolic link, which is never followed";

/// The next step for a link.
pub(super) fn replace_link(kind: &str) -> String {
    format!("replace the link by the {kind} itself, or remove it")
}

fn stray(exports: &dyn Snapshots, folder: &[&str], name: &str, problem: (String, Option<String>)) -> Stray {
    let (problem, help) = problem;
    Stray { path: exports.path(&[folder, &[name]].concat()), problem, help }
}

/// A folder, or the only entry of it that is looked at.
fn location(exports: &dyn Snapshots, folder: &[&str], only: Option<&str>) -> String {
    let below: Vec<&str> = folder.iter().copied().chain(only).collect();
    exports.path(&below).to_string_lossy().into_owned()
}
