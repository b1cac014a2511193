//! What the storage behind a registry has to provide: small steps, each of them atomic.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::journal::JournalEntry;
use super::lease::Lease;
use super::listed::ListedVersions;
use super::record::{Extent, TableState, Version};
use super::status::Status;
use crate::error::Result;
use crate::name::TableKey;

/// The storage behind a [`Registry`](super::Registry).
///
/// Every method is one atomic step. Its conditions are part of the step: unless all of them hold, it changes nothing.
pub trait RegistryBackend: Debug + Send + Sync {
    /// Identifies this registry. Fences of different registries cannot be compared.
    fn id(&self) -> &str;

    /// When the registry was created or last [recovered](Self::raise), in milliseconds since 1970; 0 if it was created
    /// by a release that did not record this.
    fn created(&self) -> Result<u64>;

    /// Returns a remembered setting.
    fn setting(&self, setting: Setting) -> Result<Option<String>>;

    /// Remembers a setting for later commands.
    fn remember(&self, setting: Setting, value: &str) -> Result<()>;

    /// What is remembered about files and folders that are not exports, by folder.
    fn known_strays(&self) -> Result<BTreeMap<String, String>>;

    /// Remembers what is in a folder without being part of an export.
    fn remember_strays(&self, folder: &str, record: &str) -> Result<()>;

    /// Returns a table's state; that of an unknown table is the default.
    fn state(&self, key: &TableKey) -> Result<TableState>;

    /// Lists every tenant's table that has a version, sorted.
    fn tables(&self) -> Result<Vec<TableKey>>;

    /// Lists the versions of a tenant's table in natural order.
    fn versions(&self, key: &TableKey) -> Result<Vec<Version>>;

    /// Lists the versions of a tenant's table in natural order, with or without their parts and epochs, which are most
    /// of a long history.
    fn outlines(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.versions(key)
    }

    /// Lists the versions of a tenant's table without reading their records.
    fn list(&self, key: &TableKey) -> Result<ListedVersions>;

