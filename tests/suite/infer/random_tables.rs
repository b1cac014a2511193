//! Random tables in random dialects: the schema reads its file with no bad row, and there is no operation between the
//! file and the same rows in a plain dialect.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::test_runner::TestCaseError;
use runtime::delta::{self, Delta};
use runtime::engine::{Engines, Limits};
use runtime::infer::{Request, infer};
use runtime::table::{Completeness, Compression, Source, Table};
use runtime::telemetry::Watch;

use crate::engines::Parts;
use crate::properties::{config, on_every_core};
use crate::random::{self, CellText, FileDice, Quotes, Row, SchemaDice};
use crate::workspace::add_to_summary;

/// How many random tables are read in the dialect that they are written in; `PROPTEST_CASES` overrides it. The fast
/// tests try fewer than all tests do.
const TABLES: u32 = if cfg!(feature = "aws") { 1000 } else { 200 };

/// How many are tried for one of these: some can also be read in another dialect.
const TRIED: f64 = 1.7;

static REFUSED: AtomicUsize = AtomicUsize::new(0);
static OTHER: AtomicUsize = AtomicUsize::new(0);
static ESCAPES: AtomicUsize = AtomicUsize::new(0);
static SAME: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_schema_reads_the_file_it_comes_from_and_its_rows_in_a_plain_dialect() {
    let input = || (random::schema(), random::rows(40), random::files());
    let mut tried = config(TABLES);
    let wanted = tried.cases as usize;
    tried.cases = (f64::from(tried.cases) * TRIED) as u32;
    on_every_core(&tried, input, |(schema, rows, files)| check(&schema, &rows, &files)).unwrap();
    let [same, other, escapes, refused] =
        [&SAME, &OTHER, &ESCAPES, &REFUSED].map(|count| count.load(Ordering::Relaxed));
    add_to_summary(&format!(
        "infer: {same} random tables read in their dialect without an operation from their twin; {other} read in \
         another that fits, too, {escapes} with backslashes that can be texts or escapes, each with a marked choice; \
         {refused} refused"
    ));
    assert!(
        same >= wanted,
        "{same} of {wanted}; {other} in another dialect, {escapes} with backslashes, {refused} refused"
    );
}

/// The rows that a table's dialect can write. Whether an empty text has quotes is part of its meaning, so only those
/// that need them have them.
fn rows(table: &'static Table, rows: &[Row]) -> Vec<Vec<CellText>> {
    let plain = |cell: CellText| match cell.quotes {
        Quotes::Optional => CellText { quotes: Quotes::Forbidden, ..cell },
        _ => cell,
    };
    let texts = rows.iter().filter_map(|row| random::cell_texts(table, row));
    texts.map(|row| row.into_iter().map(plain).collect()).collect()
}

/// The same cells, with quotes where a plain dialect needs them.
fn in_plain_dialect(rows: &[Vec<CellText>]) -> Vec<Vec<CellText>> {
    let quoted = |cell: &CellText| match cell.text.contains([',', '"', '\n', '\r']) {
        true => CellText { quotes: Quotes::Needed, ..cell.clone() },
        false => cell.clone(),
    };
    rows.iter().map(|row| row.iter().map(quoted).collect()).collect()
}

/// Whether the file was read in another dialect, in which it has no bad row, either. That can be where a text begins
/// with what could be a quote, each row has one text with what could be a delimiter, there is one column, nothing but
/// texts, or hardly a row.
fn has_other_dialect(table: &Table, inferred: &Table, rows: &[Vec<CellText>], parts: &Parts) -> bool {
    let contains = |byte: u8| rows.iter().flatten().any(|cell| cell.text.as_bytes().contains(&byte));
    let quotes = [table.source.quote, inferred.source.quote];
    let has_quotes =
        quotes.into_iter().flatten().any(contains) || rows.iter().flatten().any(|cell| cell.quotes == Quotes::Needed);
    let has_other_quote = inferred.source.quote != table.source.quote && has_quotes;
    // A single part is the first one.
    let header = |source: &Source| (source.header, source.first_part_header && parts.len() > 1);
    let has_other_header = header(&inferred.source) != header(&table.source);
    let delimiter = random::delimiter(&inferred.source);
    // In a single row, the blanks around a text can be a delimiter, too, and so can the end of the row be. A text can
    // begin with what could be a quote, but not if the marks beside a delimiter are a part of the text.
    let is_ambiguous = |cell: &CellText| cell.text.contains(&delimiter) || cell.text.starts_with(['"', '\'']);
    let has_delimiter = rows.len() < 2 || rows.iter().flatten().any(is_ambiguous);
    let has_other_delimiter = delimiter != random::delimiter(&table.source) && has_delimiter;
    // One end of a record, or that of an empty one and another, can be those of texts, too.
    let end = table.source.record_end.unwrap_or("\n");
    let ends: usize = parts.iter().map(|(_, text)| String::from_utf8_lossy(text).matches(end).count()).sum();
    let has_other_end = ends < 3 && inferred.source.record_end != table.source.record_end;
    let is_other = has_other_delimiter || has_other_quote || has_other_header || has_other_end;
    inferred.columns.len() != table.columns.len() || is_other
}

