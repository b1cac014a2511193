//! A record has one maximum size, whatever reads it: each comparison, `verify`, `why` and `delta`.

use std::io::{self, Read};

use runtime::epoch::SourceFormat;
use runtime::snapshot::csv::{Batch, Dialect, MAX_RECORD, Reader};
use runtime::table::Source;
use serde_json::{Value, json};

use crate::workspace::{CommandOutput, Workspace};

/// The row of a key, with so many bytes.
fn row(key: &str, number: u64, bytes: usize) -> String {
    let start = format!("{key};{number};");
    let filler = "/x".repeat(bytes / 2 + 1);
    format!("{start}{};x", &filler[..bytes - start.len() - 2])
}

/// An export: four small rows, the third of which is `third` instead.
fn export(number: u64, third: &str) -> String {
    let small = |key: &str| row(key, 1, 20);
    format!("{}\n{}\n{third}\n{}\n", small("PK1"), row("PK2", number, 20), small("PK4"))
}

/// Delivers a version, and returns the status and the outcome of the run.
fn deliver(workspace: &Workspace, version: &str, text: &str) -> (i32, Value) {
    workspace.export(&format!("acme/test_table/{version}"), text);
    let (status, report) = workspace.run_json();
    (status, report["outcomes"][0].clone())
}

fn operations(outcome: &Value) -> Vec<u64> {
    ["inserted", "updated", "deleted", "duplicates"].map(|name| outcome["counts"][name].as_u64().unwrap()).to_vec()
}

#[test]
fn a_record_at_the_limit_is_read_by_every_path() {
    let workspace = Workspace::new();
    let (large, other) = (row("PK3", 1, MAX_RECORD), row("PK3", 2, MAX_RECORD));
    let (status, first) = deliver(&workspace, "V1", &export(1, &large));
    assert_eq!((status, operations(&first)), (0, vec![4, 0, 0, 0]), "a first import: {first}");
    let (status, merge) = deliver(&workspace, "V2", &export(2, &other));
    assert_eq!((status, operations(&merge)), (0, vec![0, 2, 0, 0]), "a merge join: {merge}");
    // A repeated row leaves the comparison to the hash join; both images of the update wait in its spools.
    let repeated = format!("{}{}\n", export(2, &large), row("PK1", 1, 20));
    let (status, hash) = deliver(&workspace, "V3", &repeated);
    assert_eq!((status, operations(&hash)), (0, vec![0, 1, 0, 1]), "a hash join: {hash}");
    let verified = workspace.tidemark(&["verify"]);
    assert_eq!(verified.status, 0, "{}", verified.transcript());
}

/// Asserts that a command names the record, and why it is refused.
fn assert_refused(output: &CommandOutput, location: &str) {
    assert_eq!(output.status, 1, "{}", output.transcript());
    let line = output.stderr.lines().find(|line| line.contains(location));
    let line = line.unwrap_or_else(|| panic!("{location} is not named: {}", output.stderr));
    assert!(line.contains("a record of more than 64 MiB"), "{line}");
}

#[test]
fn a_record_beyond_the_limit_is_refused_by_every_path_with_its_location() {
    let workspace = Workspace::new();
    assert_eq!(deliver(&workspace, "V1", &export(1, &row("PK3", 1, 20))).0, 0);
    let too_large = row("PK3", 1, MAX_RECORD + 1);
    let sorted = export(2, &too_large);
    let repeated = format!("{sorted}{}\n", row("PK1", 1, 20));
    for (version, text) in [("V2", &sorted), ("V3", &repeated)] {
        workspace.export(&format!("acme/test_table/{version}"), text);
        assert_refused(&workspace.run(), "part.csv.gz:3");
        assert_eq!(workspace.statuses("acme/test_table")[version], "FAILED");
    }
    let path = "exports/acme/test_table/V2/part.csv.gz";
    assert_refused(&workspace.tidemark(&["delta", "test_table", "none", path, "-o", "ops"]), "part.csv.gz:3");
    assert_refused(&workspace.tidemark(&["delta", "test_table", path, path, "-o", "ops"]), "part.csv.gz:3");
    let why = workspace.tidemark(&["why", "acme/test_table", "PK3"]);
    assert!(why.stdout.contains("a record of more than 64 MiB"), "{}", &why.transcript()[..2000.min(why.stdout.len())]);
    // What was published before is as it was.
    assert_eq!(workspace.tidemark(&["verify", "acme/test_table/V1"]).status, 0);
}

