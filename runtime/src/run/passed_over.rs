//! Versions that were superseded although they were delivered in turn, because the name of the newest is wrong.

use super::version_name::{date, day, days, distance};
use crate::store::{Status, Version, newest};

/// Returns whether a version that is older than the newest was delivered after it and in turn, so that the newest one's
/// name must be wrong. Otherwise it is an older version that came late.
///
/// If both names begin with dates, the one whose date is nearer to the day of its own delivery is right: a version that
/// comes late is further from it than the newest is. Otherwise the version was in its turn if the number in its name is
/// nearer to that of the version before than to that of the newest, or if only the version before is named like it.
pub fn is_passed_over(versions: &[Version], version: &Version) -> bool {
    let Some(newest) = newest(versions) else { return false };
    let is_before = |other: &&Version| other.version != version.version;
    let before: Vec<&Version> = versions.iter().take_while(is_before).collect();
    let is_older = !before.iter().any(|other| other.version == newest.version);
    if !is_older || version.registered_at < newest.registered_at {
        return false;
    }
    if let (Some(own), Some(other)) = (days_off(version), days_off(newest)) {
        return own < other;
    }
    let previous = before.iter().rev().find(|other| other.status == Status::Succeeded);
    let from_previous = previous.and_then(|previous| distance(&previous.version, &version.version));
    match (from_previous, distance(&version.version, &newest.version)) {
        (Some(from_previous), Some(to_newest)) => from_previous < to_newest,
        // It is named like the version before, and the newest is not.
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// How many days the date of a version is from the day it was delivered on.
fn days_off(version: &Version) -> Option<i64> {
    Some(days(day(version.registered_at)?, date(&version.version)?).abs())
}
