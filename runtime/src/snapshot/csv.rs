//! Splits a part into records and fields: RFC 4180 with the declared delimiter and quote. Nothing is guessed.
//!
//! LF and CRLF end a line, empty lines are skipped, a BOM is stripped. A quote can only be at the start of a field;
//! text after a closing quote, a lone CR and NUL are errors of their record. Without `multiline` a record ends with its
//! line, whatever its quotes; with it, at the first line end that has an even number of quotes before it.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

mod batch;
mod bits;
mod delimiters;
mod dialect;
mod fields;
mod line_ends;
mod plain;
mod quoted;
mod skipped;
mod spans;
mod special;

use crate::canonical::field::Field;
use crate::reject::Reason;
pub use batch::Batch;
pub use dialect::Dialect;
use fields::Fields;
pub(crate) use skipped::SkippedLines;

/// The maximum size of a record, in bytes, without its line end. A larger one probably has an unclosed quote, and would
/// be the rest of the file. Whatever reads an export splits its records here, and so refuses the same ones.
pub const MAX_RECORD: usize = 64 << 20;

/// How many bytes of a larger record are kept, to guess its key.
const KEPT: usize = 64 << 10;

/// The minimum size of the buffer, in bytes.
const CHUNK: usize = 128 << 10;

/// A byte order mark, which is skipped at the beginning of a part and refused at the beginning of any other row.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

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
    /// The line that the next record starts on, from 1.
    line: u64,
    scanned: Scanned,
    /// The start and the end of the last record in `buffer`.
    last: (usize, usize),
    splitter: Splitter,
    /// A record that is skipped wherever it is.
    skipped: Option<Vec<u8>>,
    /// What a line begins with that is a comment.
    comment: Option<Vec<u8>>,
    /// Whether the first line ended with CR LF, where that matters.
    is_crlf: Option<bool>,
}

/// The scanned bytes of a record whose end is not in the buffer yet.
#[derive(Debug, Default)]
struct Scanned {
    bytes: usize,
    lines: u64,
    /// With `multiline`: whether the number of quotes so far is odd.
    is_open: bool,
    /// Whether the record is larger than [`MAX_RECORD`], and only its beginning was kept.
    is_cut: bool,
}

/// A record in the buffer, without its line end.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    lines: u64,
    is_cut: bool,
}

/// Splits records into fields.
#[derive(Debug)]
pub struct Splitter {
    dialect: Dialect,
    fields: Fields,
    /// Whether the next record is the header.
    is_header: bool,
}

/// One record.
#[derive(Debug)]
pub struct Record<'r> {
    /// The physical line it starts on, from 1.
    pub line: u64,
    bytes: &'r [u8],
    length: usize,
    fields: &'r Fields,
}

/// The reason why a record cannot be split into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvError {
    /// The line that the record starts on, from 1.
    pub line: u64,
    /// The reason, as data.
    pub reason: Reason,
    /// The same for people.
    pub message: &'static str,
}

impl CsvError {
    fn record_too_large(line: u64) -> Self {
        Self { line, reason: Reason::RecordTooLarge, message: "a record of more than 64 MiB; is a quote not closed?" }
    }
}

