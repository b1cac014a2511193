//! The plan: the delta becomes a durable change set with its counts.

use std::fs;
use std::path::Path;

use super::Runner;
use super::baseline::{Baseline, changed, newest, of_baseline, of_other_epoch};
use crate::breakpoint::Breakpoint;
use crate::change_set::{Plan, Reset, Writer, folder_names, sync_folder};
use crate::engine::{Failed, Inputs, Room, Side};
use crate::epoch::Epoch;
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::row::Layout;
use crate::snapshot::{Export, Part};
use crate::store::{Lease, Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

/// What a version is planned against.
struct Against {
    baseline: Option<Baseline>,
    reset: Option<Reset>,
}

impl Against {
    fn previous(&self) -> Option<String> {
        self.baseline.as_ref().map(|baseline| baseline.version.version.clone())
    }

    /// Whether a plan would come out the same.
    fn is_of(&self, plan: &Plan, table: &Table) -> bool {
        plan.schema == table.schema && plan.previous == self.previous() && plan.reset == self.reset
    }
}

impl Runner {
    /// Plans a version. One that was planned before is taken as it is, if it would come out the same.
    pub(super) fn plan(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Version> {
        let against = self.against(table, &version)?;
        let version = match (version.status, &version.plan) {
            (Status::Planned | Status::Held, Some(plan))
                if against.is_of(plan, table) && self.change_set(&version).is_dir() =>
            {
                return Ok(version);
            }
            (from @ (Status::Planned | Status::Held), _) => {
                let again = version.unplanned(Status::Registered);
                self.store.advance(lease, from, &again)?;
                again
            }
            _ => version,
        };
        let planned = self.compute(lease, table, version, against, watch)?;
        self.store.advance(lease, Status::Registered, &planned)?;
        Breakpoint::Planned.reached();
        self.remove_leftovers(lease, &planned);
        Ok(planned)
    }

    /// Removes what earlier runs planned for the version, or began to. That it fails is no reason to stop.
    fn remove_leftovers(&self, lease: &Lease, planned: &Version) {
        let folder = self.changes_folder(planned);
        for name in folder_names(&folder).unwrap_or_default() {
            let is_older = fence_of(&name).is_some_and(|fence| fence <= lease.fence);
            if is_older && planned.changes.as_ref() != Some(&name) {
                let removed = fs::remove_dir_all(folder.join(&name));
                tracing::debug!(version = %planned, folder = name, ?removed, "Removed what was planned before.");
            }
        }
    }

    /// The newest version that succeeded; nothing on the first import, nor when a resync was asked for.
    fn against(&self, table: &Table, version: &Version) -> Result<Against> {
        let versions = self.store.versions(&version.key)?;
        let older: Vec<Version> = versions.into_iter().take_while(|other| other.version != version.version).collect();
        let newest = newest(&older);
        if self.store.resync(&version.key)? {
            let rows = newest.and_then(|newest| newest.plan.as_ref()).map_or(0, |plan| plan.counts.rows);
            let reset = Reset { version: newest.map(|newest| newest.version.clone()), rows };
            return Ok(Against { baseline: None, reset: Some(reset) });
        }
        let baseline = newest.map(|newest| self.baseline(table, newest)).transpose()?;
        Ok(Against { baseline, reset: None })
    }

    /// Computes the delta into a folder that gets its name once everything in it is durable.
    fn compute(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        against: Against,
        watch: &Watch,
    ) -> Result<Version> {
        let folder = self.changes_folder(&version);
        // A name of this run's own: one that lost its lease and does not know it yet can do no harm.
        let aside = folder.join(format!("aside-{}", lease.fence));
        let computed = self.compute_into(&aside, table, &version, against, watch);
        let (plan, parts) = computed.inspect_err(|_| {
            // The error that is on its way says more than one about the leftover would.
            let _ = fs::remove_dir_all(&aside);
        })?;
        let name = format!("{}-{}", plan.hash, lease.fence);
        let named = folder.join(&name);
        if named.exists() {
            fs::remove_dir_all(&named).at("cannot remove", &named)?;
        }
        fs::rename(&aside, &named).at("cannot rename into", &named)?;
        sync_folder(&folder)?;
        Breakpoint::ChangesDurable.reached();
        let epoch = Some(Epoch::of(table));
        Ok(Version { status: Status::Planned, plan: Some(plan), changes: Some(name), parts, epoch, ..version })
    }

    fn compute_into(
        &self,
        aside: &Path,
        table: &'static Table,
        version: &Version,
        against: Against,
        watch: &Watch,
    ) -> Result<(Plan, Vec<Part>)> {
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
        let work = self.state.join("work");
        fs::create_dir_all(&work).at("cannot create", &work)?;
        let mut writer = Writer::create(aside)?;
        let baseline = against.baseline.as_ref();
        let inputs = Inputs { baseline: baseline.map(|baseline| &baseline.export), snapshot: &snapshot };
        let room = Room { work: &work, limits: self.limits };
        let layout = Layout::new(table);
        let found = self.engines.delta(&layout, &head, inputs, room, watch, &mut writer);
        let found = found.map_err(|failed| blame(failed, baseline))?;
        if let Some(baseline) = baseline.filter(|baseline| other_bytes(&baseline.version.parts, &found.baseline_parts))
        {
            return Err(changed(&baseline.version, "its bytes have another checksum".into()));
        }
        let drift = against.baseline.and_then(|baseline| baseline.drift);
        let plan = Plan { parts: writer.finish()?, drift, ..Plan::new(&head, table, &found, against.reset) };
        Ok((plan, found.snapshot_parts))
    }
}

/// Whether parts have other checksums than they had. Athena, which reads what S3 calls the same, knows none.
fn other_bytes(known: &[Part], found: &[Part]) -> bool {
    let is_other = |(known, found): (&Part, &Part)| {
        let of_both = known.checksum.as_ref().zip(found.checksum.as_ref());
        known.name != found.name || of_both.is_some_and(|(known, found)| known != found)
    };
    known.len() != found.len() || known.iter().zip(found).any(is_other)
}

/// The fence in the name of a change set's folder.
fn fence_of(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// What is wrong with the baseline is not the snapshot's fault.
fn blame(failed: Failed, baseline: Option<&Baseline>) -> Error {
    match (failed.side, baseline) {
        (Side::Baseline, Some(Baseline { version, drift: None, .. })) => of_baseline(version, failed.error),
        (Side::Baseline, Some(Baseline { version, .. })) => of_other_epoch(version, failed.error),
        _ => failed.error,
    }
}
