//! The registry: what runs, commands and reviewers do with versions and leases, on any backend.

mod continuation;
mod current;
mod decisions;
#[cfg(feature = "aws")]
mod query;
mod register;
mod settings;
mod unread;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::backend::{BeginOutcome, BeginPublishing, RegistryBackend, VersionWrite, WriteOutcome};
use super::journal::{Action, JournalEntry};
use super::lease::{Lease, lease_duration};
use super::owner;
use super::record::{Extent, Finding, TableState, Version};
use super::status::Status;
use crate::clock;
use crate::error::{Error, Result};
use crate::name::TableKey;
pub use register::{ListedParts, Registered};

/// A registry. A status changes only along the edges of [`Status::can_become`]. Clones share one backend.
#[derive(Debug, Clone)]
pub struct Registry(Arc<dyn RegistryBackend>);

/// Reading.
impl Registry {
    /// A registry that is stored in `backend`.
    pub fn new(backend: impl RegistryBackend + 'static) -> Self {
        Self(Arc::new(backend))
    }

    /// Identifies this registry. Fences of different registries cannot be compared.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// When the registry was created or last recovered, in milliseconds since 1970; 0 if that is not known.
    pub fn created(&self) -> Result<u64> {
        self.0.created()
    }

    /// Returns the highest sequence that this registry may have assigned to a version of the table. The next is higher.
    pub fn last_sequence(&self, key: &TableKey) -> Result<u64> {
        Ok(self.state(key)?.sequence.max(self.0.created()?))
    }

    /// Lists every tenant's table that has a version, sorted.
    pub fn tables(&self) -> Result<Vec<TableKey>> {
        self.0.tables()
    }

    /// Returns a table's state; that of an unknown table is the default.
    pub fn state(&self, key: &TableKey) -> Result<TableState> {
        self.0.state(key)
    }

    /// Returns how many writes have made one of the table's versions runnable. It only grows.
    pub fn pending(&self, key: &TableKey) -> Result<u64> {
        Ok(self.state(key)?.pending)
    }

    /// Returns whether the table's oldest runnable version is to be published in full.
    pub fn resync(&self, key: &TableKey) -> Result<bool> {
        Ok(self.state(key)?.resync)
    }

    /// Lists the versions of a tenant's table in natural order.
    pub fn versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.0.versions(key)
    }

    /// The same, with or without their parts and epochs.
    pub fn outlines(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.0.outlines(key)
    }

    /// Finds a version by its position in natural order, so that every spelling of that position finds it.
    pub fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>> {
        self.0.version(key, version)
    }

    /// Returns how much of each part of a PUBLISHING version has been delivered to a sink.
    pub fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>> {
        self.0.delivered(version, sink)
    }
}

/// Leases.
impl Registry {
    /// Takes the table's lease for this process, if it is free or expired, or if its holder ended without releasing it.
    pub fn lock(&self, key: &TableKey) -> Result<Option<Lease>> {
        let gone = self.state(key)?.owner.filter(|holder| owner::is_gone(holder));
        self.acquire(key, &owner::current(), gone.as_deref())
    }

    /// Takes the table's lease for `owner`, if it is free or expired, or held by `gone`.
    pub fn acquire(&self, key: &TableKey, owner: &str, gone: Option<&str>) -> Result<Option<Lease>> {
        self.0.acquire(key, owner, gone)
    }

    /// Returns who holds the table's lease, for people to read, unless it is free or expired.
    pub fn holder(&self, key: &TableKey) -> Result<Option<String>> {
        let holder = self.state(key)?.owner;
        Ok(holder.filter(|holder| !owner::is_gone(holder)).map(|holder| owner::display_name(&holder)))
    }

    /// Returns who left the table's lease behind, for people to read: a process that ended without releasing it, or one
    /// that has not renewed it in time.
    pub fn gone_holder(&self, key: &TableKey) -> Result<Option<String>> {
        let state = self.state(key)?;
        let gone = state.owner.filter(|holder| owner::is_gone(holder)).or(state.expired_owner);
        Ok(gone.map(|holder| owner::display_name(&holder)))
    }

    /// Returns who holds the table's lease for longer than any holder takes it, for people to read, and until when.
    pub fn stuck_holder(&self, key: &TableKey) -> Result<Option<(String, i64)>> {
        let TableState { owner, expires_at, .. } = self.state(key)?;
        // Clocks of two machines differ a little.
        let latest = clock::now_ms() + 2 * lease_duration().as_millis() as i64;
        let until = expires_at.filter(|until| *until > latest);
        Ok(owner.zip(until).map(|(owner, until)| (owner::display_name(&owner), until)))
    }

