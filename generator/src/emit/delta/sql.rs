//! Pieces of SQL.

/// The condition that a text matches a regular expression.
pub(super) fn matches(text: &str, pattern: &str) -> String {
    format!("regexp_like({text}, {})", literal(pattern))
}

/// A text as a SQL literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Texts as SQL literals, separated by commas.
pub(super) fn literals(texts: &[String]) -> String {
    texts.iter().map(|text| literal(text)).collect::<Vec<_>>().join(", ")
}
