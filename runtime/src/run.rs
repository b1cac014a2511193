//! The flow: register, await completeness, lock, plan, guard, publish, record, unlock.
//!
//! Read [`Runner::run`] first, then `process_table`, the flow of one tenant's table, and `run_version`, that of one
//! version. Each step has its own module.

mod adoption;
mod baseline;
mod catch_up;
mod failure;
pub mod guard;
mod lease;
mod next;
mod obstacles;
mod operation_check;
#[cfg(feature = "aws")]
mod paid_queries;
mod passed_over;
mod planning;
mod publish;
mod reconcile;
mod register;
mod replay;
mod report;
mod root;
mod runner;
mod strays;
mod version_name;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::breakpoint::Breakpoint;
#[cfg(feature = "aws")]
use crate::engine::{DeltaProgress, Poll};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::name::TableKey;
use crate::snapshot::discover::{Discovery, Selection};
use crate::store::{Lease, Registered, Setting, Status, TableState, Version};
use crate::table::Table;
use crate::telemetry::{Progress, Watch, check_stop};
pub(crate) use next::{Step, next_step};
pub use passed_over::{PassedOver, is_passed_over, is_superseded_unread};
pub use reconcile::{Difference, Reconciliation};
use register::Job;
pub use register::find_exports;
#[cfg(feature = "aws")]
pub(crate) use register::no_schema;
pub use report::{Outcome, Report, UnreadableTenant};
pub use runner::Runner;

/// The outcome of preparing a version for publishing.
pub(crate) enum Prepared {
    /// It may be published.
    Ready(Version),
    /// It breaks a guard.
    Held(Version),
    /// Its export is at fault.
    Failed(Box<Outcome>),
    /// Its export is no longer as registered; it was registered again.
    Gone,
}

impl Runner {
    /// Processes every pending version of the selected tenants and tables: the versions of a table in order, tables in
    /// parallel. Fails only if nothing can be done at all; the failure of a table is in the report.
    pub fn run(&self, selection: &Selection, progress: &Progress) -> Result<Report> {
        self.run_found(find_exports(&*self.exports, self.tables, selection)?, progress)
    }

    /// Processes the exports that [`find_exports`] found.
    pub fn run_found(&self, found: Discovery, progress: &Progress) -> Result<Report> {
        let Discovery { tables, strays, unreadable, ignored } = found;
        let jobs = self.jobs(tables);
        let found = jobs.iter().map(|job| job.versions.len()).sum();
        // A folder without exports may be a typo; it does not replace the remembered one.
        if found > 0 || self.registry.exports_root()?.is_none() {
            self.remember(Setting::Exports, &self.exports.root()?)?;
        }
        let strays = self.new_strays(strays)?;
        Ok(Report::new(self.run_tables(jobs, progress), unreadable, strays, found, ignored))
    }

    /// Remembers a setting, if it is not the remembered one.
    pub(crate) fn remember(&self, setting: Setting, value: &str) -> Result<()> {
        match self.registry.setting(setting)? {
            Some(known) if known == value => Ok(()),
            _ => self.registry.remember(setting, value),
        }
    }

    /// Processes tables in parallel, on as many threads as there are processors.
    fn run_tables(&self, jobs: Vec<Job>, progress: &Progress) -> Vec<Outcome> {
        let queue = Mutex::new(VecDeque::from(jobs));
        let outcomes = Mutex::new(Vec::new());
        // A separate closure, so that the queue is unlocked again while a job is processed.
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
        outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_table(&self, job: &Job, watch: &Watch) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        if let Err(error) = self.process_table(job, watch, &mut outcomes) {
            outcomes.push(Outcome::table_failed(&job.key, error));
        }
        outcomes
    }

