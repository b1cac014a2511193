//! What to declare so that a text can be read, where an option would read it.

mod nulls;
mod numbers;
mod times;

use crate::table::{Column, Table, Type};

/// What to declare so that a text which means NULL is a value, in words that follow a semicolon; `None` if no option is
/// known to help. A masked text gets no advice, because that would say something about it.
pub(crate) fn for_null(column: &Column, text: &[u8]) -> Option<String> {
    (is_text(column) && !column.is_masked()).then(|| nulls::own(text))
}

/// The same for a text that is not a value of its column.
pub(crate) fn for_unreadable(table: &Table, column: &Column, text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok().filter(|_| !column.is_masked())?.trim_matches(['"', '\'']);
    let trimmed = text.trim_matches([' ', '\t']);
    if !column.trim && trimmed.len() < text.len() && reads_trimmed(column, trimmed) {
        return Some("declare `trim: true` for the column if blanks around values are not part of them".into());
    }
    match column.ty {
        Type::Binary(_) => prefix(column, text),
        Type::Boolean => Some("declare `true_values` and `false_values`, or the column's `nulls`".to_owned())
            .filter(|_| column.true_values.is_empty()),
        Type::Char(_) | Type::Varchar(_) | Type::String => None,
        Type::Date | Type::Timestamp | Type::Timestamptz => times::advice(table, column, text),
        _ if has_digit(text) => numbers::advice(column, text),
        _ => nulls::word(table, column),
    }
}

fn is_text(column: &Column) -> bool {
    matches!(column.ty, Type::String | Type::Char(_) | Type::Varchar(_))
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Returns whether blanks may be all that keeps a text from being a value.
fn reads_trimmed(column: &Column, text: &str) -> bool {
    match column.ty {
        Type::Char(length) | Type::Varchar(length) => text.chars().count() <= length as usize,
        Type::Date | Type::Timestamp | Type::Timestamptz => text.is_empty() || times::reads(column, text),
        Type::Boolean | Type::Binary(_) | Type::String => true,
        _ => text.is_empty() || numbers::reads(column, text),
    }
}

fn prefix(column: &Column, text: &str) -> Option<String> {
    let prefixes =
        [("\\x", r#"declare `encoding: hex` and `prefix: "\\x"`"#), ("0x", "declare `encoding: hex` and `prefix: 0x`")];
    let known = prefixes.iter().find(|(prefix, _)| column.prefix.is_none() && text.starts_with(prefix));
    known.map(|(_, advice)| (*advice).to_owned())
}
