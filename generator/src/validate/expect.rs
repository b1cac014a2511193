//! Checks when exports should arrive.

use jiff::tz::{self, TimeZone};

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Expect;
use crate::model::expect::{DAY, WEEK};
use crate::names;
use crate::spec::{ExpectSpec, Optional, Spanned};
use crate::wording::{excerpt, list, suggestion};

/// The times between two deadlines: a day can be divided into them.
const INTERVALS: [(&str, u16); 8] =
    [("1h", 60), ("2h", 120), ("3h", 180), ("4h", 240), ("6h", 360), ("8h", 480), ("12h", 720), ("1d", DAY)];

/// The units of `window`, in minutes.
const UNITS: [(&str, u16); 3] = [("m", 1), ("h", 60), ("d", DAY)];

/// The model of `expect`; what has a mistake is replaced by a default.
pub(super) fn expect(spec: Option<&ExpectSpec>, diagnostics: &mut Vec<Diagnostic>) -> Option<Expect> {
    let spec = spec?;
    let every_minutes = unknown_interval(&spec.every, diagnostics);
    let days = unknown_days(&spec.days, diagnostics);
    Some(Expect {
        every_minutes,
        by: invalid_time_of_day(&spec.by, diagnostics),
        zone: unknown_zone(&spec.zone, diagnostics),
        window_minutes: invalid_window(&spec.window, every_minutes, &days, diagnostics),
        days,
        tenants: invalid_tenants(&spec.tenants, diagnostics),
    })
}

fn unknown_interval(every: &Optional<String>, diagnostics: &mut Vec<Diagnostic>) -> u16 {
    let Some(every) = every else { return DAY };
    let known = INTERVALS.iter().find(|(word, _)| *word == every.value);
    if known.is_none() {
        let words = INTERVALS.map(|(word, _)| word);
        let help = "to expect an export on some days only, add `days`, such as `days: [mon]`";
        diagnostics.push(unknown("every", every, &words).help(help));
    }
    known.map_or(DAY, |(_, minutes)| *minutes)
}

fn invalid_time_of_day(by: &Optional<String>, diagnostics: &mut Vec<Diagnostic>) -> (u8, u8) {
    let Some(by) = by else { return (0, 0) };
    let time = time_of_day(by);
    if time.is_none() {
        let message = format!("`{}` is not a time of day", excerpt(by));
        diagnostics.push(
            Diagnostic::new(Code::InvalidTime, &by.span, message)
                .label("expected hours and minutes, from 00:00 to 23:59")
                .help("for example `by: \"06:00\"`"),
        );
    }
    time.unwrap_or_default()
}

fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str, max: u8| match digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().ok().filter(|number| *number <= max),
        false => None,
    };
    Some((number(hour, 23)?, number(minute, 59)?))
}

/// A zone must be the name of a place, or UTC: abbreviations such as `CET` have no summer time.
fn unknown_zone(zone: &Optional<String>, diagnostics: &mut Vec<Diagnostic>) -> String {
    const UTC: &str = "UTC";
    let Some(zone) = zone else { return UTC.to_owned() };
    let is_known = zone.value == UTC || zone.contains('/') && TimeZone::get(zone).is_ok();
    if !is_known {
        let names: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
        let near = suggestion(zone, names.iter().map(String::as_str).filter(|name| name.contains('/')));
        let label = if near.starts_with("did") { near } else { "no time zone has this name".to_owned() };
        let message = format!("unknown `zone` `{}`", excerpt(zone));
        diagnostics.push(
            Diagnostic::new(Code::UnknownValue, &zone.span, message)
                .label(label)
                .help("write `UTC`, or the name of a zone in the IANA database, such as `Europe/Vienna`"),
        );
    }
    zone.value.clone()
}

fn unknown_days(days: &Optional<Vec<Spanned<String>>>, diagnostics: &mut Vec<Diagnostic>) -> Vec<String> {
    let Some(days) = days else { return Vec::new() };
    empty("days", days, diagnostics);
    repeated("days", days, diagnostics);
    for day in days.iter().filter(|day| !WEEK.contains(&day.as_str())) {
        diagnostics.push(unknown("days", day, &WEEK));
    }
    let is_named = |day: &&str| days.iter().any(|named| named.value == **day);
    let named: Vec<String> = WEEK.iter().copied().filter(is_named).map(str::to_owned).collect();
    // All days are as good as none.
    if named.len() == WEEK.len() { Vec::new() } else { named }
}

