//! Names from outside: tenants, tables and versions.
//!
//! Each is checked against a strict pattern before it reaches a path, SQL or a log, so no other code has to quote or
//! check one.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

/// One tenant's table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableKey {
    /// The tenant.
    pub tenant: String,
    /// The table.
    pub table: String,
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.table)
    }
}

/// The maximum length of a name, in bytes. It keeps `TENANT/TABLE/VERSION` far below the 1,024 bytes of an S3 key.
const MAX_NAME: usize = 128;

/// Returns whether a text can be a tenant, a table or a version: 1 to 128 ASCII letters, digits, `_`, `-` and `.`, of
/// which the first is a letter or a digit. So no name is a hidden file, a relative path or an option.
pub(crate) fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    bytes.len() <= MAX_NAME && bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(inner)
}

/// The rule of [`is_name`], for errors.
pub(crate) const NAME_RULE: &str = "1 to 128 letters, digits, `_`, `-` and `.`, starting with a letter or a digit";

/// The table names that no schema can have, because generated code needs them for something else.
const RESERVED_TABLES: &[&str] = &["athena", "bin", "crate", "lib", "main", "mod", "self", "super"];

/// Returns whether a schema can have this name, as the generator checks it.
pub(crate) fn is_table_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    is_name(text)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(inner)
        && !RESERVED_TABLES.contains(&text)
}

/// The rule of [`is_table_name`], for errors.
pub(crate) const TABLE_RULE: &str = "lower-case letters, digits and `_`, starting with a letter";

/// Returns whether a schema can have a column of this name, as the generator checks it.
pub(crate) fn is_column_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_NAME && text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(inner)
}

/// A text without the differences of case: `ß`, `ẞ`, `SS` and `ss` are equal.
pub(crate) fn fold_case(text: &str) -> String {
    text.to_lowercase().to_uppercase()
}

/// Returns whether a header with a name in this spelling names the column that is called `header` there.
pub(crate) fn is_spelled(name: &str, header: &str, any_case: bool) -> bool {
    let is_folded = || {
        if name.is_ascii() && header.is_ascii() {
            name.eq_ignore_ascii_case(header)
        } else {
            fold_case(name) == fold_case(header)
        }
    };
    name == header || any_case && is_folded()
}

/// A text that is safe to show on a terminal: invisible characters are escaped, so that text from outside cannot move
/// the cursor, change the title, reverse the text or start a new line. Quotes and backslashes are not escaped, so that
/// a path can be copied, and nothing is escaped twice.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        if is_visible(c) {
            printable.push(c);
        } else {
            printable.extend(c.escape_debug());
        }
    }
    printable
}

/// A path that is safe to show on a terminal.
pub(crate) fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Serialises a path with [`printable_path`]; serde would fail on a path that is not UTF-8.
pub(crate) fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&printable_path(path))
}

/// Returns whether every character is visible, so that [`printable`] changes nothing.
pub(crate) fn is_visible_text(text: &str) -> bool {
    text.chars().all(is_visible)
}

/// `escape_debug` escapes what is not printable, but also quotes, spaces of other scripts, and accents that do not
/// follow a letter.
fn is_visible(c: char) -> bool {
    // Nearly every name is ASCII, and there can be a hundred thousand.
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let is_blank = c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    is_blank || format!("a{c}").escape_debug().nth(1) == Some(c)
}

/// The place of a text in natural order, as a text that sorts bytewise: runs of digits compare as numbers, the rest as
/// bytes, so `V9` comes before `V10`. Different spellings of a number (`V1`, `V01`) have the same place.
///
/// A run of digits becomes `0`, its length in three digits, and its digits without leading zeros. As it still starts
/// with a digit, it compares with any other byte as before.
pub fn natural_sort_key(text: &str) -> String {
    let mut place = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        place.push_str(&rest[..text]);
        rest = &rest[text..];
        let run = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if run > 0 {
            let digits = rest[..run].trim_start_matches('0');
            place.push_str(&format!("0{:03}{digits}", digits.len()));
        }
        rest = &rest[run..];
    }
    place
}

/// A name with this place in natural order: the one whose numbers have no leading zeros.
pub(crate) fn name_at(place: &str) -> String {
    let (mut name, mut rest) = (String::new(), place);
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest.get(at + 1..at + 4).and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
        let digits = rest.get(at + 4..at + 4 + length).unwrap_or_default();
        name.push_str(&rest[..at]);
        name.push_str(if digits.is_empty() { "0" } else { digits });
        rest = rest.get(at + 4 + length..).unwrap_or_default();
    }
    name + rest
}

