//! Looking back: `why` follows one row through all versions, `verify` holds files against the registry. Neither takes a
//! lease or writes anything.

mod verify;
mod why;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::world::{World, files};

/// Everything that a command could have changed, the registry by its rows.
fn everything(world: &World) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
    let mut all = files(&world.path(""));
    all.retain(|path, _| !path.to_string_lossy().contains("registry.sqlite"));
    let registry = rusqlite::Connection::open(world.path(".tidemark/registry.sqlite")).unwrap();
    let rows = "SELECT record FROM versions UNION ALL SELECT value FROM settings UNION ALL
                SELECT concat_ws(' ', tenant, name, pending, sequence, fence, owner, expires_at) FROM tables";
    let mut statement = registry.prepare(rows).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (all, rows)
}

/// Gives every lease to somebody who is not there to be asked.
fn lock(world: &World) {
    let registry = rusqlite::Connection::open(world.path(".tidemark/registry.sqlite")).unwrap();
    let hold = "UPDATE tables SET owner = 'process 1', fence = fence + 1, expires_at = 4102444800000";
    assert!(registry.execute(hold, []).unwrap() > 0);
}
