//! Splits a record into fields.

use memchr::{memchr, memchr3};

use super::Special;
use super::escapes::Escaped;
use crate::canonical::field::NULL;
use crate::reject::Reason;
use crate::snapshot::csv::fields::{FieldError, Fields, LONE_CR, QUOTE_INSIDE, Quotes, UNCLOSED, UNCLOSED_ON_LINE};
use crate::table::Escape;

const OVERLAP: FieldError = (Reason::BadQuoting, "a delimiter that can begin in two places");
const LINE_BREAK: FieldError = (Reason::BadCharacter, "a line break that is not the end of a record");
const END_OF_DATA: FieldError =
    (Reason::BadQuoting, r"the mark for the end of the data; declare `trailer: '\\\.'` if it is the last line");

impl Special {
    /// Returns whether the record has nothing special between its delimiters.
    pub(in crate::snapshot::csv) fn splits_plainly(&self, record: &[u8]) -> bool {
        self.delimiter.len() == 1
            && self.escape.is_none_or(|escape| memchr(escape.byte(), record).is_none())
            && (!self.has_own_ends() || memchr3(b'\r', b'\n', 0, record).is_none())
    }

    /// Removes what follows the delimiter at the end of a record. A header may lack it.
    pub(in crate::snapshot::csv) fn end_record(&self, fields: &mut Fields, is_header: bool) -> Result<(), FieldError> {
        if self.trailing_delimiter { fields.remove_last_empty(is_header) } else { Ok(()) }
    }

    /// Splits a record.
    pub(in crate::snapshot::csv) fn split(
        &self,
        fields: &mut Fields,
        record: &[u8],
        is_header: bool,
    ) -> Result<(), FieldError> {
        self.split_fields(fields, record)?;
        self.end_record(fields, is_header)
    }

    fn split_fields(&self, fields: &mut Fields, record: &[u8]) -> Result<(), FieldError> {
        if self.escape == Some(Escape::Postgres) && record == br"\." {
            return Err(END_OF_DATA);
        }
        fields.clear();
        let mut at = 0;
        loop {
            let is_quoted = self.quote.is_some() && record.get(at).copied() == self.quote;
            at = if is_quoted { self.quoted(fields, record, at + 1)? } else { self.bare(fields, record, at)? };
            if at == record.len() {
                return Ok(());
            }
            at += self.delimiter.len();
        }
    }

    /// Adds the field that begins at `start`, and returns where it ends.
    fn bare(&self, fields: &mut Fields, record: &[u8], start: usize) -> Result<usize, FieldError> {
        if let Some(end) = self.null(record, start) {
            fields.push_text(NULL, Quotes::Escaped);
            return Ok(end);
        }
        let mut text = Text::new(fields, start);
        let mut at = start;
        while let Some(byte) = record.get(at).copied() {
            if !self.stops.0[usize::from(byte)] {
                at += 1;
            } else if record[at..].starts_with(&self.delimiter) {
                self.check_overlap(record, at)?;
                break;
            } else if self.is_escape(byte) {
                at = text.escape(fields, self, record, at, false)?;
            } else if Some(byte) == self.quote {
                return Err(QUOTE_INSIDE);
            } else {
                self.check_character(record, at, false)?;
                at += 1;
            }
        }
        text.finish(fields, record, at, [Quotes::None, Quotes::Escaped]);
        Ok(at)
    }

    /// Adds the field whose text begins at `start`, and returns the position after its closing quote.
    fn quoted(&self, fields: &mut Fields, record: &[u8], start: usize) -> Result<usize, FieldError> {
        let mut text = Text::new(fields, start);
        let mut at = start;
        loop {
            let Some(byte) = record.get(at).copied() else {
                return Err(if self.multiline { UNCLOSED } else { UNCLOSED_ON_LINE });
            };
            if !self.stops.0[usize::from(byte)] {
                at += 1;
            } else if self.is_escape(byte) && self.quote != Some(byte) {
                at = text.escape(fields, self, record, at, true)?;
            } else if Some(byte) != self.quote {
                self.check_character(record, at, true)?;
                at += 1;
            } else if record.get(at + 1) == Some(&byte) {
                text.add(fields, record, at, byte, 2);
                at += 2;
            } else {
                text.finish(fields, record, at, [Quotes::Around, Quotes::Doubled]);
                let end = at + 1;
                let is_end = end == record.len() || record[end..].starts_with(&self.delimiter);
                return if is_end { Ok(end) } else { Err((Reason::BadQuoting, "text after a closing quote")) };
            }
        }
    }

