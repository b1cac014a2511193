//! Planning: the delta becomes a durable change set with a plan.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::baseline::{Baseline, blame_baseline, blame_schema, changed, newest};
use super::runner::Runner;
use crate::breakpoint::Breakpoint;
use crate::canonical::row::Layout;
use crate::change_set::{Draft, LineSink, PartWriter};
use crate::engine::{DeltaProgress, DeltaSummary, Failed, Inputs, QueryExecution, Resources, Side, WaitMode};
use crate::epoch::Epoch;
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::plan::{Plan, Reset};
use crate::snapshot::{Export, Part};
use crate::store::{Lease, Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

/// What a version is compared with: a baseline; or, for a resync, nothing.
struct ComparisonBase {
    baseline: Option<Baseline>,
    reset: Option<Reset>,
}

/// The outcome of planning a version.
pub(super) enum Planned {
    /// The version has a plan.
    Version(Box<Version>),
    /// Its delta is still computed.
    Runs(QueryExecution),
}

enum Computed {
    Plan(Box<Plan>, Vec<Part>),
    Runs(QueryExecution),
}

/// Refuses operations that are too large for the sink. A version that is PUBLISHING has to be finished, so this must be
/// known before.
struct SizeCheck<'a> {
    parts: PartWriter,
    max_bytes: Option<usize>,
    label: &'a str,
}

impl LineSink for SizeCheck<'_> {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        if let Some(max_bytes) = self.max_bytes
            && let Some(line) = lines.split_inclusive(|byte| *byte == b'\n').find(|line| stamped_size(line) > max_bytes)
        {
            return Err(too_large(line, max_bytes, self.label));
        }
        self.parts.write(lines)
    }

    fn restart(&mut self) -> Result<()> {
        self.parts.restart()
    }
}

/// The largest size of a line in bytes, once its sequence is filled in.
fn stamped_size(line: &[u8]) -> usize {
    const DIGITS: usize = u64::MAX.ilog10() as usize + 1;
    line.len() + DIGITS
}