    /// The flow of one tenant's table: register its versions, lock it, process those that are complete, unlock it. A
    /// table with nothing to do is not locked.
    fn process_table(&self, job: &Job, watch: &Watch, outcomes: &mut Vec<Outcome>) -> Result<()> {
        let Some(table) = job.table else { return self.register_without_schema(job, outcomes) };
        let unreadable = self.register(job, table, outcomes)?;
        Breakpoint::Registered.reached();
        let resync = self.registry.resync(&job.key)?;
        if self.next(&job.key, table, resync, &unreadable)?.is_none() && !self.is_behind(&job.key, table)? {
            return Ok(());
        }
        // Without a key, nothing is read.
        self.hmac_key(table, &job.key.tenant)?;
        let lease = match self.lock_unless_held(&job.key)? {
            Ok(lease) => lease,
            Err(holder) => {
                outcomes.push(Outcome::locked(&job.key, &holder));
                return Ok(());
            }
        };
        self.keep_alive(&lease, watch, || {
            let drained = self.drain(&lease, table, unreadable, watch, outcomes);
            if drained.is_err() {
                self.unlock(&lease, None)?;
            }
            drained
        })
    }

    /// The next step for a table, apart from the versions whose exports cannot be read.
    fn next(
        &self,
        key: &TableKey,
        table: &'static Table,
        resync: bool,
        unreadable: &BTreeSet<String>,
    ) -> Result<Option<Step>> {
        let mut versions = match unreadable.is_empty() {
            true => self.registry.current_versions(key)?,
            false => self.registry.versions(key)?,
        };
        versions.retain(|version| version.status == Status::Publishing || !unreadable.contains(&version.version));
        Ok(next_step(&versions, table, resync))
    }

