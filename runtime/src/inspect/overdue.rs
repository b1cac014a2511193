//! Exports that should have arrived and did not: deadlines of [`Expect`], and what came before them.

use std::fmt;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use crate::clock::readable_time;
use crate::name::TableKey;
use crate::store::{Status, Version};
use crate::table::{Expect, Table};

/// The days of a week as in a schema, from Monday on.
const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// An export that has not arrived by its deadline. `Display` says so to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overdue {
    /// The deadline, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub deadline: i64,
    /// The deadline in its own zone: `2026-01-05 06:00 Europe/Vienna`.
    pub local_deadline: String,
    /// Since when an export counts for this deadline.
    #[serde(with = "crate::clock::iso")]
    pub from: i64,
    /// The version that came last, and when; `None` if none ever did.
    pub last: Option<LastArrival>,
    /// The version that came in time but is not complete, and what it waits for.
    pub incomplete: Option<(String, String)>,
}

/// The version that came last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastArrival {
    /// The version.
    pub version: String,
    /// When it was first seen, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub at: i64,
}

/// A deadline, and from when on an export counts for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Deadline {
    local: DateTime,
    at: Timestamp,
    from: Timestamp,
}

/// Returns what is overdue of a tenant's table now, in milliseconds since 1970; `None` if nothing is, or nothing is
/// expected, as of a table without a schema.
///
/// Only the last deadline counts, so that a missing export is reported until the next one comes.
pub fn find_overdue(tables: &[&'static Table], key: &TableKey, versions: &[Version], now: i64) -> Option<Overdue> {
    let (expect, deadline) = last_deadline_of(tables, key, now)?;
    let from = deadline.from.as_millisecond();
    let last = versions.iter().filter(|version| has_arrived(version)).max_by_key(|version| version.registered_at);
    if last.is_some_and(|version| version.registered_at >= from) {
        return None;
    }
    let is_incomplete = |version: &&Version| version.status == Status::Waiting && version.registered_at >= from;
    Some(Overdue {
        deadline: deadline.at.as_millisecond(),
        local_deadline: format!("{} {}", deadline.local.strftime("%Y-%m-%d %H:%M"), expect.zone),
        from,
        last: last.map(|version| LastArrival { version: version.version.clone(), at: version.registered_at }),
        incomplete: versions.iter().rfind(is_incomplete).map(|version| {
            (version.version.clone(), version.reason.clone().unwrap_or_else(|| "is not complete".into()))
        }),
    })
}

/// Returns the last deadline of a tenant's table, in milliseconds since 1970; `None` if nothing is expected.
pub fn deadline_of(tables: &[&'static Table], key: &TableKey, now: i64) -> Option<i64> {
    last_deadline_of(tables, key, now).map(|(_, deadline)| deadline.at.as_millisecond())
}

fn last_deadline_of(tables: &[&'static Table], key: &TableKey, now: i64) -> Option<(&'static Expect, Deadline)> {
    let table = tables.iter().find(|table| table.name == key.table)?;
    let expect = table.expect.as_ref().filter(|expect| expect.includes(&key.tenant))?;
    let zone = TimeZone::get(expect.zone).unwrap_or(TimeZone::UTC);
    Some((expect, last_deadline(expect, &zone, Timestamp::from_millisecond(now).ok()?)?))
}

/// The tables of tenants that should deliver and never have, sorted. `known` are those that have.
pub fn never_delivered(tables: &[&'static Table], known: &[TableKey]) -> Vec<TableKey> {
    let named = |table: &&'static Table| {
        let tenants = table.expect.as_ref().map_or(&[][..], |expect| expect.tenants);
        let name = table.name;
        tenants.iter().map(move |tenant| TableKey { tenant: (*tenant).to_owned(), table: name.to_owned() })
    };
    let mut keys: Vec<TableKey> = tables.iter().flat_map(named).filter(|key| !known.contains(key)).collect();
    keys.sort();
    keys
}

/// Returns whether an export is there. What is superseded is not it: a newer one came before.
fn has_arrived(version: &Version) -> bool {
    !matches!(version.status, Status::Waiting | Status::Superseded)
}

/// The last deadline that has passed.
fn last_deadline(expect: &Expect, zone: &TimeZone, now: Timestamp) -> Option<Deadline> {
    // Every week has a deadline.
    let mut date = now.to_zoned(zone.clone()).date();
    for _ in 0..=WEEK.len() {
        let passed = deadlines_on(expect, zone, date).filter(|deadline| deadline.at <= now).last();
        if passed.is_some() {
            return passed;
        }
        date = date.yesterday().ok()?;
    }
    None
}

/// The deadlines of a day, the first one first.
fn deadlines_on<'a>(expect: &'a Expect, zone: &'a TimeZone, date: Date) -> impl Iterator<Item = Deadline> + 'a {
    let every = i64::from(expect.every_minutes);
    let first = (i64::from(expect.by.0) * 60 + i64::from(expect.by.1)) % every;
    let is_expected = expect.days.is_empty() || expect.days.contains(&name_of(date.weekday()));
    let count = if is_expected { 24 * 60 / every } else { 0 };
    (0..count).filter_map(move |index| {
        let local = date.to_datetime(jiff::civil::Time::midnight()).checked_add((first + index * every).minutes());
        deadline(local.ok()?, i64::from(expect.window_minutes), zone)
    })
}

/// A time that the clocks skip is that much later, and one that they show twice is the second. The window is measured
/// on the clocks of the zone, so that a day of 25 hours has no hour between two windows of a day.
fn deadline(local: DateTime, window: i64, zone: &TimeZone) -> Option<Deadline> {
    let at = zone.to_ambiguous_zoned(local).later().ok()?.timestamp();
    let from = zone.to_ambiguous_zoned(local.checked_sub(window.minutes()).ok()?).earlier().ok()?.timestamp();
    Some(Deadline { local, at, from })
}

fn name_of(day: Weekday) -> &'static str {
    WEEK[day.to_monday_zero_offset() as usize]
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no export came by {}", self.local_deadline)?;
        match (&self.incomplete, &self.last) {
            (Some((version, reason)), _) => write!(f, "; {version} {reason}"),
            (None, Some(LastArrival { version, at })) => {
                write!(f, "; the last one was {version}, at {}", readable_time(*at))
            }
            (None, None) => f.write_str("; none ever has"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIENNA: Expect = Expect { by: (6, 0), zone: "Europe/Vienna", ..Expect::DEFAULT };

    /// The last deadline at a time, and from when on an export counts for it.
    fn last(expect: &Expect, now: &str) -> [String; 2] {
        let zone = TimeZone::get(expect.zone).unwrap();
        let Deadline { at, from, .. } = last_deadline(expect, &zone, now.parse().unwrap()).unwrap();
        [at.to_string(), from.to_string()]
    }

    #[test]
    fn a_deadline_is_in_its_zone_in_summer_and_in_winter() {
        assert_eq!(last(&VIENNA, "2026-01-05T05:00:00Z"), ["2026-01-05T05:00:00Z", "2026-01-04T17:00:00Z"]);
        assert_eq!(last(&VIENNA, "2026-01-05T04:59:59Z"), ["2026-01-04T05:00:00Z", "2026-01-03T17:00:00Z"]);
        assert_eq!(last(&VIENNA, "2026-07-05T04:00:00Z"), ["2026-07-05T04:00:00Z", "2026-07-04T16:00:00Z"]);
    }

    #[test]
    fn whole_days_have_no_gap_where_the_clocks_change() {
        let whole = Expect { window_minutes: 24 * 60, ..VIENNA };
        assert_eq!(last(&whole, "2026-03-29T12:00:00Z"), ["2026-03-29T04:00:00Z", "2026-03-28T05:00:00Z"]);
        assert_eq!(last(&whole, "2026-10-25T12:00:00Z"), ["2026-10-25T05:00:00Z", "2026-10-24T04:00:00Z"]);
    }

    #[test]
    fn a_deadline_that_the_clocks_skip_is_later_and_one_they_show_twice_is_the_second() {
        let early = Expect { by: (2, 30), ..VIENNA };
        assert_eq!(last(&early, "2026-03-29T12:00:00Z")[0], "2026-03-29T01:30:00Z");
        assert_eq!(last(&early, "2026-10-25T12:00:00Z")[0], "2026-10-25T01:30:00Z");
    }

    #[test]
    fn days_without_a_deadline_are_passed_over() {
        let workdays = Expect { days: &["mon", "tue", "wed", "thu", "fri"], ..VIENNA };
        // 2026-01-04 is a Sunday.
        assert_eq!(last(&workdays, "2026-01-04T23:00:00Z")[0], "2026-01-02T05:00:00Z");
        let weekly = Expect { days: &["mon"], ..VIENNA };
        assert_eq!(last(&weekly, "2026-01-05T04:59:00Z")[0], "2025-12-29T05:00:00Z");
    }

    #[test]
    fn deadlines_within_a_day_go_round_the_clock() {
        let every_six_hours = Expect { every_minutes: 360, window_minutes: 60, by: (7, 15), ..Expect::DEFAULT };
        assert_eq!(last(&every_six_hours, "2026-01-05T01:14:00Z"), ["2026-01-04T19:15:00Z", "2026-01-04T18:15:00Z"]);
        assert_eq!(last(&every_six_hours, "2026-01-05T01:15:00Z")[0], "2026-01-05T01:15:00Z");
    }
}
