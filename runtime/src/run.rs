//! The flow: register, await completeness, lock, plan, guard, publish, record, unlock.
//!
//! `Runner::run_table` shows it for one tenant's table, `Runner::run_version` for one version. Everything else here
//! is what a step needs.

mod baseline;
pub mod guard;
mod lease;
mod next;
mod planning;
mod register;
mod replay;
mod report;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::breakpoint::Breakpoint;
use crate::change_set::ChangeSets;
use crate::engine::{Engines, Limits, QueryExecution, WaitMode};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::name::TableKey;
use crate::sink::{Publication, Sink, Writer};
use crate::snapshot::Snapshots;
use crate::store::{self, Lease, Setting, Status, Store, Version};
use crate::table::Table;
use crate::telemetry::{Progress, Watch, check_stop};
use baseline::newest;
pub(crate) use next::{Step, next_step};
use planning::Planned;
pub use report::{Outcome, Report, Stray};

/// What a run works with.
#[derive(Debug)]
pub struct Runner {
    /// Every table that has a schema.
    pub tables: &'static [&'static Table],
    /// Where exports come from.
    pub exports: Box<dyn Snapshots>,
    /// Where versions and leases are kept.
    pub store: Box<dyn Store>,
    /// Where change sets lie.
    pub changes: Box<dyn ChangeSets>,
    /// Where operations go.
    pub sink: Box<dyn Sink>,
    /// A folder for temporary files.
    pub work: PathBuf,
    /// What computes a delta.
    pub engines: Engines,
    /// What each delta may take of the machine.
    pub limits: Limits,
}

/// The versions of one tenant's table that were found.
#[derive(Debug)]
struct Job {
    key: TableKey,
    table: &'static Table,
    versions: Vec<String>,
}

/// What became of a version that was to be planned.
pub(crate) enum Prepared {
    /// It may be published.
    Ready(Version),
    /// A guard broke.
    Held(Version),
    /// Its export is at fault.
    Failed(Box<Outcome>),
    /// Its export is no longer what was registered: it was registered anew.
    Gone,
    /// Its delta is still computed.
    #[cfg_attr(
        not(feature = "aws"),
        expect(dead_code, reason = "without AWS, deltas are waited for where they are asked for")
    )]
    Runs(QueryExecution),
}

