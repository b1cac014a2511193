//! The registry: one record per version, with its status and counts, and one per table, with its lease.

mod owner;
pub mod sqlite;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::change_set::Plan;
use crate::epoch::Epoch;
use crate::error::Error;
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
    /// How far its operations are out.
    pub progress: Option<Progress>,
    /// Its number, once its operations are on their way.
    pub sequence: Option<u64>,
    /// When it was first seen, in milliseconds since 1970.
    pub registered_at: i64,
    /// When its record was last written, in milliseconds since 1970.
    pub updated_at: i64,
}

/// How many parts of a change set are out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where they went, as the sink names itself.
    pub sink: String,
    /// The first so many of them.
    pub parts: u32,
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

/// That the lease was taken over.
pub(crate) fn lost(lease: &Lease, version: &Version) -> Error {
    Error::lease_lost(version.to_string(), format!("another run took over from this one (fence {})", lease.fence))
        .help("nothing more was written by this run; look at `status`")
}
