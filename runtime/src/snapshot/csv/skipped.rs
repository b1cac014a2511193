//! Lines and records that are not rows.

use std::io::{self, Read};

use memchr::memmem;

use super::Reader;

/// What is left after lines were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkippedLines {
    /// There are other lines.
    Some,
    /// There are no other lines.
    All,
    /// There were fewer lines.
    TooFew,
}

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

    /// Skips so many lines.
    pub(crate) fn skip_lines(&mut self, lines: u32) -> io::Result<SkippedLines> {
        self.skip_bom()?;
        let line_end = self.line_end();
        for _ in 0..lines {
            self.line += 1;
            loop {
                let unread = &self.buffer[self.start..self.end];
                if let Some(at) = memmem::find(unread, &line_end) {
                    self.start += at + line_end.len();
                    break;
                }
                // The end of a line can be cut at the end of the buffer.
                self.start += unread.len().saturating_sub(line_end.len() - 1);
                if !self.fill()? {
                    return Ok(SkippedLines::TooFew);
                }
            }
        }
        let has_more = lines == 0 || self.start < self.end || self.fill()?;
        Ok(if has_more { SkippedLines::Some } else { SkippedLines::All })
    }

    fn line_end(&self) -> Box<[u8]> {
        self.splitter.dialect.special.as_ref().map_or_else(|| Box::from(*b"\n"), |special| special.record_end().into())
    }
}