/// Each record's size, or the line on which one is too large, as the hash join reads them; and whether the merge join
/// reads them all.
fn read(text: &[u8], source: &Source) -> (Vec<Result<usize, u64>>, bool) {
    let dialect = Dialect::from_format(&SourceFormat::from_source(source));
    let mut reader = Reader::new(text, dialect.clone());
    let mut sizes = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        sizes.push(match record {
            Ok(record) => Ok(record.iter().map(|field| field.text().len()).sum()),
            Err(error) if error.reason.code() == "record-too-large" => Err(error.line),
            Err(error) => panic!("{error:?}"),
        });
    }
    (sizes, read_in_batches(text, dialect))
}

fn read_in_batches(text: &[u8], dialect: Dialect) -> bool {
    let (mut reader, mut batch) = (Reader::new(text, dialect.clone()), Batch::default());
    let mut splitter = runtime::snapshot::csv::Splitter::new(dialect);
    loop {
        match reader.next_batch(&mut batch) {
            Ok(false) => return true,
            Err(_) => return false,
            Ok(true) => {}
        }
        for at in 0..batch.len() {
            let (bytes, length) = batch.with_following(at);
            if splitter.split(bytes, length, 0).is_err() {
                return false;
            }
        }
    }
}

#[test]
fn the_limit_is_the_same_for_every_line_end_and_within_quotes() {
    let multiline = Source { multiline: true, ..Source::DEFAULT };
    for (source, quote) in [(Source::DEFAULT, ""), (multiline, "\"")] {
        for (line_end, sizes) in [
            ("\n", &[MAX_RECORD - 1, MAX_RECORD, MAX_RECORD + 1, 2 * MAX_RECORD + 7][..]),
            ("\r\n", &[MAX_RECORD, MAX_RECORD + 1]),
            ("", &[MAX_RECORD, MAX_RECORD + 1]),
        ] {
            for bytes in sizes.iter().copied() {
                let line = if quote.is_empty() { "x".repeat(1000) } else { "x".repeat(1000) + "\n" };
                let filler = line.repeat(bytes / 1000 + 1);
                let content = &filler[..bytes - 2 * quote.len()];
                let text = format!("a\n{quote}{content}{quote}{line_end}");
                let fits = bytes <= MAX_RECORD;
                let expected = if fits { Ok(content.len()) } else { Err(2) };
                let (sizes, is_read) = read(text.as_bytes(), &source);
                assert_eq!((sizes, is_read), (vec![Ok(1), expected], fits), "{bytes} bytes, {line_end:?}");
            }
        }
    }
}

#[test]
fn a_line_end_that_arrives_in_two_pieces_is_not_part_of_the_record() {
    let text = "x".repeat(MAX_RECORD) + "\r\n";
    let (first, rest) = text.as_bytes().split_at(MAX_RECORD + 1);
    let dialect = Dialect::from_format(&SourceFormat::from_source(&Source::DEFAULT));
    let mut reader = Reader::new(first.chain(rest), dialect);
    let record = reader.next_record().unwrap().unwrap().map(|record| record.field(0).text().len());
    assert_eq!(record, Ok(MAX_RECORD));
}

#[test]
fn the_rows_after_a_record_that_is_too_large_are_read() {
    /// A record of the given size, then two small ones.
    struct Endless {
        left: u64,
        end: &'static [u8],
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 {
                return self.end.read(buffer);
            }
            let length = (buffer.len() as u64).min(self.left) as usize;
            buffer[..length].fill(b'x');
            self.left -= length as u64;
            Ok(length)
        }
    }
    let dialect = Dialect::from_format(&SourceFormat::from_source(&Source::DEFAULT));
    let mut reader = Reader::new(Endless { left: 3 << 26, end: b"\nfirst\nsecond\n" }, dialect);
    let mut seen = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        seen.push(match record {
            Ok(record) => json!([record.line, String::from_utf8_lossy(record.field(0).text())]),
            Err(error) => json!([error.line, error.reason.code()]),
        });
    }
    assert_eq!(json!(seen), json!([[1, "record-too-large"], [2, "first"], [3, "second"]]));
}
