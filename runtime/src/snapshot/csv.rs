//! Splits a part into records and fields: RFC 4180 with the declared delimiter and quote, and nothing guessed.
//!
//! LF and CRLF end a line, blank lines are skipped, a BOM is stripped. A quote stands only at the start of a field;
//! text after a closing quote, a lone CR and NUL are flaws of their record. Without `multiline` a record ends with its
//! line, whatever its quotes say; with it, at the first line end with an even number of quotes before it.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2};

mod delimiters;

use crate::epoch::Written;
use crate::reject::Reason;
use crate::row::Field;

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
pub struct Flaw {
    /// The line that the record begins on, from 1.
    pub line: u64,
    /// The kind of flaw.
    pub reason: Reason,
    /// The same for people.
    pub message: &'static str,
}

/// Where the fields of the current record stand.
#[derive(Debug, Default)]
struct Fields {
    spans: Vec<Span>,
    /// Fields that held doubled quotes, with single ones.
    unescaped: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    quoted: bool,
    unescaped: bool,
}

impl Dialect {
    /// The dialect of exports that are written like this.
    pub fn of(source: &Written) -> Self {
        Self { delimiter: source.delimiter, quote: source.quote, multiline: source.multiline }
    }
}

impl Record<'_> {
    /// How many fields the record has.
    pub fn len(&self) -> usize {
        self.fields.spans.len()
    }

    /// Never true: a record has at least one field.
    pub fn is_empty(&self) -> bool {
        self.fields.spans.is_empty()
    }

    /// The field at a place, from 0, which must be below [`Record::len`].
    pub fn field(&self, place: usize) -> Field<'_> {
        let span = self.fields.spans[place];
        let bytes = if span.unescaped { &self.fields.unescaped[..] } else { self.bytes };
        Field { text: &bytes[span.start..span.end], quoted: span.quoted }
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
    pub fn next_record(&mut self) -> io::Result<Option<Result<Record<'_>, Flaw>>> {
        self.skip_bom()?;
        loop {
            let Some((from, to, lines)) = self.next_span()? else { return Ok(None) };
            let line = self.line;
            self.line += lines;
            if from < to {
                self.last = (from, to);
                return Ok(Some(self.splitter.split(&self.buffer[from..to], line)));
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
            while let Some((from, to, lines)) = self.whole_span() {
                self.line += lines;
                if from < to {
                    batch.records.push((from as u32, to as u32));
                }
            }
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

    /// Splits one record, which begins on `line`.
    pub fn split<'r>(&'r mut self, bytes: &'r [u8], line: u64) -> Result<Record<'r>, Flaw> {
        match self.fields.split(bytes, self.dialect) {
            Ok(()) => Ok(Record { line, bytes, fields: &self.fields }),
            Err((reason, message)) => Err(Flaw { line, reason, message }),
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
    pub fn record(&self, place: usize) -> &[u8] {
        let (from, to) = self.records[place];
        &self.bytes[from as usize..to as usize]
    }
}

type Split = Result<(), (Reason, &'static str)>;

impl Fields {
    fn split(&mut self, record: &[u8], dialect: Dialect) -> Split {
        self.spans.clear();
        self.unescaped.clear();
        // Most records have neither quotes nor flaws: one look finds their delimiters and tells that.
        if delimiters::find(record, dialect.delimiter, dialect.quote, |end| self.plain(end)) {
            self.plain(record.len());
            return Ok(());
        }
        self.spans.clear();
        check_characters(record)?;
        match dialect.quote {
            Some(quote) => self.split_quoted(record, dialect, quote),
            None => {
                self.split_plain(record, dialect.delimiter);
                Ok(())
            }
        }
    }

    /// The next field has neither quotes nor anything doubled, and ends here.
    #[inline]
    fn plain(&mut self, end: usize) {
        let start = self.spans.last().map_or(0, |span| span.end + 1);
        self.spans.push(Span { start, end, quoted: false, unescaped: false });
    }

    fn split_plain(&mut self, record: &[u8], delimiter: u8) {
        let mut start = 0;
        for end in memchr_iter(delimiter, record).chain([record.len()]) {
            self.spans.push(Span { start, end, quoted: false, unescaped: false });
            start = end + 1;
        }
    }

    fn split_quoted(&mut self, record: &[u8], dialect: Dialect, quote: u8) -> Split {
        let mut at = 0;
        loop {
            if record.get(at) == Some(&quote) {
                at = self.quoted_field(record, at + 1, quote, dialect.multiline)?;
                if record.get(at).is_some_and(|byte| *byte != dialect.delimiter) {
                    return Err((Reason::BadQuoting, "text stands behind a closing quote"));
                }
            } else {
                let end = memchr(dialect.delimiter, &record[at..]).map_or(record.len(), |length| at + length);
                if memchr(quote, &record[at..end]).is_some() {
                    return Err((Reason::BadQuoting, "a quote stands inside a field that is not quoted"));
                }
                self.spans.push(Span { start: at, end, quoted: false, unescaped: false });
                at = end;
            }
            if at >= record.len() {
                return Ok(());
            }
            at += 1;
        }
    }

    /// Takes the field whose text begins at `start`, and gives the place behind its closing quote.
    fn quoted_field(
        &mut self,
        record: &[u8],
        start: usize,
        quote: u8,
        multiline: bool,
    ) -> Result<usize, (Reason, &'static str)> {
        let copied_from = self.unescaped.len();
        let (mut from, mut is_copied) = (start, false);
        loop {
            let Some(length) = memchr(quote, &record[from..]) else {
                return Err((
                    Reason::BadQuoting,
                    if multiline { "a quote is never closed" } else { "a quote is not closed on its line" },
                ));
            };
            let end = from + length;
            if record.get(end + 1) == Some(&quote) {
                is_copied = true;
                self.unescaped.extend_from_slice(&record[from..=end]);
                from = end + 2;
                continue;
            }
            if is_copied {
                self.unescaped.extend_from_slice(&record[from..end]);
                let end = self.unescaped.len();
                self.spans.push(Span { start: copied_from, end, quoted: true, unescaped: true });
            } else {
                self.spans.push(Span { start, end, quoted: true, unescaped: false });
            }
            return Ok(end + 1);
        }
    }
}

/// A CR that is no part of a line end, and NUL, may stand nowhere.
fn check_characters(record: &[u8]) -> Split {
    let mut from = 0;
    while let Some(length) = memchr2(b'\r', 0, &record[from..]) {
        let at = from + length;
        if record[at] == 0 {
            return Err((Reason::BadCharacter, "a NUL byte"));
        }
        if record.get(at + 1) != Some(&b'\n') {
            return Err((Reason::BadCharacter, "a carriage return without a line feed"));
        }
        from = at + 1;
    }
    Ok(())
}
