//! `why` traces one row through all versions, `verify` checks files against the registry. Neither takes a lease or
//! writes anything.

mod verify;
mod why;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::workspace::{Workspace, files};

/// Everything a command could change: every file, and the rows of the registry.
fn state_of(workspace: &Workspace) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
    let mut all = files(&workspace.path(""));
    all.retain(|path, _| !path.to_string_lossy().contains("registry.sqlite"));
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let rows = "SELECT record FROM versions UNION ALL SELECT value FROM settings UNION ALL
                SELECT concat_ws(' ', tenant, name, pending, sequence, fence, owner, expires_at) FROM tables";
    let mut statement = registry.prepare(rows).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (all, rows)
}

/// Gives every lease to another process until 2100.
fn lock_all_tables(workspace: &Workspace) {
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let lock = "UPDATE tables SET owner = 'process 1', fence = fence + 1, expires_at = 4102444800000";
    assert!(registry.execute(lock, []).unwrap() > 0);
}