fn too_large(line: &[u8], max_bytes: usize, label: &str) -> Error {
    let text = String::from_utf8_lossy(line);
    let id = text.split_once(r#""id":""#).map_or("?", |(_, rest)| rest.split('"').next().unwrap_or("?"));
    let size = stamped_size(line);
    let problem = format!("an operation (id {id}) has {size} bytes, but the sink accepts at most {max_bytes}");
    Error::export(Path::new(label), problem)
        .help("shorten its values, raise the stream's maximum record size, or publish to files")
}

impl ComparisonBase {
    /// The fields that every operation repeats.
    fn head(&self, table: &Table, version: &Version) -> Head {
        Head {
            tenant: version.key.tenant.clone(),
            table: version.key.table.clone(),
            version: version.version.clone(),
            previous: self.previous(),
            schema: table.schema_id(),
        }
    }

    fn previous(&self) -> Option<String> {
        self.baseline.as_ref().map(|baseline| baseline.version.version.clone())
    }

    /// Returns whether planning again would give the same plan, for a sink with this limit.
    fn matches(&self, plan: &Plan, table: &Table, max_operation_bytes: Option<usize>) -> bool {
        let is_same = plan.schema == table.schema && plan.previous == self.previous() && plan.reset == self.reset;
        is_same && plan.fits(max_operation_bytes)
    }
}

impl Runner {
    /// Plans a version. An existing plan is kept if planning again would give the same one. An approval is kept if the
    /// plan's hash is the same.
    pub(super) fn plan(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Planned> {
        let base = self.comparison_base(table, &version)?;
        let approved = version.approved.clone();
        let version = match (version.status, &version.plan) {
            (Status::Planned | Status::Held, Some(plan))
                if base.matches(plan, table, self.sink.max_operation_bytes()?)
                    && self.changes.is_complete(&version)? =>
            {
                return Ok(Planned::Version(Box::new(version)));
            }
            (from @ (Status::Planned | Status::Held), _) => {
                let again = version.unplanned(Status::Registered);
                self.registry.advance(lease, from, &again)?;
                again
            }
            _ => version,
        };
        let mut planned = match self.compute(lease, table, version, base, waiting, watch)? {
            Planned::Version(planned) => planned,
            runs @ Planned::Runs(_) => return Ok(runs),
        };
        planned.approved = approved.filter(|hash| planned.plan.as_ref().is_some_and(|plan| plan.hash == *hash));
        self.registry.advance(lease, Status::Registered, &planned)?;
        Breakpoint::Planned.reached();
        self.changes.remove_obsolete(&planned, lease.fence);
        Ok(Planned::Version(planned))
    }

    /// The newest version that succeeded before; none on the first import, or if a resync was requested.
    fn comparison_base(&self, table: &Table, version: &Version) -> Result<ComparisonBase> {
        let versions = self.registry.versions(&version.key)?;
        let older: Vec<Version> = versions.into_iter().take_while(|other| other.version != version.version).collect();
        let newest = newest(&older);
        if self.registry.resync(&version.key)? {
            let rows = newest.and_then(|newest| newest.plan.as_ref()).map_or(0, |plan| plan.counts.rows);
            let reset = Reset { version: newest.map(|newest| newest.version.clone()), rows };
            return Ok(ComparisonBase { baseline: None, reset: Some(reset) });
        }
        let baseline = newest.map(|newest| self.baseline(table, newest)).transpose()?;
        Ok(ComparisonBase { baseline, reset: None })
    }

    /// Computes the delta into a draft, and finishes it once everything in it is durable.
    fn compute(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        base: ComparisonBase,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Planned> {
        let reading = waiting.reading();
        let draft = self.changes.draft(&version, lease.fence, reading.map(|reading| reading.draft.as_str()))?;
        let computed = self.compute_into(&draft, table, &version, base, waiting, watch);
        let (plan, parts) = match computed {
            Ok(Computed::Plan(plan, parts)) => (plan, parts),
            Ok(Computed::Runs(statement)) => {
                if statement.reading.is_none() {
                    draft.discard();
                }
                return Ok(Planned::Runs(statement));
            }
            Err(error) => {
                // Another try needs what earlier polls wrote.
                if reading.is_none() {
                    draft.discard();
                }
                return Err(error);
            }
        };
        let changes = Some(draft.finish(&plan.hash)?);
        let epoch = Some(Epoch::of(table));
        let planned = Version { status: Status::Planned, plan: Some(*plan), changes, parts, epoch, ..version };
        Ok(Planned::Version(Box::new(planned)))
    }

    fn compute_into(
        &self,
        draft: &Arc<dyn Draft>,
        table: &'static Table,
        version: &Version,
        base: ComparisonBase,
        waiting: WaitMode<'_>,
        watch: &Watch,
    ) -> Result<Computed> {
        let (snapshot, head) = (self.snapshot(version), base.head(table, version));
        fs::create_dir_all(&self.work).at("cannot create", &self.work)?;
        let max_bytes = self.sink.max_operation_bytes()?;
        let parts = PartWriter::new(Arc::clone(draft), waiting.reading().map_or(0, |reading| reading.parts));
        let mut writer = SizeCheck { parts, max_bytes, label: &snapshot.label };
        let baseline = base.baseline.as_ref();
        let inputs = Inputs { baseline: baseline.map(|baseline| &baseline.export), snapshot: &snapshot };
        let room = Resources { work: &self.work, limits: self.limits };
        let layout = Layout::new(table);
        let turned = self.engines.turn(&layout, &head, inputs, (room, waiting), watch, &mut writer);
        let found = match turned.map_err(|failed| blame(failed, baseline))? {
            DeltaProgress::Finished(found) => found,
            DeltaProgress::Running(mut statement) => {
                if let Some(reading) = &mut statement.reading {
                    (reading.draft, reading.parts) = (draft.name(), writer.parts.finish()?);
                }
                return Ok(Computed::Runs(statement));
            }
        };
        check_baseline(baseline, &found, table, &snapshot.label)?;
        let drift = base.baseline.and_then(|baseline| baseline.drift);
        let parts = writer.parts.finish()?;
        let plan = Plan { parts, drift, max_operation_bytes: max_bytes, ..found.plan(&head, table, base.reset) };
        Ok(Computed::Plan(Box::new(plan), found.snapshot_parts))
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

/// Refuses a delta whose baseline, as it was read, is not what was published.
fn check_baseline(baseline: Option<&Baseline>, summary: &DeltaSummary, table: &Table, label: &str) -> Result<()> {
    if let Some(baseline) = baseline
        && has_other_bytes(&baseline.version.parts, &summary.baseline_parts)
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

/// Returns whether parts differ by name or checksum. Athena does not know checksums, and reads only parts whose
/// identity is unchanged.
fn has_other_bytes(known: &[Part], read: &[Part]) -> bool {
    let is_other = |(known, read): (&Part, &Part)| {
        let checksums = known.checksum.as_ref().zip(read.checksum.as_ref());
        known.name != read.name || checksums.is_some_and(|(known, read)| known != read)
    };
    known.len() != read.len() || known.iter().zip(read).any(is_other)
}

/// Turns an error of one export into an error that blames the right one.
fn blame(failed: Failed, baseline: Option<&Baseline>) -> Error {
    match (failed.side, baseline) {
        (Side::Baseline, Some(Baseline { version, drift: None, .. })) => blame_baseline(version, failed.error),
        (Side::Baseline, Some(Baseline { version, .. })) => blame_schema(version, failed.error),
        _ => failed.error,
    }
}