    /// Lists the versions of a tenant's table that have a status, in natural order. The cost depends only on how many
    /// these are.
    fn with_status(&self, key: &TableKey, status: Status, range: Range<'_>) -> Result<Vec<Version>>;

    /// Finds a version by its position in natural order, so that every spelling of that position finds it.
    fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>>;

    /// Adds a version unless its position in natural order is taken. Returns whether it was added.
    fn insert(&self, version: &Version) -> Result<bool>;

    /// Overwrites a version's record.
    fn write(&self, write: VersionWrite<'_>) -> Result<WriteOutcome>;

    /// Moves a version to PUBLISHING and assigns it the table's next sequence, in one step: one more than the table's
    /// last and than [`created`](Self::created). A version that is published in full needs the table's resync request,
    /// and clears it.
    fn begin_publishing(&self, lease: &Lease, begin: BeginPublishing<'_>) -> Result<BeginOutcome>;

    /// Requests that the table's oldest runnable version be published in full, or withdraws that request. Adds one to
    /// `pending`, because existing plans have to be made again. The entry names the table, and goes into its journal.
    fn set_resync(&self, requested: bool, entry: &JournalEntry) -> Result<()>;

    /// Adds an entry to the journal of its table.
    fn append(&self, entry: &JournalEntry) -> Result<()>;

    /// Lists the journal of a tenant's table, the oldest entry first.
    fn journal(&self, key: &TableKey) -> Result<Vec<JournalEntry>>;

    /// Raises the table's last sequence to `sequence`, unless it is higher, requests that the table's oldest runnable
    /// version be published in full, and appends `entry` to the journal. Adds one to `pending`. Returns false if
    /// another owner holds the lease.
    fn adopt(&self, lease: &Lease, sequence: u64, entry: &JournalEntry) -> Result<bool>;

    /// Raises [`created`](Self::created) to `floor`, unless it is higher. From now on, the first version of a table
    /// that is new to this registry is published in full under a reset: it may have been published before.
    fn raise(&self, floor: u64) -> Result<()>;

    /// Raises the fence of the entry's table to `floor`, unless it is higher, requests that its oldest runnable version
    /// be published in full, and appends `entry` to the journal. Adds one to `pending`. Whoever holds the lease loses
    /// it.
    fn raise_table(&self, floor: u64, entry: &JournalEntry) -> Result<()>;

    /// Takes the table's lease for `owner`, if it is free or expired, or held by `gone`.
    fn acquire(&self, key: &TableKey, owner: &str, gone: Option<&str>) -> Result<Option<Lease>>;

    /// Extends the lease by another [`LEASE`](super::LEASE). Returns false if another owner holds it now.
    fn renew(&self, lease: &Lease) -> Result<bool>;

    /// Releases the lease. With `pending`, only if the table's `pending` still has this value; returns false otherwise.
    /// Returns true if another owner holds the lease: pending work is theirs then.
    fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool>;

    /// Returns how much of each part of a PUBLISHING version has been delivered to a sink.
    fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>>;

    /// Records how much of a part has been delivered. Returns false if another owner holds the lease.
    fn record_delivery(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<bool>;
}

/// Which of the versions that have a status to read. Positions are those in natural order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range<'v> {
    /// All of them.
    All,
    /// The first one.
    Oldest,
    /// The last one.
    Newest,
    /// The last one before this version.
    NewestBefore(&'v str),
    /// Those after this version.
    After(&'v str),
}

/// The prefix of the settings that remember the strays of a folder.
pub(super) const STRAYS: &str = "strays:";

/// A setting that the registry remembers for later commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The root of the exports.
    Exports,
    /// Where change sets are.
    Changes,
    /// Where operations go.
    Sink,
    /// The ARN of the state machine that runs the flow.
    Machine,
    /// The database in Glue's data catalog.
    AthenaDatabase,
    /// The Athena workgroup that queries run in.
    AthenaWorkgroup,
    /// The S3 prefix for temporary query results.
    AthenaResults,
    /// The tenant with which the last search for exports without a record ended.
    CheckedTenant,
}

impl Setting {
    /// Separates several sinks in [`Setting::Sink`].
    pub(crate) const SEPARATOR: &str = "\n";

    /// The name in the registry.
    pub fn name(self) -> &'static str {
        match self {
            Setting::Exports => "exports",
            Setting::Changes => "changes",
            Setting::Sink => "sink",
            Setting::Machine => "machine",
            Setting::AthenaDatabase => "athena-database",
            Setting::AthenaWorkgroup => "athena-workgroup",
            Setting::AthenaResults => "athena-results",
            Setting::CheckedTenant => "checked-tenant",
        }
    }
}

/// A version to write, and the conditions for it.
#[derive(Debug, Clone, Copy)]
pub struct VersionWrite<'a> {
    /// The new record.
    pub version: &'a Version,
    /// The status that the record must have now.
    pub from: Status,
    /// The attempt that the record must have now.
    pub attempt: u32,
    /// The hash of the plan that the record must have now, if that matters.
    pub plan: Option<&'a str>,
    /// The lease that must be held, if one is needed.
    pub lease: Option<&'a Lease>,
    /// Whether this makes the version runnable, and so adds one to the table's `pending`.
    pub makes_runnable: bool,
    /// What to add to the journal in the same step.
    pub entry: Option<&'a JournalEntry>,
}

impl<'a> VersionWrite<'a> {
    /// A write over a record, on condition that it is still as it was read.
    pub(super) fn over(known: &Version, version: &'a Version) -> Self {
        let Version { status: from, attempt, .. } = *known;
        Self { version, from, attempt, plan: None, lease: None, makes_runnable: false, entry: None }
    }
}

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The record is written.
    Done,
    /// The record was not as expected.
    Changed,
    /// Another owner holds the lease.
    LeaseLost,
}

/// A version whose publication is about to begin.
#[derive(Debug, Clone, Copy)]
pub struct BeginPublishing<'a> {
    /// The new record, except for its sequence.
    pub version: &'a Version,
    /// The status that the record must have now.
    pub from: Status,
    /// Whether the version is published in full, because of a resync request.
    pub is_reset: bool,
}

/// The outcome of beginning to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginOutcome {
    /// The version is PUBLISHING under this sequence.
    Sequence(u64),
    /// The record was not as expected.
    Changed,
    /// Another owner holds the lease.
    LeaseLost,
    /// The resync request was withdrawn.
    NoReset,
}
