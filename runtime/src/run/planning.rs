//! The plan: the delta becomes a durable change set with its counts.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::breakpoint::Breakpoint;
use crate::canonical::row::Layout;
use crate::change_set::{Draft, LineSink, Writer};
use crate::engine::{DeltaError, DeltaRequest, DeltaSummary, Inputs, Resources, Side};
#[cfg(feature = "aws")]
use crate::engine::{DeltaProgress, Poll};
use crate::epoch::Epoch;
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::plan::{Plan, Reset};
use crate::run::Runner;
use crate::run::baseline::{Baseline, changed, newest, of_baseline, of_other_epoch};
use crate::snapshot::{Export, Part};
use crate::store::{Lease, Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

/// What a version is planned against.
struct ComparisonBase {
    baseline: Option<Baseline>,
    reset: Option<Reset>,
}

/// A version that is to be planned.
enum Planning {
    /// It has a plan that is still valid.
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
    against: ComparisonBase,
}

/// Lets operations through that the sink can take. What began to be published must end, so that this is found out
/// before.
struct Publishable<'a> {
    lines: Writer,
    most: Option<usize>,
    label: &'a str,
}

impl LineSink for Publishable<'_> {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        if let Some(most) = self.most
            && let Some(line) = lines.split_inclusive(|byte| *byte == b'\n').find(|line| stamped_size(line) > most)
        {
            return Err(too_large(line, most, self.label));
        }
        self.lines.write(lines)
    }

    fn restart(&mut self) -> Result<()> {
        self.lines.restart()
    }
}

/// How many bytes a line has at most once its sequence is in it.
fn stamped_size(line: &[u8]) -> usize {
    const DIGITS: usize = u64::MAX.ilog10() as usize + 1;
    line.len() + DIGITS
}

