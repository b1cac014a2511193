//! Checks what separates fields and records, and how characters are quoted and escaped.

use super::text::unknown_value;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Escape, Source};
use crate::spec::{SourceSpec, Spanned};
use crate::wording::excerpt;

/// The maximum number of characters of a delimiter and of the end of a record.
const MAX_LENGTH: usize = 16;

/// What separates fields and records.
pub(super) struct Separators {
    pub(super) delimiter: String,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<Escape>,
    pub(super) record_end: Option<String>,
}

/// Reads the separators. An invalid one is replaced by the default so that the rest can be checked.
pub(super) fn separators(spec: &SourceSpec, diagnostics: &mut Vec<Diagnostic>) -> Separators {
    let default = Source::default();
    let delimiter = spec.delimiter.as_ref().and_then(|spec| delimiter(spec, diagnostics));
    let escape = spec.escape.as_ref().and_then(|spec| escape(spec, diagnostics));
    let is_quoted = !matches!(escape, Some(Escape::Mysql | Escape::Postgres));
    let default_quote = default.quote.filter(|_| is_quoted);
    let separators = Separators {
        delimiter: delimiter.unwrap_or_else(|| default.delimiter()),
        quote: spec.quote.as_ref().map_or(default_quote, |spec| quote(spec, diagnostics).unwrap_or(default_quote)),
        escape,
        record_end: spec.record_end.as_ref().and_then(|spec| record_end(spec, diagnostics)),
    };
    delimiter_has_quote(spec, &separators, diagnostics);
    escape_is_other(spec, &separators, diagnostics);
    quotes_of_copy(spec, &separators, diagnostics);
    record_end_has_other(spec, &separators, diagnostics);
    separators
}

/// Returns whether a character commonly occurs in values, so that it cannot separate or quote them.
fn occurs_in_values(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '+' | '-' | '.' | '_')
}

/// The only ASCII character of a text, if it is a punctuation mark that does not commonly occur in values.
fn mark(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii_punctuation() && !occurs_in_values(char::from(*byte)) => Some(*byte),
        _ => None,
    }
}

/// The reason why a text cannot separate anything.
fn cannot_separate(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.chars().count() > MAX_LENGTH {
        Some("expected 1 to 16 characters")
    } else if text.contains(['\0', '\u{FEFF}', '\u{FFFD}']) {
        Some("NUL, byte order marks and U+FFFD are in no text")
    } else if text.chars().all(occurs_in_values) {
        Some("this occurs in values")
    } else {
        None
    }
}

fn delimiter(spec: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let label = match spec.as_str() {
        "\"" | "'" => "this is a quotation mark",
        text if text.contains(['\n', '\r', '\0']) => "a line break or NUL cannot be a delimiter",
        text => match cannot_separate(text) {
            Some(label) => label,
            None => return Some(spec.value.clone()),
        },
    };
    let message = format!("`{}` cannot be the delimiter", excerpt(spec));
    diagnostics.push(
        Diagnostic::new(Code::InvalidDelimiter, &spec.span, message)
            .label(label)
            .help("for example `\",\"`, `\";\"`, `\"|\"`, or `\"\\t\"` for a tab"),
    );
    None
}

fn quote(spec: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<Option<u8>> {
    if spec.value == "none" {
        return Some(None);
    }
    let quote = mark(spec);
    if quote.is_none() {
        let message = format!("`{}` cannot be the quote", excerpt(spec));
        diagnostics.push(
            Diagnostic::new(Code::InvalidQuote, &spec.span, message)
                .label("expected one ASCII punctuation mark, or `none`")
                .help("for example `'\"'`; write `quote: none` if fields are never quoted"),
        );
    }
    quote.map(Some)
}

fn escape(spec: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<Escape> {
    match spec.as_str() {
        "none" => return None,
        "mysql" => return Some(Escape::Mysql),
        "postgres" => return Some(Escape::Postgres),
        _ => {}
    }
    let escape = mark(spec).map(Escape::Char);
    if escape.is_none() {
        let diagnostic = unknown_value("escape", spec, &["none", "mysql", "postgres"]);
        diagnostics
            .push(diagnostic.help("write `mysql`, `postgres`, or one ASCII punctuation mark such as `\"\\\\\"`"));
    }
    escape
}

fn record_end(spec: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let Some(label) = cannot_separate(spec) else { return Some(spec.value.clone()) };
    let message = format!("`{}` cannot be the end of a record", excerpt(spec));
    diagnostics.push(
        Diagnostic::new(Code::InvalidRecordEnd, &spec.span, message)
            .label(label)
            .help("for example `\"\\r\"` or `\"|#|\\n\"`; without `record_end`, LF and CR LF end a record"),
    );
    None
}

fn delimiter_has_quote(spec: &SourceSpec, separators: &Separators, diagnostics: &mut Vec<Diagnostic>) {
    if !separators.quote.is_some_and(|quote| separators.delimiter.contains(char::from(quote))) {
        return;
    }
    let (at_fault, other) = match (&spec.delimiter, &spec.quote) {
        (delimiter, Some(quote)) => (quote, delimiter.as_ref()),
        (Some(delimiter), None) => (delimiter, None),
        (None, None) => return,
    };
    let message = if separators.delimiter.len() == 1 {
        "the delimiter and the quote are the same character"
    } else {
        "the delimiter contains the quote"
    };
    let mut diagnostic = Diagnostic::new(Code::Contradiction, &at_fault.span, message);
    if let Some(other) = other {
        diagnostic = diagnostic.also(&other.span, "the delimiter");
    }
    diagnostics.push(diagnostic.help("write `quote: none` if fields are never quoted"));
}

/// Reports an escape that already has another meaning.
fn escape_is_other(spec: &SourceSpec, separators: &Separators, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(escape), Some(declared)) = (separators.escape.map(Escape::byte), &spec.escape) else { return };
    let mut report = |message: &str, help: &str| {
        diagnostics.push(Diagnostic::new(Code::Contradiction, &declared.span, message).help(help));
    };
    if separators.quote == Some(escape) {
        report("the escape is the quote", "remove `escape`: a doubled quote in a quoted field is always one quote");
    }
    if separators.delimiter.contains(char::from(escape)) {
        report("the delimiter contains the escape", "fix one of the two");
    }
}

fn quotes_of_copy(spec: &SourceSpec, separators: &Separators, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(quote), Some(escape)) = (&spec.quote, &spec.escape) else { return };
    if separators.quote.is_some() && separators.escape == Some(Escape::Postgres) {
        diagnostics.push(
            Diagnostic::new(Code::Contradiction, &quote.span, "COPY quotes nothing in text format")
                .label("it would be part of a value")
                .also(&escape.span, "the text format")
                .help("remove one of the two; COPY in CSV format needs no `escape`"),
        );
    }
}

fn record_end_has_other(spec: &SourceSpec, separators: &Separators, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(end), Some(declared)) = (&separators.record_end, &spec.record_end) else { return };
    let marks = [separators.quote, separators.escape.map(Escape::byte)];
    let has_mark = marks.into_iter().flatten().any(|mark| end.contains(char::from(mark)));
    if has_mark || separators.delimiter.contains(end) || *end == separators.delimiter {
        let message = "the end of a record contains the quote or the escape, or is part of the delimiter";
        diagnostics.push(Diagnostic::new(Code::Contradiction, &declared.span, message).help("fix one of the two"));
    }
}
