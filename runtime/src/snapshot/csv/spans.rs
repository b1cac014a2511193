//! Finds records in dialects where they do not simply end with their lines.

use std::io::Read;

use memchr::memchr_iter;

use super::special::Progress;
use super::{Reader, Scanned, Span};

impl<R: Read> Reader<R> {
    /// The next record whose end is in the buffer, in a dialect with its own ends.
    pub(super) fn special_span(&mut self) -> Option<Span> {
        let is_comment = self.is_comment(self.start);
        let special = self.splitter.dialect.special.as_ref()?;
        let bytes = &self.buffer[self.start..self.end];
        let has_beginning = self.at_end || bytes.len() >= self.comment.as_ref().map_or(0, Vec::len);
        if !has_beginning {
            return None;
        }
        let Scanned { bytes: at, is_open, .. } = &mut self.scanned;
        let progress = Progress { at, is_open, is_crlf: &mut self.is_crlf };
        let end = special.find_end(bytes, is_comment, progress)?;
        let scanned = std::mem::take(&mut self.scanned);
        let from = self.start;
        self.start += end.total;
        Some(Span { from, to: from + end.length, lines: scanned.lines + end.lines, is_cut: scanned.is_cut })
    }

    /// The length of an incomplete record end at the end of the part.
    pub(super) fn partial_end(&self) -> usize {
        let unread = &self.buffer[self.start..self.end];
        self.splitter.dialect.special.as_ref().map_or(0, |special| special.partial_end(unread))
    }

    /// Counts the lines of a large record of which only the beginning is kept.
    pub(super) fn count_lines_beyond(&mut self, kept: usize) {
        if self.splitter.has_own_ends() {
            self.scanned.lines += memchr_iter(b'\n', &self.buffer[self.start + kept..self.end]).count() as u64;
        }
    }
}