fn too_large(line: &[u8], most: usize, label: &str) -> Error {
    let text = String::from_utf8_lossy(line);
    let id = text.split_once(r#""id":""#).map_or("?", |(_, rest)| rest.split('"').next().unwrap_or("?"));
    let size = stamped_size(line);
    let problem = format!("an operation (id {id}) has {size} bytes, and the sink takes {most}");
    Error::export(Path::new(label), problem)
        .help("shorten its values, raise the stream's largest record, or publish to files")
}

impl ComparisonBase {
    fn previous(&self) -> Option<String> {
        self.baseline.as_ref().map(|baseline| baseline.version.version.clone())
    }

    /// Whether a plan would come out the same, for a sink that takes operations of up to `most` bytes.
    fn is_of(&self, plan: &Plan, table: &Table, most: Option<usize>) -> bool {
        let is_same = plan.schema == table.schema && plan.previous == self.previous() && plan.reset == self.reset;
        is_same && plan.fits(most)
    }
}

impl Runner {
    /// Plans a version, waiting for its delta. A plan that is still valid is kept, and so is its approval.
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
        let computed = self.writer(&task, &draft, 0).and_then(|mut writer| {
            let summary = self.engines.delta(&task.request(self.resources()?, watch), &mut writer);
            task.plan(summary.map_err(|error| blame(error, task.against.baseline.as_ref()))?, writer)
        });
        match computed {
            Ok((plan, parts)) => self.finish_plan(lease, *task, &*draft, plan, parts),
            Err(error) => {
                draft.abandon();
                Err(error)
            }
        }
    }

    /// Plans a version without waiting for Athena. What earlier calls wrote is kept until the plan is finished.
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
        let computed = self.poll_delta(&task, &draft, poll, watch);
        let keeps_draft = match &computed {
            Ok(DeltaProgress::Finished(_)) => true,
            Ok(DeltaProgress::Running(execution)) => execution.reading.is_some(),
            Err(_) => reading.is_some(),
        };
        if !keeps_draft {
            draft.abandon();
        }
        match computed? {
            DeltaProgress::Running(execution) => Ok(DeltaProgress::Running(execution)),
            DeltaProgress::Finished((plan, parts)) => {
                self.finish_plan(lease, *task, &*draft, plan, parts).map(DeltaProgress::Finished)
            }
        }
    }

    #[cfg(feature = "aws")]
    fn poll_delta(
        &self,
        task: &Task,
        draft: &Arc<dyn Draft>,
        poll: Poll<'_>,
        watch: &Watch,
    ) -> Result<DeltaProgress<(Plan, Vec<Part>)>> {
        let mut writer = self.writer(task, draft, poll.reading().map_or(0, |reading| reading.parts))?;
        let progress = self.engines.start_or_poll(&task.request(self.resources()?, watch), poll, &mut writer);
        match progress.map_err(|error| blame(error, task.against.baseline.as_ref()))? {
            DeltaProgress::Finished(summary) => task.plan(summary, writer).map(DeltaProgress::Finished),
            DeltaProgress::Running(mut execution) => {
                if let Some(reading) = &mut execution.reading {
                    (reading.draft, reading.parts) = (draft.name(), writer.lines.finish()?);
                }
                Ok(DeltaProgress::Running(execution))
            }
        }
    }

    /// Checks whether a version needs a new plan. If so, it is moved back to REGISTERED.
    fn planning(&self, lease: &Lease, table: &'static Table, version: Version) -> Result<Planning> {
        let against = self.against(table, &version)?;
        let version = match (version.status, &version.plan) {
            (Status::Planned | Status::Held, Some(plan))
                if against.is_of(plan, table, self.sink.largest_operation()?) && self.changes.is_whole(&version)? =>
            {
                return Ok(Planning::Valid(Box::new(version)));
            }
            (from @ (Status::Planned | Status::Held), _) => {
                let approved = version.approved.clone();
                let again = version.unplanned(Status::Registered);
                self.store.advance(lease, from, &again)?;
                Version { approved, ..again }
            }
            _ => version,
        };
        let key = &version.key;
        let snapshot = Export {
            label: format!("{key} {}", version.version),
            folder: self.exports.folder(&key.tenant, &key.table, &version.version),
            parts: version.parts.clone(),
            epoch: None,
        };
        let head = Head {
            tenant: key.tenant.clone(),
            table: key.table.clone(),
            version: version.version.clone(),
            previous: against.previous(),
            schema: table.schema_id(),
        };
        let layout = Layout::new(table);
        Ok(Planning::Needed(Box::new(Task { version, table, layout, head, snapshot, against })))
    }
    /// The newest version that succeeded; nothing on the first import, nor when a resync was asked for.
    fn against(&self, table: &Table, version: &Version) -> Result<ComparisonBase> {
        let versions = self.store.versions(&version.key)?;
        let older: Vec<Version> = versions.into_iter().take_while(|other| other.version != version.version).collect();
        let newest = newest(&older);
        if self.store.resync(&version.key)? {
            let rows = newest.and_then(|newest| newest.plan.as_ref()).map_or(0, |plan| plan.counts.rows);
            let reset = Reset { version: newest.map(|newest| newest.version.clone()), rows };
            return Ok(ComparisonBase { baseline: None, reset: Some(reset) });
        }
        let baseline = newest.map(|newest| self.baseline(table, newest)).transpose()?;
        Ok(ComparisonBase { baseline, reset: None })
    }

    /// Writes the operations of a delta to a draft that has `parts` parts already.
    fn writer<'a>(&self, task: &'a Task, draft: &Arc<dyn Draft>, parts: u32) -> Result<Publishable<'a>> {
        let lines = Writer::new(Arc::clone(draft), parts);
        Ok(Publishable { lines, most: self.sink.largest_operation()?, label: &task.snapshot.label })
    }

    fn resources(&self) -> Result<Resources<'_>> {
        fs::create_dir_all(&self.work).at("cannot create", &self.work)?;
        Ok(Resources { work: &self.work, limits: self.limits })
    }

    /// Gives the change set its name, once everything in it is durable, and moves the version to PLANNED. Its approval
    /// is kept if the new plan is the one that was approved.
    fn finish_plan(
        &self,
        lease: &Lease,
        task: Task,
        draft: &dyn Draft,
        plan: Plan,
        parts: Vec<Part>,
    ) -> Result<Version> {
        let changes = Some(draft.finish(&plan.hash)?);
        let epoch = Some(Epoch::of(task.table));
        let approved = task.version.approved.clone().filter(|hash| *hash == plan.hash);
        let version =
            Version { status: Status::Planned, plan: Some(plan), changes, parts, epoch, approved, ..task.version };
        self.store.advance(lease, Status::Registered, &version)?;
        Breakpoint::Planned.reached();
        self.changes.remove_leftovers(&version, lease.fence);
        Ok(version)
    }
}