    /// Extends the lease by another [`LEASE`](super::LEASE). Returns false if another owner holds it now.
    pub fn renew(&self, lease: &Lease) -> Result<bool> {
        self.0.renew(lease)
    }

    /// Releases the lease. With `pending`, only if the table's `pending` still has this value; returns false otherwise.
    /// Returns true if another owner holds the lease: pending work is theirs then.
    pub fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        self.0.release(lease, pending)
    }
}

/// Progress, under a lease.
impl Registry {
    /// Writes `version`, whose status must still be `from`, under the lease.
    pub fn advance(&self, lease: &Lease, from: Status, version: &Version) -> Result<()> {
        self.advance_and_log(lease, from, version, None)
    }

    /// Like [`Registry::advance`], and adds to the journal what was found out about the version.
    pub fn advance_and_log(
        &self,
        lease: &Lease,
        from: Status,
        version: &Version,
        finding: Option<(Action, Value)>,
    ) -> Result<()> {
        assert!(from.can_become(version.status), "{from} cannot become {}", version.status);
        let version = Version { updated_at: clock::now_ms(), ..version.clone() };
        let entry =
            finding.map(|(action, details)| JournalEntry::finding(action, &version.key, &version.version, details));
        let write =
            VersionWrite { from, lease: Some(lease), entry: entry.as_ref(), ..VersionWrite::over(&version, &version) };
        match self.0.write(write)? {
            WriteOutcome::Done => Ok(()),
            WriteOutcome::Changed => Err(delivered_again(&version)),
            WriteOutcome::LeaseLost => Err(lease.lost(&version)),
        }
    }

    /// Moves a PLANNED or an approved HELD version to PUBLISHING, and assigns it the table's next sequence.
    pub fn begin_publishing(&self, lease: &Lease, version: &Version) -> Result<Version> {
        let publishing = Version { status: Status::Publishing, updated_at: clock::now_ms(), ..version.clone() };
        let is_reset = version.plan.as_ref().is_some_and(|plan| plan.reset.is_some());
        let begin = BeginPublishing { version: &publishing, from: version.status, is_reset };
        match self.0.begin_publishing(lease, begin)? {
            BeginOutcome::Sequence(sequence) => Ok(Version { sequence: Some(sequence), ..publishing }),
            BeginOutcome::Changed => Err(delivered_again(version)),
            BeginOutcome::LeaseLost => Err(lease.lost(version)),
            BeginOutcome::NoReset => Err(resync_cancelled(version)),
        }
    }

    /// Records how much of a part has been delivered.
    pub fn record_delivery(
        &self,
        lease: &Lease,
        version: &Version,
        sink: &str,
        part: u32,
        extent: Extent,
    ) -> Result<()> {
        if self.0.record_delivery(lease, version, sink, part, extent)? { Ok(()) } else { Err(lease.lost(version)) }
    }

    /// Ends a version that is older than `by`, which succeeded. What was found out about it stays.
    pub fn supersede(&self, lease: &Lease, version: Version, by: &Version) -> Result<Version> {
        let from = version.status;
        let name = &by.version;
        // Older records of HELD versions have no finding.
        let held = version.reason.clone().filter(|_| from == Status::Held);
        let held = held.map(|reason| Finding { status: from, reason });
        let reason = match version.finding.as_ref().or(held.as_ref()) {
            Some(Finding { status, reason }) => format!("was {status} when {name} succeeded: {reason}"),
            None if Some(version.registered_at) > by.publication() => format!("{name} succeeded before it came"),
            None => format!("{name} succeeded first"),
        };
        let superseded = Version { status: Status::Superseded, reason: Some(reason), approved: None, ..version };
        self.advance(lease, from, &superseded)?;
        Ok(superseded)
    }

    /// Lets a superseded version be processed after all, because the one that superseded it was retired.
    pub fn reopen(&self, lease: &Lease, version: Version) -> Result<()> {
        self.advance(lease, Status::Superseded, &version.unplanned(Status::Registered))
    }
}

fn delivered_again(version: &Version) -> Error {
    Error::overtaken(version.to_string(), "its export was delivered again while it was being compared")
        .help("run again; the new delivery is registered")
}

fn resync_cancelled(version: &Version) -> Error {
    Error::overtaken(version.to_string(), "its resync was cancelled while it was being planned").help("run again")
}
