//! One file for each table of `schemas/` that has samples.

pub(super) mod ledger_entries;
pub(super) mod orders;
pub(super) mod products;
pub(super) mod sensor_readings;
pub(super) mod support_tickets;
pub(super) mod test_table;
pub(super) mod web_events;

use super::random::Random;
use super::row::Row;

/// A row of texts, in which `None` is NULL.
fn row<const N: usize>(fields: [Option<String>; N]) -> Row {
    fields.into()
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

/// A day of 2025, counted from 0, as year, month and day.
fn day_of_2025(day: u64) -> (u64, u64, u64) {
    let mut day = day % 365;
    for (month, days) in (1..).zip([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30]) {
        if day < days {
            return (2025, month, day + 1);
        }
        day -= days;
    }
    (2025, 12, day + 1)
}

/// `2025-03-09`
fn iso_date(random: &mut Random) -> String {
    let (year, month, day) = day_of_2025(random.below(365));
    format!("{year}-{month:02}-{day:02}")
}

/// `14:05:59`
fn time_of_day(random: &mut Random) -> String {
    let second = random.below(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// `2025-03-09 14:05:59`, with `separator` instead of the blank.
fn date_and_time(random: &mut Random, separator: char) -> String {
    let date = iso_date(random);
    format!("{date}{separator}{}", time_of_day(random))
}

/// An amount of `low` to `high` cents, with two digits after the point.
fn cents(random: &mut Random, low: u64, high: u64) -> String {
    let cents = random.between(low, high);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The same decimal number with one digit fewer or more after the point.
fn other_decimal(text: &str) -> String {
    match text.strip_suffix('0') {
        Some(shorter) if text.contains('.') && !shorter.ends_with('.') => shorter.to_owned(),
        _ if text.contains('.') => format!("{text}0"),
        _ => format!("{text}.0"),
    }
}

/// Another spelling of the same floating-point number, even if it was respelled before.
fn other_float(text: &str) -> String {
    match text {
        "0.0" => "-0.0".to_owned(),
        "-0.0" => "0.0".to_owned(),
        _ if !text.contains(char::is_alphabetic) => format!("{text}e0"),
        _ if text.contains(char::is_uppercase) => text.to_lowercase(),
        _ => text.to_uppercase(),
    }
}
