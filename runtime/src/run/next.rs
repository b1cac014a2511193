//! The next step for a table.

use super::passed_over::is_passed_over;
use crate::store::{Status, Version, baseline, newest};
use crate::table::Table;

/// The next step for a table.
pub(crate) enum Step {
    /// Finish publishing this version.
    Finish(Version),
    /// Supersede this version, because a newer one succeeded.
    Supersede {
        version: Version,
        by: Box<Version>,
        /// Whether it was delivered in turn, so that the newer one's name must be wrong.
        is_passed_over: bool,
    },
    /// Let this version, which is SUPERSEDED, be processed after all: the one that superseded it was retired.
    Reopen(Version),
    /// Plan and publish this version.
    Run(Version),
}

impl Step {
    pub(super) fn version(&self) -> &Version {
        match self {
            Step::Supersede { version, .. } => version,
            Step::Finish(version) | Step::Reopen(version) | Step::Run(version) => version,
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
    let newest = newest(versions);
    let baseline = baseline(versions);
    let place = newest.and_then(|newest| versions.iter().position(|version| version.version == newest.version));
    let has_work = |(index, version): &(usize, &Version)| match version.status {
        Status::Held => {
            version.is_approved() || place > Some(*index) || (!resync && is_stale(version, table, baseline))
        }
        Status::Superseded => place < Some(*index),
        status => status.is_runnable(),
    };
    let (index, version) = versions.iter().enumerate().find(has_work)?;
    Some(match newest {
        _ if version.status == Status::Superseded => Step::Reopen(version.clone()),
        Some(newest) if place > Some(index) => Step::Supersede {
            version: version.clone(),
            by: Box::new(newest.clone()),
            is_passed_over: is_passed_over(versions, version),
        },
        _ => Step::Run(version.clone()),
    })
}

/// Returns whether a HELD version was compared with another baseline, or by another schema, than it would be now.
fn is_stale(held: &Version, table: &Table, baseline: Option<&Version>) -> bool {
    let Some(plan) = &held.plan else { return true };
    plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) || plan.schema != table.schema
}
