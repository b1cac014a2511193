//! Bringing a sink that holds rows up to date: it was not among the sinks when the last versions were published, or
//! was restored from an older copy.

use std::collections::BTreeMap;

use super::next::Step;
use super::report::Outcome;
use super::runner::Runner;
use crate::error::Result;
use crate::name::TableKey;
use crate::sink::{Applied, Publication, Sink};
use crate::store::{Lease, Status, Version, baseline};
use crate::table::Table;
use crate::telemetry::{Watch, check_stop};

impl Runner {
    /// Returns whether a sink's rows are older than the version that was published last.
    pub(super) fn is_behind(&self, key: &TableKey, table: &Table) -> Result<bool> {
        for sink in self.row_sinks() {
            if self.missed(sink, key, table)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes sure that the sinks can take a step's version. Returns the outcomes of those that had to be brought up to
    /// date first.
    pub(super) fn get_ready(
        &self,
        step: &Step,
        lease: &Lease,
        table: &'static Table,
        watch: &Watch,
    ) -> Result<Vec<Outcome>> {
        if matches!(step, Step::Supersede { .. } | Step::Reopen(_)) || is_of_earlier_schema(step.version(), table) {
            return Ok(Vec::new());
        }
        for sink in self.sinks.iter() {
            sink.prepare(self.common(table), &lease.key.tenant)?;
        }
        self.catch_up(lease, table, watch)
    }

    /// Brings the rows of each sink up to the version that was published last: by the versions that it missed, or else
    /// by that version in full.
    pub(super) fn catch_up(&self, lease: &Lease, table: &'static Table, watch: &Watch) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for sink in self.row_sinks() {
            let Some((applied, last)) = self.missed(sink, &lease.key, table)? else { continue };
            sink.prepare(self.common(table), &lease.key.tenant)?;
            if let Some(adopted) = self.adopt_if_foreign(lease, &last)? {
                return Ok(vec![adopted]);
            }
            match self.bridge(&lease.key, table, &applied)? {
                Some(versions) => {
                    versions.iter().try_for_each(|version| self.apply_again(sink, lease, table, version))?
                }
                None => self.fill(sink, lease, table, &last, watch)?,
            }
            outcomes.push(Outcome::caught_up(&last, &sink.display_name()));
        }
        Ok(outcomes)
    }

    fn row_sinks(&self) -> impl Iterator<Item = &dyn Sink> {
        self.sinks.iter().filter(|sink| sink.holds_rows())
    }

    /// What a sink holds and the version that was published last, if that is a later one, or was read under another
    /// schema there. If the next version is published in full anyway, nothing was missed.
    fn missed(&self, sink: &dyn Sink, key: &TableKey, table: &Table) -> Result<Option<(Applied, Version)>> {
        let applied = sink.applied(key)?;
        if self.registry.resync(key)? {
            return Ok(None);
        }
        let current = self.registry.current_versions(key)?;
        let is_today = applied.schema.as_ref().is_none_or(|schema| schema == table.schema);
        let last = baseline(&current).filter(|last| last.sequence > Some(applied.sequence) || !is_today);
        Ok(last.map(|last| (applied, last.clone())))
    }

    /// The versions that lead from the sink's rows to those of the version that was published last; `None` if a change
    /// set is gone, or was made under another schema.
    fn bridge(&self, key: &TableKey, table: &Table, applied: &Applied) -> Result<Option<Vec<Version>>> {
        if applied.schema.as_ref().is_some_and(|schema| schema != table.schema) {
            return Ok(None);
        }
        let mut versions = self.registry.versions(key)?;
        versions.retain(|version| version.status.is_published() && version.sequence > Some(applied.sequence));
        versions.sort_by_key(|version| version.sequence);
        let previous = |version: &Version| version.plan.as_ref().and_then(|plan| plan.previous.clone());
        // Whatever was before a version in full does not matter.
        match versions.iter().rposition(|version| previous(version).is_none()) {
            Some(start) => drop(versions.drain(..start)),
            None if versions.first().and_then(previous) == applied.version => {}
            None => return Ok(None),
        }
        for version in &versions {
            let is_today = version.plan.as_ref().is_some_and(|plan| plan.schema == table.schema);
            if !is_today || version.changes.is_none() || !self.changes.is_complete(version)? {
                return Ok(None);
            }
        }
        Ok(Some(versions))
    }

    fn apply_again(&self, sink: &dyn Sink, lease: &Lease, table: &Table, version: &Version) -> Result<()> {
        let publication = self.publication(lease, table, version);
        sink.publish(publication, &BTreeMap::new(), &mut |_, _| check_stop())
    }

    /// Fills the sink with the rows of a published version, from its export, read with today's schema.
    pub(super) fn fill(
        &self,
        sink: &dyn Sink,
        lease: &Lease,
        table: &'static Table,
        version: &Version,
        watch: &Watch,
    ) -> Result<()> {
        let baseline = self.baseline(table, version)?;
        let full = self.plan_in_full(lease, table, version, baseline.export, watch)?;
        let publication = Publication { replaces: true, ..self.publication(lease, table, &full) };
        let done = sink.publish(publication, &BTreeMap::new(), &mut |_, _| check_stop());
        self.changes.remove_obsolete(version, lease.fence);
        done
    }
}

/// Returns whether a version was planned under an earlier schema. Its operations do not fit the columns of today, so a
/// sink that holds rows is brought up to date from its export instead.
pub(super) fn is_of_earlier_schema(version: &Version, table: &Table) -> bool {
    let is_planned = matches!(version.status, Status::Publishing);
    is_planned && version.plan.as_ref().is_some_and(|plan| plan.schema != table.schema)
}
