//! Checks that a table that may run on Athena can run there, and the limit on what a query may cost.

use super::encoding::is_utf8;
use super::numbers;
use crate::date_format;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::spec::{ColumnSpec, CompleteSpec, HeaderSpec, PublishSpec, SourceSpec, Spec};
use crate::wording::excerpt;

/// The largest number of columns that was tested: Trino 476 planned and ran that delta in 3.5 seconds.
const MAX_ATHENA_COLUMNS: usize = 700;

/// The maximum length of a query in bytes: Athena's limit
/// (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>) less the UNLOAD around it with the longest S3
/// URI.
const MAX_QUERY: usize = 262_144 - 2_048;

/// The units of a size. Athena bills by the terabyte of 10^12 bytes.
const UNITS: [(&str, u64); 3] = [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];

/// The smallest cutoff that Athena accepts, which is also the minimum that it charges for a query.
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html>
const MIN_SCAN: u64 = 10_000_000;

/// Whether the table may run on Athena, and the maximum number of bytes that a query may read there.
pub(super) fn engine(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) -> (bool, Option<u64>) {
    let athena = spec.athena.as_ref().is_none_or(|athena| athena.value);
    let max_scan = max_scan(spec, athena, diagnostics);
    if athena {
        not_for_athena(spec, diagnostics);
    }
    (athena, max_scan)
}

/// `engine.max_scan` in bytes.
fn max_scan(spec: &Spec, athena: bool, diagnostics: &mut Vec<Diagnostic>) -> Option<u64> {
    let max_scan = spec.max_scan.as_ref()?;
    if let Some(flag) = spec.athena.as_ref().filter(|_| !athena) {
        diagnostics.push(
            Diagnostic::new(Code::Contradiction, &max_scan.span, "`max_scan` contradicts `athena: false`".to_owned())
                .label("it limits what Athena reads")
                .also(&flag.span, "Athena is switched off")
                .help("remove one of the two"),
        );
        return None;
    }
    let bytes = size(&max_scan.value);
    if bytes.is_none_or(|bytes| bytes < MIN_SCAN) {
        let message = format!("invalid `max_scan` `{}`", excerpt(&max_scan.value));
        diagnostics.push(
            Diagnostic::new(Code::OutOfRange, &max_scan.span, message)
                .label("expected a whole number of MB, GB or TB, at least 10 MB")
                .help("for example `max_scan: 50 GB`; a run whose compressed exports are larger is refused"),
        );
    }
    bytes
}

fn size(text: &str) -> Option<u64> {
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?.trim_end_matches(' ');
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u64>().ok())??.checked_mul(*factor)
}

/// Reports what Athena cannot read or plan.
fn not_for_athena(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) {
    let mut report = |span: &Span, message: String, label: &str| {
        diagnostics.push(
            Diagnostic::new(Code::NotForAthena, span, message)
                .label(label)
                .help("add `engine: { athena: false }` to keep the table off Athena"),
        );
    };
    let SourceSpec { multiline, quoted_nulls, compression, .. } = &spec.source;
    later_options(&spec.source, &mut report);
    if let Some(multiline) = multiline.as_ref().filter(|flag| flag.value) {
        report(
            &multiline.span,
            "Athena cannot read line breaks in quoted fields".to_owned(),
            "its reader ends the row there",
        );
    }
    if let Some(quoted) = quoted_nulls.as_ref().filter(|flag| !flag.value) {
        report(
            &quoted.span,
            "Athena cannot distinguish `\"\"` from an empty field".to_owned(),
            "its reader drops the quotes",
        );
    }
    if let Some(zstd) = compression.as_ref().filter(|compression| compression.value == "zstd") {
        report(
            &zstd.span,
            "Athena cannot read CSV compressed with zstd".to_owned(),
            "it can read gzip and uncompressed files",
        );
    }
    for (span, message, label) in native_only(spec) {
        report(span, message, label);
    }
    if let Some(columns) = spec.columns.as_ref().filter(|columns| columns.len() > MAX_ATHENA_COLUMNS) {
        let message = format!("{} columns are too many for a delta on Athena", columns.len());
        report(&columns.span, message, &format!("up to {MAX_ATHENA_COLUMNS} are supported"));
    }
}

/// The options that only the native engine has, each with a message and a label.
fn native_only(spec: &Spec) -> Vec<(&Span, String, &'static str)> {
    let unlisted = spec.source.unlisted.as_ref().filter(|unlisted| unlisted.value == "ignore").map(|unlisted| {
        let message = "Athena cannot skip columns that the schema does not name".to_owned();
        (&unlisted.span, message, "its reader takes columns by position")
    });
    let numbers = number_options(spec).into_iter().map(|(name, span)| {
        (span, format!("Athena cannot read numbers with `{name}`"), "only the native engine has this option")
    });
    unlisted.into_iter().chain(other_files(spec)).chain(numbers).chain(formats(spec)).chain(pseudonyms(spec)).collect()
}

