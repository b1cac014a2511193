//! The flow: register, await completeness, lock, plan, guard, publish, record, unlock.
//!
//! `Runner::run_table` shows it for one tenant's table, `Runner::run_version` for one version. Everything else here
//! is what a step needs.

mod baseline;
pub mod guard;
mod plan;
mod register;
mod report;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::breakpoint::Breakpoint;
use crate::change_set::ChangeSets;
use crate::engine::{Engines, Limits, Statement, Waiting};
use crate::error::{Error, Fault, Result};
use crate::sink::{Publication, Sink, Writer};
use crate::snapshot::Snapshots;
use crate::store::{self, Lease, Setting, Status, Store, TableKey, Version, lease_duration};
use crate::table::Table;
use crate::telemetry::{Progress, Watch, check_stop};
use baseline::newest;
use plan::Planned;
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
    Runs(Statement),
}

/// What is to be done next for a table.
pub(crate) enum Step {
    Finish(Version),
    Supersede(Version, String),
    Run(Version),
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
        self.alone_or_refuse(&version.clone(), |lease, watch| {
            if !self.is_still_there(table, &version)? {
                return Err(Error::refused(name, "its export is no longer what was registered").help("run again"));
            }
            match self.plan(lease, table, version.clone(), Waiting::Here, watch) {
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

    /// Publishes a version that SUCCEEDED once more: the same operations, under the same ids and the same sequence.
    pub fn replay(&self, table: &'static Table, version: &Version) -> Result<()> {
        if version.status != Status::Succeeded {
            let problem = format!("it is {}; only a version that SUCCEEDED can be published again", version.status);
            return Err(Error::refused(version.to_string(), problem));
        }
        if let Some(reset) = self.reset_after(version)? {
            let problem = format!("{reset} was published whole after it, and replaces what it brought");
            return Err(Error::refused(version.to_string(), problem)
                .help(format!("publish that one again: cargo tidemark replay {}/{reset}", version.key)));
        }
        if !self.changes.is_whole(version)? {
            let changes = self.changes.path(version, None);
            return Err(Error::refused(version.to_string(), format!("its change set {} is gone", changes.display()))
                .help("a consumer that lost it can start from the newest export with `delta TABLE none`"));
        }
        self.alone_or_refuse(version, |lease, _| {
            let publication = self.publication(lease, table, version);
            self.sink.publish(publication, &BTreeMap::new(), &mut |_, _| check_stop())
        })
    }

    /// The last version that was published whole after this one, if there is one.
    fn reset_after(&self, version: &Version) -> Result<Option<String>> {
        let is_reset = |other: &&Version| other.plan.as_ref().is_some_and(|plan| plan.reset.is_some());
        let versions = self.store.versions(&version.key)?;
        let mut later = versions.iter().filter(|other| other.sequence > version.sequence);
        Ok(later.rfind(is_reset).map(|reset| reset.version.clone()))
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
        let planned = match self.prepare(lease, table, version, Waiting::Here, watch)? {
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
        waiting: Waiting<'_>,
        watch: &Watch,
    ) -> Result<Prepared> {
        match self.is_still_there(table, &version) {
            Ok(true) => {}
            Ok(false) => return Ok(Prepared::Gone),
            Err(error @ Error::Export(_)) => {
                self.register_unusable(&version.key, &version.version, &error)?;
                return Ok(Prepared::Gone);
            }
            Err(error) => return Err(error),
        }
        let planned = match self.plan(lease, table, version.clone(), waiting, watch) {
            Ok(Planned::Version(planned)) => *planned,
            Ok(Planned::Runs(statement)) => return Ok(Prepared::Runs(statement)),
            Err(Error::Overtaken(_)) => return Ok(Prepared::Gone),
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
            Err(Error::Overtaken(_)) => return Ok(None),
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
            watch.say(&format!("publishing part {} of {parts}", part + 1));
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

    fn lock(&self, key: &TableKey) -> Result<Option<Lease>> {
        let lease = self.store.lock(key)?;
        if lease.is_some() {
            Breakpoint::Locked.reached();
        }
        Ok(lease)
    }

    /// A run that finds the lock taken leaves at once: the holder does what this one registered.
    fn locked(&self, key: &TableKey) -> Result<Outcome> {
        Ok(Outcome::of_locked(key, &self.holder(key)?))
    }

    /// Gives the lease back. With `pending`, only when nothing has become runnable since it was read.
    fn unlock(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let released = self.store.release(lease, pending)?;
        Breakpoint::Unlocked.reached();
        Ok(released)
    }

    /// Renews the lease while `work` runs. A renewal that fails is no harm by itself: every write checks the fence. Once it is
    /// another's, nobody wants the work any more.
    pub(crate) fn keep_alive<T>(&self, lease: &Lease, watch: &Watch, work: impl FnOnce() -> T) -> T {
        let (done, is_done) = mpsc::channel::<()>();
        let pause = lease_duration() / 4;
        thread::scope(|scope| {
            scope.spawn(move || {
                while is_done.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    match self.store.renew(lease) {
                        Ok(true) => {}
                        Ok(false) => watch.give_up(),
                        Err(error) => {
                            tracing::warn!(%error, table = %lease.key, "The lease could not be renewed.");
                        }
                    }
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    /// Does `work` as the only one at a tenant's table; `None` when somebody else is. Beside what it gave: whether
    /// something became runnable meanwhile. This does not drain, and a run that came for it left because of this lease.
    pub(crate) fn alone<T>(
        &self,
        key: &TableKey,
        work: impl FnOnce(&Lease, &Watch) -> Result<T>,
    ) -> Result<Option<(T, bool)>> {
        // Read before the lease is taken: from then on whoever adds to it may be turned away.
        let pending = self.store.pending(key)?;
        let Some(lease) = self.lock(key)? else { return Ok(None) };
        let watch = Watch::default();
        let done = self.keep_alive(&lease, &watch, || work(&lease, &watch));
        let is_quiet = self.unlock(&lease, Some(pending))?;
        if !is_quiet {
            self.unlock(&lease, None)?;
        }
        done.map(|done| Some((done, !is_quiet)))
    }

    /// The same for a command that is about one version, and has nothing to do when somebody else is at its table.
    fn alone_or_refuse<T>(&self, version: &Version, work: impl FnOnce(&Lease, &Watch) -> Result<T>) -> Result<T> {
        let Some((done, came_meanwhile)) = self.alone(&version.key, work)? else {
            let problem = format!("{} is working on its table", self.holder(&version.key)?);
            return Err(Error::refused(version.to_string(), problem).help("try again later"));
        };
        if came_meanwhile {
            tracing::warn!(table = %version.key, "There is something new to do, and no run is on its way; run again.");
        }
        Ok(done)
    }

    /// Who is at a tenant's table.
    pub(crate) fn holder(&self, key: &TableKey) -> Result<String> {
        Ok(self.store.holder(key)?.unwrap_or_else(|| "another run".into()))
    }
}

impl Step {
    fn version(&self) -> &Version {
        match self {
            Step::Finish(version) | Step::Supersede(version, _) | Step::Run(version) => version,
        }
    }
}

/// What began to be published is finished first; then versions go in order, and one that is older than the newest that
/// succeeded is superseded, never compared backwards. With `resync`, a version that is HELD stays so: it was held as a
/// change of the baseline, and what follows is published whole.
pub(crate) fn next_step(versions: &[Version], table: &Table, resync: bool) -> Option<Step> {
    if let Some(version) = versions.iter().find(|version| version.status == Status::Publishing) {
        return Some(Step::Finish(version.clone()));
    }
    let newest = versions.iter().rposition(|version| version.status == Status::Succeeded);
    let baseline = newest.map(|newest| &versions[newest]);
    let has_work = |(place, version): &(usize, &Version)| match version.status {
        Status::Held => {
            version.is_approved() || newest > Some(*place) || (!resync && has_moved(version, table, baseline))
        }
        status => status.is_runnable(),
    };
    let (place, version) = versions.iter().enumerate().find(has_work)?;
    Some(match newest {
        Some(newest) if place < newest => Step::Supersede(version.clone(), versions[newest].version.clone()),
        _ => Step::Run(version.clone()),
    })
}

/// Whether a HELD version was compared with another baseline, or by another schema, than it would be now.
fn has_moved(held: &Version, table: &Table, baseline: Option<&Version>) -> bool {
    let Some(plan) = &held.plan else { return true };
    plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) || plan.schema != table.schema
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
