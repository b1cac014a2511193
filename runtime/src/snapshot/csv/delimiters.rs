//! Finds the delimiters of a record, as long as nothing in it needs a closer look: a quote, a carriage return, NUL.

use super::bits::{BLOCK, Block, each, first};

/// Gives the place of each delimiter to `found`. The record is the first `length` of the bytes; behind it may stand
/// anything. False when the record needs a closer look; then some places may have been given for nothing.
#[inline]
pub(super) fn find(
    bytes: &[u8],
    length: usize,
    delimiter: u8,
    quote: Option<u8>,
    mut found: impl FnMut(usize),
) -> bool {
    let odd = [quote.unwrap_or(b'\r'), b'\r', 0];
    let mut at = 0;
    while at < length {
        let block = Block::beginning(&bytes[at..]);
        let inside = first(length - at);
        if block.is_any(odd) & inside != 0 {
            return false;
        }
        each(block.is(delimiter) & inside, |place| found(at + place));
        at += BLOCK;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, byte by byte.
    fn plainly(record: &[u8], delimiter: u8, quote: Option<u8>) -> Option<Vec<usize>> {
        let is_odd = |byte: &u8| [quote, Some(b'\r'), Some(0)].contains(&Some(*byte));
        let places = record.iter().enumerate().filter(|(_, byte)| **byte == delimiter).map(|(place, _)| place);
        (!record.iter().any(is_odd)).then(|| places.collect())
    }

    #[test]
    fn blocks_find_what_bytes_find() {
        let mut dice = 0x9e37_79b9_7f4a_7c15u64;
        let mut plain = 0;
        for length in (0..200).cycle().take(20_000) {
            let byte = |_| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                // Odd ones are rare, so that there are long records without any.
                if dice.is_multiple_of(500) {
                    b"\"\r\0"[dice as usize / 500 % 3]
                } else {
                    b"aaaa,, \xff"[dice as usize / 500 % 8]
                }
            };
            let record: Vec<u8> = (0..length).map(byte).collect();
            for (delimiter, quote) in [(b',', Some(b'"')), (b' ', None), (b'\xff', Some(b','))] {
                let mut found = Vec::new();
                // What stands behind a record is not looked at.
                let bytes = [&record[..], b"\r,\""].concat();
                let is_plain = find(&bytes, length, delimiter, quote, |place| found.push(place));
                let expected = plainly(&record, delimiter, quote);
                assert_eq!(is_plain.then_some(found), expected);
                plain += usize::from(is_plain);
            }
        }
        assert!(plain > 10_000, "{plain}");
    }
}