impl Record<'_> {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Always false: a record has at least one field.
    pub fn is_empty(&self) -> bool {
        self.fields.len() == 0
    }

    /// The field at an index below [`Record::len`].
    #[inline]
    pub fn field(&self, index: usize) -> Field<'_> {
        self.fields.field(self.bytes, index)
    }

    /// The record as it is in the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        (0..self.len()).map(|index| self.field(index))
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
            scanned: Scanned::default(),
            last: (0, 0),
            splitter: Splitter::new(dialect),
            skipped: None,
            comment: None,
            is_crlf: None,
        }
    }

    /// The first bytes of the source, if nothing was read yet: at least as many as `length`, unless there are fewer.
    pub(crate) fn beginning(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.end < length && self.fill()? {}
        Ok(&self.buffer[..self.end.min(length)])
    }

    /// The source of the bytes.
    pub(crate) fn get_ref(&self) -> &R {
        &self.input
    }

    /// The source of the bytes.
    pub(crate) fn into_inner(self) -> R {
        self.input
    }

    /// The next record, or its error; `None` at the end. Fails if the source cannot be read.
    pub fn next_record(&mut self) -> io::Result<Option<Result<Record<'_>, CsvError>>> {
        self.skip_bom()?;
        loop {
            let Some(Span { from, to, lines, is_cut }) = self.next_span()? else { return Ok(None) };
            let line = self.line;
            self.line += lines;
            if is_cut {
                self.last = (from, from + KEPT);
                return Ok(Some(Err(CsvError::record_too_large(line))));
            }
            if from < to && !self.is_skipped(from, to) {
                self.last = (from, to);
                return Ok(Some(self.splitter.split(&self.buffer[from..], to - from, line)));
            }
        }
    }

    /// Sets whether the next record is the header, which may lack the delimiter at its end.
    pub(crate) fn expect_header(&mut self, is_header: bool) {
        self.splitter.is_header = is_header;
    }

    /// The bytes of the last record, to guess what one with an error was meant to be.
    pub(crate) fn last_bytes(&self) -> &[u8] {
        &self.buffer[self.last.0..self.last.1]
    }

    /// Reads as many records as are in the buffer, at least one; returns false at the end. `batch` and the reader swap
    /// their buffers. Fails if the source cannot be read, or a record is larger than [`MAX_RECORD`].
    pub fn next_batch(&mut self, batch: &mut Batch) -> io::Result<bool> {
        self.skip_bom()?;
        batch.records.clear();
        while batch.records.is_empty() {
            while self.end < self.buffer.len() && self.fill()? {}
            self.whole_spans(&mut batch.records);
            if batch.records.is_empty() {
                let Some(Span { from, to, lines, is_cut }) = self.next_span()? else { return Ok(false) };
                if is_cut {
                    let error = CsvError::record_too_large(self.line);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error.message));
                }
                self.line += lines;
                if from < to && !self.is_skipped(from, to) {
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

    /// The next record in the buffer.
    fn next_span(&mut self) -> io::Result<Option<Span>> {
        loop {
            if let Some(span) = self.whole_span() {
                return Ok(Some(span));
            }
            // The last byte may be the CR of the line end.
            if self.end - self.start > MAX_RECORD + 1 {
                self.count_lines_beyond(KEPT);
                self.end = self.start + KEPT;
                (self.scanned.bytes, self.scanned.is_cut) = (KEPT, true);
            }
            if !self.fill()? {
                let (from, to) = (self.start, self.end - self.partial_end());
                self.start = self.end;
                let Scanned { lines, is_cut, .. } = std::mem::take(&mut self.scanned);
                return Ok((from < to).then_some(Span { from, to, lines: lines + 1, is_cut }));
            }
        }
    }

    /// The same; `None` if the record's end is not in the buffer.
    fn whole_span(&mut self) -> Option<Span> {
        if self.splitter.has_own_ends() {
            return self.special_span();
        }
        if let Some(quote) = self.quote_around_lines() {
            return self.multiline_span(quote);
        }
        loop {
            let unscanned = &self.buffer[self.start + self.scanned.bytes..self.end];
            let end = memchr(b'\n', unscanned);
            let length = end.unwrap_or(unscanned.len());
            self.scanned.is_open ^= self.splitter.toggles_quotes(&unscanned[..length]);
            self.scanned.bytes += length;
            end?;
            self.scanned.bytes += 1;
            self.scanned.lines += 1;
            if self.scanned.lines == 1 && self.is_comment(self.start) {
                self.scanned.is_open = false;
            }
            if self.scanned.is_open {
                continue;
            }
            let Scanned { bytes, lines, is_cut, .. } = std::mem::take(&mut self.scanned);
            let from = self.start;
            self.start += bytes;
            let has_cr = bytes > 1 && self.buffer[self.start - 2] == b'\r';
            return Some(Span { from, to: self.start - 1 - usize::from(has_cr), lines, is_cut });
        }
    }

    /// Reads more bytes into the buffer; returns false at the end of the source.
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
        Self { dialect, fields: Fields::default(), is_header: false }
    }

    /// Splits the record that starts on `line` and is the first `length` of the bytes. The bytes after it are ignored,
    /// but allow reading its last fields in whole blocks.
    pub fn split<'r>(&'r mut self, bytes: &'r [u8], length: usize, line: u64) -> Result<Record<'r>, CsvError> {
        if length > MAX_RECORD {
            return Err(CsvError::record_too_large(line));
        }
        let Dialect { plain, special } = &self.dialect;
        let result = match special {
            None => self.fields.split(bytes, length, *plain),
            Some(special) if special.splits_plainly(&bytes[..length]) => self
                .fields
                .split(bytes, length, *plain)
                .and_then(|()| special.end_record(&mut self.fields, self.is_header)),
            Some(special) => special.split(&mut self.fields, &bytes[..length], self.is_header),
        };
        match result {
            Ok(()) => Ok(Record { line, bytes, length, fields: &self.fields }),
            Err((reason, message)) => Err(CsvError { line, reason, message }),
        }
    }

    /// Splits no more of a record than is needed for its first `count` fields, which is all that may be looked at. Says
    /// nothing about the rest of the record. `None` if that is no faster than to split all of it.
    pub(crate) fn split_first<'r>(&'r mut self, bytes: &'r [u8], length: usize, count: usize) -> Option<Record<'r>> {
        let Dialect { plain, special: None } = &self.dialect else { return None };
        let is_split = self.fields.split_first(bytes, length, *plain, count);
        is_split.then_some(Record { line: 0, bytes, length, fields: &self.fields })
    }

    fn has_own_ends(&self) -> bool {
        self.dialect.special.as_ref().is_some_and(|special| special.has_own_ends())
    }

    fn toggles_quotes(&self, line: &[u8]) -> bool {
        match self.dialect.plain.quote {
            Some(quote) if self.dialect.plain.multiline => memchr_iter(quote, line).count() % 2 == 1,
            _ => false,
        }
    }
}