    fn is_escape(&self, byte: u8) -> bool {
        self.escape.map(Escape::byte) == Some(byte)
    }

    /// The end of a field that is nothing but `\N`.
    fn null(&self, record: &[u8], start: usize) -> Option<usize> {
        let escape = self.escape.filter(|_| self.has_null).map(Escape::byte)?;
        let rest = record[start..].strip_prefix(&[escape, b'N'])?;
        (rest.is_empty() || rest.starts_with(&self.delimiter)).then_some(start + 2)
    }

    /// In `a|||b`, the delimiter `||` begins in two places. In `a||||b`, there is an empty field.
    fn check_overlap(&self, record: &[u8], at: usize) -> Result<(), FieldError> {
        let length = self.delimiter.len();
        let begins = |at: usize| record.get(at..).is_some_and(|rest| rest.starts_with(&self.delimiter));
        if self.overlaps && (1..length).any(|by| begins(at + by)) && !begins(at + length) {
            return Err(OVERLAP);
        }
        Ok(())
    }

    /// Checks a CR, an LF or a NUL that is not escaped.
    fn check_character(&self, record: &[u8], at: usize, is_quoted: bool) -> Result<(), FieldError> {
        let is_last = at + 1 == record.len();
        match (record[at], &self.record_end) {
            (0, _) => Err((Reason::BadCharacter, "a NUL byte")),
            (b'\r' | b'\n', Some(end)) if end.len() == 1 => Err(LINE_BREAK),
            (b'\n', None) if !(is_quoted && self.multiline) => Err(LINE_BREAK),
            // MySQL does not escape a carriage return.
            (b'\r', None) if self.escape == Some(Escape::Mysql) && !is_last => Ok(()),
            (b'\r', None) if record.get(at + 1) != Some(&b'\n') => Err(LONE_CR),
            _ => Ok(()),
        }
    }
}

/// The text of a field, of which a copy is made once it differs from the record.
struct Text {
    /// The beginning in the record of what is not copied yet.
    from: usize,
    copied_from: usize,
    is_copied: bool,
}

impl Text {
    fn new(fields: &Fields, start: usize) -> Self {
        Self { from: start, copied_from: fields.unescaped.len(), is_copied: false }
    }

    /// Adds the text up to `at`, and a byte that stands for the next `length`.
    fn add(&mut self, fields: &mut Fields, record: &[u8], at: usize, byte: u8, length: usize) {
        fields.unescaped.extend_from_slice(&record[self.from..at]);
        fields.unescaped.push(byte);
        self.from = at + length;
        self.is_copied = true;
    }

    /// Reads the escape at a position, and returns the position after it.
    fn escape(
        &mut self,
        fields: &mut Fields,
        special: &Special,
        record: &[u8],
        at: usize,
        is_quoted: bool,
    ) -> Result<usize, FieldError> {
        let Some(escape) = special.escape else { return Ok(at + 1) };
        match special.escaped(escape, &record[at..], is_quoted)? {
            Escaped::Literal => Ok(at + 1),
            Escaped::Byte(byte, length) => {
                self.add(fields, record, at, byte, length);
                Ok(at + length)
            }
        }
    }

    fn finish(self, fields: &mut Fields, record: &[u8], end: usize, [as_it_is, copied]: [Quotes; 2]) {
        if self.is_copied {
            fields.unescaped.extend_from_slice(&record[self.from..end]);
            fields.push(self.copied_from, fields.unescaped.len(), copied);
        } else {
            fields.push(self.from, end, as_it_is);
        }
    }
}