/// Compares in natural order, and spellings with the same place by their bytes, so that the order is total.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    compare_places(a.as_bytes(), b.as_bytes()).then_with(|| a.cmp(b))
}

/// Compares the places of two texts without writing them down: a folder may have a hundred thousand names.
fn compare_places(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        let order = match x.is_ascii_digit() && y.is_ascii_digit() {
            true => {
                let (m, n) = (take_number(&mut a), take_number(&mut b));
                m.len().cmp(&n.len()).then_with(|| m.cmp(n))
            }
            false => {
                (a, b) = (&a[1..], &b[1..]);
                x.cmp(y)
            }
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Splits a run of digits off, and returns it without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

/// The candidate with the smallest edit distance to `name`, if it is small enough for a typing error.
#[cfg(feature = "pipeline")]
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let max_distance = 1 + name.len() / 4;
    // A name from outside can be as long as a file; the distance to one that is much longer is not worth computing.
    let has_similar_length = |other: &&str| name.chars().count().abs_diff(other.chars().count()) <= max_distance;
    let distance = |other: &str| strsim::levenshtein(&name.to_lowercase(), &other.to_lowercase());
    candidates
        .into_iter()
        .filter(has_similar_length)
        .map(|candidate| (distance(candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= max_distance)
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: the nearest known name, or all of them.
#[cfg(feature = "pipeline")]
pub(crate) fn suggest(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "none are known yet".into(),
        None => format!("expected one of: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers() {
        let mut versions =
            ["V10", "V9", "20260101_V0002", "20260101_V0010", "20260101_V0009", "a", "1", "V1.2", "V1.10"];
        versions.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(
            versions,
            ["1", "20260101_V0002", "20260101_V0009", "20260101_V0010", "V1.2", "V1.10", "V9", "V10", "a"]
        );
    }

    #[test]
    fn comparing_names_is_comparing_their_places() {
        let pieces = ["", "a", "V", "-", ".", "é", "0", "00", "1", "09", "9", "10", "123", "99999999999999999999"];
        let pairs = pieces.iter().flat_map(|a| pieces.iter().map(move |b| format!("{a}{b}")));
        let names: Vec<String> = pairs.flat_map(|pair| ["", "x", "7"].map(|end| format!("{pair}{end}"))).collect();
        for a in &names {
            for b in &names {
                let by_place = natural_sort_key(a).cmp(&natural_sort_key(b)).then_with(|| a.cmp(b));
                assert_eq!(natural_cmp(a, b), by_place, "{a} {b}");
            }
        }
    }

    #[test]
    fn spellings_of_a_number_have_the_same_place() {
        assert_eq!(natural_sort_key("V1"), natural_sort_key("V0001"));
        assert_eq!(natural_sort_key("V0"), natural_sort_key("V000"));
        assert_ne!(natural_sort_key("V1"), natural_sort_key("V10"));
    }

    #[test]
    fn a_place_leads_back_to_a_name() {
        for name in ["V1", "20260101_V10", "a", "7-x.y0", "0"] {
            assert_eq!(name_at(&natural_sort_key(name)), name);
        }
        assert_eq!(name_at(&natural_sort_key("V007")), "V7");
        // Whatever a damaged registry holds.
        for place in ["V0", "V0999", "V0x1", "09991", "é0é"] {
            name_at(place);
        }
    }

    #[test]
    fn names_are_strict() {
        for good in ["acme", "20260101_V0001", "a", "7-x.y"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "_x", "-x", "a/b", "a b", "a\0", "é", &"x".repeat(129)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn invisible_characters_are_escaped_once() {
        for (text, expected) in [
            ("a\u{1b}[31mb\u{9b}c\u{7f}\n\r\t\0", r"a\u{1b}[31mb\u{9b}c\u{7f}\n\r\t\0"),
            ("\u{202e}\u{200b}\u{2028}\u{feff}", r"\u{202e}\u{200b}\u{2028}\u{feff}"),
            (r#"o'brien "x" \n \u{1b}"#, r#"o'brien "x" \n \u{1b}"#),
            ("Übe\u{301}r 売上\u{3000}\u{a0}€", "Übe\u{301}r 売上\u{3000}\u{a0}€"),
        ] {
            assert_eq!(printable(text), expected);
            assert_eq!(printable(expected), expected);
            assert_eq!(is_visible_text(text), text == expected);
        }
    }

    #[cfg(feature = "pipeline")]
    #[test]
    fn the_nearest_name_is_similar() {
        assert_eq!(nearest("ordres", ["orders", "test_table"]), Some("orders"));
        assert_eq!(nearest("invoices", ["orders", "test_table"]), None);
    }
}
