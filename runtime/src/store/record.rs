//! What the registry keeps: a record per version, and one per table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::status::Status;
use crate::epoch::Epoch;
use crate::name::TableKey;
use crate::plan::Plan;
use crate::snapshot::Part;

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
