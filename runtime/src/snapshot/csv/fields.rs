//! The positions of a record's fields.

use memchr::{memchr, memchr_iter, memchr2};

use super::bits::BLOCK;
use super::delimiters;
use super::plain::Plain;
use super::quoted;
use crate::canonical::field::Field;
use crate::reject::Reason;

/// The fields of one record; reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Fields {
    spans: Vec<Span>,
    /// The quotes of each field; empty if the record has none.
    quotes: Vec<Quotes>,
    /// The texts of fields with doubled quotes, with single ones.
    pub(super) unescaped: Vec<u8>,
    /// Whether the last record had quotes, so that the next one probably has.
    expects_quotes: bool,
}

/// The position of a field. A record is smaller than 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

/// The quotes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    None,
    Around,
    /// Around it, and doubled or escaped in it; its text is in `unescaped`.
    Doubled,
    /// None, but its text has escapes and is in `unescaped`.
    Escaped,
}

/// The reason why a record cannot be split, as data and for people.
pub(super) type FieldError = (Reason, &'static str);

const TEXT_AFTER_QUOTE: FieldError = (
    Reason::BadQuoting,
    "text after a closing quote; declare `quote: none` if fields are never quoted, or the `delimiter` if it is another",
);
const TEXT_AFTER_ESCAPED: FieldError =
    (Reason::BadQuoting, "text after a closing quote; declare `escape: \"\\\\\"` if a backslash escapes quotes");
pub(super) const QUOTE_INSIDE: FieldError =
    (Reason::BadQuoting, "a quote inside a field that is not quoted; declare `quote: none` if fields are never quoted");
pub(super) const UNCLOSED: FieldError = (Reason::BadQuoting, "a quote is never closed");
pub(super) const UNCLOSED_ON_LINE: FieldError =
    (Reason::BadQuoting, "a quote is not closed on its line; declare `multiline: true` if fields contain line breaks");

impl Fields {
    /// The number of fields.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The field at an index. The record's bytes may be followed by others.
    #[inline(always)]
    pub(super) fn field<'r>(&'r self, bytes: &'r [u8], index: usize) -> Field<'r> {
        let Span { start, end } = self.spans[index];
        let (bytes, is_quoted) = match self.quotes.get(index) {
            None | Some(Quotes::None) => (bytes, false),
            Some(Quotes::Around) => (bytes, true),
            Some(Quotes::Doubled) => (&self.unescaped[..], true),
            Some(Quotes::Escaped) => (&self.unescaped[..], false),
        };
        Field::within(bytes, start, end, is_quoted)
    }

    /// Splits the record that is the first `length` of the bytes.
    pub(super) fn split(&mut self, bytes: &[u8], length: usize, dialect: Plain) -> Result<(), FieldError> {
        // One pass over a record finds its delimiters and checks that it has no quotes, or that they are right.
        if !self.expects_quotes && self.split_unquoted(bytes, length, dialect) {
            return Ok(());
        }
        if dialect.quote.is_some_and(|quote| self.split_blocks(bytes, length, dialect.delimiter, quote)) {
            return Ok(());
        }
        self.spans.clear();
        self.quotes.clear();
        let record = &bytes[..length];
        check_characters(record)?;
        match dialect.quote {
            Some(quote) => self.split_quoted(record, dialect, quote),
            None => {
                self.split_plain(record, dialect.delimiter);
                Ok(())
            }
        }
    }

    /// Splits the beginning of a record, which may leave out what follows its first `count` fields, and may be wrong
    /// after them. Returns false if these fields do not end within a block, or need a closer look.
    pub(super) fn split_first(&mut self, bytes: &[u8], length: usize, dialect: Plain, count: usize) -> bool {
        let beginning = length.min(BLOCK);
        if self.expects_quotes || !self.split_unquoted(bytes, beginning, dialect) {
            let Some(quote) = dialect.quote else { return false };
            // The block may end within a field, so that its quotes are not closed.
            self.split_blocks(bytes, beginning, dialect.delimiter, quote);
        }
        self.spans.len() > count
    }

    /// Splits a record without quotes. Returns false if it has any, or a character that needs a closer look.
    fn split_unquoted(&mut self, bytes: &[u8], length: usize, dialect: Plain) -> bool {
        self.spans.clear();
        self.quotes.clear();
        let mut start = 0;
        let is_unquoted = delimiters::find(bytes, length, dialect.delimiter, dialect.quote, |end| {
            self.spans.push(Span { start, end: end as u32 });
            start = end as u32 + 1;
        });
        self.spans.push(Span { start, end: length as u32 });
        is_unquoted
    }

    /// Splits a record with quotes. Returns false if they are not right, or a character needs a closer look.
    fn split_blocks(&mut self, bytes: &[u8], length: usize, delimiter: u8, quote: u8) -> bool {
        self.clear();
        self.expects_quotes = false;
        let mut start = 0;
        quoted::find(bytes, length, delimiter, quote, |end, is_doubled| {
            let is_quoted = start < end && bytes[start] == quote;
            self.expects_quotes |= is_quoted;
            match (is_quoted, is_doubled) {
                (false, _) => self.push(start, end, Quotes::None),
                (true, false) => self.push(start + 1, end - 1, Quotes::Around),
                (true, true) => self.push_doubled(&bytes[start + 1..end - 1], quote),
            }
            start = end + 1;
        })
    }

    /// Adds the field with this text, in which each quote is doubled.
    fn push_doubled(&mut self, mut text: &[u8], quote: u8) {
        let start = self.unescaped.len();
        while let Some(at) = memchr(quote, text) {
            self.unescaped.extend_from_slice(&text[..=at]);
            text = &text[at + 2..];
        }
        self.unescaped.extend_from_slice(text);
        self.push(start, self.unescaped.len(), Quotes::Doubled);
    }

    fn split_plain(&mut self, record: &[u8], delimiter: u8) {
        let mut start = 0;
        for end in memchr_iter(delimiter, record).chain([record.len()]) {
            self.spans.push(Span { start, end: end as u32 });
            start = end as u32 + 1;
        }
    }

    /// Forgets the fields of the last record.
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.quotes.clear();
        self.unescaped.clear();
    }

    /// Adds a field with this text.
    pub(super) fn push_text(&mut self, text: &[u8], quotes: Quotes) {
        let start = self.unescaped.len();
        self.unescaped.extend_from_slice(text);
        self.push(start, self.unescaped.len(), quotes);
    }

    /// Removes the empty field after a delimiter at the end. It may only be missing where it is optional.
    pub(super) fn remove_last_empty(&mut self, is_optional: bool) -> Result<(), FieldError> {
        let is_quoted = !matches!(self.quotes.last(), None | Some(Quotes::None));
        match self.spans.last() {
            Some(last) if last.start == last.end && !is_quoted && self.spans.len() > 1 => {
                self.spans.pop();
                self.quotes.pop();
                Ok(())
            }
            _ if is_optional => Ok(()),
            _ => Err((Reason::FieldCount, "the row does not end with a delimiter, as `trailing_delimiter` says")),
        }
    }

    pub(super) fn push(&mut self, start: usize, end: usize, quotes: Quotes) {
        self.spans.push(Span { start: start as u32, end: end as u32 });
        self.quotes.push(quotes);
    }

    fn split_quoted(&mut self, record: &[u8], dialect: Plain, quote: u8) -> Result<(), FieldError> {
        self.unescaped.clear();
        let mut at = 0;
        loop {
            if record.get(at) == Some(&quote) {
                at = self.quoted_field(record, at + 1, quote, dialect.multiline)?;
                if record.get(at).is_some_and(|byte| *byte != dialect.delimiter) {
                    let is_escaped = at > 1 && record[at - 2] == b'\\';
                    return Err(if is_escaped { TEXT_AFTER_ESCAPED } else { TEXT_AFTER_QUOTE });
                }
            } else {
                let end = memchr(dialect.delimiter, &record[at..]).map_or(record.len(), |length| at + length);
                if memchr(quote, &record[at..end]).is_some() {
                    return Err(QUOTE_INSIDE);
                }
                self.push(at, end, Quotes::None);
                at = end;
            }
            if at >= record.len() {
                return Ok(());
            }
            at += 1;
        }
    }

    /// Adds the field whose text starts at `start`, and returns the position after its closing quote.
    fn quoted_field(&mut self, record: &[u8], start: usize, quote: u8, multiline: bool) -> Result<usize, FieldError> {
        let copied_from = self.unescaped.len();
        let (mut from, mut is_copied) = (start, false);
        loop {
            let Some(length) = memchr(quote, &record[from..]) else {
                return Err(if multiline { UNCLOSED } else { UNCLOSED_ON_LINE });
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
                self.push(copied_from, end, Quotes::Doubled);
            } else {
                self.push(start, end, Quotes::Around);
            }
            return Ok(end + 1);
        }
    }
}

/// Where lines end with it, all of them are one record.
pub(super) const LONE_CR: FieldError =
    (Reason::BadCharacter, "a carriage return without a line feed; declare `record_end: \"\\r\"` if it ends each line");

/// A CR that is not part of a line end and NUL are not allowed anywhere.
fn check_characters(record: &[u8]) -> Result<(), FieldError> {
    let mut from = 0;
    while let Some(length) = memchr2(b'\r', 0, &record[from..]) {
        let at = from + length;
        if record[at] == 0 {
            return Err((Reason::BadCharacter, "a NUL byte"));
        }
        if record.get(at + 1) != Some(&b'\n') {
            return Err(LONE_CR);
        }
        from = at + 1;
    }
    Ok(())
}
