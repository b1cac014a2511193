//! Checks which lines of a part are not rows.

use regex::Regex;

use crate::diagnostic::{Code, Diagnostic};
use crate::spec::{HeaderSpec, Optional, SourceSpec};
use crate::wording::excerpt;

/// The maximum number of lines that are skipped.
const MAX_LINES: f64 = 10_000.0;

/// The number of lines to skip.
pub(super) fn count(field: &str, spec: &Optional<f64>, diagnostics: &mut Vec<Diagnostic>) -> u32 {
    let Some(lines) = spec else { return 0 };
    if lines.value.fract() != 0.0 || !(0.0..=MAX_LINES).contains(&lines.value) {
        diagnostics.push(
            Diagnostic::new(Code::OutOfRange, &lines.span, format!("`{field}` cannot be {}", lines.value))
                .label(format!("expected a whole number of lines, up to {MAX_LINES}")),
        );
        return 0;
    }
    lines.value as u32
}

/// What a comment begins with.
pub(super) fn comment(
    source: &SourceSpec,
    delimiter: &str,
    quote: Option<u8>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let comment = source.comment.as_ref()?;
    let starts_with = |mark: u8| comment.starts_with(char::from(mark));
    let label = if comment.is_empty() {
        "every line begins with this"
    } else if comment.contains(['\n', '\r', '\0']) {
        "no line can begin with this"
    } else if comment.starts_with(delimiter)
        || delimiter.starts_with(comment.as_str())
        || quote.is_some_and(starts_with)
    {
        "a row can begin with this"
    } else {
        return Some(comment.value.clone());
    };
    let message = format!("`{}` cannot begin a comment", excerpt(comment));
    diagnostics.push(Diagnostic::new(Code::InvalidComment, &comment.span, message).label(label));
    None
}

/// The regular expression of the last line.
pub(super) fn trailer(source: &SourceSpec, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let trailer = source.trailer.as_ref()?;
    let invalid = |label: String| {
        let message = format!("`{}` cannot be the trailer", excerpt(trailer));
        let help = "for example `trailer: \"^TRL\\\\|(\\\\d+)$\"`, whose first group is the number of rows";
        Diagnostic::new(Code::InvalidTrailer, &trailer.span, message).label(label).help(help)
    };
    // The runtime matches the whole line.
    let whole = Regex::new(&format!(r"\A(?:{})\z", trailer.value));
    let (Ok(regex), Ok(_)) = (whole, Regex::new(trailer)) else {
        diagnostics.push(invalid("this is not a regular expression".into()));
        return None;
    };
    if regex.is_match("") {
        diagnostics.push(invalid("every line matches this".into()));
    }
    let also = |other: &crate::diagnostic::Span, message: &str, label: &str| {
        Diagnostic::new(Code::Contradiction, &trailer.span, message).also(other, label).help("remove one of the two")
    };
    if let Some(last) = &source.skip_last {
        diagnostics.push(also(&last.span, "the trailer is the last line", "this skips it"));
    }
    let is_split = source.header.as_ref().filter(|header| header.value == HeaderSpec::FirstPart);
    if let Some(header) = is_split.filter(|_| regex.captures_len() > 1) {
        let message = "the number of rows in a trailer is that of its own part";
        diagnostics.push(also(&header.span, message, "the parts are those of one file"));
    }
    Some(trailer.value.clone())
}
