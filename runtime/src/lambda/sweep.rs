//! What a crash left, what waits, and how much of it there is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Deadline, metrics};
use crate::clock;
use crate::error::{ErrorKind, Result};
use crate::lambda::deployment::Deployment;
use crate::name::TableKey;
use crate::run::next_step;
use crate::store::Status;
use crate::store::dynamodb::OpenVersion;

/// How long something may wait before the sweeper looks at it, in milliseconds: an event or a run is on its way.
const PATIENCE: i64 = 60_000;

/// How often the sweeper comes by, in milliseconds, as the templates have it; and how long it tries each time what does not
/// get on. After that it does so once an hour: what fails for a reason that stays, such as a delta that no function has time
/// for, costs the same each time. By then its alarm rings.
const SWEEP: i64 = 300_000;
const SWEEPS_OF_AN_HOUR: i64 = 12;

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
pub(super) fn sweep(account: &Deployment, event: Event, deadline: Deadline) -> Result<Answer> {
    account.introduce()?;
    let mut waiting = account.dynamodb.open_versions(Status::Waiting)?;
    let held = account.dynamodb.open_versions(Status::Held)?;
    let mut runnable = Vec::new();
    for status in [Status::Publishing, Status::Planned, Status::Registered] {
        runnable.extend(account.dynamodb.open_versions(status)?);
    }
    let now = clock::now_ms();
    measure(now, &runnable, &held, &waiting);
    runnable.sort_by_key(|open| open.since);
    waiting.sort_by_key(|open| open.since);
    let due = runnable.into_iter().chain(held).filter(|open| is_due(now, open));
    let mut sweep =
        Sweep { account, scheduled: &event.scheduled, deadline, tables: BTreeSet::new(), started: 0, failed: Ok(()) };
    due.for_each(|open| sweep.take(open.key, |sweep, key| sweep.start(key)));
    // What waits comes last: where there is much of it, what can go on must not wait for it.
    sweep.tables.clear();
    waiting.into_iter().for_each(|open| sweep.take(open.key, |sweep, key| sweep.look_again(key)));
    sweep.failed.map(|()| Answer { started: sweep.started })
}

/// A sweep, table by table.
struct Sweep<'a> {
    account: &'a Deployment,
    scheduled: &'a str,
    deadline: Deadline,
    /// Those that were taken.
    tables: BTreeSet<TableKey>,
    started: u32,
    failed: Result<()>,
}

impl Sweep<'_> {
    /// Does something for a table, once, while there is time. That it fails is no reason to leave the others.
    fn take(&mut self, key: TableKey, work: impl FnOnce(&mut Self, &TableKey) -> Result<()>) {
        if !self.deadline.is_far() || !self.tables.insert(key.clone()) {
            return;
        }
        if let Err(error) = work(self, &key) {
            tracing::error!(tenant = key.tenant, table = key.table, help = error.next_step(), "{error}");
            self.failed = Err(error);
        }
    }

    /// Starts a table's flow if there is something to do and nobody does it.
    fn start(&mut self, key: &TableKey) -> Result<()> {
        let Ok(table) = self.account.table(&key.table) else { return Ok(()) };
        let state = self.account.registry.state(key)?;
        let versions = self.account.registry.versions(key)?;
        if state.owner.is_some() || next_step(&versions, table, state.resync).is_none() {
            return Ok(());
        }
        tracing::info!(tenant = key.tenant, table = key.table, "Nobody was at the table.");
        self.account.start(key, ["#sweep", self.scheduled])?;
        self.started += 1;
        Ok(())
    }

    /// Registers what waits anew: it may be complete, and the event for that lost.
    fn look_again(&mut self, key: &TableKey) -> Result<()> {
        let Ok(table) = self.account.table(&key.table) else { return Ok(()) };
        let runner = self.account.runner(table)?;
        for version in self.account.registry.versions(key)? {
            if version.status == Status::Waiting && self.deadline.is_far() {
                match runner.register_version(table, key, &version.version) {
                    Err(error) if error.kind() == ErrorKind::Export => {
                        runner.register_unusable(key, &version.version, &error)?
                    }
                    registered => registered?,
                };
            }
        }
        self.start(key)
    }
}

fn measure(now: i64, runnable: &[OpenVersion], held: &[OpenVersion], waiting: &[OpenVersion]) {
    let oldest = |open: &[OpenVersion]| open.iter().map(|open| now - open.since).max().unwrap_or_default().max(0);
    metrics::of_all(&[
        ("HeldVersions", "Count", held.len() as f64),
        ("WaitingVersions", "Count", waiting.len() as f64),
        ("OldestPendingSeconds", "Seconds", oldest(runnable) as f64 / 1000.0),
        ("OldestWaitingSeconds", "Seconds", oldest(waiting) as f64 / 1000.0),
    ]);
    let mut of_tables: BTreeMap<&str, usize> = BTreeMap::new();
    held.iter().for_each(|open| *of_tables.entry(&open.key.table).or_default() += 1);
    of_tables.into_iter().for_each(|(table, versions)| metrics::held_now(table, versions));
}

/// Whether a version has waited long enough for a run that is on its way, and not so long that it is tried less often. What
/// began to be published is tried each time.
fn is_due(now: i64, open: &OpenVersion) -> bool {
    let waited = now - open.since;
    let sweeps = waited / SWEEP;
    let is_turn = sweeps < SWEEPS_OF_AN_HOUR || sweeps % SWEEPS_OF_AN_HOUR == 0;
    waited >= PATIENCE && (is_turn || !matches!(open.status, Status::Registered | Status::Planned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_get_on_is_tried_for_an_hour_and_then_once_an_hour_but_what_began_to_be_published_each_time() {
        let key = TableKey { tenant: "acme".into(), table: "orders".into() };
        let tried = |status: Status, minutes: std::ops::Range<i64>| -> Vec<i64> {
            let is_due = |minute: &i64| is_due(minute * 60_000, &OpenVersion { key: key.clone(), status, since: 0 });
            minutes.filter(|minute| minute % 5 == 0).filter(is_due).collect()
        };
        assert_eq!(tried(Status::Registered, 0..60), [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
        assert_eq!(tried(Status::Planned, 60..200), [60, 120, 180]);
        assert_eq!(tried(Status::Publishing, 60..80), [60, 65, 70, 75]);
        assert_eq!(tried(Status::Held, 60..70), [60, 65]);
    }
}
