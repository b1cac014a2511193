//! Planning: the delta becomes a durable change set with a plan.

use std::fs;
use std::sync::Arc;

use super::baseline::{Baseline, blame_baseline, blame_schema, changed, check_key};
use super::operation_check::OperationCheck;
use super::runner::Runner;
use crate::breakpoint::Breakpoint;
use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::Layout;
use crate::change_set::{Draft, PartOptions, PartWriter};
use crate::engine::{DeltaError, DeltaRequest, DeltaSummary, Inputs, Resources, Side};
#[cfg(feature = "aws")]
use crate::engine::{DeltaProgress, Poll};
use crate::epoch::Epoch;
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::plan::{Plan, Reset};
use crate::sink::Sinks;
use crate::snapshot::{Export, Folder, Part};
use crate::store::{Lease, Status, Version, baseline};
use crate::table::Table;
use crate::telemetry::Watch;

/// What a version is compared with: a baseline; or, for a resync, nothing.
struct ComparisonBase {
    baseline: Option<Baseline>,
    reset: Option<Reset>,
}

/// A version that is to be planned.
enum Planning {
    /// It has a plan, and planning again would give the same one.
    Valid(Box<Version>),
    /// It needs a new plan.
    Needed(Box<Task>),
}

/// A version that needs a new plan, and everything that its delta depends on.
struct Task {
    version: Version,
    table: &'static Table,
    layout: Layout,
    head: Head,
    snapshot: Export,
    base: ComparisonBase,
}

impl ComparisonBase {
    /// The fields that every operation repeats.
    fn head(&self, table: &Table, version: &Version, sequence: u64) -> Head {
        Head {
            tenant: version.key.tenant.clone(),
            table: version.key.table.clone(),
            version: version.version.clone(),
            previous: self.previous(),
            schema: table.schema_id(),
            sequence,
        }
    }

    fn previous(&self) -> Option<String> {
        self.baseline.as_ref().map(|baseline| baseline.version.version.clone())
    }

    /// Returns whether planning again would give the same plan, for a sink with this limit.
    fn matches(&self, plan: &Plan, table: &Table, sinks: &Sinks) -> Result<bool> {
        let is_same = plan.schema == table.schema && plan.previous == self.previous() && plan.reset == self.reset;
        Ok(is_same && plan.fits(sinks.max_operation_bytes()?, &sinks.demands()))
    }
}

