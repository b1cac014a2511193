//! Finds the fields of a record with quotes, in whole blocks.
//!
//! A byte is inside quotes if the number of quotes up to it is odd. So a quote opens a field or is the second of two,
//! or it closes one or is the first of two; and what stands before the one and after the other shows whether the record
//! is right.

use super::bits::{BLOCK, Block, each, first, parity};

/// Calls `found` with the end of each field of the record that is the first `length` of the bytes, and whether quotes
/// are doubled in it. Returns false if the record contains a carriage return, a NUL byte or a misplaced quote; then the
/// fields are incomplete.
#[inline]
pub(super) fn find(bytes: &[u8], length: usize, delimiter: u8, quote: u8, mut found: impl FnMut(usize, bool)) -> bool {
    // What the block before says about the first byte of the next.
    let (mut is_open, mut starts_field, mut is_closed) = (0, 1, 0);
    let mut is_doubled = false;
    let mut at = 0;
    while at < length {
        let block = Block::beginning(&bytes[at..]);
        let record = first(length - at);
        let quotes = block.is(quote) & record;
        let inside = parity(quotes) ^ is_open;
        let ends = block.is(delimiter) & record & !inside;
        let (opening, closing) = (quotes & inside, quotes & !inside);
        let field_starts = ends << 1 | starts_field;
        let after_closing = closing << 1 | is_closed;
        let misplaced = opening & !(field_starts | after_closing) | after_closing & record & !(ends | opening);
        if misplaced | block.is_any([b'\r', 0, 0]) & record != 0 {
            return false;
        }
        let mut doubled = opening & after_closing;
        each(ends, |offset| {
            let before = first(offset);
            found(at + offset, is_doubled || doubled & before != 0);
            (is_doubled, doubled) = (false, doubled & !before);
        });
        is_doubled |= doubled != 0;
        (is_open, starts_field, is_closed) = (u64::MAX * (inside >> 63), ends >> 63, closing >> 63);
        at += BLOCK;
    }
    if is_open == 0 {
        found(length, is_doubled);
    }
    is_open == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, byte by byte; `None` if a quote is misplaced.
    fn find_bytewise(record: &[u8]) -> Option<Vec<(usize, bool)>> {
        let (mut found, mut at) = (Vec::new(), 0);
        loop {
            let mut is_doubled = false;
            if record.get(at) == Some(&b'"') {
                at += 1;
                loop {
                    at += record[at..].iter().position(|byte| *byte == b'"')? + 1;
                    if record.get(at) != Some(&b'"') {
                        break;
                    }
                    (is_doubled, at) = (true, at + 1);
                }
            }
            let rest = record[at..].iter().position(|byte| *byte == b',').unwrap_or(record.len() - at);
            let is_closed = at > 0 && record[at - 1] == b'"' && rest > 0 && record[at] != b',';
            if is_closed || record[at..at + rest].contains(&b'"') {
                return None;
            }
            at += rest;
            found.push((at, is_doubled));
            if at == record.len() {
                return Some(found);
            }
            at += 1;
        }
    }

    #[test]
    fn blocks_and_bytes_find_the_same() {
        const PIECES: [&str; 12] =
            [",", ",", "\",\"", "\",", ",\"", "\"\"", "\"", "plain", "two words", ",\"a, b\",", "line\nbreak", "é"];
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut dice = |sides: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 16) as usize % sides
        };
        let (mut right, mut doubled) = (0, 0);
        for round in 0..100_000 {
            let mut text: String = (0..dice(24)).map(|_| PIECES[dice(PIECES.len())]).collect();
            if round % 2 == 0 {
                let fields = text.split(',').map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
                text = fields.collect::<Vec<_>>().join(",");
            }
            let mut found = Vec::new();
            // The bytes after a record are ignored.
            let bytes = format!("{text}\n\",\"");
            let is_right = find(bytes.as_bytes(), text.len(), b',', b'"', |end, doubled| found.push((end, doubled)));
            assert_eq!(is_right.then_some(&found), find_bytewise(text.as_bytes()).as_ref(), "{text}");
            right += usize::from(is_right);
            doubled += found.iter().filter(|(_, is_doubled)| *is_doubled).count();
            let position = dice(text.len() + 1);
            if text.is_char_boundary(position) {
                text.insert(position, ['\r', '\0'][dice(2)]);
                assert!(!find(text.as_bytes(), text.len(), b',', b'"', |_, _| {}), "{text}");
            }
        }
        assert!(right > 50_000 && doubled > 10_000, "{right} right, {doubled} doubled");
    }
}
