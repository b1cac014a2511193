//! Texts that are not tables, and lines that look like rows but probably are not.

use std::path::Path;

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// The words that begin a line above the rows.
const FIRST_WORDS: &[&str] = &["hdr", "header", "begin", "bof", "start"];

/// The words that begin a trailer, or are in it; the first ones count rows.
pub(super) const TRAILER_WORDS: &[&str] =
    &["trailer", "trl", "end", "eof", "footer", "total", "totals", "rows", "records", "count"];

/// The number of dashes that a line under a header has at least, and one in a report.
const MIN_RULER: usize = 2;
const MIN_REPORT: usize = 5;

/// Refuses a text that some program wrote for another purpose.
pub(super) fn check_document(path: &Path, text: &str) -> Result<()> {
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    let begins = |beginning: &str| text.get(..beginning.len()).is_some_and(|b| b.eq_ignore_ascii_case(beginning));
    let line = text.lines().next().unwrap_or_default();
    let what = if begins("<!doctype html") || begins("<html") {
        "an HTML page"
    } else if begins("<?xml") {
        "an XML document"
    } else if matches!(serde_json::from_str(line), Ok(Json::Object(_))) || is_json(text) {
        "JSON"
    } else {
        return Ok(());
    };
    Err(Error::export(path, format!("it is {what}, not a table")).help("export the rows as CSV"))
}

/// Returns whether a text begins as an array or an object over several lines does.
fn is_json(text: &str) -> bool {
    let inner = text.strip_prefix(['[', '{']).map(str::trim_start);
    let is_object =
        |rest: &str| rest.starts_with('"') && rest.split('"').nth(2).is_some_and(|end| end.starts_with(':'));
    inner.is_some_and(|inner| {
        is_object(inner) || inner.strip_prefix('{').is_some_and(|rest| is_object(rest.trim_start()))
    })
}

/// Returns whether a line consists of dashes, as those under the header of a report do, and a delimiter at most.
pub(super) fn is_ruler(line: &str) -> bool {
    let dashes = line.chars().filter(|c| matches!(c, '-' | '=')).count();
    dashes >= MIN_RULER && line.chars().all(|c| matches!(c, '-' | '=' | '+' | '|' | ' ' | ',' | ';' | '\t'))
}

/// Returns whether a line of dashes is long enough to be that of a report, and not a value.
pub(super) fn is_report_ruler(line: &str) -> bool {
    is_ruler(line) && line.chars().filter(|c| matches!(c, '-' | '=')).count() >= MIN_REPORT
}

/// Returns whether a line begins like one above the rows.
pub(super) fn begins_like_a_head(line: &str, delimiter: &str) -> bool {
    FIRST_WORDS.contains(&first_field(line, delimiter).as_str())
}

/// Returns whether a line begins like one below the rows.
pub(super) fn begins_like_a_trailer(line: &str, delimiter: &str) -> bool {
    TRAILER_WORDS.contains(&first_field(line, delimiter).as_str())
}

fn first_field(line: &str, delimiter: &str) -> String {
    let field = line.split(delimiter).next().unwrap_or_default();
    field.trim_matches(['"', '\'', ' ', ':', '\u{FEFF}']).to_ascii_lowercase()
}
