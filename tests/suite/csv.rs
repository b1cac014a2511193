//! The splitter of CSV against the `csv` crate and the reference's parser, on bytes that nobody chose.

use std::io::{self, Read};

use crate::world::tell;
use proptest::collection::vec;
use proptest::prelude::*;
use runtime::epoch::Written;
use runtime::snapshot::csv::{Dialect, Reader};
use runtime::table::Source;
use tests::reference::csv::{Field, Record, records};

/// All records of some bytes, as the runtime splits them.
fn split(input: impl Read, source: &Source) -> Vec<Record> {
    let mut reader = Reader::new(input, Dialect::of(&Written::of(source)));
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(match record {
            Ok(record) => {
                let field =
                    |field: runtime::row::Field<'_>| Field { bytes: field.text().to_vec(), quoted: field.quoted };
                Record { line: record.line, fields: Ok(record.iter().map(field).collect()) }
            }
            Err(flaw) => {
                let reason = if flaw.reason.to_string() == "bad-quoting" { "bad-quoting" } else { "bad-character" };
                Record { line: flaw.line, fields: Err(reason) }
            }
        });
    }
    records
}

/// The fields that the `csv` crate reads.
fn by_the_csv_crate(bytes: &[u8], source: &Source) -> Vec<Vec<Vec<u8>>> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(source.delimiter);
    match source.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    let records = builder.from_reader(bytes).into_byte_records();
    records.map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// Gives a few bytes a call, as often as not none of them at first.
struct Drip<'a> {
    bytes: &'a [u8],
    most: usize,
    is_interrupted: bool,
}

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = self.most.min(buffer.len()).min(self.bytes.len());
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

/// Bytes that mean something somewhere.
const TELLING: &[&[u8]] = &[
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

/// Bytes of which inputs without a flaw are often made.
const MILD: &[&[u8]] = &[
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
        6 => proptest::sample::select(TELLING).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 1..4),
    ];
    let mild = proptest::sample::select(MILD).prop_map(<[u8]>::to_vec);
    prop_oneof![vec(piece, 0..60), vec(mild, 0..60)].prop_map(|pieces| pieces.concat())
}

#[test]
fn the_splitter_agrees_with_the_reference_and_the_csv_crate() {
    let (mut clean, mut flawed, mut fields) = (0, 0, 0);
    let tally = std::cell::RefCell::new((&mut clean, &mut flawed, &mut fields));
    let result = crate::properties::runner(5_000).run(&(source(), bytes(), 1_usize..5), |(source, bytes, most)| {
        let found = split(&bytes[..], &source);
        prop_assert_eq!(&found, &records(&bytes, &source));
        prop_assert_eq!(&found, &split(Drip { bytes: &bytes, most, is_interrupted: false }, &source));

        let mut tally = tally.borrow_mut();
        let split: Result<Vec<Vec<Field>>, _> = found.into_iter().map(|record| record.fields).collect();
        let Ok(split) = split else {
            *tally.1 += 1;
            return Ok(());
        };
        let texts = |record: Vec<Field>| record.into_iter().map(|field| field.bytes).collect();
        let split: Vec<Vec<Vec<u8>>> = split.into_iter().map(texts).collect();
        *tally.0 += 1;
        *tally.2 += split.iter().map(Vec::len).sum::<usize>();
        prop_assert_eq!(split, by_the_csv_crate(&bytes, &source));
        Ok(())
    });
    tell(&format!(
        "{clean} inputs without a flaw, {fields} fields as the csv crate reads them; {flawed} inputs with one"
    ));
    result.unwrap();
}

/// Whatever stands across the end of a chunk must read as it does elsewhere.
#[test]
fn buffer_boundaries_do_not_matter() {
    let source = Source { multiline: true, ..Source::DEFAULT };
    for length in (0..40).chain([65_500, 65_534, 65_535, 65_536, 131_071, 300_000]) {
        let filler = "x".repeat(length);
        let text = format!("{filler},\"a\"\"b\r\n\",c\r\n\"{filler}\n\",\"\",é\n").repeat(700_000 / (length + 30));
        let found = split(text.as_bytes(), &source);
        assert_eq!(found, records(text.as_bytes(), &source), "filler of {length} bytes");
        assert_eq!(found, split(Drip { bytes: text.as_bytes(), most: 4_093, is_interrupted: false }, &source));
    }
}
