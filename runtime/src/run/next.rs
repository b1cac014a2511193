//! The next thing to do for a table.

use crate::store::{Status, Version};
use crate::table::Table;

/// What is to be done next for a table.
pub(crate) enum Step {
    Finish(Version),
    Supersede(Version, String),
    Run(Version),
}

impl Step {
    pub(super) fn version(&self) -> &Version {
        match self {
            Step::Finish(version) | Step::Supersede(version, _) | Step::Run(version) => version,
        }
    }
}

/// What began to be published is finished first; then versions go in order, and one that is older than the newest that
/// succeeded is superseded, never compared backwards. With `resync`, a version that is HELD stays so: it was held as a
/// change of the baseline, and what follows is published whole.
pub(crate) fn next_step(versions: &[Version], table: &Table, resync: bool) -> Option<Step> {
    if let Some(version) = versions.iter().find(|version| version.status == Status::Publishing) {
        return Some(Step::Finish(version.clone()));
    }
    let newest = versions.iter().rposition(|version| version.status == Status::Succeeded);
    let baseline = newest.map(|newest| &versions[newest]);
    let has_work = |(place, version): &(usize, &Version)| match version.status {
        Status::Held => {
            version.is_approved() || newest > Some(*place) || (!resync && has_moved(version, table, baseline))
        }
        status => status.is_runnable(),
    };
    let (place, version) = versions.iter().enumerate().find(has_work)?;
    Some(match newest {
        Some(newest) if place < newest => Step::Supersede(version.clone(), versions[newest].version.clone()),
        _ => Step::Run(version.clone()),
    })
}

/// Whether a HELD version was compared with another baseline, or by another schema, than it would be now.
fn has_moved(held: &Version, table: &Table, baseline: Option<&Version>) -> bool {
    let Some(plan) = &held.plan else { return true };
    plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) || plan.schema != table.schema
}
