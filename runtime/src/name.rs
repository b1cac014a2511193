//! Names that come from outside: tenants, tables and versions.
//!
//! Each is held against a strict pattern before it reaches a path, SQL or a log, so nothing behind this module has to
//! quote or doubt one.

use std::cmp::Ordering;

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
    candidates
        .into_iter()
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
    fn the_nearest_is_near() {
        assert_eq!(nearest("ordres", ["orders", "test_table"]), Some("orders"));
        assert_eq!(nearest("invoices", ["orders", "test_table"]), None);
    }
}