/// What says that an export has files which are not parts: Athena reads all that do not start with `_` or `.`.
fn other_files(spec: &Spec) -> impl Iterator<Item = (&Span, String, &'static str)> {
    let manifest = match &spec.source.complete {
        Some(CompleteSpec::RedshiftManifest(name)) => Some(&name.span),
        _ => None,
    };
    let parts = spec.source.parts.as_ref().map(|parts| &parts.span);
    let message = "Athena reads every file of an export as a part";
    parts.into_iter().chain(manifest).map(move |span| (span, message.to_owned(), "native engine only"))
}

/// The columns that are published as pseudonyms. Their key would be in the text of the query, which Athena keeps.
fn pseudonyms(spec: &Spec) -> impl Iterator<Item = (&Span, String, &'static str)> {
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    let publish = columns.iter().filter_map(|column| column.publish.as_ref());
    publish.filter(|publish| publish.value == PublishSpec::Hmac).map(|publish| {
        let message = "Athena cannot make pseudonyms".to_owned();
        (&publish.span, message, "the key would be in the query, and in Athena's history of queries")
    })
}

/// The formats of which the SQL has not all directives.
fn formats(spec: &Spec) -> impl Iterator<Item = (&Span, String, &'static str)> {
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    columns.iter().filter_map(|column| {
        let format = column.format.as_ref()?;
        let directive = date_format::not_in_sql(format)?;
        let message = format!("Athena cannot read times with `%{}`", directive.letters);
        Some((&format.span, message, "only the native engine has this directive"))
    })
}

/// Reports what Athena's readers have no option for.
fn later_options(source: &SourceSpec, report: &mut impl FnMut(&Span, String, &str)) {
    let SourceSpec { encoding, header, repeated_header, skip_first, skip_last, comment, trailer, .. } = source;
    let counts = [skip_first, skip_last].into_iter().flatten().map(|count| &count.span);
    let texts = [comment, trailer].into_iter().flatten().map(|text| &text.span);
    for span in counts.chain(texts) {
        report(span, "Athena reads every line as a row".to_owned(), "native engine only");
    }
    for (name, span) in separators(source) {
        report(span, format!("Athena cannot read `{name}`"), "native engine only");
    }
    if let Some(header) = header.as_ref().filter(|header| header.value == HeaderSpec::FirstPart) {
        report(&header.span, "Athena skips the first line of every part".to_owned(), "native engine only");
    }
    if let Some(skip) = repeated_header.as_ref().filter(|word| word.value == "skip") {
        report(&skip.span, "Athena cannot skip rows that repeat the header".to_owned(), "native engine only");
    }
    if let Some(encoding) = encoding.as_ref().filter(|label| !is_utf8(label)) {
        report(&encoding.span, "Athena reads nothing but UTF-8".to_owned(), "native engine only");
    }
}

/// The separators that Athena's readers do not have.
fn separators(source: &SourceSpec) -> impl Iterator<Item = (&'static str, &Span)> {
    let SourceSpec { delimiter, trailing_delimiter, record_end, final_newline, escape, .. } = source;
    let long = delimiter.as_ref().filter(|text| text.len() > 1).map(|text| ("delimiter", &text.span));
    let trailing = trailing_delimiter.as_ref().filter(|flag| flag.value).map(|flag| ("trailing_delimiter", &flag.span));
    let end = record_end.as_ref().map(|text| ("record_end", &text.span));
    let newline = final_newline.as_ref().filter(|word| word.value == "required");
    let newline = newline.map(|word| ("final_newline", &word.span));
    let escape = escape.as_ref().filter(|word| word.value != "none").map(|word| ("escape", &word.span));
    [long, trailing, end, newline, escape].into_iter().flatten()
}

/// The options that change how numbers are written.
fn number_options(spec: &Spec) -> Vec<(&'static str, &Span)> {
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    let numbers = columns.iter().map(|column| &column.numbers).chain([&spec.source.numbers]);
    let marks = numbers.flat_map(numbers::declared).filter_map(|(name, option)| Some((name, &option.as_ref()?.span)));
    let strip = columns.iter().filter_map(|column| Some(("strip", &column.strip.as_ref()?.span)));
    marks.chain(strip).collect()
}

/// Reports a query that is too long for Athena. `length` is in bytes.
pub(crate) fn too_long_for_athena(spec: &Spec, length: usize, diagnostics: &mut Vec<Diagnostic>) {
    let Some(columns) = spec.columns.as_ref().filter(|_| length > MAX_QUERY) else { return };
    let message = format!("the query for {} columns is {} KB long", columns.len(), length.div_ceil(1000));
    diagnostics.push(
        Diagnostic::new(Code::NotForAthena, &columns.span, message)
            .label(format!("Athena accepts up to {} KB", MAX_QUERY / 1000))
            .help("add `engine: { athena: false }` to keep the table off Athena; `timestamptz` columns take the most space"),
    );
}
