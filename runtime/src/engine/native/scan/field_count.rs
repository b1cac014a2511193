//! What is said about a record with too many or too few fields.

use crate::canonical::row::Layout;
use crate::snapshot::csv::Record;
use crate::wording::plural;

/// The characters that separate fields most often.
const DELIMITERS: [char; 6] = [',', ';', '\t', '|', '~', '\u{1}'];

/// What reads the empty field before a delimiter at the beginning.
const BLANK: &str = "a first column for the empty field, with `nullable: true` and `publish: false`";

/// How many fields there are, how many there should be, and which option would read the record.
pub(super) fn field_count(record: &Record<'_>, layout: &Layout) -> String {
    let expected = layout.names.len();
    let whose = if layout.format.header { "the header has" } else { "the schema has" };
    let problem = format!("{} where {whose} {expected}", plural(record.len() as u64, "field"));
    match advice(record, layout) {
        Some(advice) => format!("{problem}; {advice}"),
        None => problem,
    }
}

fn advice(record: &Record<'_>, layout: &Layout) -> Option<String> {
    let (actual, expected) = (record.len(), layout.names.len());
    let is_blank = |at: usize| record.field(at).is_empty() && !record.field(at).quoted;
    if actual == expected + 1 && is_blank(actual - 1) {
        return Some("declare `trailing_delimiter: true` if each line ends with a delimiter".into());
    }
    if actual == expected + 1 && is_blank(0) {
        return Some(format!("if each line begins with a delimiter, declare {BLANK}"));
    }
    if actual == expected + 2 && is_blank(0) && is_blank(actual - 1) {
        return Some(format!(
            "if each line begins and ends with a delimiter, declare `trailing_delimiter: true` and {BLANK}"
        ));
    }
    let starts_with_quote = |at| record.field(at).text().first() == Some(&b'"');
    if layout.format.quote.is_none() && (0..actual).any(starts_with_quote) {
        return Some("declare `quote: '\"'` if fields are quoted".into());
    }
    if actual > 1 || expected == 1 {
        return None;
    }
    let text = String::from_utf8_lossy(record.bytes());
    let has_all = |delimiter: &char| text.matches(*delimiter).count() + 1 == expected;
    Some(match DELIMITERS.iter().find(|delimiter| has_all(delimiter)) {
        Some(delimiter) => format!("declare `delimiter: {:?}` if that is between fields", delimiter.to_string()),
        None => "if the line is not a row, declare `skip_first`, `skip_last`, `trailer` or `comment`".into(),
    })
}
