//! The plan: the delta becomes a durable change set with its counts.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::breakpoint::Breakpoint;
use crate::canonical::row::Layout;
use crate::change_set::{Draft, LineSink, Writer};
use crate::engine::{DeltaProgress, DeltaSummary, Failed, Inputs, QueryExecution, Resources, Side, WaitMode};
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

/// What became of a version that is planned.
pub(super) enum Planned {
    /// It has a plan.
    Version(Box<Version>),
    /// Its delta is still computed.
    Runs(QueryExecution),
}

enum Computed {
    Plan(Box<Plan>, Vec<Part>),
    Runs(QueryExecution),
}

/// Lets operations through that the sink can take. What began to be published must end, so that this is found out before.
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
    /// Plans a version. One that was planned before is taken as it is, if it would come out the same; and what somebody
    /// approved stays approved, if it did.
    pub(super) fn plan(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Planned> {
        let against = self.against(table, &version)?;
        let approved = version.approved.clone();
        let version = match (version.status, &version.plan) {
            (Status::Planned | Status::Held, Some(plan))
                if against.is_of(plan, table, self.sink.largest_operation()?) && self.changes.is_whole(&version)? =>
            {
                return Ok(Planned::Version(Box::new(version)));
            }
            (from @ (Status::Planned | Status::Held), _) => {
                let again = version.unplanned(Status::Registered);
                self.store.advance(lease, from, &again)?;
                again
            }
            _ => version,
        };
        let mut planned = match self.compute(lease, table, version, against, waiting, watch)? {
            Planned::Version(planned) => planned,
            runs @ Planned::Runs(_) => return Ok(runs),
        };
        planned.approved = approved.filter(|hash| planned.plan.as_ref().is_some_and(|plan| plan.hash == *hash));
        self.store.advance(lease, Status::Registered, &planned)?;
        Breakpoint::Planned.reached();
        self.changes.remove_leftovers(&planned, lease.fence);
        Ok(Planned::Version(planned))
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

    /// Computes the delta into a change set that gets its name once everything in it is durable.
    fn compute(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        against: ComparisonBase,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Planned> {
        let reading = waiting.reading();
        let draft = self.changes.draft(&version, lease.fence, reading.map(|reading| reading.draft.as_str()))?;
        let computed = self.compute_into(&draft, table, &version, against, waiting, watch);
        let (plan, parts) = match computed {
            Ok(Computed::Plan(plan, parts)) => (plan, parts),
            Ok(Computed::Runs(statement)) => {
                if statement.reading.is_none() {
                    draft.abandon();
                }
                return Ok(Planned::Runs(statement));
            }
            Err(error) => {
                // What earlier turns wrote is needed when this one is made again.
                if reading.is_none() {
                    draft.abandon();
                }
                return Err(error);
            }
        };
        let changes = Some(draft.finish(&plan.hash)?);
        let epoch = Some(Epoch::from_table(table));
        let planned = Version { status: Status::Planned, plan: Some(*plan), changes, parts, epoch, ..version };
        Ok(Planned::Version(Box::new(planned)))
    }

    fn compute_into(
        &self,
        draft: &Arc<dyn Draft>,
        table: &'static Table,
        version: &Version,
        against: ComparisonBase,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Computed> {
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
        fs::create_dir_all(&self.work).at("cannot create", &self.work)?;
        let writer = Writer::new(Arc::clone(draft), waiting.reading().map_or(0, |reading| reading.parts));
        let mut writer = Publishable { lines: writer, most: self.sink.largest_operation()?, label: &snapshot.label };
        let baseline = against.baseline.as_ref();
        let inputs = Inputs { baseline: baseline.map(|baseline| &baseline.export), snapshot: &snapshot };
        let room = Resources { work: &self.work, limits: self.limits };
        let layout = Layout::new(table);
        let turned = self.engines.turn(&layout, &head, inputs, (room, waiting), watch, &mut writer);
        let found = match turned.map_err(|failed| blame(failed, baseline))? {
            DeltaProgress::Finished(found) => found,
            DeltaProgress::Running(mut statement) => {
                if let Some(reading) = &mut statement.reading {
                    (reading.draft, reading.parts) = (draft.name(), writer.lines.finish()?);
                }
                return Ok(Computed::Runs(statement));
            }
        };
        if let Some(baseline) = baseline.filter(|baseline| other_bytes(&baseline.version.parts, &found.baseline_parts))
        {
            return Err(changed(&baseline.version, "its bytes have another checksum".into()));
        }
        if let Some(error) = other_rows(baseline, &found, table, &snapshot.label) {
            return Err(error);
        }
        let drift = against.baseline.and_then(|baseline| baseline.drift);
        let (most, parts) = (writer.most, writer.lines.finish()?);
        let plan = Plan { parts, drift, max_operation_bytes: most, ..found.plan(&head, table, against.reset) };
        Ok(Computed::Plan(Box::new(plan), found.snapshot_parts))
    }
}

/// That a baseline does not add up to what it did when it was published, as read by the same schema: whatever was computed
/// was computed from something else.
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
fn blame(failed: Failed, baseline: Option<&Baseline>) -> Error {
    match (failed.side, baseline) {
        (Side::Baseline, Some(Baseline { version, drift: None, .. })) => of_baseline(version, failed.error),
        (Side::Baseline, Some(Baseline { version, .. })) => of_other_epoch(version, failed.error),
        _ => failed.error,
    }
}
