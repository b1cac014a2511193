//! What a crash left, what waits, and how much of it there is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::{Deadline, metrics};
use crate::clock;
use crate::error::Result;
use crate::operation::key_of_words;
use crate::run::next_step;
use crate::store::dynamodb::Open;
use crate::store::{Status, Store, TableKey};

/// How long something may wait before the sweeper looks at it, in milliseconds: an event or a run is on its way.
const PATIENCE: i64 = 60_000;

/// What the schedule says.
#[derive(Deserialize)]
pub(super) struct Event {
    /// When it was to happen, the same for each try: executions are named by it.
    scheduled: String,
}

#[derive(Serialize)]
pub(super) struct Answer {
    /// How many tables were started.
    started: u32,
}

/// Starts what can go on and does not, those first that have waited longest; looks again at what is not complete yet, for
/// an event that was lost; and measures both. What it has no time for is for the next time.
pub(super) fn sweep(account: &Account, event: Event, deadline: Deadline) -> Result<Answer> {
    account.introduce()?;
    let mut waiting = account.store.open_versions(Status::Waiting)?;
    let held = account.store.open_versions(Status::Held)?;
    let mut runnable = Vec::new();
    for status in [Status::Publishing, Status::Planned, Status::Registered] {
        runnable.extend(account.store.open_versions(status)?);
    }
    let now = clock::now_ms();
    let oldest = runnable.iter().map(|open| now - open.since).max().unwrap_or_default();
    metrics::of_all(&[
        ("HeldVersions", "Count", held.len() as f64),
        ("WaitingVersions", "Count", waiting.len() as f64),
        ("OldestPendingSeconds", "Seconds", oldest.max(0) as f64 / 1000.0),
    ]);
    waiting.sort_by_key(|open| open.since);
    look_again(account, &waiting, deadline);
    let mut tables = BTreeSet::new();
    let mut started = 0;
    runnable.sort_by_key(|open| open.since);
    for open in runnable.into_iter().chain(held).chain(waiting) {
        let is_due = now - open.since >= PATIENCE && deadline.is_far();
        if is_due && tables.insert(open.key.clone()) && start(account, &open.key, &event.scheduled)? {
            started += 1;
        }
    }
    Ok(Answer { started })
}

/// Registers what waits anew: it may be complete.
fn look_again(account: &Account, waiting: &[Open], deadline: Deadline) {
    let tables: BTreeSet<&TableKey> = waiting.iter().map(|open| &open.key).collect();
    for key in tables {
        if !deadline.is_far() {
            return;
        }
        if let Err(error) = look_at(account, key) {
            tracing::warn!(tenant = key.tenant, table = key.table, help = error.next_step(), "{error}");
        }
    }
}

fn look_at(account: &Account, key: &TableKey) -> Result<()> {
    let table = account.table(&key.table)?;
    let runner = account.runner(table)?;
    for version in account.store.versions(key)?.iter().filter(|version| version.status == Status::Waiting) {
        runner.register_version(table, key, &version.version)?;
    }
    Ok(())
}

/// Starts a table's flow if there is something to do and nobody does it.
fn start(account: &Account, key: &TableKey, scheduled: &str) -> Result<bool> {
    let Ok(table) = account.table(&key.table) else { return Ok(false) };
    let state = account.store.state(key)?;
    let versions = account.store.versions(key)?;
    if state.owner.is_some() || next_step(&versions, table, state.resync).is_none() {
        return Ok(false);
    }
    tracing::info!(tenant = key.tenant, table = key.table, "Nobody was at the table.");
    account.start(key, &key_of_words(&[&key.tenant, &key.table, scheduled]))?;
    Ok(true)
}
