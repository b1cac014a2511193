//! The options that read a date or a timestamp.

use generator::hints::{reads_time, times_that_read};
use generator::model::ColumnType;
use jiff::civil;

use super::nulls;
use crate::table::{Column, Table, Type};

/// Suggests an option for a text that is not a date: another unit or format; for words and impossible dates, a NULL
/// marker.
pub(super) fn advice(table: &Table, column: &Column, text: &str) -> Option<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'-' | b'.' | b'/' | b':' | b' '));
    if digits == 0 || is_zero {
        return nulls::word(table, column);
    }
    if let Some(format) = epoch(column, text) {
        return Some(format!("declare `format: {format}` if it counts from 1970"));
    }
    let ty = with_format(column.ty, None);
    let mut formats = times_that_read(text, &ty);
    match formats.next() {
        // The order of day and month can be the other one.
        Some(format) => {
            let others = formats.find(|other| is_swapped(format, other));
            let other = others.map(|other| format!(" or `{other}`")).unwrap_or_default();
            Some(format!("declare a `format` such as `{format}`{other}"))
        }
        None if column.format.is_some_and(|format| format.contains("%Z")) => {
            Some("a zone needs a known name, and a time that its clocks skip or show twice is refused".into())
        }
        None if column.format.is_some() => None,
        None if is_iso(text) && !is_in_range(text) => nulls::word(table, column),
        // A part beyond its range, or more digits of a second than there are: no format reads that.
        None if is_iso(text) => None,
        None => Some("declare the column's `format`".into()),
    }
}

/// Returns whether a text is a value as its column writes it.
pub(super) fn reads(column: &Column, text: &str) -> bool {
    reads_time(text, &with_format(column.ty, column.format))
}

fn with_format(ty: Type, format: Option<&str>) -> ColumnType {
    let format = format.map(Into::into);
    match ty {
        Type::Date => ColumnType::Date { format },
        Type::Timestamp => ColumnType::Timestamp { format },
        _ => ColumnType::Timestamptz { format },
    }
}

/// The unit that a number of so many digits counts, if another is declared or none.
fn epoch(column: &Column, text: &str) -> Option<&'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let can_count = column.format.is_none_or(|format| format.starts_with("epoch_"));
    if !is_number || digits.len() < 9 || column.ty == Type::Date || !can_count {
        return None;
    }
    let unit = match digits.len() {
        ..=11 => "epoch_seconds",
        12..=14 => "epoch_millis",
        _ => "epoch_micros",
    };
    (column.format != Some(unit)).then_some(unit)
}

/// Returns whether two formats differ in nothing but the order of day and month.
fn is_swapped(format: &str, other: &str) -> bool {
    let swapped = format.replace('d', "\0").replace('m', "d").replace('\0', "m");
    swapped == other
}

/// Returns whether a text begins with a year and a hyphen.
fn is_iso(text: &str) -> bool {
    let year = text.split('-').next().unwrap_or_default();
    year.len() >= 4 && year.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a text in ISO 8601 begins with a date of the years 0001 to 9999.
fn is_in_range(text: &str) -> bool {
    let date = text.get(..10).and_then(|date| date.parse::<civil::Date>().ok());
    date.is_some_and(|date| date.year() > 0) && !text.ends_with("BC")
}
