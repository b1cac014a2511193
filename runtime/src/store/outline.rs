//! A version without what is most of its record and what a report does not need: its parts and its epoch.

use serde::Deserialize;

use super::record::{Finding, Progress, Version};
use super::status::Status;
use crate::name::TableKey;
use crate::plan::Plan;
use crate::snapshot::Part;

/// The fields of a [`Version`] that are read. Tenant and table are not flattened, which would keep all other fields.
#[derive(Deserialize)]
pub(super) struct Outline {
    tenant: String,
    table: String,
    version: String,
    status: Status,
    reason: Option<String>,
    attempt: u32,
    #[serde(default)]
    finding: Option<Finding>,
    #[serde(default)]
    was_held: bool,
    refused_parts: Option<Vec<Part>>,
    plan: Option<Plan>,
    changes: Option<String>,
    #[serde(default)]
    approved: Option<String>,
    progress: Option<Progress>,
    sequence: Option<u64>,
    #[serde(with = "crate::clock::iso")]
    registered_at: i64,
    #[serde(with = "crate::clock::iso")]
    updated_at: i64,
    #[serde(default, with = "crate::clock::iso_option")]
    published_at: Option<i64>,
}

impl From<Outline> for Version {
    fn from(outline: Outline) -> Self {
        Self {
            key: TableKey { tenant: outline.tenant, table: outline.table },
            version: outline.version,
            status: outline.status,
            reason: outline.reason,
            attempt: outline.attempt,
            finding: outline.finding,
            was_held: outline.was_held,
            parts: Vec::new(),
            refused_parts: outline.refused_parts,
            plan: outline.plan,
            changes: outline.changes,
            approved: outline.approved,
            epoch: None,
            progress: outline.progress,
            sequence: outline.sequence,
            registered_at: outline.registered_at,
            updated_at: outline.updated_at,
            published_at: outline.published_at,
        }
    }
}
