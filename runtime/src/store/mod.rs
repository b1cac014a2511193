//! The registry: one record per version, with its status and counts, and one per table, with its lease.
//!
//! [`Store`] is what a place has to do that keeps it, each in one conditional write; [`registry`] is what is done with
//! that, the same wherever it is kept: [`sqlite`] on one machine, `dynamodb` on AWS.

#[cfg(feature = "aws")]
pub mod dynamodb;
mod owner;
pub mod registry;
pub mod sqlite;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change_set::Plan;
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::snapshot::Part;

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

/// Where a version stands. It moves only along the edges of [`Status::can_become`], by conditional writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Its export is not complete yet.
    Waiting,
    /// Its export is complete and can be compared.
    Registered,
    /// Its change set is durable.
    Planned,
    /// A guard broke: nothing is published until somebody approves or rejects it.
    Held,
    /// Its operations are on their way; it has a sequence, and will be finished before anything else of its table.
    Publishing,
    /// All its operations are published; the newest of these is the baseline.
    Succeeded,
    /// A newer version succeeded before it.
    Superseded,
    /// Its export is at fault.
    Failed,
    /// Somebody looked at it while it was HELD, and refused it.
    Rejected,
}

impl Status {
    /// Every status, in the order of a version's life.
    pub const ALL: [Status; 9] = [
        Status::Waiting,
        Status::Registered,
        Status::Planned,
        Status::Held,
        Status::Publishing,
        Status::Succeeded,
        Status::Superseded,
        Status::Failed,
        Status::Rejected,
    ];

    /// The edges of the flow.
    pub fn can_become(self, next: Status) -> bool {
        use Status::{Failed, Held, Planned, Publishing, Registered, Rejected, Succeeded, Superseded, Waiting};
        matches!(
            (self, next),
            (Waiting | Planned | Held | Failed | Rejected, Registered)
                | (Registered | Planned | Held | Failed | Rejected, Waiting)
                | (Registered, Registered | Planned | Superseded)
                | (Planned, Held | Publishing | Superseded)
                | (Held, Publishing | Rejected | Superseded)
                | (Publishing, Succeeded)
                | (Registered | Planned, Failed)
        )
    }

    /// Whether the next run goes on with it by itself.
    pub fn is_runnable(self) -> bool {
        matches!(self, Status::Registered | Status::Planned | Status::Publishing)
    }

    /// The word in a listing and in the registry.
    pub fn name(self) -> &'static str {
        match self {
            Status::Waiting => "WAITING",
            Status::Registered => "REGISTERED",
            Status::Planned => "PLANNED",
            Status::Held => "HELD",
            Status::Publishing => "PUBLISHING",
            Status::Succeeded => "SUCCEEDED",
            Status::Superseded => "SUPERSEDED",
            Status::Failed => "FAILED",
            Status::Rejected => "REJECTED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One tenant's table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableKey {
    /// The tenant.
    pub tenant: String,
    /// The table.
    pub table: String,
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.table)
    }
}

/// What the registry knows of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Whose it is.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version as its folder spells it.
    pub version: String,
    /// Where it stands.
    pub status: Status,
    /// Why it stands there, where that needs a word.
    pub reason: Option<String>,
    /// Grows with every write that makes the version runnable.
    pub attempt: u32,
    /// The parts it was registered with, with checksums once they were read.
    pub parts: Vec<Part>,
    /// Other parts that came once its operations were on their way; refused.
    pub refused_parts: Option<Vec<Part>>,
    /// Its change set in short, once planned.
    pub plan: Option<Plan>,
    /// The folder of its change set, once planned. Each planning makes one of its own, so that a run which lost its lease
    /// cannot touch what its successor made.
    pub changes: Option<String>,
    /// The hash of the plan that somebody approved while it was HELD.
    #[serde(default)]
    pub approved: Option<String>,
    /// What its export was read with, once planned.
    pub epoch: Option<Epoch>,
    /// Where its operations went, once all of them are out.
    pub progress: Option<Progress>,
    /// Its number, once its operations are on their way.
    pub sequence: Option<u64>,
    /// When it was first seen, in milliseconds since 1970.
    pub registered_at: i64,
    /// When its record was last written, in milliseconds since 1970.
    pub updated_at: i64,
}

/// Where operations went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The sink, as it names itself.
    pub sink: String,
    /// In how many parts.
    pub parts: u32,
}

/// How far a part of a change set is out while its version is PUBLISHING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// The first so many of its lines.
    Lines(u64),
    /// All of it.
    Whole,
}

/// What the registry knows of a tenant's table beside its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableState {
    /// How many writes have made a version of it runnable. It only grows.
    pub pending: u64,
    /// Whether its oldest runnable version is to be published whole.
    pub resync: bool,
    /// Who holds its lease, unless it is free or expired.
    pub owner: Option<String>,
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
    fn write(&self, write: Write<'_>) -> Result<Written>;

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
pub enum Written {
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

impl Version {
    /// `TENANT/TABLE/VERSION`, as it is typed and as it lies among the exports.
    pub fn path(&self) -> String {
        format!("{}/{}", self.key, self.version)
    }

    /// The version before anything was planned: what it is again once its plan no longer holds.
    pub fn unplanned(self, status: Status) -> Self {
        Self { status, reason: None, plan: None, changes: None, approved: None, epoch: None, progress: None, ..self }
    }

    /// Whether the plan that it has is the one that was approved.
    pub fn is_approved(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| self.approved.as_ref() == Some(&plan.hash))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.version)
    }
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
    Twin(String),
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