impl Runner {
    /// Plans a version, waiting for its delta. An existing plan is kept if planning again would give the same one. An
    /// approval is kept if the plan's hash is the same.
    pub(super) fn plan(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Version> {
        let task = match self.planning(lease, table, version)? {
            Planning::Valid(version) => return Ok(*version),
            Planning::Needed(task) => task,
        };
        let draft = self.changes.draft(&task.version, lease.fence, None)?;
        match self.compute(&task, &draft, watch) {
            Ok((plan, parts)) => self.finish_plan(lease, *task, &*draft, plan, parts),
            Err(error) => {
                draft.discard();
                Err(error)
            }
        }
    }

    /// Plans a version without waiting for Athena. The draft is kept as long as later polls need what it has.
    #[cfg(feature = "aws")]
    pub(super) fn plan_or_poll(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        poll: Poll<'_>,
        watch: &Watch,
    ) -> Result<DeltaProgress<Version>> {
        let task = match self.planning(lease, table, version)? {
            Planning::Valid(version) => return Ok(DeltaProgress::Finished(*version)),
            Planning::Needed(task) => task,
        };
        let reading = poll.reading();
        let draft = self.changes.draft(&task.version, lease.fence, reading.map(|reading| reading.draft.as_str()))?;
        let progress = self.compute_or_poll(&task, &draft, poll, watch);
        let keeps_draft = match &progress {
            Ok(DeltaProgress::Finished(_)) => true,
            Ok(DeltaProgress::Running(execution)) => execution.reading.is_some(),
            Err(_) => reading.is_some(),
        };
        if !keeps_draft {
            draft.discard();
        }
        match progress? {
            DeltaProgress::Running(execution) => Ok(DeltaProgress::Running(execution)),
            DeltaProgress::Finished((plan, parts)) => {
                self.finish_plan(lease, *task, &*draft, plan, parts).map(DeltaProgress::Finished)
            }
        }
    }

    /// Finds out whether a version needs a new plan. If it has one that is no longer valid, it becomes REGISTERED
    /// again.
    fn planning(&self, lease: &Lease, table: &'static Table, version: Version) -> Result<Planning> {
        let layout = self.layout(table, &version.key.tenant)?;
        let base = self.comparison_base(table, &version, layout.key())?;
        let has_key = |epoch: &Epoch| epoch.hmac_key.as_deref() == layout.key().map(HmacKey::id);
        let version = match (version.status, &version.plan) {
            (Status::Planned | Status::Held, Some(plan))
                if base.matches(plan, table, &self.sinks)?
                    && version.epoch.as_ref().is_none_or(has_key)
                    && self.changes.is_complete(&version)? =>
            {
                return Ok(Planning::Valid(Box::new(version)));
            }
            (from @ (Status::Planned | Status::Held), _) => {
                let approved = version.approved.clone();
                let again = version.unplanned(Status::Registered);
                self.registry.advance(lease, from, &again)?;
                Version { approved, ..again }
            }
            _ => version,
        };
        let head = base.head(table, &version, self.next_sequence(&version)?);
        let snapshot = self.snapshot(&version);
        Ok(Planning::Needed(Box::new(Task { version, table, layout, head, snapshot, base })))
    }

    /// The last version that was published before; none on the first import, or if a resync was requested.
    fn comparison_base(&self, table: &Table, version: &Version, key: Option<&HmacKey>) -> Result<ComparisonBase> {
        let published = self.registry.published_before(&version.key, &version.version)?;
        let last = baseline(&published);
        if self.registry.resync(&version.key)? {
            let rows = last.and_then(|last| last.plan.as_ref()).map_or(0, |plan| plan.counts.rows);
            let reset = Reset { version: last.map(|last| last.version.clone()), rows };
            return Ok(ComparisonBase { baseline: None, reset: Some(reset) });
        }
        let read = |last: &Version| check_key(last, key).and_then(|()| self.baseline(table, last));
        let baseline = last.map(read).transpose()?;
        Ok(ComparisonBase { baseline, reset: None })
    }

    /// Writes all rows of a published version as INSERTs, read with today's schema, for a sink that lacks them. Its
    /// plan says `reset`, and has the hash of the one that was published.
    pub(super) fn plan_in_full(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: &Version,
        snapshot: Export,
        watch: &Watch,
    ) -> Result<Version> {
        let published = version.plan.as_ref().expect("a published version has a plan");
        let base = ComparisonBase { baseline: None, reset: Some(Reset::default()) };
        let layout = self.layout_of(table, version, snapshot.epoch.as_ref())?;
        let (head, is_today) = (base.head(table, version, self.next_sequence(version)?), snapshot.epoch.is_none());
        let snapshot = Export { epoch: None, ..snapshot };
        let task = Task { version: version.clone(), table, layout, head, snapshot, base };
        let draft = self.changes.draft(version, lease.fence, None)?;
        let finish = |(plan, _): (Plan, Vec<Part>)| {
            if is_today && plan.fingerprint != published.fingerprint {
                return Err(changed(version, "its fingerprint differs".into()));
            }
            let changes = Some(draft.finish(&plan.hash)?);
            let plan = Some(Plan { hash: published.hash.clone(), ..plan });
            Ok(Version { plan, changes, epoch: Some(task.epoch()), ..version.clone() })
        };
        self.compute(&task, &draft, watch).and_then(finish).inspect_err(|_| draft.discard())
    }

    /// Computes a delta into a draft. Returns the plan, and the snapshot's parts with their checksums.
    fn compute(&self, task: &Task, draft: &Arc<dyn Draft>, watch: &Watch) -> Result<(Plan, Vec<Part>)> {
        watch.message(&format!("opening {}", task.version.version));
        let mut writer = self.writer(task, draft, 0)?;
        let summary = self.engines.delta(&task.request(self.resources()?, watch), &mut writer);
        task.plan(summary.map_err(|error| blame(error, task.base.baseline.as_ref()))?, writer)
    }

    #[cfg(feature = "aws")]
    fn compute_or_poll(
        &self,
        task: &Task,
        draft: &Arc<dyn Draft>,
        poll: Poll<'_>,
        watch: &Watch,
    ) -> Result<DeltaProgress<(Plan, Vec<Part>)>> {
        let mut writer = self.writer(task, draft, poll.reading().map_or(0, |reading| reading.parts))?;
        let progress = self.engines.start_or_poll(&task.request(self.resources()?, watch), poll, &mut writer);
        match progress.map_err(|error| blame(error, task.base.baseline.as_ref()))? {
            DeltaProgress::Finished(summary) => task.plan(summary, writer).map(DeltaProgress::Finished),
            DeltaProgress::Running(mut execution) => {
                if let Some(reading) = &mut execution.reading {
                    (reading.draft, reading.parts) = (draft.name(), writer.parts.finish()?);
                }
                Ok(DeltaProgress::Running(execution))
            }
        }
    }

    /// Writes operations to a draft that has some parts already.
    fn writer<'a>(&self, task: &'a Task, draft: &Arc<dyn Draft>, parts: u32) -> Result<OperationCheck<'a>> {
        let (sequence, level, threads) = (task.head.sequence, self.sinks.compression(), self.limits.threads);
        let parts = PartWriter::new(Arc::clone(draft), parts, PartOptions { sequence, level, threads });
        let (max_bytes, demands) = (self.sinks.max_operation_bytes()?, self.sinks.demands());
        Ok(OperationCheck { parts, sequence, max_bytes, demands, label: &task.snapshot.label })
    }

    /// The sequence that a version has or, as far as can be told, will get.
    fn next_sequence(&self, version: &Version) -> Result<u64> {
        match version.sequence {
            Some(sequence) => Ok(sequence),
            None => Ok(self.registry.last_sequence(&version.key)? + 1),
        }
    }

    pub(super) fn resources(&self) -> Result<Resources<'_>> {
        fs::create_dir_all(&self.work).at("cannot create", &self.work)?;
        Ok(Resources { work: &self.work, limits: self.limits })
    }

    /// Finishes a draft, once everything in it is durable, and records the plan.
    fn finish_plan(
        &self,
        lease: &Lease,
        task: Task,
        draft: &dyn Draft,
        plan: Plan,
        parts: Vec<Part>,
    ) -> Result<Version> {
        let changes = Some(draft.finish(&plan.hash)?);
        let parts = with_stored_checksums(&*task.snapshot.folder, parts)?;
        let epoch = Some(task.epoch());
        let approved = task.version.approved.clone().filter(|hash| *hash == plan.hash);
        let status = Status::Planned;
        let finding = task.version.finding.clone().filter(|_| !task.version.is_unread());
        let query = None;
        let planned =
            Version { status, plan: Some(plan), changes, parts, epoch, approved, finding, query, ..task.version };
        self.registry.advance(lease, Status::Registered, &planned)?;
        Breakpoint::Planned.reached();
        self.changes.remove_obsolete(&planned, lease.fence);
        Ok(planned)
    }

    /// A version's export as it was registered.
    fn snapshot(&self, version: &Version) -> Export {
        let key = &version.key;
        Export {
            label: version.to_string(),
            folder: self.exports.folder(&key.tenant, &key.table, &version.version),
            parts: version.parts.clone(),
            epoch: None,
        }
    }
}

