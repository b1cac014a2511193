//! The states of a version, and how it moves between them.

use std::fmt;

use serde::{Deserialize, Serialize};

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
