//! Bringing a sink that holds rows up to date: it was not among the sinks when the last versions were published, or was
//! restored from an older copy.

use std::collections::BTreeMap;

use super::next::Step;
use super::report::Outcome;
use super::runner::Runner;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::TableKey;
use crate::sink::Applied;
use crate::store::{Lease, Version, baseline};
use crate::table::Table;
use crate::telemetry::{Watch, check_stop};

impl Runner {
    /// Returns whether the sink's rows are older than the version that was published last.
    pub(super) fn is_behind(&self, key: &TableKey) -> Result<bool> {
        let Some(applied) = self.sink.applied(key)? else { return Ok(false) };
        Ok(self.missed(key, &applied)?.is_some())
    }

    /// Makes sure that the sink can take a step's version. Returns the outcome if it had to be brought up to date
    /// first.
    pub(super) fn get_ready(
        &self,
        step: &Step,
        lease: &Lease,
        table: &'static Table,
        watch: &Watch,
    ) -> Result<Option<Outcome>> {
        let key = &lease.key;
        match step {
            Step::Supersede { .. } | Step::Reopen(_) => return Ok(None),
            // It is finished under the schema that it was planned with.
            Step::Finish(version) if version.plan.as_ref().is_some_and(|plan| plan.schema != table.schema) => {
                return Ok(None);
            }
            Step::Finish(_) | Step::Run(_) => self.sink.prepare(table)?,
        }
        let caught_up = self.catch_up(lease, table, watch)?;
        if caught_up.is_none()
            && let Some(applied) = self.sink.applied(key)?
        {
            self.check_schema(key, table, &applied)?;
        }
        Ok(caught_up)
    }

    /// Brings the sink's rows up to the version that was published last: by the versions that it missed, or else by
    /// that version in full.
    pub(super) fn catch_up(&self, lease: &Lease, table: &'static Table, watch: &Watch) -> Result<Option<Outcome>> {
        let key = &lease.key;
        let Some(applied) = self.sink.applied(key)? else { return Ok(None) };
        let Some(last) = self.missed(key, &applied)? else { return Ok(None) };
        self.sink.prepare(table)?;
        if let Some(adopted) = self.adopt_if_foreign(lease, &last)? {
            return Ok(Some(adopted));
        }
        match self.bridge(key, table, &applied)? {
            Some(versions) => versions.iter().try_for_each(|version| self.apply_again(lease, table, version))?,
            None => self.fill(lease, table, &last, watch)?,
        }
        Ok(Some(Outcome::caught_up(&last, &self.sink.display_name())))
    }

    /// The version that was published last, if the sink holds an older one. If the next version is published in full
    /// anyway, nothing was missed.
    fn missed(&self, key: &TableKey, applied: &Applied) -> Result<Option<Version>> {
        if self.registry.resync(key)? {
            return Ok(None);
        }
        let current = self.registry.current_versions(key)?;
        Ok(baseline(&current).filter(|last| last.sequence > Some(applied.sequence)).cloned())
    }

    /// The versions that lead from the sink's rows to those of the version that was published last; `None` if a change
    /// set is gone, or was made under another schema.
    fn bridge(&self, key: &TableKey, table: &Table, applied: &Applied) -> Result<Option<Vec<Version>>> {
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

    fn apply_again(&self, lease: &Lease, table: &Table, version: &Version) -> Result<()> {
        let publication = self.publication(lease, table, version);
        self.sink.publish(publication, &BTreeMap::new(), &mut |_, _| check_stop())
    }

    /// Fills the sink with the rows of a published version, from its export.
    fn fill(&self, lease: &Lease, table: &'static Table, version: &Version, watch: &Watch) -> Result<()> {
        let baseline = self.baseline(table, version)?;
        if baseline.drift.is_some() {
            return Err(self.other_schema(&version.key, "and its last version was published under an earlier schema"));
        }
        let full = self.plan_in_full(lease, table, version, baseline.export, watch)?;
        let done = self.apply_again(lease, table, &full);
        self.changes.remove_obsolete(version, lease.fence);
        done
    }

    /// Refuses to change rows that were read under another schema, before anything is planned.
    fn check_schema(&self, key: &TableKey, table: &Table, applied: &Applied) -> Result<()> {
        let is_today = applied.schema.as_ref().is_none_or(|schema| schema == table.schema);
        if is_today || self.registry.resync(key)? {
            return Ok(());
        }
        Err(self.other_schema(key, "and its rows were read under an earlier schema"))
    }

    fn other_schema(&self, key: &TableKey, why: &str) -> Error {
        let subject = format!("{} {key}", self.sink.display_name());
        Error::refused(subject, format!("schema-changed: the table is to be filled again, {why}"))
            .help(format!("publish the next version in full: {}", command(&[&"resync", &key.to_string()])))
    }
}