    /// Processes a table until nothing is left and nothing new has arrived, then releases the lease. A version at fault
    /// is left behind, and so is one whose export cannot be read; anything else stops the table.
    fn drain(
        &self,
        lease: &Lease,
        table: &'static Table,
        mut unreadable: BTreeSet<String>,
        watch: &Watch,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<()> {
        loop {
            let TableState { pending, resync, .. } = self.registry.state(&lease.key)?;
            let step = self.next(&lease.key, table, resync, &unreadable)?;
            Breakpoint::Listed.reached();
            let Some(step) = step else {
                outcomes.extend(self.catch_up(lease, table, watch)?);
                if self.unlock(lease, Some(pending))? {
                    return Ok(());
                }
                continue;
            };
            let (version, reads) = (step.version().clone(), matches!(step, Step::Run(_)));
            match check_stop().and_then(|()| self.take(step, lease, table, watch)) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) => {
                    let goes_on = reads && error.fault() == Fault::Machine && self.is_unreadable(&version);
                    if goes_on {
                        self.registry.note_unread(lease, &version, &error.to_string())?;
                    }
                    outcomes.push(self.stopped(lease, &version, error));
                    if !goes_on {
                        return self.unlock(lease, None).map(|_| ());
                    }
                    unreadable.insert(version.version);
                }
            }
            watch.version_done();
        }
    }

    /// Takes a step, unless a sink had to be adopted or brought up to date first: then the next step may be another
    /// one.
    fn take(&self, step: Step, lease: &Lease, table: &'static Table, watch: &Watch) -> Result<Vec<Outcome>> {
        if let Some(adopted) = self.adopt_if_foreign(lease, step.version())? {
            return Ok(vec![adopted]);
        }
        let caught_up = self.get_ready(&step, lease, table, watch)?;
        if !caught_up.is_empty() {
            return Ok(caught_up);
        }
        let outcome = match step {
            Step::Supersede { version, by, is_passed_over } => {
                // Of the versions before it, more than the current ones may say whose name is wrong.
                let versions = if is_passed_over { self.registry.versions(&lease.key)? } else { Vec::new() };
                let passed_over = PassedOver::find(&versions, &version);
                let superseded = self.registry.supersede(lease, version, &by)?;
                Some(Outcome::superseded(&superseded, &by, passed_over))
            }
            Step::Reopen(version) => self.registry.reopen(lease, version).map(|()| None)?,
            Step::Finish(version) => Some(Outcome::from_version(&self.publish(lease, table, version, watch)?)),
            Step::Run(version) => self.run_version(lease, table, version, watch)?,
        };
        Ok(outcome.into_iter().collect())
    }

    /// The flow of one version: plan, guard, publish, record. Returns `None` if its export is no longer as registered;
    /// it was registered again.
    fn run_version(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Option<Outcome>> {
        let planned = match self.prepare(lease, table, version, watch)? {
            Prepared::Ready(planned) => planned,
            Prepared::Held(held) => return Ok(Some(Outcome::held(&held))),
            Prepared::Failed(outcome) => return Ok(Some(*outcome)),
            Prepared::Gone => return Ok(None),
        };
        let Some(publishing) = self.begin(lease, table, planned)? else { return Ok(None) };
        let done = self.publish(lease, table, publishing, watch)?;
        Ok(Some(Outcome::from_version(&done)))
    }

    /// Plans a version, waiting for its delta, and checks its guards. Publishes nothing.
    pub(crate) fn prepare(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Prepared> {
        if !self.is_unchanged(table, &version)? {
            return Ok(Prepared::Gone);
        }
        let planned = self.plan(lease, table, version.clone(), watch);
        self.check_plan(lease, table, version, planned)
    }

    /// Prepares a version without waiting for Athena.
    #[cfg(feature = "aws")]
    pub(crate) fn prepare_or_poll(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        poll: Poll<'_>,
        watch: &Watch,
    ) -> Result<DeltaProgress<Prepared>> {
        if !self.is_unchanged(table, &version)? {
            return Ok(DeltaProgress::Finished(Prepared::Gone));
        }
        let paid = match self.check_paid_queries(lease, &version, poll)? {
            Ok(paid) => paid,
            Err(failed) => return Ok(DeltaProgress::Finished(Prepared::Failed(failed))),
        };
        let planned = match self.plan_or_poll(lease, table, version.clone(), poll, watch) {
            Ok(DeltaProgress::Running(execution)) => {
                if poll.execution.is_none() {
                    self.note_query(lease, &version, poll, (&execution, paid))?;
                }
                return Ok(DeltaProgress::Running(execution));
            }
            Ok(DeltaProgress::Finished(planned)) => Ok(planned),
            Err(error) => Err(error),
        };
        self.check_plan(lease, table, version, planned).map(DeltaProgress::Finished)
    }

    /// Checks the guards of a planned version, or records that planning it failed.
    fn check_plan(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        planned: Result<Version>,
    ) -> Result<Prepared> {
        let planned = match planned {
            Ok(planned) => self.guard(lease, table, planned)?,
            Err(error) if error.kind() == ErrorKind::Overtaken => return Ok(Prepared::Gone),
            Err(error) if error.fails_the_version() => {
                return self.fail(lease, version, error).map(|outcome| Prepared::Failed(Box::new(outcome)));
            }
            Err(error) => return Err(error),
        };
        let is_held = planned.status == Status::Held && !planned.is_approved();
        Ok(if is_held { Prepared::Held(planned) } else { Prepared::Ready(planned) })
    }

    /// Plans a version, unless it is planned already. Publishes nothing.
    pub fn plan_only(&self, table: &'static Table, version: Version) -> Result<Version> {
        let name = version.to_string();
        self.with_lease_or_refuse(&version.clone(), |lease, watch| {
            match self.register_version(table, &version.key, &version.version)? {
                (Registered::Same, None) => {}
                (_, Some(problem)) => return Err(problem),
                _ => return Err(Error::refused(name, "its export is no longer as registered").help("run again")),
            }
            match self.plan(lease, table, version.clone(), watch) {
                Ok(planned) => self.guard(lease, table, planned),
                Err(error) if error.fails_the_version() => {
                    self.fail(lease, version, Error::refused("", error.to_string()))?;
                    Err(error)
                }
                Err(error) => Err(error),
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
