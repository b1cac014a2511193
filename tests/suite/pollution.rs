//! Files that are polluted as real ones are: in dialect, header, ends of records, padding and encoding, and with lines
//! that are not rows. Under a schema that says so, each is read as its clean twin is, by a reader that shares no code
//! with the engine; under one that does not, it is read like that or refused. None is ever read as something else.

mod dialects;
mod lines;
mod spectrum;
mod texts;
mod values;

use std::collections::BTreeMap;

use runtime::table::Table;
use serde_json::Value as Json;

use crate::engines::{DeltaInput, DeltaResult, native_delta, reference_delta};
use crate::workspace::add_to_summary;
use texts::clean;

/// A file, and how a schema describes what is wrong with it.
struct Polluted {
    /// What is wrong with it.
    what: String,
    bytes: Vec<u8>,
    /// The options that read it, if there are any.
    declared: Option<Declared>,
}

/// The options that a polluted file needs.
#[derive(Debug, Clone, Default)]
struct Declared {
    source: String,
    /// An option of every column.
    column: String,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Right,
    Refused,
    Wrong,
}

impl Polluted {
    fn new(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: what.into(), bytes: bytes.into(), declared: None }
    }

    /// With the options under `source` that read it.
    fn under(self, source: impl Into<String>) -> Self {
        Self { declared: Some(Declared { source: source.into(), column: String::new() }), ..self }
    }

    /// With an option that reads it if every column has it.
    fn with_columns(mut self, column: &str) -> Self {
        self.declared.get_or_insert_default().column = column.into();
        self
    }
}

/// The table of all files.
fn table(declared: &Declared) -> &'static Table {
    let Declared { source, column } = declared;
    let columns = ["id, type: int", "name, type: string", "amount, type: 'decimal(9,2)'", "day, type: date"];
    let columns = columns.map(|name| format!("  - {{ name: {name}{column} }}\n")).concat();
    let schema = format!(
        "table: t\nprimary_key: [id]\ncolumns:\n{columns}  - {{ name: note, type: string, nullable: true{column} }}\n\
         source: {{ compression: none, {source} }}\nengine: {{ athena: false }}\n"
    );
    tests::table::parse(&schema).unwrap_or_else(|diagnostics| panic!("{schema}\n{diagnostics}"))
}

/// The rows of a first import by their keys.
type Rows = BTreeMap<String, Json>;

fn rows(table: &'static Table, bytes: &[u8], delta: fn(&DeltaInput) -> DeltaResult) -> Option<Rows> {
    let snapshot = vec![("part.csv".to_owned(), bytes.to_vec())];
    match delta(&DeltaInput { table, baseline: None, snapshot }) {
        DeltaResult::Changes(changes) => {
            let row = |operation: &Json| (operation["key"].to_string(), operation["after"].clone());
            let rows: Rows = changes.operations.iter().map(row).collect();
            assert_eq!(rows.len(), changes.operations.len(), "each key once");
            Some(rows)
        }
        DeltaResult::Rejected { .. } | DeltaResult::Stopped(_) => None,
    }
}

fn outcome(expected: &Rows, declared: &Declared, bytes: &[u8]) -> Outcome {
    match rows(table(declared), bytes, native_delta) {
        None => Outcome::Refused,
        Some(rows) if rows == *expected => Outcome::Right,
        Some(_) => Outcome::Wrong,
    }
}

/// Reads all files, asserts that none is misread and that what is declared is read, and adds to the summary.
fn assert_never_wrong(kind: &str, files: Vec<Polluted>) {
    let expected = rows(table(&Declared::default()), &clean(), reference_delta).unwrap();
    let mut counts: BTreeMap<(bool, Outcome), usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for Polluted { what, bytes, declared } in files {
        let undeclared = outcome(&expected, &Declared::default(), &bytes);
        *counts.entry((false, undeclared)).or_default() += 1;
        if undeclared == Outcome::Wrong {
            problems.push(format!("{what}: misread\n{}", String::from_utf8_lossy(&bytes)));
        }
        let Some(declared) = declared else { continue };
        let outcome = outcome(&expected, &declared, &bytes);
        *counts.entry((true, outcome)).or_default() += 1;
        if outcome != Outcome::Right {
            problems.push(format!("{what}, {declared:?}: {outcome:?}\n{}", String::from_utf8_lossy(&bytes)));
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    let count = |is_declared, outcome| counts.get(&(is_declared, outcome)).copied().unwrap_or_default();
    let total = count(false, Outcome::Right) + count(false, Outcome::Refused);
    assert!(total > 0, "nothing was tried");
    let declared = match count(true, Outcome::Right) {
        0 => String::new(),
        count => format!(" Declared, all {count} that have an option were read right."),
    };
    add_to_summary(&format!(
        "polluted files, {kind}: {total}, none misread. Undeclared, {} were read right and {} refused.{declared}",
        count(false, Outcome::Right),
        count(false, Outcome::Refused),
    ));
}

#[test]
fn a_file_in_another_dialect_is_read_as_declared_or_refused() {
    assert_never_wrong("dialect", dialects::files());
}

#[test]
fn a_record_in_another_dialect_than_the_others_is_refused() {
    assert_never_wrong("dialect of a record", dialects::records());
}

#[test]
fn dialects_that_differ_in_everything_are_read_as_declared_or_refused() {
    assert_never_wrong("several at once", dialects::combinations());
}

#[test]
fn a_polluted_header_is_read_as_declared_or_refused() {
    assert_never_wrong("header", lines::headers());
}

#[test]
fn other_ends_of_records_are_read_as_declared_or_refused() {
    assert_never_wrong("ends of records", lines::ends());
}

#[test]
fn lines_that_are_not_rows_are_skipped_as_declared_or_refused() {
    assert_never_wrong("lines that are not rows", lines::not_rows());
}

#[test]
fn rows_with_fields_too_many_or_too_few_are_refused() {
    assert_never_wrong("ragged rows", lines::ragged());
}

#[test]
fn padded_values_are_read_as_declared_or_refused() {
    assert_never_wrong("padding", values::padded());
}

#[test]
fn other_encodings_are_read_as_declared_or_refused() {
    assert_never_wrong("encodings", values::encoded());
}

#[test]
fn bytes_that_are_not_characters_are_refused() {
    assert_never_wrong("damaged bytes", values::damaged());
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused_if_its_trailer_is_declared() {
    let (text, trailer) = lines::with_trailer();
    let declared = Declared { source: trailer.into(), column: String::new() };
    let table = table(&declared);
    let whole = rows(table, text.as_bytes(), native_delta).unwrap();
    for length in 0..text.len() {
        match rows(table, &text.as_bytes()[..length], native_delta) {
            None => {}
            // Only the end of its last line is missing.
            Some(rows) => assert!(rows == whole && length == text.len() - 1, "cut at {length}"),
        }
    }
    add_to_summary(&format!(
        "polluted files, cut: {}, none misread. With a declared trailer, all were refused.",
        text.len() - 1
    ));
}
