//! Lines and records that are not rows.

use std::io::{self, Read};

use memchr::memchr;

use super::Reader;

impl<R: Read> Reader<R> {
    /// Skips every record with these bytes from here on.
    pub(crate) fn skip_records(&mut self, record: Vec<u8>) {
        self.skipped = Some(record);
    }

    pub(super) fn is_skipped(&self, from: usize, to: usize) -> bool {
        self.skipped.as_ref().is_some_and(|skipped| *skipped == self.buffer[from..to]) || self.is_comment(from)
    }

    pub(super) fn is_comment(&self, from: usize) -> bool {
        self.comment.as_ref().is_some_and(|comment| self.buffer[from..self.end].starts_with(comment))
    }

    /// Skips lines that begin like this from here on.
    pub(crate) fn skip_comments(&mut self, comment: Option<&str>) {
        self.comment = comment.map(Into::into);
    }

    /// Skips so many lines. Returns whether there are more.
    pub(crate) fn skip_lines(&mut self, lines: u32) -> io::Result<bool> {
        self.skip_bom()?;
        for _ in 0..lines {
            self.line += 1;
            while memchr(b'\n', &self.buffer[self.start..self.end]).is_none() {
                self.start = self.end;
                if !self.fill()? {
                    return Ok(false);
                }
            }
            self.start += memchr(b'\n', &self.buffer[self.start..self.end]).map_or(0, |at| at + 1);
        }
        Ok(lines == 0 || self.start < self.end || self.fill()?)
    }
}
