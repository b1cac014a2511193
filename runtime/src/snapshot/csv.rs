//! Splits a part into records and fields: RFC 4180 with the declared delimiter and quote, and nothing guessed.
//!
//! LF and CRLF end a line, blank lines are skipped, a BOM is stripped. A quote stands only at the start of a field;
//! text after a closing quote, a lone CR and NUL are flaws of their record. Without `multiline` a record ends with its
//! line, whatever its quotes say; with it, at the first line end with an even number of quotes before it.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

mod bits;
mod delimiters;
mod fields;

use crate::canonical::field::Field;
use crate::epoch::SourceFormat;
use crate::reject::Reason;
use bits::{BLOCK, Block};
use fields::Fields;

/// Longest record, in bytes. Beyond it a quote was left open, and the rest of the file would end up in memory.
pub const MAX_RECORD: usize = 64 << 20;

/// How much is read at once.
const CHUNK: usize = 128 << 10;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How fields are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a quoted field.
    pub quote: Option<u8>,
    /// Whether a quoted field may hold line ends.
    pub multiline: bool,
}

/// Reads records from inflated bytes.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    /// The unread part of `buffer` is `start..end`.
    start: usize,
    end: usize,
    at_end: bool,
    is_first: bool,
    /// The line that the next record begins on, from 1.
    line: u64,
    seen: Seen,
    /// Where the record that came last stands in `buffer`.
    last: (usize, usize),
    splitter: Splitter,
}

/// What was looked at of a record whose end is not in the buffer yet.
#[derive(Debug, Default)]
struct Seen {
    bytes: usize,
    lines: u64,
    /// Whether the number of quotes so far is odd, with `multiline`.
    is_open: bool,
}

/// Splits records into fields.
#[derive(Debug)]
pub struct Splitter {
    dialect: Dialect,
    fields: Fields,
}

/// Many records as they stand in the file, without their line ends.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<(u32, u32)>,
}

/// One record.
#[derive(Debug)]
pub struct Record<'r> {
    /// The physical line it begins on, from 1.
    pub line: u64,
    bytes: &'r [u8],
    fields: &'r Fields,
}

/// Why a record cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvError {
    /// The line that the record begins on, from 1.
    pub line: u64,
    /// The kind of flaw.
    pub reason: Reason,
    /// The same for people.
    pub message: &'static str,
}

impl Dialect {
    /// The dialect of exports that are written like this.
    pub fn of(source: &SourceFormat) -> Self {
        Self { delimiter: source.delimiter, quote: source.quote, multiline: source.multiline }
    }
}

impl Record<'_> {
    /// How many fields the record has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Never true: a record has at least one field.
    pub fn is_empty(&self) -> bool {
        self.fields.len() == 0
    }

    /// The field at a place, from 0, which must be below [`Record::len`].
    #[inline]
    pub fn field(&self, place: usize) -> Field<'_> {
        self.fields.field(self.bytes, place)
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        (0..self.len()).map(|place| self.field(place))
    }
}