impl Task {
    /// What the registry remembers about how its export was read.
    fn epoch(&self) -> Epoch {
        Epoch::from_table(self.table).with_key(self.layout.key().map(HmacKey::id))
    }

    fn request<'a>(&'a self, resources: Resources<'a>, watch: &'a Watch) -> DeltaRequest<'a> {
        let baseline = self.base.baseline.as_ref().map(|baseline| &baseline.export);
        let inputs = Inputs { baseline, snapshot: &self.snapshot };
        DeltaRequest { layout: &self.layout, before: None, head: &self.head, inputs, resources, watch }
    }

    /// Checks a delta, and makes its plan. Returns the snapshot's parts with their checksums, too.
    fn plan(&self, summary: DeltaSummary, writer: OperationCheck<'_>) -> Result<(Plan, Vec<Part>)> {
        let baseline = self.base.baseline.as_ref();
        check_baseline(baseline, &summary, self.table, &self.snapshot.label)?;
        let drift = baseline.and_then(|baseline| baseline.drift.clone());
        let (max_operation_bytes, demands, parts) = (writer.max_bytes, writer.demands, writer.parts.finish()?);
        let (reset, change) =
            (self.base.reset.clone(), baseline.and_then(|baseline| baseline.schema_change(self.table)));
        let plan =
            Plan { parts, drift, max_operation_bytes, demands, ..summary.plan(&self.head, self.table, reset, change) };
        Ok((plan, summary.snapshot_parts))
    }
}

/// The parts with the checksums that the store of their folder keeps of them.
fn with_stored_checksums(folder: &dyn Folder, parts: Vec<Part>) -> Result<Vec<Part>> {
    let stored = folder.stored_checksums(&parts.iter().collect::<Vec<_>>())?;
    Ok(parts.into_iter().zip(stored).map(|(part, stored)| Part { stored, ..part }).collect())
}

/// Refuses a delta whose baseline, as it was read, is not what was published.
fn check_baseline(baseline: Option<&Baseline>, summary: &DeltaSummary, table: &Table, label: &str) -> Result<()> {
    if let Some(baseline) = baseline
        && has_other_content(&baseline.version.parts, &summary.baseline_parts)
    {
        return Err(changed(&baseline.version, "a checksum differs".into()));
    }
    let published = match baseline {
        None => Some(0),
        // Another schema gives other fingerprints.
        Some(baseline) => {
            let plan = baseline.version.plan.as_ref().filter(|plan| plan.schema == table.schema);
            plan.map(|plan| plan.fingerprint)
        }
    };
    match published {
        Some(published) if published != summary.baseline_fingerprint => {
            let fingerprint = summary.baseline_fingerprint;
            let problem = format!("the baseline's fingerprint is {fingerprint}, but {published} was published");
            Err(Error::not_conserved(label, problem))
        }
        _ => Ok(()),
    }
}

/// Returns whether parts differ by name or contents. Athena knows no checksums, and reads only parts whose identity is
/// unchanged.
fn has_other_content(known: &[Part], read: &[Part]) -> bool {
    let is_other = |(known, read): (&Part, &Part)| known.name != read.name || known.has_other_content(read);
    known.len() != read.len() || known.iter().zip(read).any(is_other)
}

/// Turns an error of one export into an error that blames the right one.
fn blame(failed: DeltaError, baseline: Option<&Baseline>) -> Error {
    match (failed.side, baseline) {
        (Side::Baseline, Some(Baseline { version, drift: None, .. })) => blame_baseline(version, failed.error),
        (Side::Baseline, Some(Baseline { version, .. })) => blame_schema(version, failed.error),
        _ => failed.error,
    }
}
