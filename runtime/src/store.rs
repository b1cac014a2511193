//! The registry: one record per version, with its status and counts, and one per table, with its lease.
//!
//! [`Store`] is what a place has to do that keeps it, each in one conditional write; [`registry`] is what is done with
//! that, the same wherever it is kept: [`sqlite`] on one machine, `dynamodb` on AWS.

#[cfg(feature = "aws")]
pub mod dynamodb;
mod owner;
mod record;
pub mod registry;
pub mod sqlite;
mod status;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::snapshot::Part;
pub use record::{Extent, Progress, TableState, Version};
pub use status::Status;

/// How long a lease lasts without a heartbeat. A crashed run blocks its tables no longer than this.
pub const LEASE: Duration = Duration::from_secs(120);

/// [`LEASE`], unless a test wants it shorter.
pub(crate) fn lease_duration() -> Duration {
    #[cfg(feature = "breakpoints")]
    if let Some(milliseconds) = std::env::var("TIDEMARK_LEASE_MS").ok().and_then(|text| text.parse().ok()) {
        return Duration::from_millis(milliseconds);
    }
    LEASE
}

/// A place that keeps a registry. Every method is one atomic step; what it is conditional on is part of what it does, and
/// nothing is changed where that is not so.
pub trait Store: Debug + Send + Sync {
    /// What tells this registry from every other: a fence means nothing beside another registry's.
    fn id(&self) -> &str;

    /// What was kept under a name for commands that are not told it.
    fn setting(&self, setting: Setting) -> Result<Option<String>>;

    /// Keeps something under a name.
    fn remember(&self, setting: Setting, value: &str) -> Result<()>;

    /// What is known of a table; of one that is not known, nothing.
    fn state(&self, key: &TableKey) -> Result<TableState>;

    /// Every tenant and table that has a version, in order.
    fn tables(&self) -> Result<Vec<TableKey>>;

    /// The versions of a tenant's table, in natural order.
    fn versions(&self, key: &TableKey) -> Result<Vec<Version>>;

    /// The version at the place in natural order that this spelling has, in whatever spelling it is known.
    fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>>;

    /// Adds a version unless there is one at its place, and says whether it did.
    fn insert(&self, version: &Version) -> Result<bool>;

    /// Writes a version over what is expected there.
    fn write(&self, write: Write<'_>) -> Result<WriteOutcome>;

    /// Moves a version on to PUBLISHING under the table's next sequence, which its record and the table's then have. A
    /// version that is published whole needs the wish for that to be there still, and takes it away.
    fn begin_publishing(&self, lease: &Lease, begun: Begin<'_>) -> Result<Begun>;

    /// Asks that the table's oldest runnable version be published whole, or takes that back. It adds to `pending`, since
    /// what was planned before is to be planned again.
    fn set_resync(&self, key: &TableKey, wanted: bool) -> Result<()>;

    /// Takes the table's lease for `owner`, if it is free or expired, or held by `gone`.
    fn acquire(&self, key: &TableKey, owner: &str, gone: Option<&str>) -> Result<Option<Lease>>;

    /// Makes the lease last for another [`LEASE`]. False when somebody else has it now.
    fn renew(&self, lease: &Lease) -> Result<bool>;

    /// Gives the lease back. With `pending`, only while the table's is the same: false when it is not. Somebody else's
    /// lease is not ours to give back, and what is pending is theirs to do.
    fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool>;

    /// How far each part of a version that is PUBLISHING is out at a sink.
    fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>>;

    /// Notes how far a part is out. False when the lease is somebody else's.
    fn deliver(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<bool>;
}

/// What a registry keeps for commands that are not told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// The root of the exports.
    Exports,
    /// Where change sets lie.
    Changes,
    /// Where operations go.
    Sink,
    /// What runs the flow by itself: the ARN of a state machine.
    Machine,
    /// The database of Glue's data catalog that has the tables.
    AthenaDatabase,
    /// The work group that statements run in.
    AthenaWorkgroup,
    /// Where statements leave what they write.
    AthenaResults,
}

impl Setting {
    /// The name that it is kept under.
    pub fn name(self) -> &'static str {
        match self {
            Setting::Exports => "exports",
            Setting::Changes => "changes",
            Setting::Sink => "sink",
            Setting::Machine => "machine",
            Setting::AthenaDatabase => "athena-database",
            Setting::AthenaWorkgroup => "athena-workgroup",
            Setting::AthenaResults => "athena-results",
        }
    }
}

/// A version to be written, and what must be so for that.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The record.
    pub version: &'a Version,
    /// The status that is there.
    pub from: Status,
    /// The attempt that is there.
    pub attempt: u32,
    /// The plan that is there, by its hash, where that matters.
    pub plan: Option<&'a str>,
    /// The lease that it is written under, if it takes one.
    pub lease: Option<&'a Lease>,
    /// Whether it makes the version runnable: then it adds one to the table's `pending`.
    pub is_wake: bool,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is there.
    Done,
    /// Something else was there than was expected.
    Changed,
    /// The lease is somebody else's.
    LeaseLost,
}

/// A version that is to begin to be published.
#[derive(Debug, Clone, Copy)]
pub struct Begin<'a> {
    /// The record as it is to be, but for its sequence.
    pub version: &'a Version,
    /// The status that is there.
    pub from: Status,
    /// Whether it is published whole because somebody asked for that.
    pub is_reset: bool,
}

/// What became of the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is PUBLISHING, under this sequence.
    Sequence(u64),
    /// Something else was there than was expected.
    Changed,
    /// The lease is somebody else's.
    LeaseLost,
    /// Nobody asks any more that it be published whole.
    NoReset,
}

/// The right to write for a tenant and table, until it expires. Every later write is conditional on its fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub key: TableKey,
    /// Who holds it.
    pub owner: String,
    /// Grows with each holder; a write under an older one changes nothing.
    pub fence: u64,
}

/// What registering a version came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It was not known.
    New,
    /// It is as it was.
    Same,
    /// Its parts changed before anything of it was published; it starts anew.
    Changed,
    /// Its parts changed too late. The version stays as it is. `first_time` tells a new revision from one that is
    /// already recorded.
    Refused {
        /// Whether this revision was not refused before.
        first_time: bool,
    },
    /// Another spelling of the same place is registered.
    Alias(String),
}

/// Whether two lists name the same parts, by name, size and identity.
pub fn same_parts(a: &[Part], b: &[Part]) -> bool {
    let outside = |part: &Part| (part.name.clone(), part.size, part.identity.clone());
    a.iter().map(outside).eq(b.iter().map(outside))
}

/// Whether the lease is that of a table with this fence and owner.
#[cfg(feature = "aws")]
fn same_holder(lease: &Lease, fence: Option<i64>, owner: Option<&str>) -> bool {
    fence == Some(lease.fence as i64) && owner == Some(&lease.owner)
}

/// That the lease was taken over.
pub(crate) fn lost(lease: &Lease, version: &Version) -> Error {
    Error::lease_lost(version.to_string(), format!("another run took over from this one (fence {})", lease.fence))
        .help("nothing more was written by this run; look at `status`")
}
