//! Random tables in random dialects: the schema reads its file with no bad row, and there is no operation between the
//! file and the same rows in a plain dialect.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::test_runner::TestCaseError;
use runtime::delta::{self, Delta};
use runtime::engine::{Engines, Limits};
use runtime::infer::{Draft, Request, infer};
use runtime::table::{Completeness, Compression, Source, Table};
use runtime::telemetry::Watch;

use crate::engines::Parts;
use crate::properties::{config, on_every_core};
use crate::random::{self, CellText, FileDice, Quotes, Row, SchemaDice};
use crate::workspace::add_to_summary;

/// How many random tables are read in the dialect that they are written in; `PROPTEST_CASES` overrides it. The fast
/// tests try fewer than all tests do.
const TABLES: u32 = if cfg!(feature = "aws") { 1000 } else { 200 };

/// How many tables to try for each one that counts. The others fit a second dialect, too, or have too few rows.
const TRIED: f64 = 2.1;

/// In fewer rows than these, almost anything can be a delimiter, a quote or a header.
const FEW_ROWS: usize = 8;

static FEW: AtomicUsize = AtomicUsize::new(0);
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
    let [same, other, escapes, few, refused] =
        [&SAME, &OTHER, &ESCAPES, &FEW, &REFUSED].map(|count| count.load(Ordering::Relaxed));
    let outcome = format!(
        "infer: {same} random tables read in their dialect without an operation from their twin; {other} read in \
         another that fits, too, {escapes} with backslashes that can be texts or escapes, each with a marked choice; \
         {few} with hardly a row; {refused} refused"
    );
    assert!(same >= wanted, "fewer than {wanted}: {outcome}");
    add_to_summary(&outcome);
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
/// with what could be a quote, each row has one text with what could be a delimiter or the end of a record, there is
/// one column, or nothing but texts.
fn has_other_dialect(table: &Table, inferred: &Table, rows: &[Vec<CellText>], parts: &Parts) -> bool {
    let any = |holds: &dyn Fn(&CellText) -> bool| rows.iter().flatten().any(holds);
    let quotes = [table.source.quote, inferred.source.quote];
    let has_quotes = quotes.into_iter().flatten().any(|quote| any(&|cell| cell.text.as_bytes().contains(&quote)))
        || any(&|cell| cell.quotes == Quotes::Needed);
    let has_other_quote = inferred.source.quote != table.source.quote && has_quotes;
    // A single part is the first one.
    let header = |source: &Source| (source.header, source.first_part_header && parts.len() > 1);
    let has_other_header = header(&inferred.source) != header(&table.source);
    // If a text can begin with a quote, another delimiter or end may be the only one with which none does.
    let can_be_quoted = any(&|cell| cell.text.starts_with(['"', '\'']));
    let [own, other] = [table, inferred].map(|table| random::delimiter(&table.source));
    let has_other_delimiter = own != other && (can_be_quoted || can_have_delimiter(&own, &other, rows));
    let has_other_end = !has_same_end(&table.source, &inferred.source, parts)
        && (can_be_quoted || table.columns.len() == 1 || can_have_end(&table.source, &inferred.source, parts));
    inferred.columns.len() != table.columns.len()
        || (has_other_delimiter || has_other_quote || has_other_header || has_other_end)
}

/// Whether rows with one delimiter can be those of another: a text contains it, or the texts of all rows complete it.
fn can_have_delimiter(own: &str, other: &str, rows: &[Vec<CellText>]) -> bool {
    let completes = |row: &Vec<CellText>| {
        let texts: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
        texts.join(own).contains(other)
    };
    let is_completed = other.len() > own.len() && rows.iter().all(completes);
    is_completed || rows.iter().flatten().any(|cell| cell.text.contains(other))
}

/// Whether two dialects have the same end of a record. LF and CR LF are both read as ends unless one is declared.
fn has_same_end(own: &Source, other: &Source, parts: &Parts) -> bool {
    let is_undeclared = other.record_end.is_none() && own.record_end == Some("\r\n");
    other.record_end == own.record_end || (is_undeclared && number_of("\n", parts) == number_of("\r\n", parts))
}

/// Whether records with one end can be those with another: there is one record, or an empty one and another, whose end
/// can be that of texts; or the texts of all records complete it.
fn can_have_end(own: &Source, other: &Source, parts: &Parts) -> bool {
    let [own, other] = [own, other].map(|source| {
        let delimiter = if source.trailing_delimiter { random::delimiter(source) } else { String::new() };
        delimiter + source.record_end.unwrap_or("\n")
    });
    let number = number_of(&own, parts);
    number < 3 || (other.ends_with(&own) && number_of(&other, parts) == number)
}

/// How often a text is in the parts.
fn number_of(text: &str, parts: &Parts) -> usize {
    parts.iter().map(|(_, part)| String::from_utf8_lossy(part).matches(text).count()).sum()
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

/// The schema of a file; `None` if it is refused, because of quotes, too few rows or ragged lines. That is not wrong,
/// and counted.
fn draft(file: &Path) -> Result<Option<Draft>, TestCaseError> {
    match infer(&Request { paths: vec![file.into()], table: Some("random".into()), ..Request::default() }) {
        Ok(draft) => Ok(Some(draft)),
        Err(error) if error.fault() == runtime::error::Fault::Input => {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        }
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    }
}

fn check(schema: &SchemaDice, dice: &[Row], files: &FileDice) -> Result<(), TestCaseError> {
    let table = without_unsought_options(schema.table());
    let rows = rows(table, dice);
    let folders = tempfile::tempdir().unwrap();
    let [folder, other] = ["random", "plain"].map(|name| folders.path().join(name));
    let file = write(&folder, table, &rows, files);
    let Some(draft) = draft(&file)? else { return Ok(()) };
    let fail = |problem: String| TestCaseError::fail(format!("{problem}\n{}\n{:?}", draft.yaml, table.source));
    let inferred = tests::table::parse(&draft.yaml).map_err(fail)?;
    let parts = random::texts(table, &rows, files);
    if rows.len() < FEW_ROWS {
        FEW.fetch_add(1, Ordering::Relaxed);
        return read(inferred, &file).map_err(|error| fail(error.to_string())).map(|_| ());
    }
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
    SAME.fetch_add(1, Ordering::Relaxed);
    match operations(inferred, &file, &alias) {
        Ok(0) => Ok(()),
        Ok(operations) => Err(fail(format!("{operations} operations"))),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// How many operations lead from the file to the same rows in a plain dialect, both read with the inferred schema.
fn operations(inferred: &'static Table, file: &Path, alias: &Path) -> runtime::error::Result<u64> {
    let in_plain = Box::leak(Box::new(Table { source: plain(&inferred.source), ..inferred.clone() }));
    let (one, other) = (read(inferred, file)?, read(in_plain, alias)?);
    Ok(if one == other { 0 } else { one.1.abs_diff(other.1).max(1) })
}

/// The fingerprint of an export, and the number of its rows. The fingerprint is that of all rows: equal ones mean that
/// no operation leads from one to the other.
fn read(table: &'static Table, path: &Path) -> runtime::error::Result<(i128, u64)> {
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
}
