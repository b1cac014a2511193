//! How exports are written: delimiter, quote, NULLs, completeness.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Completeness, Compression, Source};
use crate::spec::{CompleteSpec, SourceSpec, Spanned, shown, unknown_value};

/// What a value of `count` may be at most.
const MAX_COUNT: f64 = u32::MAX as f64;

/// The name that `complete: manifest` keeps for itself.
const MANIFEST: &str = "_manifest.json";

/// The longest name of a file on the file systems and object stores in use.
const LONGEST_FILE_NAME: usize = 255;

/// The model of `source`. Where a mistake was found the default stands in, so that the rest can be checked.
pub(super) fn source(spec: &SourceSpec, found: &mut Vec<Diagnostic>) -> Source {
    let default = Source::default();
    let delimiter = spec.delimiter.as_ref().and_then(|written| delimiter(written, found)).unwrap_or(default.delimiter);
    let quote = match &spec.quote {
        Some(written) => quote(written, found).unwrap_or(default.quote),
        None => default.quote,
    };
    delimiter_is_quote(spec, delimiter, quote, found);
    contradictions(spec, quote, found);
    let nulls = match &spec.nulls {
        Some(nulls) => {
            impossible_nulls(nulls, delimiter, quote, found);
            sorted(nulls)
        }
        None => default.nulls,
    };
    let flag = |flag: &Option<Spanned<bool>>, default: bool| flag.as_ref().map_or(default, |flag| flag.value);
    Source {
        compression: spec.compression.as_ref().map_or(default.compression, |word| compression(word, found)),
        delimiter,
        quote,
        header: flag(&spec.header, default.header),
        nulls,
        quoted_nulls: flag(&spec.quoted_nulls, default.quoted_nulls),
        multiline: flag(&spec.multiline, default.multiline),
        complete: spec.complete.as_ref().map_or(default.complete, |complete| completeness(complete, found)),
    }
}

/// The texts in an order that does not depend on how they were written down.
pub(super) fn sorted(texts: &[Spanned<String>]) -> Vec<String> {
    let mut sorted: Vec<String> = texts.iter().map(|text| text.value.clone()).collect();
    sorted.sort();
    sorted
}

