//! The states of a version, and the transitions between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of a version. It changes only along the edges of [`Status::can_become`], by conditional writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Its export is not complete yet.
    Waiting,
    /// Its export is complete and can be compared.
    Registered,
    /// Its change set is durable.
    Planned,
    /// It breaks a guard: nothing is published until someone approves or rejects it.
    Held,
    /// Its operations are being published: it has a sequence, and no other version of its table is published before it
    /// is finished.
    Publishing,
    /// All its operations are published; the newest such version is the baseline.
    Succeeded,
    /// It was published, but its name no longer counts: somebody said that it was mistyped.
    Retired,
    /// A newer version succeeded before it could.
    Superseded,
    /// Its export is at fault.
    Failed,
    /// Someone rejected it while it was HELD or WAITING.
    Rejected,
}

impl Status {
    /// Every status, in the order of a version's life.
    pub const ALL: [Status; 10] = [
        Status::Waiting,
        Status::Registered,
        Status::Planned,
        Status::Held,
        Status::Publishing,
        Status::Succeeded,
        Status::Retired,
        Status::Superseded,
        Status::Failed,
        Status::Rejected,
    ];

    /// Returns whether the flow has an edge from this status to `next`. Where a registry adopts an output, a version
    /// that is PUBLISHING becomes REGISTERED again; nothing else ends a publication that has begun.
    pub fn can_become(self, next: Status) -> bool {
        use Status::{
            Failed, Held, Planned, Publishing, Registered, Rejected, Retired, Succeeded, Superseded, Waiting,
        };
        matches!(
            (self, next),
            (Waiting | Planned | Held | Failed | Rejected | Superseded, Registered)
                | (Registered | Planned | Held | Failed | Rejected, Waiting)
                | (Registered, Registered | Planned | Superseded)
                | (Planned, Held | Publishing | Superseded)
                | (Held, Publishing | Rejected | Superseded)
                | (Waiting, Rejected)
                | (Publishing, Succeeded)
                | (Succeeded, Retired)
                | (Registered | Planned, Failed)
        )
    }

    /// Returns whether the next run continues with it, without anyone's decision.
    pub fn is_runnable(self) -> bool {
        matches!(self, Status::Registered | Status::Planned | Status::Publishing)
    }

    /// Returns whether all of its operations are published.
    pub fn is_published(self) -> bool {
        matches!(self, Status::Succeeded | Status::Retired)
    }

    /// The status with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// The name in listings and in the registry.
    pub fn name(self) -> &'static str {
        match self {
            Status::Waiting => "WAITING",
            Status::Registered => "REGISTERED",
            Status::Planned => "PLANNED",
            Status::Held => "HELD",
            Status::Publishing => "PUBLISHING",
            Status::Succeeded => "SUCCEEDED",
            Status::Retired => "RETIRED",
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
