//! Names that come from outside: tenants, tables and versions.
//!
//! Each is held against a strict pattern before it reaches a path, SQL or a log, so nothing behind this module has to
//! quote or doubt one.

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

/// Longest tenant or version, in bytes. It keeps `TENANT/TABLE/VERSION` far below the 1,024 bytes of an S3 key.
pub const MAX_NAME: usize = 128;

/// Whether the text can be a tenant, a table or a version: 1 to 128 ASCII letters, digits, `_`, `-` and `.`, of which
/// the first is a letter or a digit. So no name is hidden, relative or an option.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    bytes.len() <= MAX_NAME && bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(inner)
}

/// What [`is_name`] asks for, to be said in an error.
pub const NAME_RULE: &str = "1 to 128 letters, digits, `_`, `-` and `.`, beginning with a letter or a digit";

/// A text as a terminal may show it: what cannot be seen is escaped, so that nothing that came from outside moves a
/// cursor, changes a title, turns the text around or starts a line. Quotes and backslashes stay as they are, so that a
/// path can be copied, and what was escaped once is not escaped again.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_visible(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

/// A path as a terminal may show it.
pub fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// The same for serde, which would fail at a path that is not UTF-8.
pub(crate) fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown_path(path))
}

/// Whether every character can be seen, so that [`shown`] changes nothing.
pub(crate) fn is_visible_text(text: &str) -> bool {
    text.chars().all(is_visible)
}

/// `escape_debug` knows what is not printable. It escapes more than that: quotes, blanks of other scripts, and accents
/// that stand behind no letter.
fn is_visible(c: char) -> bool {
    let is_blank = c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    matches!(c, '\'' | '"' | '\\') || is_blank || format!("a{c}").escape_debug().nth(1) == Some(c)
}

/// The place of a text in natural order, as a text that sorts bytewise: runs of digits count as numbers, the rest as
/// bytes, so `V9` stands before `V10`. Two spellings of one place (`V1`, `V01`) have the same.
///
/// A run of digits becomes `0`, its length in three digits, and its digits without leading zeros. Since the run still
/// begins with a digit, it compares with any other byte as its first digit would.
pub fn natural_place(text: &str) -> String {
    let mut place = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while !rest.is_empty() {
        let other = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        place.push_str(&rest[..other]);
        rest = &rest[other..];
        let run = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if run > 0 {
            let digits = rest[..run].trim_start_matches('0');
            place.push_str(&format!("0{:03}{digits}", digits.len()));
        }
        rest = &rest[run..];
    }
    place
}

/// Compares in natural order; different spellings of one place by their bytes, so that the order is total.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    natural_place(a).cmp(&natural_place(b)).then_with(|| a.cmp(b))
}

/// The candidate that is nearest to `name` by edit distance, when it is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |other: &str| edit_distance(&name.to_lowercase(), &other.to_lowercase());
    // A name from outside may be as long as a file; one that is longer by far is not worth a look.
    let could_be = |other: &&str| name.chars().count().abs_diff(other.chars().count()) <= 1 + name.len() / 4;
    candidates
        .into_iter()
        .filter(could_be)
        .map(|candidate| (distance(candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
        .map(|(_, candidate)| candidate)
}

/// What to say of an unknown name: the nearest one that is known, or all of them.
pub(crate) fn near_or_known(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "none is known yet".into(),
        None => format!("known are {}", known.join(", ")),
    }
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_as_numbers() {
        let mut versions =
            ["V10", "V9", "20260101_V0002", "20260101_V0010", "20260101_V0009", "a", "1", "V1.2", "V1.10"];
        versions.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(
            versions,
            ["1", "20260101_V0002", "20260101_V0009", "20260101_V0010", "V1.2", "V1.10", "V9", "V10", "a"]
        );
    }

    #[test]
    fn two_spellings_share_a_place() {
        assert_eq!(natural_place("V1"), natural_place("V0001"));
        assert_eq!(natural_place("V0"), natural_place("V000"));
        assert_ne!(natural_place("V1"), natural_place("V10"));
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
    fn what_cannot_be_seen_is_escaped_once() {
        for (text, expected) in [
            ("a\u{1b}[31mb\u{9b}c\u{7f}\n\r\t\0", r"a\u{1b}[31mb\u{9b}c\u{7f}\n\r\t\0"),
            ("\u{202e}\u{200b}\u{2028}\u{feff}", r"\u{202e}\u{200b}\u{2028}\u{feff}"),
            (r#"o'brien "x" \n \u{1b}"#, r#"o'brien "x" \n \u{1b}"#),
            ("Übe\u{301}r 売上\u{3000}\u{a0}€", "Übe\u{301}r 売上\u{3000}\u{a0}€"),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown(expected), expected);
            assert_eq!(is_visible_text(text), text == expected);
        }
    }

    #[test]
    fn the_nearest_is_near() {
        assert_eq!(nearest("ordres", ["orders", "test_table"]), Some("orders"));
        assert_eq!(nearest("invoices", ["orders", "test_table"]), None);
    }
}
