//! The sweeper: restarts what a crash interrupted, checks incomplete exports again, measures both, and reports exports
//! that have not come.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::error::Result;
use crate::lambda::deadline::Deadline;
use crate::lambda::deployment::Deployment;
use crate::lambda::metrics;
use crate::lambda::overdue::report_overdue;
use crate::name::TableKey;
use crate::run::next_step;
use crate::store::Status;
use crate::store::dynamodb::OpenVersion;

/// How long a version may wait before the sweeper acts, in milliseconds: an event or an execution may be on its way.
const PATIENCE: i64 = 60_000;

/// The interval of sweeps, in milliseconds, as in the templates.
const INTERVAL: i64 = 300_000;

/// A version that makes no progress is tried in each sweep for an hour, and once an hour after that: if the cause is
/// permanent, such as a delta that takes longer than a function may run, each try costs the same. By then its alarm has
/// been raised.
const SWEEPS_PER_HOUR: i64 = 12;

/// The event of the schedule.
#[derive(Deserialize)]
pub(super) struct Event {
    /// The scheduled time, the same for each retry; it is part of the executions' names.
    scheduled: String,
}

#[derive(Serialize)]
pub(super) struct Answer {
    /// The number of tables whose flow was started.
    started: u32,
}

/// Starts the flow for versions that can proceed but do not, the oldest first; checks incomplete exports again, in case
/// an event was lost; measures both; and reports overdue exports. The next sweep does what this one has no time for.
pub(super) fn sweep(deployment: &Deployment, event: Event, deadline: Deadline) -> Result<Answer> {
    deployment.introduce()?;
    let mut waiting = deployment.dynamodb.open_versions(Status::Waiting)?;
    // Exports of tables that are not deployed were reported when they came. An alarm on them would never end.
    waiting.retain(|open| deployment.tables.contains(&open.key.table));
    let held = deployment.dynamodb.open_versions(Status::Held)?;
    let mut runnable = Vec::new();
    for status in [Status::Publishing, Status::Planned, Status::Registered] {
        runnable.extend(deployment.dynamodb.open_versions(status)?);
    }
    let now = clock::now_ms();
    measure(now, &runnable, &held, &waiting);
    runnable.sort_by_key(|open| open.since);
    waiting.sort_by_key(|open| open.since);
    let due = runnable.into_iter().chain(held).filter(|open| is_due(now, open));
    let mut sweep = Sweep {
        deployment,
        scheduled: &event.scheduled,
        deadline,
        tables: BTreeSet::new(),
        started: 0,
        failed: Ok(()),
    };
    due.for_each(|open| sweep.visit(open.key, |sweep, key| sweep.start(key)));
    sweep.report_overdue(now);
    // Incomplete exports come last, because there may be many, and what can proceed must not wait for them.
    sweep.tables.clear();
    waiting.into_iter().for_each(|open| sweep.visit(open.key, |sweep, key| sweep.check_again(key)));
    sweep.failed.map(|()| Answer { started: sweep.started })
}

/// A sweep, table by table.
struct Sweep<'a> {
    deployment: &'a Deployment,
    scheduled: &'a str,
    deadline: Deadline,
    /// The tables that were visited.
    tables: BTreeSet<TableKey>,
    started: u32,
    failed: Result<()>,
}

impl Sweep<'_> {
    /// Does something for a table, once, if there is time. A failure does not stop the sweep of other tables.
    fn visit(&mut self, key: TableKey, work: impl FnOnce(&mut Self, &TableKey) -> Result<()>) {
        if !self.deadline.is_far() || !self.tables.insert(key.clone()) {
            return;
        }
        if let Err(error) = work(self, &key) {
            tracing::error!(tenant = key.tenant, table = key.table, help = error.next_step(), "{error}");
            self.failed = Err(error);
        }
    }

    /// Reports exports that should have arrived and did not. What fails does not stop the sweep either.
    fn report_overdue(&mut self, now: i64) {
        if let Err(error) = report_overdue(self.deployment, now, self.deadline) {
            tracing::error!(help = error.next_step(), "{error}");
            self.failed = Err(error);
        }
    }

    /// Starts a table's flow if there is work and no execution is doing it.
    fn start(&mut self, key: &TableKey) -> Result<()> {
        let Some(table) = self.deployment.find_table(key)? else { return Ok(()) };
        let state = self.deployment.registry.state(key)?;
        let versions = self.deployment.registry.current_versions(key)?;
        if state.owner.is_some() || next_step(&versions, table, state.resync).is_none() {
            return Ok(());
        }
        tracing::info!(tenant = key.tenant, table = key.table, "Started the flow for a table with pending work.");
        self.deployment.start_execution(key, ["#sweep", self.scheduled])?;
        self.started += 1;
        Ok(())
    }

    /// Registers WAITING versions again: they may be complete by now, if an event was lost.
    fn check_again(&mut self, key: &TableKey) -> Result<()> {
        let Some(table) = self.deployment.find_table(key)? else { return Ok(()) };
        let runner = self.deployment.runner(table, key, "sweep")?;
        for version in self.deployment.registry.with_status(key, Status::Waiting)? {
            if self.deadline.is_far() {
                runner.register_version(table, key, &version.version)?;
            }
        }
        self.start(key)
    }
}

fn measure(now: i64, runnable: &[OpenVersion], held: &[OpenVersion], waiting: &[OpenVersion]) {
    let oldest = |open: &[OpenVersion]| open.iter().map(|open| now - open.since).max().unwrap_or_default().max(0);
    metrics::report_total(&[
        ("HeldVersions", "Count", held.len() as f64),
        ("WaitingVersions", "Count", waiting.len() as f64),
        ("OldestPendingSeconds", "Seconds", oldest(runnable) as f64 / 1000.0),
        ("OldestWaitingSeconds", "Seconds", oldest(waiting) as f64 / 1000.0),
    ]);
    let mut by_table: BTreeMap<&str, usize> = BTreeMap::new();
    held.iter().for_each(|open| *by_table.entry(&open.key.table).or_default() += 1);
    by_table.into_iter().for_each(|(table, versions)| metrics::held_now(table, versions));
}

/// Returns whether a version has waited long enough, and not so long that it is tried less often. A version in
/// PUBLISHING is tried each time.
fn is_due(now: i64, open: &OpenVersion) -> bool {
    let waited = now - open.since;
    let sweeps = waited / INTERVAL;
    let is_turn = sweeps < SWEEPS_PER_HOUR || sweeps % SWEEPS_PER_HOUR == 0;
    waited >= PATIENCE && (is_turn || !matches!(open.status, Status::Registered | Status::Planned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_version_is_tried_in_each_sweep_for_an_hour_then_hourly_and_always_while_publishing() {
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
