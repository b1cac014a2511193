//! The versions that `status` and reports show.

use crate::run::{is_passed_over, is_superseded_unread};
use crate::store::{Status, Version, newest};

/// The versions that are not done. FAILED and REJECTED versions are, once a newer version has succeeded; and so are
/// SUPERSEDED ones, unless they were delivered in turn, or were never read, or the version that superseded them was
/// retired.
pub fn open(versions: &[Version]) -> impl Iterator<Item = &Version> {
    let newest = newest(versions);
    let place = newest.and_then(|newest| versions.iter().position(|version| version.version == newest.version));
    let is_open = move |(index, version): &(usize, &Version)| match version.status {
        Status::Succeeded | Status::Retired => false,
        Status::Failed | Status::Rejected => place < Some(*index),
        Status::Superseded => {
            place < Some(*index) || is_passed_over(versions, version) || is_superseded_unread(versions, version)
        }
        _ => true,
    };
    versions.iter().enumerate().filter(is_open).map(|(_, version)| version)
}
