//! The plan: the delta becomes a durable change set with its counts.

use std::fs;

use super::Runner;
use super::baseline::{changed, of_baseline};
use crate::change_set::{Plan, Writer, sync_folder};
use crate::engine::{Inputs, Side, native};
use crate::error::{IoContext as _, Result};
use crate::operation::Head;
use crate::row::Layout;
use crate::snapshot::{Export, Part};
use crate::store::{Lease, Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

impl Runner {
    /// Plans a version. One that was planned before is taken as it is, if it would come out the same.
    pub(super) fn plan(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Version> {
        let baseline = self.baseline(table, &version)?;
        let previous = baseline.as_ref().map(|(version, _)| version.version.clone());
        let version = match version.status {
            Status::Planned | Status::Held if self.is_planned(table, &version, &previous) => return Ok(version),
            from @ (Status::Planned | Status::Held) => {
                let again = Version { status: Status::Registered, reason: None, plan: None, approved: None, ..version };
                self.store.advance(lease, from, &again)?;
                again
            }
            _ => version,
        };

        let (plan, parts) = self.compute(table, &version, previous, baseline.as_ref(), watch)?;
        let planned = Version {
            status: Status::Planned,
            plan: Some(plan),
            parts,
            columns: table.columns.iter().map(|column| column.name.into()).collect(),
            primary_key: table.primary_key.iter().map(|name| (*name).into()).collect(),
            ..version
        };
        self.store.advance(lease, Status::Registered, &planned)?;
        Ok(planned)
    }

    fn is_planned(&self, table: &Table, version: &Version, previous: &Option<String>) -> bool {
        let same = version.plan.as_ref().is_some_and(|plan| plan.schema == table.schema && plan.previous == *previous);
        same && self.change_set(version).is_dir()
    }

    /// Computes the delta into a folder that gets its name, the plan's hash, once everything in it is durable.
    fn compute(
        &self,
        table: &'static Table,
        version: &Version,
        previous: Option<String>,
        baseline: Option<&(Version, Export)>,
        watch: &Watch,
    ) -> Result<(Plan, Vec<Part>)> {
        let key = &version.key;
        let snapshot = Export {
            label: format!("{key} {}", version.version),
            folder: self.exports.folder(&key.tenant, &key.table, &version.version),
            parts: version.parts.clone(),
        };
        let head = Head {
            tenant: key.tenant.clone(),
            table: key.table.clone(),
            version: version.version.clone(),
            previous,
            schema: table.schema_id(),
        };
        let work = self.state.join("work");
        fs::create_dir_all(&work).at("cannot create", &work)?;
        let folder = self.changes_folder(version);
        let aside = folder.join("aside");
        let mut writer = Writer::create(&aside)?;
        let inputs = Inputs { baseline: baseline.map(|(_, export)| export), snapshot: &snapshot };
        let mut write = |line: &[u8]| writer.write(line);
        let found =
            native::delta(&Layout::new(table), &head, inputs, &work, watch, &mut write).map_err(|failed| {
                match (failed.side, baseline) {
                    (Side::Baseline, Some((baseline, _))) => of_baseline(baseline, failed.error),
                    _ => failed.error,
                }
            })?;
        if let Some((baseline, _)) = baseline.filter(|(baseline, _)| baseline.parts != found.baseline_parts) {
            return Err(changed(baseline, "its bytes have another checksum".into()));
        }

        let plan = Plan { parts: writer.finish()?, ..Plan::new(&head, table, &found) };
        let named = folder.join(&plan.hash);
        if named.exists() {
            // Equal plans hold equal operations; the older folder may be of a run that was stopped in the middle.
            fs::remove_dir_all(&named).at("cannot remove", &named)?;
        }
        fs::rename(&aside, &named).at("cannot rename into", &named)?;
        sync_folder(&folder)?;
        Ok((plan, found.snapshot_parts))
    }
}