/// By default, an export may come in the second half of the time between two deadlines: one that is late counts for its
/// own deadline, and not for the next.
fn invalid_window(window: &Optional<String>, every: u16, days: &[String], diagnostics: &mut Vec<Diagnostic>) -> u16 {
    let Some(window) = window else { return every / 2 };
    let max = shortest_gap(every, days);
    let minutes = minutes(window);
    if minutes.is_none() {
        let message = format!("`{}` is not a duration", excerpt(window));
        diagnostics.push(
            Diagnostic::new(Code::InvalidTime, &window.span, message)
                .label("expected a whole number of minutes, hours or days")
                .help("for example `window: 8h`"),
        );
    } else if !minutes.is_some_and(|minutes| (1..=u64::from(max)).contains(&minutes)) {
        diagnostics.push(
            Diagnostic::new(Code::OutOfRange, &window.span, "`window` is out of range")
                .label(format!("expected more than nothing, and at most `{}`", written(max)))
                .help("it cannot be longer than the time between two deadlines, or an export would count for both"),
        );
    }
    minutes.and_then(|minutes| u16::try_from(minutes).ok()).unwrap_or_default()
}

fn minutes(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, minutes) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(u64::from(*minutes))
}

/// The shortest time between two deadlines, in minutes.
fn shortest_gap(every: u16, days: &[String]) -> u16 {
    if every < DAY || days.is_empty() {
        return every;
    }
    let places: Vec<usize> = days.iter().filter_map(|day| WEEK.iter().position(|other| other == day)).collect();
    let gaps = places.iter().enumerate().map(|(index, place)| match places.get(index + 1) {
        Some(next) => next - place,
        None => WEEK.len() + places[0] - place,
    });
    gaps.min().map_or(every, |days| days as u16 * DAY)
}

/// A duration as it is written in a schema.
fn written(minutes: u16) -> String {
    let unit = UNITS.iter().rev().find(|(_, unit)| minutes.is_multiple_of(*unit));
    unit.map_or_else(String::new, |(name, unit)| format!("{}{name}", minutes / unit))
}

fn invalid_tenants(tenants: &Optional<Vec<Spanned<String>>>, diagnostics: &mut Vec<Diagnostic>) -> Vec<String> {
    let Some(tenants) = tenants else { return Vec::new() };
    empty("tenants", tenants, diagnostics);
    repeated("tenants", tenants, diagnostics);
    for tenant in tenants.iter().filter(|tenant| !names::is_tenant_name(tenant)) {
        let message = format!("`{}` cannot be the name of a tenant", excerpt(tenant));
        diagnostics.push(
            Diagnostic::new(Code::InvalidName, &tenant.span, message)
                .help("use a letter or digit followed by letters, digits, `_`, `-` and `.`"),
        );
    }
    let mut tenants: Vec<String> = tenants.iter().map(|tenant| tenant.value.clone()).collect();
    tenants.sort();
    tenants
}

fn empty(name: &str, items: &Spanned<Vec<Spanned<String>>>, diagnostics: &mut Vec<Diagnostic>) {
    if items.is_empty() {
        diagnostics.push(
            Diagnostic::new(Code::EmptyList, &items.span, format!("`{name}` is empty"))
                .help(format!("name at least one, or remove `{name}` to expect exports of all")),
        );
    }
}

fn repeated(name: &str, items: &[Spanned<String>], diagnostics: &mut Vec<Diagnostic>) {
    for (index, item) in items.iter().enumerate() {
        if let Some(first) = items[..index].iter().find(|first| first.value == item.value) {
            let message = format!("`{name}` has `{}` twice", excerpt(item));
            diagnostics.push(
                Diagnostic::new(Code::RepeatedText, &item.span, message)
                    .label("the second")
                    .also(&first.span, "the first")
                    .help("remove one of the two"),
            );
        }
    }
}

fn unknown(field: &str, word: &Spanned<String>, known: &[&str]) -> Diagnostic {
    Diagnostic::new(Code::UnknownValue, &word.span, format!("unknown `{field}` `{}`", excerpt(word)))
        .label(format!("known: {}", list(known)))
}
