//! Holds back the last lines of a part, which are not rows.

use std::io::{self, Read};

use memchr::{memchr_iter, memrchr, memrchr_iter};
use regex::Regex;

use super::csv::MAX_RECORD;

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
}

struct Held {
    ending: Ending,
    buffer: Vec<u8>,
    /// The bytes that were passed on, and those that can be.
    passed: usize,
    released: usize,
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
}

impl<R: Read> Tail<R> {
    pub(crate) fn new(input: R, ending: Ending) -> Self {
        let held = match ending {
            Ending::None | Ending::Lines(0) => None,
            ending => Some(Held { ending, buffer: Vec::new(), passed: 0, released: 0, at_end: false }),
        };
        Self { input, held }
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
        self.held.as_ref().map_or(Ok(()), |held| held.check(rows))
    }
}

impl<R: Read> Read for Tail<R> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.held {
            None => self.input.read(buffer),
            Some(held) => held.read(&mut self.input, buffer),
        }
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
                let end = self.buffer.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).unwrap_or(0);
                return memrchr(b'\n', &self.buffer[..end]).map_or(0, |at| at + 1);
            }
        };
        // The line feed of the last line is not the end of the line before it.
        let own = usize::from(!self.at_end || self.buffer.last() == Some(&b'\n'));
        memrchr_iter(b'\n', &self.buffer).nth(lines - 1 + own).map_or(0, |at| at + 1)
    }

    fn check(&self, rows: u64) -> Result<(), BadEnding> {
        let ending = &self.buffer[self.released..];
        let trailer = match &self.ending {
            Ending::None => return Ok(()),
            Ending::Lines(lines) => {
                let open = usize::from(!ending.is_empty() && ending.last() != Some(&b'\n'));
                let held = memchr_iter(b'\n', ending).count() + open;
                return if held == *lines as usize { Ok(()) } else { Err(BadEnding::TooFewLines(*lines)) };
            }
            Ending::Trailer(trailer) => trailer,
        };
        let line = str::from_utf8(ending).unwrap_or_default().trim_end_matches(['\r', '\n']);
        let captures = trailer.captures(line).ok_or(BadEnding::NoTrailer)?;
        let count = (captures.len() > 1).then(|| captures.get(1).map_or("", |group| group.as_str()));
        match count {
            Some(count) if count.trim().parse() != Ok(rows) => Err(BadEnding::OtherCount(count.into())),
            _ => Ok(()),
        }
    }
}
