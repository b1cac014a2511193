//! What the registry knows about one tenant's table.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::inspect::overdue::{Overdue, find_overdue};
use crate::name::TableKey;
use crate::store::{Action, JournalEntry, Registry, Status, Version, by_version};
use crate::table::Table;

/// How many versions that were held, and are not any more, have a page.
const PAGES: usize = 10;

/// One tenant's table.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) key: TableKey,
    /// Its definition for this tenant; `None` if it has no schema.
    pub(super) table: Option<&'static Table>,
    /// All versions, in natural order.
    pub(super) versions: Vec<Version>,
    /// The journal, by version.
    pub(super) entries: BTreeMap<String, Vec<JournalEntry>>,
    /// The export that should have arrived.
    pub(super) overdue: Option<Overdue>,
    /// The versions with a page.
    pages: BTreeSet<String>,
}

impl Facts {
    pub(super) fn read(registry: &Registry, tables: &[&'static Table], key: &TableKey, now: i64) -> Result<Self> {
        let versions = registry.outlines(key)?;
        let common = tables.iter().copied().find(|table| table.name == key.table);
        let entries = by_version(&versions, registry.journal(key)?);
        let overdue = find_overdue(tables, key, &versions, now);
        let pages = with_page(&versions, &entries);
        let table = common.map(|table| table.for_tenant(&key.tenant));
        Ok(Self { key: key.clone(), table, versions, entries, overdue, pages })
    }

    /// Returns whether a version has a page: those that are HELD, and the newest of those that were.
    pub(super) fn has_page(&self, version: &Version) -> bool {
        self.pages.contains(&version.version)
    }

    /// What the journal says about a version, the oldest entry first.
    pub(super) fn entries_of(&self, version: &Version) -> &[JournalEntry] {
        self.entries.get(&version.version).map_or(&[], Vec::as_slice)
    }
}

/// The versions that are HELD, and the newest of those that were.
fn with_page(versions: &[Version], entries: &BTreeMap<String, Vec<JournalEntry>>) -> BTreeSet<String> {
    let is_hold = |entry: &JournalEntry| entry.action == Action::Hold;
    let was_held = |version: &&Version| {
        version.was_held || entries.get(&version.version).is_some_and(|entries| entries.iter().any(is_hold))
    };
    let is_held = |version: &&Version| version.status == Status::Held;
    let planned = || versions.iter().rev().filter(|version| version.plan.is_some());
    let done = planned().filter(|version| !is_held(version)).filter(was_held).take(PAGES);
    planned().filter(is_held).chain(done).map(|version| version.version.clone()).collect()
}
