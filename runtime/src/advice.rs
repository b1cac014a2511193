//! What to declare so that a text can be read, where an option would read it.

use jiff::civil;

use crate::table::{Column, Table, Type};

/// What to declare so that a text which means NULL is a value, in words that follow a semicolon; `None` if no option is
/// known to help. A masked text gets no advice, because that would say something about it.
pub(crate) fn for_null(column: &Column, text: &[u8]) -> Option<String> {
    (is_text(column) && !column.is_masked()).then(|| own_nulls(text))
}

/// The same for a text that is not a value of its column.
pub(crate) fn for_unreadable(table: &Table, column: &Column, text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok().filter(|_| !column.is_masked())?.trim_matches(['"', '\'']);
    match column.ty {
        Type::Binary(_) => prefix(column, text),
        Type::Boolean => Some("declare `true_values` and `false_values`, or the column's `nulls`".to_owned())
            .filter(|_| column.true_values.is_empty()),
        Type::Char(_) | Type::Varchar(_) | Type::String => None,
        Type::Date | Type::Timestamp | Type::Timestamptz => time(table, column, text),
        _ if has_digit(text) => number(column, text),
        _ => null_word(table, column),
    }
}

fn is_text(column: &Column) -> bool {
    matches!(column.ty, Type::String | Type::Char(_) | Type::Varchar(_))
}

/// In a text column, a NULL marker can be a value.
fn own_nulls(text: &[u8]) -> String {
    match text {
        b"" => "declare `nulls: []` in this column if the empty text is a value".to_owned(),
        _ => "declare `nulls` in this column, without this text, if it is a value".to_owned(),
    }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

fn prefix(column: &Column, text: &str) -> Option<String> {
    let prefixes =
        [("\\x", r#"declare `encoding: hex` and `prefix: "\\x"`"#), ("0x", "declare `encoding: hex` and `prefix: 0x`")];
    let known = prefixes.iter().find(|(prefix, _)| column.prefix.is_none() && text.starts_with(prefix));
    known.map(|(_, advice)| (*advice).to_owned())
}

fn number(column: &Column, text: &str) -> Option<String> {
    let is_fraction = matches!(column.ty, Type::Decimal { .. } | Type::Float | Type::Double);
    let advice = match () {
        () if column.numbers.is_some() => return None,
        () if is_fraction && text.contains(',') => "declare `decimal_mark` and `group_mark` if it is a number",
        () if text.ends_with('-') => "declare `sign: trailing` if it is a number",
        () if text.starts_with('(') => "declare `sign: parentheses` if it is a number",
        () => return None,
    };
    Some(advice.to_owned())
}

/// A text may mean NULL, except in the key.
fn null_word(table: &Table, column: &Column) -> Option<String> {
    let nullable = if column.nullable { "" } else { "make the column nullable and " };
    (!table.is_key(column)).then(|| format!("{nullable}add it to the column's `nulls` if it means NULL"))
}

/// A text that is not a date: a number of units since 1970, another layout, or a word or a date that does not exist.
fn time(table: &Table, column: &Column, text: &str) -> Option<String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if column.format.is_none() && column.ty != Type::Date && digits == text.len() && digits > 8 {
        let unit = match digits {
            ..=11 => "epoch_seconds",
            12..=14 => "epoch_millis",
            _ => "epoch_micros",
        };
        return Some(format!("declare `format: {unit}` if it counts from 1970"));
    }
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'-' | b'.' | b'/' | b':' | b' '));
    match () {
        () if digits == 0 || is_zero => null_word(table, column),
        () if column.format.is_some() => None,
        () if is_iso(text) && !is_in_range(text) => null_word(table, column),
        () => Some("declare the column's `format`".to_owned()),
    }
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
