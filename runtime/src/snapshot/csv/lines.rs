//! Finds the records that end with lines, in whole blocks.

use std::io::Read;

use super::bits::{self, BLOCK, Block};
use super::{Reader, Scanned, Span};

/// The line ends of a block.
struct LineEnds {
    all: u64,
    /// Those that are not inside quotes, and so end records.
    of_records: u64,
}

/// Finds line ends and quotes.
struct Lines<'b> {
    /// The bytes from the start of a record on.
    bytes: &'b [u8],
    quote: u8,
    /// Whether the next byte is inside quotes: all bits or none.
    open: u64,
}

impl Lines<'_> {
    /// The line ends in the block at this place.
    #[inline]
    fn ends(&mut self, at: usize) -> LineEnds {
        let block = Block::beginning(&self.bytes[at..]);
        let unread = bits::first(self.bytes.len() - at);
        let inside = bits::parity(block.is(self.quote) & unread) ^ self.open;
        self.open = u64::MAX * (inside >> 63);
        let all = block.is(b'\n') & unread;
        LineEnds { all, of_records: all & !inside }
    }
}

impl<R: Read> Reader<R> {
    /// Appends the start and the end of all records whose ends are in the buffer.
    pub(super) fn whole_spans(&mut self, records: &mut Vec<(u32, u32)>) {
        let multiline = self.splitter.dialect.plain.multiline;
        if self.splitter.has_own_ends() || self.skipped.is_some() || self.comment.is_some() {
            while let Some(Span { from, to, lines, .. }) = self.whole_span() {
                self.line += lines;
                if from < to && !self.is_skipped(from, to) {
                    records.push((from as u32, to as u32));
                }
            }
        } else if let Some(quote) = self.splitter.dialect.plain.quote.filter(|_| multiline) {
            self.multiline_spans(quote, records);
        } else {
            self.line_spans(records);
        }
    }

    /// The same, where each line is a record.
    fn line_spans(&mut self, records: &mut Vec<(u32, u32)>) {
        let bytes = &self.buffer[..self.end];
        let mut at = self.start + self.scanned.bytes;
        while at < self.end {
            let ends = Block::beginning(&bytes[at..]).is(b'\n') & bits::first(self.end - at);
            bits::each(ends, |offset| {
                push(bytes, self.start, at + offset, records);
                self.start = at + offset + 1;
                self.line += 1;
            });
            at += BLOCK;
        }
        self.scanned = Scanned { bytes: self.end - self.start, ..Scanned::default() };
    }

    /// The same, where lines can end inside quotes.
    fn multiline_spans(&mut self, quote: u8, records: &mut Vec<(u32, u32)>) {
        let Scanned { bytes: scanned, mut lines, is_open, .. } = self.scanned;
        let bytes = &self.buffer[..self.end];
        let mut found = Lines { bytes, quote, open: if is_open { u64::MAX } else { 0 } };
        let mut at = self.start + scanned;
        while at < self.end {
            let ends = found.ends(at);
            bits::each(ends.of_records, |offset| {
                push(bytes, self.start, at + offset, records);
                self.start = at + offset + 1;
            });
            let last = bits::up_to_last(ends.of_records);
            lines += u64::from((ends.all & last).count_ones());
            if last != 0 {
                self.line += std::mem::take(&mut lines);
            }
            lines += u64::from((ends.all & !last).count_ones());
            at += BLOCK;
        }
        self.scanned = Scanned { bytes: self.end - self.start, lines, is_open: found.open != 0, is_cut: false };
    }

    /// The quote, if lines can end inside quotes and nothing else is to be looked for.
    #[inline]
    pub(super) fn quote_around_lines(&self) -> Option<u8> {
        let plain = self.splitter.dialect.plain;
        plain.quote.filter(|_| plain.multiline && self.comment.is_none())
    }

    /// The next record, where lines can end inside quotes; `None` if its end is not in the buffer.
    pub(super) fn multiline_span(&mut self, quote: u8) -> Option<Span> {
        let bytes = &self.buffer[self.start..self.end];
        let Scanned { bytes: mut at, mut lines, is_open, is_cut } = self.scanned;
        let mut found = Lines { bytes, quote, open: if is_open { u64::MAX } else { 0 } };
        while at < bytes.len() {
            let ends = found.ends(at);
            if ends.of_records != 0 {
                let offset = ends.of_records.trailing_zeros() as usize;
                lines += u64::from((ends.all & bits::first(offset + 1)).count_ones());
                let (from, end) = (self.start, at + offset);
                let to = from + end - usize::from(end > 0 && bytes[end - 1] == b'\r');
                self.scanned = Scanned::default();
                self.start = from + end + 1;
                return Some(Span { from, to, lines, is_cut });
            }
            lines += u64::from(ends.all.count_ones());
            at += BLOCK;
        }
        self.scanned = Scanned { bytes: bytes.len(), lines, is_open: found.open != 0, is_cut };
        None
    }
}

/// Appends the record that ends with the line end at `end`, without a CR before that, unless it is empty.
#[inline]
fn push(bytes: &[u8], from: usize, end: usize, records: &mut Vec<(u32, u32)>) {
    let to = if end > from && bytes[end - 1] == b'\r' { end - 1 } else { end };
    if from < to {
        records.push((from as u32, to as u32));
    }
}
