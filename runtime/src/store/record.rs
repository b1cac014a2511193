//! The records of a registry: one per version, and one per table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::status::Status;
use crate::epoch::Epoch;
use crate::name::TableKey;
use crate::plan::Plan;
use crate::snapshot::Part;

/// The record of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version, spelled like its folder.
    pub version: String,
    /// Its status.
    pub status: Status,
    /// Why it has this status, where that needs explaining.
    pub reason: Option<String>,
    /// Grows with every write that makes the version runnable.
    pub attempt: u32,
    /// The registered parts; once they have been read, with checksums.
    pub parts: Vec<Part>,
    /// Parts that were refused because they arrived after publishing had begun.
    pub refused_parts: Option<Vec<Part>>,
    /// The plan, once there is one.
    pub plan: Option<Plan>,
    /// The folder of the change set, once planned. Each planning creates a new one, so that a run which lost its lease
    /// cannot damage its successor's.
    pub changes: Option<String>,
    /// The hash of the plan that was approved while the version was HELD.
    #[serde(default)]
    pub approved: Option<String>,
    /// The schema and source format that its export was read with, once planned.
    pub epoch: Option<Epoch>,
    /// Where its operations went, once all of them are delivered.
    pub progress: Option<Progress>,
    /// Its sequence, once publishing has begun.
    pub sequence: Option<u64>,
    /// When it was first seen, in milliseconds since 1970.
    pub registered_at: i64,
    /// When this record was last written, in milliseconds since 1970.
    pub updated_at: i64,
}

/// Where operations went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The sink's name.
    pub sink: String,
    /// The number of parts.
    pub parts: u32,
}

/// How much of a part of a change set has been delivered while its version is PUBLISHING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// This many lines, from the first on.
    Lines(u64),
    /// All of it.
    Whole,
}

/// The record of a tenant's table, apart from its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableState {
    /// How many writes have made one of its versions runnable. It only grows.
    pub pending: u64,
    /// The last sequence that was assigned; 0 before the first.
    pub sequence: u64,
    /// Whether its oldest runnable version is to be published in full.
    pub resync: bool,
    /// Who holds its lease, unless it is free or expired.
    pub owner: Option<String>,
}

impl Version {
    /// `TENANT/TABLE/VERSION`, as users type it and as the folders of the exports are named.
    pub fn path(&self) -> String {
        format!("{}/{}", self.key, self.version)
    }

    /// The version as it was before it was planned, to be planned again.
    pub fn unplanned(self, status: Status) -> Self {
        Self { status, reason: None, plan: None, changes: None, approved: None, epoch: None, progress: None, ..self }
    }

    /// Returns whether its current plan is the one that was approved.
    pub fn is_approved(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| self.approved.as_ref() == Some(&plan.hash))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.version)
    }
}

/// Returns whether two lists hold the same parts, by name, size and identity.
pub fn same_parts(a: &[Part], b: &[Part]) -> bool {
    let listed = |part: &Part| (part.name.clone(), part.size, part.identity.clone());
    a.iter().map(listed).eq(b.iter().map(listed))
}
