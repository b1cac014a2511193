//! The next step for a table.

use crate::store::{Status, Version};
use crate::table::Table;

/// The next step for a table.
pub(crate) enum Step {
    /// Finish publishing this version.
    Finish(Version),
    /// Supersede this version, because the named one succeeded first.
    Supersede(Version, String),
    /// Plan and publish this version.
    Run(Version),
}

impl Step {
    pub(super) fn version(&self) -> &Version {
        match self {
            Step::Finish(version) | Step::Supersede(version, _) | Step::Run(version) => version,
        }
    }
}

/// Chooses the next step; `None` if there is nothing to do.
///
/// A version that is PUBLISHING is finished first. Then versions are processed in order, and one that is older than the
/// newest SUCCEEDED version is superseded, never compared backwards. With `resync`, a HELD version stays HELD: it was
/// held as a change of the baseline, and the next version is published in full.
pub(crate) fn next_step(versions: &[Version], table: &Table, resync: bool) -> Option<Step> {
    if let Some(version) = versions.iter().find(|version| version.status == Status::Publishing) {
        return Some(Step::Finish(version.clone()));
    }
    let newest = versions.iter().rposition(|version| version.status == Status::Succeeded);
    let baseline = newest.map(|newest| &versions[newest]);
    let has_work = |(index, version): &(usize, &Version)| match version.status {
        Status::Held => {
            version.is_approved() || newest > Some(*index) || (!resync && is_stale(version, table, baseline))
        }
        status => status.is_runnable(),
    };
    let (index, version) = versions.iter().enumerate().find(has_work)?;
    Some(match newest {
        Some(newest) if index < newest => Step::Supersede(version.clone(), versions[newest].version.clone()),
        _ => Step::Run(version.clone()),
    })
}

/// Returns whether a HELD version was compared with another baseline, or by another schema, than it would be now.
fn is_stale(held: &Version, table: &Table, baseline: Option<&Version>) -> bool {
    let Some(plan) = &held.plan else { return true };
    plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) || plan.schema != table.schema
}
