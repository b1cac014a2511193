//! Finds the ends of records.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use super::Special;
use crate::table::Escape;

/// The end of a record.
#[derive(Debug, Clone, Copy)]
pub(in crate::snapshot::csv) struct RecordEnd {
    /// The length of the record without its end.
    pub(in crate::snapshot::csv) length: usize,
    /// The length with its end.
    pub(in crate::snapshot::csv) total: usize,
    /// The number of lines, from the beginning of the record to its end.
    pub(in crate::snapshot::csv) lines: u64,
}

/// How far the search for the end of a record has come; it goes on there once there are more bytes.
pub(in crate::snapshot::csv) struct Progress<'a> {
    /// The number of bytes that were searched.
    pub(in crate::snapshot::csv) at: &'a mut usize,
    /// Whether the search is in quotes.
    pub(in crate::snapshot::csv) is_open: &'a mut bool,
    /// Whether the first line ended with CR LF, once that is known.
    pub(in crate::snapshot::csv) is_crlf: &'a mut Option<bool>,
}

impl Special {
    /// The end of the record that the bytes begin with; `None` if it is not among them.
    pub(in crate::snapshot::csv) fn find_end(
        &self,
        bytes: &[u8],
        is_comment: bool,
        progress: Progress<'_>,
    ) -> Option<RecordEnd> {
        let Progress { at: scanned, is_open, is_crlf } = progress;
        let end = self.record_end();
        let escape = self.escape.map(Escape::byte).filter(|_| !is_comment);
        let quote = self.quote.filter(|_| !is_comment && (self.multiline || escape.is_some()));
        // A line break that is not the end is found on the way, unless the end is something else.
        let mut has_more_lines = *scanned > 0 || end != b"\n";
        let mut at = *scanned;
        while let Some(offset) = next(&bytes[at..], end[0], escape, quote) {
            at += offset;
            *scanned = at;
            if Some(bytes[at]) == escape {
                let following = bytes.get(at + 1)?;
                // Outside quotes, a single character escapes nothing beyond its line.
                let ends_line = *following == end[0] && !*is_open && self.is_literal_outside_quotes();
                has_more_lines |= *following == b'\n';
                at += if ends_line { 1 } else { 2 };
            } else if Some(bytes[at]) == quote {
                *is_open = !*is_open;
                at += 1;
            } else if *is_open && self.multiline {
                has_more_lines = true;
                at += 1;
            } else if bytes[at..].starts_with(end) {
                return Some(self.record(bytes, at, has_more_lines, is_crlf));
            } else if end.starts_with(&bytes[at..]) {
                return None;
            } else {
                at += 1;
            }
        }
        *scanned = bytes.len();
        None
    }

    /// The length of a record end at the end of a part that lacks nothing but its line break.
    pub(in crate::snapshot::csv) fn partial_end(&self, bytes: &[u8]) -> usize {
        let partial = self.record_end.as_ref().and_then(|end| end.strip_suffix(b"\n"));
        partial.filter(|partial| bytes.ends_with(partial)).map_or(0, <[u8]>::len)
    }

    /// Returns whether the escape has no meaning outside quotes.
    pub(super) fn is_literal_outside_quotes(&self) -> bool {
        matches!(self.escape, Some(Escape::Char(_))) && self.quote.is_some()
    }

    fn record(&self, bytes: &[u8], at: usize, has_more_lines: bool, is_crlf: &mut Option<bool>) -> RecordEnd {
        let total = at + self.record_end().len();
        let lines = match memchr(b'\n', self.record_end()) {
            Some(_) if has_more_lines => memchr_iter(b'\n', &bytes[..total]).count() as u64,
            _ => 1,
        };
        let mut length = at;
        if self.record_end.is_none() {
            let has_cr = at > 0 && bytes[at - 1] == b'\r';
            // MySQL does not escape a carriage return: at the end of a line, it can belong to the last field. Splitting
            // refuses a record with another end than the first one.
            let is_usual = *is_crlf.get_or_insert(has_cr) == has_cr || self.escape != Some(Escape::Mysql);
            length = match (is_usual, has_cr) {
                (true, true) => at - 1,
                (true, false) | (false, true) => at,
                (false, false) => total,
            };
        }
        RecordEnd { length, total, lines }
    }
}

/// The position of the next byte that matters.
fn next(bytes: &[u8], end: u8, escape: Option<u8>, quote: Option<u8>) -> Option<usize> {
    match (escape, quote) {
        (None, None) => memchr(end, bytes),
        (Some(one), None) | (None, Some(one)) => memchr2(end, one, bytes),
        (Some(escape), Some(quote)) => memchr3(end, escape, quote, bytes),
    }
}