impl<R: Read> Reader<R> {
    /// A reader over inflated bytes.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Self {
            input,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            at_end: false,
            is_first: true,
            line: 1,
            seen: Seen::default(),
            last: (0, 0),
            splitter: Splitter::new(dialect),
        }
    }

    /// What the records are read from.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next record, or its flaw; `None` at the end. Fails when the bytes below cannot be read, or a record is
    /// longer than [`MAX_RECORD`].
    pub fn next_record(&mut self) -> io::Result<Option<Result<Record<'_>, CsvError>>> {
        self.skip_bom()?;
        loop {
            let Some((from, to, lines)) = self.next_span()? else { return Ok(None) };
            let line = self.line;
            self.line += lines;
            if from < to {
                self.last = (from, to);
                return Ok(Some(self.splitter.split(&self.buffer[from..], to - from, line)));
            }
        }
    }

    /// The bytes of the record that came last, for somebody who wants to guess what one with a flaw was meant to be.
    pub fn last_bytes(&self) -> &[u8] {
        &self.buffer[self.last.0..self.last.1]
    }

    /// As many records as one look at the input gives; false at the end. `batch` gives its memory and gets other.
    pub fn next_batch(&mut self, batch: &mut Batch) -> io::Result<bool> {
        self.skip_bom()?;
        batch.records.clear();
        while batch.records.is_empty() {
            while self.end < self.buffer.len() && self.fill()? {}
            self.whole_spans(&mut batch.records);
            if batch.records.is_empty() {
                let Some((from, to, lines)) = self.next_span()? else { return Ok(false) };
                self.line += lines;
                if from < to {
                    batch.records.push((from as u32, to as u32));
                }
            }
        }
        std::mem::swap(&mut self.buffer, &mut batch.bytes);
        let rest = &batch.bytes[self.start..self.end];
        self.buffer.resize(CHUNK.max(2 * rest.len()), 0);
        self.buffer[..rest.len()].copy_from_slice(rest);
        (self.start, self.end) = (0, rest.len());
        Ok(true)
    }

    fn skip_bom(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_first) {
            while self.end - self.start < BOM.len() && self.fill()? {}
            if self.buffer[self.start..self.end].starts_with(BOM) {
                self.start += BOM.len();
            }
        }
        Ok(())
    }

    /// The next record's place in the buffer without its line end, and how many lines it takes.
    fn next_span(&mut self) -> io::Result<Option<(usize, usize, u64)>> {
        loop {
            if let Some(span) = self.whole_span() {
                return Ok(Some(span));
            }
            if self.end - self.start > MAX_RECORD {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("line {} is part of a record of more than 64 MiB; is a quote left open?", self.line),
                ));
            }
            if !self.fill()? {
                let (from, to, lines) = (self.start, self.end, self.seen.lines + 1);
                self.start = self.end;
                self.seen = Seen::default();
                return Ok((from < to).then_some((from, to, lines)));
            }
        }
    }

    /// The same, if the record's end is in the buffer.
    fn whole_span(&mut self) -> Option<(usize, usize, u64)> {
        loop {
            let unseen = &self.buffer[self.start + self.seen.bytes..self.end];
            let length = memchr(b'\n', unseen)?;
            self.seen.lines += 1;
            self.seen.is_open ^= self.splitter.toggles_quotes(&unseen[..length]);
            self.seen.bytes += length + 1;
            if self.seen.is_open {
                continue;
            }
            let Seen { bytes, lines, .. } = std::mem::take(&mut self.seen);
            let from = self.start;
            self.start += bytes;
            let has_cr = bytes > 1 && self.buffer[self.start - 2] == b'\r';
            return Some((from, self.start - 1 - usize::from(has_cr), lines));
        }
    }

    /// The places of all records whose ends are in the buffer.
    fn whole_spans(&mut self, records: &mut Vec<(u32, u32)>) {
        if self.splitter.dialect.multiline {
            while let Some((from, to, lines)) = self.whole_span() {
                self.line += lines;
                if from < to {
                    records.push((from as u32, to as u32));
                }
            }
            return;
        }
        let bytes = &self.buffer[..self.end];
        let mut at = self.start + self.seen.bytes;
        while at < self.end {
            let ends = Block::beginning(&bytes[at..]).is(b'\n') & bits::first(self.end - at);
            bits::each(ends, |place| {
                let (from, end) = (self.start, at + place);
                let to = if end > from && bytes[end - 1] == b'\r' { end - 1 } else { end };
                if from < to {
                    records.push((from as u32, to as u32));
                }
                self.start = end + 1;
                self.line += 1;
            });
            at += BLOCK;
        }
        self.seen = Seen { bytes: self.end - self.start, ..Seen::default() };
    }

    /// Reads more behind what is there; false at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.at_end = read == 0;
        Ok(!self.at_end)
    }
}

impl Splitter {
    /// A splitter for a dialect.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, fields: Fields::default() }
    }

    /// Splits one record, which begins on `line` and is the first `length` of the bytes. What stands behind it in memory
    /// is not looked at, but lets its last fields be read in whole blocks.
    pub fn split<'r>(&'r mut self, bytes: &'r [u8], length: usize, line: u64) -> Result<Record<'r>, CsvError> {
        match self.fields.split(bytes, length, self.dialect) {
            Ok(()) => Ok(Record { line, bytes, fields: &self.fields }),
            Err((reason, message)) => Err(CsvError { line, reason, message }),
        }
    }

    fn toggles_quotes(&self, line: &[u8]) -> bool {
        match self.dialect.quote {
            Some(quote) if self.dialect.multiline => memchr_iter(quote, line).count() % 2 == 1,
            _ => false,
        }
    }
}

impl Batch {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record at a place, from 0, which must be below [`Batch::len`].
    #[inline]
    pub fn record(&self, place: usize) -> &[u8] {
        let (from, to) = self.records[place];
        &self.bytes[from as usize..to as usize]
    }

    /// The same with everything that stands behind it, and its length: what [`Splitter::split`] takes.
    #[inline]
    pub fn rest(&self, place: usize) -> (&[u8], usize) {
        let (from, to) = self.records[place];
        (&self.bytes[from as usize..], (to - from) as usize)
    }
}