/// Whether backslashes, which can be escapes or part of a text, were read in the other way; and `\N` can be a text.
fn has_other_escapes(table: &Table, inferred: &Table, rows: &[Vec<CellText>], parts: &Parts) -> bool {
    let has_backslashes = parts.iter().any(|(_, text)| text.contains(&b'\\'));
    let has_other_escape = inferred.source.escape.is_some() != table.source.escape.is_some() && has_backslashes;
    has_other_escape || rows.iter().flatten().any(|cell| cell.text == "\\N" && cell.name.is_some())
}

/// A dialect that can write every text.
fn plain(source: &Source) -> Source {
    Source {
        compression: Compression::None,
        encoding: None,
        delimiter: b',',
        long_delimiter: None,
        trailing_delimiter: false,
        record_end: None,
        escape: None,
        quote: Some(b'"'),
        multiline: true,
        ..source.clone()
    }
}

/// The table without the options that `infer` does not look for, or cannot know: columns that the schema does not name
/// would be columns here, and nothing tells a code page.
fn without_unsought_options(table: &Table) -> &'static Table {
    let source = Source {
        encoding: table.source.encoding.filter(|encoding| encoding.starts_with("utf-16")),
        skip_first: 0,
        skip_last: 0,
        comment: None,
        trailer: None,
        skip_repeated_header: false,
        final_newline: false,
        skip_unlisted: false,
        parts: None,
        complete: Completeness::Single,
        ..table.source.clone()
    };
    Box::leak(Box::new(Table { source, ..table.clone() }))
}

/// Writes an export into a new folder.
fn write(folder: &Path, table: &'static Table, rows: &[Vec<CellText>], files: &FileDice) -> PathBuf {
    std::fs::create_dir(folder).unwrap();
    for (name, bytes) in random::export(table, rows, files) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    folder.into()
}

fn check(schema: &SchemaDice, dice: &[Row], files: &FileDice) -> Result<(), TestCaseError> {
    let table = without_unsought_options(schema.table());
    let rows = rows(table, dice);
    let folders = tempfile::tempdir().unwrap();
    let [folder, other] = ["random", "plain"].map(|name| folders.path().join(name));
    let file = write(&folder, table, &rows, files);
    let draft = match infer(&Request { paths: vec![file.clone()], table: Some("random".into()), ..Request::default() })
    {
        Ok(draft) => draft,
        // Quotes, too few rows or ragged lines: a refusal is not wrong, and counted.
        Err(error) if error.fault() == runtime::error::Fault::Input => {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let fail = |problem: String| TestCaseError::fail(format!("{problem}\n{}\n{:?}", draft.yaml, table.source));
    let inferred = tests::table::parse(&draft.yaml).map_err(fail)?;
    let parts = random::texts(table, &rows, files);
    // What cannot be known is marked.
    let is_marked = if draft.yaml.contains("# choice: ") { Ok(()) } else { Err(fail("it marks no choice".into())) };
    if has_other_dialect(table, inferred, &rows, &parts) {
        OTHER.fetch_add(1, Ordering::Relaxed);
        return is_marked;
    }
    if has_other_escapes(table, inferred, &rows, &parts) {
        ESCAPES.fetch_add(1, Ordering::Relaxed);
        return is_marked;
    }
    let in_plain = Box::leak(Box::new(Table { source: plain(&table.source), ..table.clone() }));
    let alias = write(&other, in_plain, &in_plain_dialect(&rows), files);
    let operations = operations(inferred, &file, &alias).map_err(|error| fail(error.to_string()))?;
    if operations > 0 {
        return Err(fail(format!("{operations} operations")));
    }
    SAME.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// How many operations lead from the file to the same rows in a plain dialect, both read with the inferred schema.
fn operations(inferred: &'static Table, file: &Path, alias: &Path) -> runtime::error::Result<u64> {
    let with_source = |source: Source| -> &'static Table { Box::leak(Box::new(Table { source, ..inferred.clone() })) };
    let fingerprint = |table: &'static Table, path: &Path| -> runtime::error::Result<(i128, u64)> {
        let delta = Delta {
            table,
            tenant: "-".into(),
            version: "V1".into(),
            previous: "V0".into(),
            baseline: None,
            snapshot: delta::export(path)?,
            engines: Engines::default(),
            limits: Limits::default(),
            hmac_key: None,
        };
        let plan = delta.run(&mut Vec::new(), &Watch::default())?;
        Ok((plan.fingerprint, plan.counts.rows))
    };
    // The fingerprint is that of all rows: equal ones mean that no operation leads from one to the other.
    let (one, other) = (fingerprint(inferred, file)?, fingerprint(with_source(plain(&inferred.source)), alias)?);
    Ok(if one == other { 0 } else { one.1.abs_diff(other.1).max(1) })
}
