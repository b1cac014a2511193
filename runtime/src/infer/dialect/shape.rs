//! The shape of records in a dialect, and what it says about other dialects.

use memchr::memchr;

use crate::infer::reading::{ESCAPED_NULL, Marks};
use crate::snapshot::csv::Record;

/// Punctuation that can be around a delimiter of several characters, and hardly ends every value of a table.
const AROUND: &[u8] = b"|~^#$&*!@[]{}<>:;,";

/// What is escaped by writers that escape nothing without need.
const NEED_ESCAPE: &[u8] = b"\\\"'\n\r\t|;,";

/// The shape of all records.
#[derive(Debug, Default)]
pub(in crate::infer) struct Shape {
    /// The number of fields in each version.
    pub(in crate::infer) fields: Vec<usize>,
    /// The first record of each part of each version; `None` if the part has no record.
    pub(in crate::infer) firsts: Vec<Vec<Option<Vec<Vec<u8>>>>>,
    /// The number of records of each part of each version.
    pub(in crate::infer) records: Vec<Vec<u64>>,
    /// Fields in quotes that are not empty.
    pub(super) quoted: u64,
    /// Without a quote: how often a field ends in one, after the same or an earlier field has begun with one.
    pub(super) wrapped: u64,
    /// How often a field begins with a quote, and ends with one.
    opened: u64,
    closed: u64,
    /// How often a field begins and ends with a single quote.
    single_quoted: u64,
    /// How often a field is `\N`, and how many others have a backslash.
    null_marks: u64,
    backslashes: u64,
    /// How many have one before a character that needs no escape.
    literal: u64,
    /// How many have two at the beginning and no other, as the name of a host in a network has.
    hosts: u64,
    /// How many records there are, and how many end with an empty field.
    all: u64,
    ended: u64,
    before: Edge,
    after: Edge,
    /// Of the first and of the last field.
    first: Edge,
    last: Edge,
    inner: Inner,
}

/// The character at the edge of all fields.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Edge {
    #[default]
    Unknown,
    Always(u8),
    Varies,
}

/// The text of every second field.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Inner {
    #[default]
    Unknown,
    Always(Vec<u8>),
    Varies,
}

impl Edge {
    fn add(&mut self, byte: Option<u8>) {
        *self = match (*self, byte) {
            (Edge::Unknown, Some(byte)) => Edge::Always(byte),
            (Edge::Always(known), Some(byte)) if known == byte => Edge::Always(known),
            _ => Edge::Varies,
        };
    }

    fn is_punctuation(self) -> bool {
        matches!(self, Edge::Always(byte) if is_mark(byte))
    }
}

impl Inner {
    fn add(&mut self, text: &[u8]) {
        match self {
            Inner::Unknown => *self = Inner::Always(text.to_vec()),
            Inner::Always(known) if known == text => {}
            Inner::Always(_) => *self = Inner::Varies,
            Inner::Varies => {}
        }
    }

    fn is_punctuation(&self) -> bool {
        matches!(self, Inner::Always(text) if text.iter().copied().all(is_mark))
    }
}

fn is_mark(byte: u8) -> bool {
    byte.is_ascii_control() || AROUND.contains(&byte)
}

impl Shape {
    /// The shape of no records in versions with so many fields.
    pub(in crate::infer) fn with_fields(fields: Vec<usize>) -> Self {
        Self { fields, ..Self::default() }
    }

    pub(in crate::infer) fn add(&mut self, record: &Record<'_>) {
        let last = record.len() - 1;
        let mut is_open = false;
        for (index, field) in record.iter().enumerate() {
            let text = field.text();
            self.quoted += u64::from(field.quoted && !text.is_empty());
            is_open |= text.len() > 1 && text.starts_with(b"\"");
            self.opened += u64::from(text.starts_with(b"\""));
            self.closed += u64::from(text.ends_with(b"\""));
            self.wrapped += u64::from(is_open && text.ends_with(b"\""));
            self.single_quoted += u64::from(text.len() > 1 && text.starts_with(b"'") && text.ends_with(b"'"));
            match !field.quoted && text == ESCAPED_NULL.as_bytes() {
                true => self.null_marks += 1,
                false => self.add_backslashes(text),
            }
            if index % 2 == 1 {
                self.inner.add(text);
            }
            if index < last {
                self.before.add(text.last().copied());
            }
            if index > 0 {
                self.after.add(text.first().copied());
            }
        }
        let field = record.field(last);
        self.first.add(record.field(0).text().first().copied());
        self.last.add(field.text().last().copied());
        self.all += 1;
        self.ended += u64::from(field.is_empty() && !field.quoted);
    }

    fn add_backslashes(&mut self, text: &[u8]) {
        let Some(mut at) = memchr(b'\\', text) else { return };
        self.backslashes += 1;
        let is_host = at == 0 && text.starts_with(b"\\\\") && memchr(b'\\', &text[2..]).is_none();
        self.hosts += u64::from(is_host && text != b"\\\\N");
        // A backslash at the end of a field can be before the delimiter.
        while let Some(next) = text.get(at + 1) {
            if !NEED_ESCAPE.contains(next) {
                self.literal += 1;
                return;
            }
            let Some(offset) = memchr(b'\\', &text[at + 2..]) else { return };
            at += 2 + offset;
        }
    }

    /// Returns whether there are several fields, and quotes do not seem to begin in one record and end in another.
    pub(super) fn is_table(&self) -> bool {
        self.fields.last().is_some_and(|fields| *fields > 1) && (self.opened == 0 || self.opened != self.closed)
    }

    /// Returns whether the delimiter seems to be a part of a longer one.
    pub(in crate::infer) fn has_long_delimiter(&self) -> bool {
        let fields = self.fields.last().copied().unwrap_or(0);
        let has_marks_inside = fields > 2 && self.inner.is_punctuation();
        fields > 1 && self.all > 1 && (has_marks_inside || self.before.is_punctuation() || self.after.is_punctuation())
    }

    /// Returns whether every record begins or ends with the same mark, which is not a part of its fields then.
    pub(super) fn has_marks_outside(&self) -> bool {
        self.all > 1 && (self.first.is_punctuation() || self.last.is_punctuation())
    }

    /// Returns whether single quotes are around some text, and are a part of it.
    pub(in crate::infer) fn has_single_quotes(&self) -> bool {
        self.single_quoted > 0
    }

    /// Returns whether every record ends with a delimiter, so that no column may be behind it.
    pub(super) fn is_trailing(&self) -> bool {
        self.all > 1 && self.ended == self.all && self.fields.last().is_some_and(|fields| *fields > 1)
    }

    /// Returns whether backslashes are written as by writers that escape: all of them are doubled or before a mark, and
    /// not only at the beginning of a name such as `\\host`; or `\N` is NULL.
    pub(super) fn has_escapes(&self) -> bool {
        let are_doubled = self.literal == 0 && self.hosts < self.backslashes;
        self.backslashes > 0 && (are_doubled || self.null_marks > 0)
    }

    /// What the choice of a dialect depends on beyond that it fits.
    pub(in crate::infer) fn signs(&self, marks: &Marks) -> [bool; 6] {
        let is_unquoted = marks.quote.is_none();
        [
            is_unquoted && self.wrapped > 0,
            is_unquoted && self.is_table(),
            self.has_long_delimiter(),
            self.quoted == 0 && self.single_quoted > 0,
            marks.escape.is_none() && self.has_escapes(),
            !marks.trailing_delimiter && self.is_trailing(),
        ]
    }
}
