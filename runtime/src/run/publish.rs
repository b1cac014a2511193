//! Publishing a planned version, and recording that it succeeded.

use super::catch_up::is_of_earlier_schema;
use super::runner::Runner;
use crate::breakpoint::Breakpoint;
use crate::clock;
use crate::error::{ErrorKind, Result};
use crate::sink::{Publication, Publisher};
use crate::store::{Lease, Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

impl Runner {
    /// Moves a version to PUBLISHING. Returns `None` if its export is no longer as registered: computing the delta may
    /// have taken a while, and from now on another delivery comes too late.
    pub(crate) fn begin(&self, lease: &Lease, table: &'static Table, planned: Version) -> Result<Option<Version>> {
        if !self.is_unchanged(table, &planned)? {
            return Ok(None);
        }
        let publishing = match self.registry.begin_publishing(lease, &planned) {
            Err(error) if error.kind() == ErrorKind::Overtaken => return Ok(None),
            publishing => publishing?,
        };
        Breakpoint::Publishing.reached();
        Ok(Some(publishing))
    }

    /// Publishes a version's change set under its sequence, and records that it succeeded once every sink has it. Safe
    /// to repeat: parts that are recorded as delivered are not sent again.
    pub(super) fn publish(
        &self,
        lease: &Lease,
        table: &'static Table,
        version: Version,
        watch: &Watch,
    ) -> Result<Version> {
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        self.sinks.for_each(|sink| {
            if sink.holds_rows() && is_of_earlier_schema(&version, table) {
                return Ok(());
            }
            let name = sink.name();
            let delivered = self.registry.delivered(&version, &name)?;
            sink.publish(self.publication(lease, table, &version), &delivered, &mut |part, extent| {
                watch.message(&format!("publishing part {} of {parts}", part + 1));
                self.registry.record_delivery(lease, &version, &name, part, extent)
            })
        })?;
        Breakpoint::Published.reached();
        self.record(lease, version)
    }

    /// Records that all of a version is published.
    pub(crate) fn record(&self, lease: &Lease, version: Version) -> Result<Version> {
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        let progress = Some(self.sinks.progress(parts));
        let published_at = Some(clock::now_ms());
        let done = Version { status: Status::Succeeded, reason: None, progress, published_at, ..version };
        self.registry.advance(lease, Status::Publishing, &done)?;
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
        let publisher = Publisher { registry: self.registry.id(), fence: lease.fence };
        Publication { table, version, changes: &*self.changes, publisher }
    }
}