impl Task {
    fn request<'a>(&'a self, resources: Resources<'a>, watch: &'a Watch) -> DeltaRequest<'a> {
        let baseline = self.against.baseline.as_ref().map(|baseline| &baseline.export);
        let inputs = Inputs { baseline, snapshot: &self.snapshot };
        DeltaRequest { layout: &self.layout, head: &self.head, inputs, resources, watch }
    }

    /// Checks a delta and turns it into a plan. Returns the snapshot's parts, with their checksums, too.
    fn plan(&self, summary: DeltaSummary, writer: Publishable<'_>) -> Result<(Plan, Vec<Part>)> {
        let baseline = self.against.baseline.as_ref();
        if let Some(baseline) =
            baseline.filter(|baseline| other_bytes(&baseline.version.parts, &summary.baseline_parts))
        {
            return Err(changed(&baseline.version, "its bytes have another checksum".into()));
        }
        if let Some(error) = other_rows(baseline, &summary, self.table, &self.snapshot.label) {
            return Err(error);
        }
        let drift = baseline.and_then(|baseline| baseline.drift.clone());
        let (max_operation_bytes, parts) = (writer.most, writer.lines.finish()?);
        let reset = self.against.reset.clone();
        let plan = Plan { parts, drift, max_operation_bytes, ..summary.plan(&self.head, self.table, reset) };
        Ok((plan, summary.snapshot_parts))
    }
}

/// That a baseline does not add up to what it did when it was published, as read by the same schema: whatever was
/// computed was computed from something else.
fn other_rows(baseline: Option<&Baseline>, found: &DeltaSummary, table: &Table, label: &str) -> Option<Error> {
    let published = match baseline {
        None => 0,
        Some(baseline) => {
            baseline.version.plan.as_ref().filter(|plan| plan.schema == table.schema).map(|plan| plan.fingerprint)?
        }
    };
    let problem = format!("the baseline adds up to {}, and did to {published}", found.baseline_fingerprint);
    (found.baseline_fingerprint != published).then(|| Error::not_conserved(label, problem))
}

/// Whether parts have other checksums than they had. Athena, which reads what S3 calls the same, knows none.
fn other_bytes(known: &[Part], found: &[Part]) -> bool {
    let is_other = |(known, found): (&Part, &Part)| {
        let of_both = known.checksum.as_ref().zip(found.checksum.as_ref());
        known.name != found.name || of_both.is_some_and(|(known, found)| known != found)
    };
    known.len() != found.len() || known.iter().zip(found).any(is_other)
}

/// What is wrong with the baseline is not the snapshot's fault.
fn blame(failed: DeltaError, baseline: Option<&Baseline>) -> Error {
    match (failed.side, baseline) {
        (Side::Baseline, Some(Baseline { version, drift: None, .. })) => of_baseline(version, failed.error),
        (Side::Baseline, Some(Baseline { version, .. })) => of_other_epoch(version, failed.error),
        _ => failed.error,
    }
}