fn compression(word: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Compression {
    match word.as_str() {
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        "none" => Compression::None,
        _ => {
            found.push(unknown_value("compression", word, &["gzip", "zstd", "none"]));
            Compression::Gzip
        }
    }
}

/// A character that stands inside every other number or word parts nothing.
fn is_part_of_values(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}

fn one_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

fn delimiter(written: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<u8> {
    let byte = one_byte(written);
    let label = match byte {
        None => "one ASCII character is needed",
        Some(b'\n' | b'\r' | 0) => "line ends and NUL part no fields",
        Some(b'"' | b'\'') => "this is a quote",
        Some(byte) if is_part_of_values(byte) => "this stands inside values",
        Some(byte) => return Some(byte),
    };
    let message = format!("`{}` cannot be the delimiter", shown(written));
    found.push(
        Diagnostic::new(Code::InvalidDelimiter, &written.span, message)
            .label(label)
            .help("for instance `\",\"`, `\";\"`, `\"|\"`, or `\"\\t\"` for a tab"),
    );
    None
}

fn quote(written: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<Option<u8>> {
    if written.value == "none" {
        return Some(None);
    }
    match one_byte(written) {
        Some(byte) if byte.is_ascii_punctuation() && !is_part_of_values(byte) => Some(Some(byte)),
        _ => {
            let message = format!("`{}` cannot be the quote", shown(written));
            found.push(
                Diagnostic::new(Code::InvalidQuote, &written.span, message)
                    .label("one ASCII punctuation mark, or `none`")
                    .help("for instance `'\"'`; write `quote: none` when fields are never quoted"),
            );
            None
        }
    }
}

fn delimiter_is_quote(spec: &SourceSpec, delimiter: u8, quote: Option<u8>, found: &mut Vec<Diagnostic>) {
    if quote != Some(delimiter) {
        return;
    }
    let (written, other) = match (&spec.delimiter, &spec.quote) {
        (delimiter, Some(quote)) => (quote, delimiter.as_ref()),
        (Some(delimiter), None) => (delimiter, None),
        (None, None) => return,
    };
    let message = "delimiter and quote are the same character";
    let mut diagnostic = Diagnostic::new(Code::Contradiction, &written.span, message);
    if let Some(other) = other {
        diagnostic = diagnostic.also(&other.span, "the delimiter");
    }
    found.push(diagnostic.help("write `quote: none` when fields are never quoted"));
}

/// What makes no sense where nothing is quoted.
fn contradictions(spec: &SourceSpec, quote: Option<u8>, found: &mut Vec<Diagnostic>) {
    let Some(none) = spec.quote.as_ref().filter(|_| quote.is_none()) else { return };
    let mut contradiction = |span, message: &str, label: &str| {
        found.push(
            Diagnostic::new(Code::Contradiction, span, message)
                .label(label)
                .also(&none.span, "no field is quoted")
                .help("remove one of the two"),
        );
    };
    if let Some(flag) = spec.quoted_nulls.as_ref().filter(|flag| !flag.value) {
        contradiction(
            &flag.span,
            "`quoted_nulls: false` contradicts `quote: none`",
            "it tells quoted fields from others",
        );
    }
    if let Some(flag) = spec.multiline.as_ref().filter(|flag| flag.value) {
        contradiction(
            &flag.span,
            "`multiline: true` contradicts `quote: none`",
            "it lets quoted fields hold line breaks",
        );
    }
}

fn impossible_nulls(nulls: &[Spanned<String>], delimiter: u8, quote: Option<u8>, found: &mut Vec<Diagnostic>) {
    for (index, null) in nulls.iter().enumerate() {
        let reason = if null.contains(['\n', '\r', '\0']) {
            "it holds a line break or NUL"
        } else if quote.is_none() && null.contains(char::from(delimiter)) {
            "it holds the delimiter, and no field is quoted"
        } else {
            if let Some(first) = nulls[..index].iter().find(|first| first.value == null.value) {
                let message = format!("`{}` stands in `nulls` twice", shown(null));
                found.push(
                    Diagnostic::new(Code::RepeatedText, &null.span, message)
                        .label("again")
                        .also(&first.span, "the first time")
                        .help("remove one of the two"),
                );
            }
            continue;
        };
        let message = format!("no field can hold the null `{}`", shown(null));
        found.push(Diagnostic::new(Code::ImpossibleNull, &null.span, message).label(reason));
    }
}

fn completeness(spec: &CompleteSpec, found: &mut Vec<Diagnostic>) -> Completeness {
    match spec {
        CompleteSpec::Word(word) => match word.as_str() {
            "single" => return Completeness::Single,
            "manifest" => return Completeness::Manifest,
            _ => {
                let diagnostic = unknown_value("complete", word, &["single", "manifest"]);
                found.push(diagnostic.help("write `single`, `manifest`, `{ marker: _SUCCESS }` or `{ count: 4 }`"));
            }
        },
        CompleteSpec::Marker(name) => {
            invalid_marker(name, found);
            return Completeness::Marker(name.value.clone());
        }
        CompleteSpec::Count(count) => {
            if count.value >= 1.0 && count.value <= MAX_COUNT && count.value.fract() == 0.0 {
                return Completeness::Count(count.value as u32);
            }
            found.push(
                Diagnostic::new(Code::OutOfRange, &count.span, format!("an export cannot have {} parts", count.value))
                    .label("a whole number from 1 on"),
            );
        }
    }
    Completeness::Single
}

fn invalid_marker(name: &Spanned<String>, found: &mut Vec<Diagnostic>) {
    let label = if !name.starts_with(['_', '.']) {
        "other names are parts of the export"
    } else if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        "a file name, not a path"
    } else if name.value == MANIFEST {
        "this file is the manifest"
    } else if matches!(name.as_str(), "." | "..") || name.len() > LONGEST_FILE_NAME {
        "no file can have this name"
    } else {
        return;
    };
    let help = if name.value == MANIFEST {
        "write `complete: manifest`"
    } else {
        "its name starts with `_` or `.`, for instance `_SUCCESS`"
    };
    found.push(
        Diagnostic::new(Code::InvalidMarker, &name.span, format!("`{}` cannot be the marker", shown(name)))
            .label(label)
            .help(help),
    );
}
