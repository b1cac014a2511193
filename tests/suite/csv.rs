//! The CSV splitter, compared with the `csv` crate and the reference's parser on random bytes.

use std::io::{self, Read};

use crate::properties::config;
use crate::workspace::add_to_summary;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use runtime::epoch::SourceFormat;
use runtime::snapshot::csv::{Dialect, Reader};
use runtime::table::Source;
use tests::reference::csv::{Field, Record, records};

/// All records of the input, as the runtime splits them.
fn split(input: impl Read, source: &Source) -> Vec<Record> {
    let mut reader = Reader::new(input, Dialect::from_format(&SourceFormat::from_source(source)));
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(match record {
            Ok(record) => {
                let field = |field: runtime::canonical::field::Field<'_>| Field {
                    bytes: field.text().to_vec(),
                    quoted: field.quoted,
                };
                Record { line: record.line, fields: Ok(record.iter().map(field).collect()) }
            }
            Err(error) => {
                let reason = if error.reason.to_string() == "bad-quoting" { "bad-quoting" } else { "bad-character" };
                Record { line: error.line, fields: Err(reason) }
            }
        });
    }
    records
}

/// The fields of each record, as the `csv` crate reads them.
fn split_by_csv_crate(bytes: &[u8], source: &Source) -> Vec<Vec<Vec<u8>>> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(source.delimiter);
    match source.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    let records = builder.from_reader(bytes).into_byte_records();
    records.map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// A reader that returns a few bytes per call, and is interrupted before each.
struct SlowReader<'a> {
    bytes: &'a [u8],
    max_length: usize,
    is_interrupted: bool,
}

impl Read for SlowReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.max_length.min(buffer.len()).min(self.bytes.len());
        buffer[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes = &self.bytes[length..];
        Ok(length)
    }
}

fn source() -> impl Strategy<Value = Source> {
    let quote = prop_oneof![3 => Just(Some(b'"')), 1 => Just(Some(b'\'')), 1 => Just(None)];
    let delimiter = prop_oneof![Just(b','), Just(b';'), Just(b'\t')];
    (quote, delimiter, any::<bool>()).prop_map(|(quote, delimiter, multiline)| Source {
        quote,
        delimiter,
        multiline: multiline && quote.is_some(),
        ..Source::DEFAULT
    })
}

/// Bytes with a meaning in some dialect.
const SPECIAL: &[&[u8]] = &[
    b"\"",
    b"\"",
    b"\"\"",
    b",",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\n",
    b"\r\n",
    b"a",
    b"b",
    b"'",
    b" ",
    b"\r",
    b"\0",
    b"\xFF",
    b"\xC3\xA9",
    b"\xEF\xBB\xBF",
    b"\",\"",
    b"\n\"",
    b"\"\n",
];

/// Pieces that often add up to valid input.
const VALID: &[&[u8]] = &[
    b"a",
    b",",
    b";",
    b"\n",
    b"\r\n",
    b",\"x\"",
    b",\"\"\"\"",
    b",\"a,b\nc\"",
    b"\n\"\",",
    b"\xC3\xA9",
    b",'it''s'\n",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => proptest::sample::select(SPECIAL).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 1..4),
    ];
    let valid = proptest::sample::select(VALID).prop_map(<[u8]>::to_vec);
    prop_oneof![vec(piece, 0..60), vec(valid, 0..60)].prop_map(|pieces| pieces.concat())
}

#[test]
fn the_splitter_agrees_with_the_reference_and_the_csv_crate() {
    let (mut valid, mut invalid, mut fields) = (0, 0, 0);
    let tally = std::cell::RefCell::new((&mut valid, &mut invalid, &mut fields));
    let result = TestRunner::new(config(5_000)).run(&(source(), bytes(), 1_usize..5), |(source, bytes, max_length)| {
        let actual = split(&bytes[..], &source);
        prop_assert_eq!(&actual, &records(&bytes, &source));
        prop_assert_eq!(&actual, &split(SlowReader { bytes: &bytes, max_length, is_interrupted: false }, &source));

        let mut tally = tally.borrow_mut();
        let split: Result<Vec<Vec<Field>>, _> = actual.into_iter().map(|record| record.fields).collect();
        let Ok(split) = split else {
            *tally.1 += 1;
            return Ok(());
        };
        let texts = |record: Vec<Field>| record.into_iter().map(|field| field.bytes).collect();
        let split: Vec<Vec<Vec<u8>>> = split.into_iter().map(texts).collect();
        *tally.0 += 1;
        *tally.2 += split.iter().map(Vec::len).sum::<usize>();
        prop_assert_eq!(split, split_by_csv_crate(&bytes, &source));
        Ok(())
    });
    add_to_summary(&format!(
        "CSV: {valid} valid inputs with {fields} fields agree with the csv crate; {invalid} invalid inputs"
    ));
    result.unwrap();
}

/// Text that crosses the end of a buffer must read as it does elsewhere.
#[test]
fn buffer_boundaries_do_not_matter() {
    let source = Source { multiline: true, ..Source::DEFAULT };
    for length in (0..40).chain([65_500, 65_534, 65_535, 65_536, 131_071, 300_000]) {
        let filler = "x".repeat(length);
        let text = format!("{filler},\"a\"\"b\r\n\",c\r\n\"{filler}\n\",\"\",é\n").repeat(700_000 / (length + 30));
        let actual = split(text.as_bytes(), &source);
        assert_eq!(actual, records(text.as_bytes(), &source), "filler of {length} bytes");
        assert_eq!(
            actual,
            split(SlowReader { bytes: text.as_bytes(), max_length: 4_093, is_interrupted: false }, &source)
        );
    }
}
