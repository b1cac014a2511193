//! Checks the format of the exports: delimiter, quote, NULL markers, completeness.

use super::dialect::{self, Separators};
use super::encoding::encoding;
use super::text::{sorted, unknown_value};
use super::{lines, nulls, rows};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Completeness, Compression, Escape, Source};
use crate::spec::{CompleteSpec, HeaderSpec, SourceSpec, Spanned};
use crate::wording::excerpt;

/// The maximum of `count`.
const MAX_COUNT: f64 = u32::MAX as f64;

/// The file name that `complete: manifest` uses.
const MANIFEST: &str = "_manifest.json";

/// The maximum length of a file name on common file systems.
const MAX_FILE_NAME_LEN: usize = 255;

/// Builds the model of `source`. An invalid value is replaced by the default so that the rest can be checked.
pub(super) fn source(spec: &SourceSpec, diagnostics: &mut Vec<Diagnostic>) -> Source {
    let default = Source::default();
    let Separators { delimiter, quote, escape, record_end } = dialect::separators(spec, diagnostics);
    contradictions(spec, quote, diagnostics);
    let flag = |flag: &Option<Spanned<bool>>, default: bool| flag.as_ref().map_or(default, |flag| flag.value);
    let mut source = Source {
        compression: spec.compression.as_ref().map_or(default.compression, |word| compression(word, diagnostics)),
        encoding: spec.encoding.as_ref().and_then(|label| encoding(label, diagnostics)),
        delimiter: delimiter.as_bytes()[0],
        long_delimiter: Some(delimiter.clone()).filter(|text| text.len() > 1),
        trailing_delimiter: flag(&spec.trailing_delimiter, default.trailing_delimiter),
        record_end,
        final_newline: is_word("final_newline", &spec.final_newline, ["optional", "required"], diagnostics),
        escape,
        quote,
        header: spec.header.as_ref().is_none_or(|header| header.value != HeaderSpec::Flag(false)),
        first_part_header: spec.header.as_ref().is_some_and(|header| header.value == HeaderSpec::FirstPart),
        any_header_case: is_word("header_case", &spec.header_case, ["exact", "ignore"], diagnostics),
        skip_first: lines::count("skip_first", &spec.skip_first, diagnostics),
        skip_last: lines::count("skip_last", &spec.skip_last, diagnostics),
        comment: lines::comment(spec, &delimiter, quote, diagnostics),
        trailer: lines::trailer(spec, diagnostics),
        skip_repeated_header: is_word("repeated_header", &spec.repeated_header, ["refuse", "skip"], diagnostics),
        nulls: default.nulls,
        quoted_nulls: flag(&spec.quoted_nulls, default.quoted_nulls),
        multiline: flag(&spec.multiline, default.multiline),
        complete: spec.complete.as_ref().map_or(default.complete, |complete| completeness(complete, diagnostics)),
        skip_unlisted: rows::skip_unlisted(spec, diagnostics),
        refuse_duplicates: rows::refuse_duplicates(spec, diagnostics),
    };
    if let Some(nulls) = &spec.nulls {
        source.nulls = sorted(nulls);
        nulls::impossible_nulls(nulls, &source, diagnostics);
    } else if matches!(escape, Some(Escape::Mysql | Escape::Postgres)) {
        source.nulls = vec!["\\N".into()];
    }
    source
}

/// Returns whether the second of two words is there, instead of the first or nothing.
fn is_word(field: &str, word: &Option<Spanned<String>>, words: [&str; 2], diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(word) = word else { return false };
    if word.value != words[0] && word.value != words[1] {
        diagnostics.push(unknown_value(field, word, &words));
    }
    word.value == words[1]
}

fn compression(word: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Compression {
    match word.as_str() {
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        "none" => Compression::None,
        _ => {
            diagnostics.push(unknown_value("compression", word, &["gzip", "zstd", "none"]));
            Compression::Gzip
        }
    }
}

/// Reports options that have no meaning if fields are never quoted.
fn contradictions(spec: &SourceSpec, quote: Option<u8>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(none) = spec.quote.as_ref().filter(|_| quote.is_none()) else { return };
    let mut contradiction = |span, message: &str, label: &str| {
        diagnostics.push(
            Diagnostic::new(Code::Contradiction, span, message)
                .label(label)
                .also(&none.span, "fields are never quoted")
                .help("remove one of the two"),
        );
    };
    if let Some(flag) = spec.quoted_nulls.as_ref().filter(|flag| !flag.value) {
        contradiction(
            &flag.span,
            "`quoted_nulls: false` contradicts `quote: none`",
            "it distinguishes quoted fields from others",
        );
    }
    if let Some(flag) = spec.multiline.as_ref().filter(|flag| flag.value) {
        contradiction(
            &flag.span,
            "`multiline: true` contradicts `quote: none`",
            "it allows line breaks in quoted fields",
        );
    }
}

fn completeness(spec: &CompleteSpec, diagnostics: &mut Vec<Diagnostic>) -> Completeness {
    match spec {
        CompleteSpec::Word(word) => match word.as_str() {
            "single" => return Completeness::Single,
            "manifest" => return Completeness::Manifest,
            _ => {
                let diagnostic = unknown_value("complete", word, &["single", "manifest"]);
                diagnostics
                    .push(diagnostic.help("write `single`, `manifest`, `{ marker: _SUCCESS }` or `{ count: 4 }`"));
            }
        },
        CompleteSpec::Marker(name) => {
            invalid_marker(name, diagnostics);
            return Completeness::Marker(name.value.clone());
        }
        CompleteSpec::Count(count) => {
            if count.value >= 1.0 && count.value <= MAX_COUNT && count.value.fract() == 0.0 {
                return Completeness::Count(count.value as u32);
            }
            diagnostics.push(
                Diagnostic::new(Code::OutOfRange, &count.span, format!("an export cannot have {} parts", count.value))
                    .label("expected a whole number of at least 1"),
            );
        }
    }
    Completeness::Single
}

fn invalid_marker(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    let label = if !name.starts_with(['_', '.']) {
        "a file with this name would be a part of the export"
    } else if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        "expected a file name, not a path"
    } else if name.value == MANIFEST {
        "this is the name of the manifest"
    } else if matches!(name.as_str(), "." | "..") || name.len() > MAX_FILE_NAME_LEN {
        "a file cannot have this name"
    } else {
        return;
    };
    let help = if name.value == MANIFEST {
        "write `complete: manifest`"
    } else {
        "use a name that starts with `_` or `.`, for example `_SUCCESS`"
    };
    diagnostics.push(
        Diagnostic::new(Code::InvalidMarker, &name.span, format!("`{}` cannot be the marker", excerpt(name)))
            .label(label)
            .help(help),
    );
}
