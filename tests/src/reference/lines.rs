//! The lines of a part that are not rows.

use regex::Regex;
use runtime::table::{Source, Table};

/// What is expected at the ends of a part.
pub struct Ends<'a> {
    source: &'a Source,
    has_head: bool,
    has_tail: bool,
}

impl<'a> Ends<'a> {
    /// Of a file that was split, only the first part has a head, and only the last a tail.
    pub fn new(table: &'a Table, is_first: bool, is_last: bool) -> Self {
        let is_split = table.source.first_part_header;
        Self { source: &table.source, has_head: !is_split || is_first, has_tail: !is_split || is_last }
    }

    /// The text with blank lines for those that are skipped, and the number of rows in the trailer, without its leading
    /// zeros; `None` if the text is not as declared.
    pub fn rows(&self, text: &[u8]) -> Option<(Vec<u8>, Option<String>)> {
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        if self.has_head && self.source.skip_first > 0 {
            let head = self.source.skip_first as usize;
            lines.get(head)?;
            lines[..head].fill(b"\n");
        }
        let mut count = None;
        if self.has_tail {
            for _ in 0..self.source.skip_last {
                lines.pop()?;
            }
            if let Some(trailer) = self.source.trailer {
                let last = loop {
                    let line = std::str::from_utf8(lines.pop()?).ok()?.trim_end_matches(['\r', '\n']);
                    if !line.is_empty() {
                        break line;
                    }
                };
                let captures = Regex::new(trailer).ok()?.captures(last)?;
                let digits = |group: regex::Match<'_>| group.as_str().trim().parse::<u64>().unwrap_or(u64::MAX);
                count = captures.iter().nth(1).map(|group| group.map_or(u64::MAX, digits).to_string());
            }
        }
        Some((lines.concat(), count))
    }
}
