//! Numbers with their nouns.

/// `row` for one, `rows` for any other number.
pub(crate) fn noun(number: u64, singular: &str) -> String {
    if number == 1 { singular.into() } else { format!("{singular}s") }
}

/// `1 row`, `2 rows`.
pub(crate) fn plural(number: u64, singular: &str) -> String {
    format!("{number} {}", noun(number, singular))
}
