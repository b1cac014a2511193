//! Holds back the last lines of a part, which are not rows.

use std::io::{self, Read};

use memchr::memmem;
use regex::Regex;

use super::csv::{BOM, MAX_RECORD};

/// How many bytes are read at a time.
const CHUNK: usize = 64 << 10;

/// Which lines at the end of a part are not rows.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// Every line can be a row.
    None,
    /// So many lines are skipped.
    Lines(u32),
    /// The last line that is not blank must match; its first group is the number of rows.
    Trailer(Regex),
}

/// A text without its last lines.
pub(crate) struct Tail<R> {
    input: R,
    /// `None` if nothing is held back.
    held: Option<Held>,
    /// `None` if the text need not end with the end of a line.
    last: Option<LastBytes>,
}

/// The last bytes of a text that must be the end of a line.
struct LastBytes {
    line_end: Box<[u8]>,
    bytes: Vec<u8>,
}

struct Held {
    ending: Ending,
    line_end: Box<[u8]>,
    buffer: Vec<u8>,
    /// The bytes that were passed on, and those that can be.
    passed: usize,
    released: usize,
    /// Whether any byte was passed on.
    has_passed: bool,
    at_end: bool,
}

/// Why the end of a part is not as declared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadEnding {
    /// There are fewer lines than are skipped.
    TooFewLines(u32),
    /// The last line is not the trailer.
    NoTrailer,
    /// The trailer counts other rows than were read, or its first group is not a number.
    OtherCount(String),
    /// The last line has no end.
    NoFinalNewline,
}

impl<R: Read> Tail<R> {
    /// A text with this ending, whose lines end like this. `is_complete` says that the last line has an end, too.
    pub(crate) fn new(input: R, ending: Ending, line_end: &[u8], is_complete: bool) -> Self {
        let held = match ending {
            Ending::None | Ending::Lines(0) => None,
            ending => Some(Held {
                ending,
                line_end: line_end.into(),
                buffer: Vec::new(),
                passed: 0,
                released: 0,
                has_passed: false,
                at_end: false,
            }),
        };
        let last = is_complete.then(|| LastBytes { line_end: line_end.into(), bytes: Vec::new() });
        Self { input, held, last }
    }

    /// The source of the text.
    pub(crate) fn get_ref(&self) -> &R {
        &self.input
    }

    /// The source of the text.
    pub(crate) fn into_inner(self) -> R {
        self.input
    }

    /// Checks the end of the text, after everything was read and had so many rows.
    pub(crate) fn check(&self, rows: u64) -> Result<(), BadEnding> {
        if self.last.as_ref().is_some_and(|last| !last.bytes.is_empty() && last.bytes != *last.line_end) {
            return Err(BadEnding::NoFinalNewline);
        }
        self.held.as_ref().map_or(Ok(()), |held| held.check(rows))
    }
}

impl<R: Read> Read for Tail<R> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (&mut self.held, &mut self.last) {
            (None, None) => self.input.read(buffer),
            (None, Some(last)) => Watched { input: &mut self.input, last }.read(buffer),
            (Some(held), None) => held.read(&mut self.input, buffer),
            (Some(held), Some(last)) => held.read(&mut Watched { input: &mut self.input, last }, buffer),
        }
    }
}

/// Remembers the last bytes that are read.
struct Watched<'a, R> {
    input: &'a mut R,
    last: &'a mut LastBytes,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let LastBytes { line_end, bytes } = self.last;
        bytes.extend_from_slice(&buffer[read.saturating_sub(line_end.len())..read]);
        bytes.drain(..bytes.len().saturating_sub(line_end.len()));
        Ok(read)
    }
}

impl Held {
    fn read(&mut self, input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        while self.passed == self.released && !self.at_end {
            self.fill(input)?;
        }
        let length = (self.released - self.passed).min(buffer.len());
        buffer[..length].copy_from_slice(&self.buffer[self.passed..self.passed + length]);
        self.passed += length;
        self.has_passed |= length > 0;
        Ok(length)
    }

    fn fill(&mut self, input: &mut impl Read) -> io::Result<()> {
        self.buffer.drain(..self.passed);
        (self.passed, self.released) = (0, 0);
        if self.buffer.len() > MAX_RECORD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "lines of more than 64 MiB at the end"));
        }
        let end = self.buffer.len();
        self.buffer.resize(end + CHUNK, 0);
        let read = input.read(&mut self.buffer[end..]);
        self.buffer.truncate(end + *read.as_ref().unwrap_or(&0));
        self.at_end = read? == 0;
        self.released = self.start_of_ending();
        Ok(())
    }

    /// The position of the first line that must be held back, or an earlier one before the end was read.
    fn start_of_ending(&self) -> usize {
        let lines = match self.ending {
            Ending::None => return self.buffer.len(),
            Ending::Lines(lines) => lines as usize,
            Ending::Trailer(_) => {
                let line = self.without_line_ends(&self.buffer);
                return memmem::rfind(line, &self.line_end).map_or(0, |at| at + self.line_end.len());
            }
        };
        // The end of the last line is not the end of the line before it.
        let own = usize::from(!self.at_end || self.buffer.ends_with(&self.line_end));
        let mut ends = memmem::rfind_iter(&self.buffer, &self.line_end);
        ends.nth(lines - 1 + own).map_or(0, |at| at + self.line_end.len())
    }

    fn without_line_ends<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let mut text = text;
        while let Some(shorter) = text.strip_suffix(&*self.line_end).or_else(|| text.strip_suffix(b"\r")) {
            text = shorter;
        }
        text
    }

    fn check(&self, rows: u64) -> Result<(), BadEnding> {
        let ending = &self.buffer[self.released..];
        let trailer = match &self.ending {
            Ending::None => return Ok(()),
            Ending::Lines(lines) => {
                let open = usize::from(!ending.is_empty() && !ending.ends_with(&self.line_end));
                let held = memmem::find_iter(ending, &self.line_end).count() + open;
                return if held == *lines as usize { Ok(()) } else { Err(BadEnding::TooFewLines(*lines)) };
            }
            Ending::Trailer(trailer) => trailer,
        };
        let line = self.without_line_ends(ending);
        // Where there is nothing before the trailer, the mark of the file is.
        let line = if self.has_passed { line } else { line.strip_prefix(BOM).unwrap_or(line) };
        let line = str::from_utf8(line).unwrap_or_default();
        let captures = trailer.captures(line).ok_or(BadEnding::NoTrailer)?;
        let count = (captures.len() > 1).then(|| captures.get(1).map_or("", |group| group.as_str()));
        match count {
            Some(count) if count.trim().parse() != Ok(rows) => Err(BadEnding::OtherCount(count.into())),
            _ => Ok(()),
        }
    }
}
