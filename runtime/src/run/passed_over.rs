//! Versions that were superseded although they were delivered in turn, because the name of the newest is wrong.

use super::version_name::{are_alike, date, day, days, distance};
use crate::invocation::command;
use crate::name::natural_cmp;
use crate::store::{Status, Version, newest};

/// Returns whether a version that is older than the newest was delivered after it and in turn, so that the newest one's
/// name must be wrong. Otherwise it is an older version that came late.
///
/// If both names begin with dates, the one whose date is nearer to the day of its own delivery is right: a version that
/// comes late is further from it than the newest is. Otherwise the version was in its turn if the number in its name is
/// nearer to that of the version before than to that of the newest, or if only the version before is named like it.
pub fn is_passed_over(versions: &[Version], version: &Version) -> bool {
    let Some(newest) = newest(versions) else { return false };
    if !is_older(version, newest) || version.registered_at < newest.registered_at {
        return false;
    }
    if let (Some(own), Some(other)) = (days_off(version), days_off(newest)) {
        return own < other;
    }
    let before: Vec<&Version> = versions.iter().filter(|other| is_older(other, version)).collect();
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

/// Returns whether a version was superseded without ever having been read, by the one that is the newest now. That is
/// worth knowing until the next one succeeds.
pub fn is_superseded_unread(versions: &[Version], version: &Version) -> bool {
    let superseded_by = |newest: &Version| {
        is_older(version, newest) && newest.publication().is_some_and(|published| published <= version.updated_at)
    };
    version.status == Status::Superseded && version.is_unread() && newest(versions).is_some_and(superseded_by)
}

/// Whose name is wrong where a version was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassedOver {
    /// That of the newest one.
    NewestIsMistyped,
    /// Its own: it is written in another way than the newest and others that were published.
    IsWrittenDifferently,
}

impl PassedOver {
    /// Whose name is wrong; `None` if the version was not passed over.
    pub fn find(versions: &[Version], version: &Version) -> Option<Self> {
        let newest = newest(versions).filter(|_| is_passed_over(versions, version))?;
        let published = versions.iter().filter(|other| other.status.is_published() && other.version != newest.version);
        let are_others_alike = published.into_iter().any(|other| are_alike(&other.version, &newest.version));
        let is_odd = are_others_alike && !are_alike(&version.version, &newest.version);
        Some(if is_odd { PassedOver::IsWrittenDifferently } else { PassedOver::NewestIsMistyped })
    }

    /// What to do about it.
    pub fn help(self, version: &Version, newest: &Version) -> String {
        let (name, newest_name) = (&version.version, &newest.version);
        match self {
            PassedOver::NewestIsMistyped => {
                format!("if the name of {newest_name} is mistyped: {}", command(&[&"retire", &newest.path()]))
            }
            PassedOver::IsWrittenDifferently => format!(
                "{name} is written in another way than {newest_name} and those before it, and so comes before them: \
                 deliver it again under a name like theirs"
            ),
        }
    }
}

/// What to do about a version that was superseded by this one and never read.
pub(super) fn unread_help(by: &Version) -> String {
    format!(
        "{} has all rows as they are now; if these matter all the same, deliver them as a newer version",
        by.version
    )
}

fn is_older(version: &Version, than: &Version) -> bool {
    natural_cmp(&version.version, &than.version).is_lt()
}
