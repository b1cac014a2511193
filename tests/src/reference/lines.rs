//! The lines of a part that are not rows.

use runtime::table::{Source, Table};

use super::dialect;
use super::pattern::with_regex;

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
        let end = dialect::line_end(self.source);
        let mut lines: Vec<&[u8]> = split_inclusive(text, end);
        if self.has_head && self.source.skip_first > 0 {
            let head = self.source.skip_first as usize;
            // The first line that is not skipped shows how lines end.
            let has_cr = lines.get(head)?.ends_with(b"\r\n");
            lines[..head].fill(if has_cr && end == b"\n" { b"\r\n" } else { end });
        }
        if self.has_tail && self.source.final_newline && lines.last().is_some_and(|last| !last.ends_with(end)) {
            return None;
        }
        let mut count = None;
        if self.has_tail {
            for _ in 0..self.source.skip_last {
                lines.pop()?;
            }
            if let Some(trailer) = self.source.trailer {
                let last = loop {
                    let line = lines.pop()?;
                    let line = std::str::from_utf8(line.strip_suffix(end).unwrap_or(line)).ok()?;
                    let line = line.trim_end_matches('\r');
                    if !line.is_empty() {
                        break line;
                    }
                };
                let is_first = lines.is_empty();
                let last = last.strip_prefix('\u{FEFF}').filter(|_| is_first).unwrap_or(last);
                let digits = |group: regex::Match<'_>| group.as_str().trim().parse::<u64>().unwrap_or(u64::MAX);
                count = with_regex(&format!("^(?:{trailer})$"), |regex| {
                    let captures = regex.captures(last)?;
                    Some(captures.iter().nth(1).map(|group| group.map_or(u64::MAX, digits).to_string()))
                })?;
            }
        }
        // The lines at the beginning are not those at the end.
        let head = if self.has_head { self.source.skip_first as usize } else { 0 };
        (lines.len() >= head).then(|| (lines.concat(), count))
    }
}

/// The lines of a text, with their ends.
fn split_inclusive<'t>(text: &'t [u8], end: &[u8]) -> Vec<&'t [u8]> {
    let (mut lines, mut from) = (Vec::new(), 0);
    for at in 0..text.len() {
        if at >= from && text[at..].starts_with(end) {
            lines.push(&text[from..at + end.len()]);
            from = at + end.len();
        }
    }
    lines.extend(Some(&text[from..]).filter(|rest| !rest.is_empty()));
    lines
}