impl Runner {
    /// Processes every pending version: the versions of a table in order, tables in parallel. `wanted` says which
    /// tenant and table. Fails only when nothing can be done at all; what fails for a table is in the report.
    pub fn run(&self, wanted: impl Fn(&str, &str) -> bool, progress: &Progress) -> Result<Report> {
        let (jobs, strays) = self.discover(wanted)?;
        let found = jobs.iter().map(|job| job.versions.len()).sum();
        // A folder in which there is nothing was perhaps mistyped, and is not where the exports are.
        if found > 0 || self.store.root()?.is_none() {
            self.store.remember(Setting::Exports, &self.exports.root()?)?;
        }
        let queue = Mutex::new(VecDeque::from(jobs));
        let outcomes = Mutex::new(Vec::new());
        // A function of its own, so that the queue is free again while a job is worked on.
        let next = || lock(&queue).pop_front();
        let work = || {
            while let Some(job) = next() {
                let watch = progress.table(&job.key.tenant, &job.key.table, job.versions.len() as u64);
                let done = self.run_table(&job, &watch);
                watch.finish();
                lock(&outcomes).extend(done);
            }
        };
        thread::scope(|scope| {
            let workers = thread::available_parallelism().map_or(1, usize::from);
            for _ in 1..workers.min(lock(&queue).len()) {
                scope.spawn(work);
            }
            work();
        });
        let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Report::new(outcomes, strays, found))
    }

    /// Plans a version without publishing anything, unless it is planned already.
    pub fn plan_only(&self, table: &'static Table, version: Version) -> Result<Version> {
        let name = version.to_string();
        self.with_lease_or_refuse(&version.clone(), |lease, watch| {
            if !self.is_still_there(table, &version)? {
                return Err(Error::refused(name, "its export is no longer what was registered").help("run again"));
            }
            match self.plan(lease, table, version.clone(), WaitMode::Here, watch) {
                Ok(Planned::Version(planned)) => self.guard(lease, table, *planned),
                Ok(Planned::Runs(_)) => unreachable!("the delta is waited for here"),
                Err(error) if error.fails_the_version() => {
                    self.fail(lease, version, Error::refused("", error.to_string()))?;
                    Err(error)
                }
                Err(error) => Err(error),
            }
        })
    }

    /// The whole flow for one tenant's table.
    fn run_table(&self, job: &Job, watch: &Watch) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let done = self.register(job, &mut outcomes).and_then(|()| {
            Breakpoint::Registered.reached();
            let Some(lease) = self.lock(&job.key)? else {
                outcomes.push(self.locked(&job.key)?);
                return Ok(());
            };
            self.keep_alive(&lease, watch, || {
                let drained = self.drain(&lease, job.table, watch, &mut outcomes);
                if drained.is_err() {
                    self.unlock(&lease, None)?;
                }
                drained
            })
        });
        if let Err(error) = done {
            outcomes.push(Outcome::of_table(&job.key, error));
        }
        outcomes
    }

    /// Does what there is to do for a table, until nothing is left and nothing has come meanwhile, then gives the lease
    /// back. It stops at the first version that can neither be finished nor be blamed.
    fn drain(&self, lease: &Lease, table: &'static Table, watch: &Watch, outcomes: &mut Vec<Outcome>) -> Result<()> {
        loop {
            let pending = self.store.pending(&lease.key)?;
            let versions = self.store.versions(&lease.key)?;
            let resync = self.store.resync(&lease.key)?;
            let Some(step) = next_step(&versions, table, resync) else {
                if self.unlock(lease, Some(pending))? {
                    return Ok(());
                }
                continue;
            };
            let version = step.version().clone();
            match check_stop().and_then(|()| self.take(step, lease, table, watch)) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) => {
                    let error = self.explained(lease, &version, error);
                    outcomes.push(self.stopped(&version, error));
                    return self.unlock(lease, None).map(|_| ());
                }
            }
            watch.version_done();
        }
    }

    /// Whatever fails once another run has taken over fails because of that.
    fn explained(&self, lease: &Lease, version: &Version, error: Error) -> Error {
        match self.store.renew(lease) {
            Ok(false) if error.fault() == Fault::Machine => store::lost(lease, version),
            _ => error,
        }
    }

    /// What stopped a version that is not at fault itself, and where the version stands.
    fn stopped(&self, version: &Version, error: Error) -> Outcome {
        let now = self.store.versions(&version.key).ok();
        let now = now.and_then(|all| all.into_iter().find(|other| other.version == version.version));
        Outcome::of_stopped(version, now.map_or(version.status, |now| now.status), error)
    }

    fn take(&self, step: Step, lease: &Lease, table: &'static Table, watch: &Watch) -> Result<Option<Outcome>> {
        match step {
            Step::Supersede(version, by) => {
                let superseded = self.store.supersede(lease, version, &by)?;
                Ok(Some(Outcome::of_version(&superseded)))
            }
            Step::Finish(version) => {
                let done = self.publish(lease, table, version, watch)?;
                Ok(Some(Outcome::of_version(&done)))
            }
            Step::Run(version) => self.run_version(lease, table, version, watch),
        }
    }

    /// The flow of one version. `None` when its export is no longer what was registered: it was registered anew.
    fn run_version(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Option<Outcome>> {
        let planned = match self.prepare(lease, table, version, WaitMode::Here, watch)? {
            Prepared::Ready(planned) => planned,
            Prepared::Held(held) => return Ok(Some(Outcome::of_held(&held))),
            Prepared::Failed(outcome) => return Ok(Some(*outcome)),
            Prepared::Gone => return Ok(None),
            Prepared::Runs(_) => unreachable!("the delta is waited for here"),
        };
        let Some(publishing) = self.begin(lease, table, planned)? else { return Ok(None) };
        let done = self.publish(lease, table, publishing, watch)?;
        Ok(Some(Outcome::of_version(&done)))
    }

    /// Plans a version and holds it against the guards. Nothing is published.
    pub(crate) fn prepare(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Prepared> {
        match self.is_still_there(table, &version) {
            Ok(true) => {}
            Ok(false) => return Ok(Prepared::Gone),
            Err(error) if error.kind() == ErrorKind::Export => {
                self.register_unusable(&version.key, &version.version, &error)?;
                return Ok(Prepared::Gone);
            }
            Err(error) => return Err(error),
        }
        let planned = match self.plan(lease, table, version.clone(), waiting, watch) {
            Ok(Planned::Version(planned)) => *planned,
            Ok(Planned::Runs(statement)) => return Ok(Prepared::Runs(statement)),
            Err(error) if error.kind() == ErrorKind::Overtaken => return Ok(Prepared::Gone),
            Err(error) if error.fails_the_version() => {
                return self.fail(lease, version, error).map(|outcome| Prepared::Failed(Box::new(outcome)));
            }
            Err(error) => return Err(error),
        };
        let planned = self.guard(lease, table, planned)?;
        let is_held = planned.status == Status::Held && !planned.is_approved();
        Ok(if is_held { Prepared::Held(planned) } else { Prepared::Ready(planned) })
    }

    /// Moves a version that may be published to PUBLISHING. `None` when its export is no longer what was registered:
    /// comparing may have taken long, and from here on another delivery comes too late.
    pub(crate) fn begin(&self, lease: &Lease, table: &'static Table, planned: Version) -> Result<Option<Version>> {
        if !self.is_still_there(table, &planned)? {
            return Ok(None);
        }
        let publishing = match self.store.publishing(lease, &planned) {
            Err(error) if error.kind() == ErrorKind::Overtaken => return Ok(None),
            publishing => publishing?,
        };
        Breakpoint::Publishing.reached();
        Ok(Some(publishing))
    }

    /// Holds a plan that breaks a guard, until somebody approves it as it is.
    fn guard(&self, lease: &Lease, table: &Table, planned: Version) -> Result<Version> {
        let Some(plan) = planned.plan.as_ref().filter(|_| planned.status == Status::Planned) else {
            return Ok(planned);
        };
        let reasons = guard::reasons(&table.guards, plan);
        if reasons.is_empty() {
            return Ok(planned);
        }
        let held = Version { status: Status::Held, reason: Some(reasons.join(", ")), ..planned };
        self.store.advance(lease, Status::Planned, &held)?;
        Breakpoint::Held.reached();
        Ok(held)
    }

    /// Publishes what is planned, under the sequence it has, and records that it is done. Safe to repeat: parts that are
    /// recorded as out are not written again.
    fn publish(&self, lease: &Lease, table: &'static Table, version: Version, watch: &Watch) -> Result<Version> {
        let sink = self.sink.name();
        let out = self.store.delivered(&version, &sink)?;
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        self.sink.publish(self.publication(lease, table, &version), &out, &mut |part, extent| {
            watch.message(&format!("publishing part {} of {parts}", part + 1));
            self.store.note_delivery(lease, &version, &sink, part, extent)
        })?;
        Breakpoint::Published.reached();
        self.record(lease, version)
    }

    /// Records that everything of a version is out.
    pub(crate) fn record(&self, lease: &Lease, version: Version) -> Result<Version> {
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        let progress = Some(store::Progress { sink: self.sink.name(), parts });
        let done = Version { status: Status::Succeeded, reason: None, progress, ..version };
        self.store.advance(lease, Status::Publishing, &done)?;
        Breakpoint::Succeeded.reached();
        tracing::info!(
            tenant = done.key.tenant,
            table = done.key.table,
            version = done.version,
            "Published the version."
        );
        Ok(done)
    }

    pub(crate) fn publication<'a>(&'a self, lease: &Lease, table: &'a Table, version: &'a Version) -> Publication<'a> {
        let writer = Writer { registry: self.store.id(), fence: lease.fence };
        Publication { table, version, changes: &*self.changes, writer }
    }

    fn fail(&self, lease: &Lease, version: Version, error: Error) -> Result<Outcome> {
        // Planning may have moved it back from PLANNED before its input turned out to be at fault.
        let failed = Version { reason: Some(error.to_string()), ..version.unplanned(Status::Failed) };
        self.store.advance(lease, Status::Registered, &failed)?;
        let versions = self.store.versions(&failed.key)?;
        let baseline = newest(&versions).map(|baseline| baseline.version.clone());
        Ok(Outcome::of_failure(&failed, error, baseline))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
