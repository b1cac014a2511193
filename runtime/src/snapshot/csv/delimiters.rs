//! Finds the delimiters of a record that contains no quotes, carriage returns or NUL bytes.

use super::bits::{BLOCK, Block, each, first};

/// Calls `found` with the position of each delimiter in the record that is the first `length` of the bytes. Returns
/// false if the record contains a quote, a carriage return or a NUL byte; then the positions are incomplete.
#[inline]
pub(super) fn find(
    bytes: &[u8],
    length: usize,
    delimiter: u8,
    quote: Option<u8>,
    mut found: impl FnMut(usize),
) -> bool {
    let special = [quote.unwrap_or(b'\r'), b'\r', 0];
    let mut at = 0;
    while at < length {
        let block = Block::beginning(&bytes[at..]);
        let inside = first(length - at);
        if block.is_any(special) & inside != 0 {
            return false;
        }
        each(block.is(delimiter) & inside, |offset| found(at + offset));
        at += BLOCK;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, byte by byte.
    fn find_bytewise(record: &[u8], delimiter: u8, quote: Option<u8>) -> Option<Vec<usize>> {
        let is_special = |byte: &u8| [quote, Some(b'\r'), Some(0)].contains(&Some(*byte));
        let positions = record.iter().enumerate().filter(|(_, byte)| **byte == delimiter).map(|(at, _)| at);
        (!record.iter().any(is_special)).then(|| positions.collect())
    }

    #[test]
    fn blocks_and_bytes_find_the_same() {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut plain = 0;
        for length in (0..200).cycle().take(20_000) {
            let byte = |_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                // Special bytes are rare, so that there are long records without any.
                if random.is_multiple_of(500) {
                    b"\"\r\0"[random as usize / 500 % 3]
                } else {
                    b"aaaa,, \xff"[random as usize / 500 % 8]
                }
            };
            let record: Vec<u8> = (0..length).map(byte).collect();
            for (delimiter, quote) in [(b',', Some(b'"')), (b' ', None), (b'\xff', Some(b','))] {
                let mut found = Vec::new();
                // The bytes after a record are ignored.
                let bytes = [&record[..], b"\r,\""].concat();
                let is_plain = find(&bytes, length, delimiter, quote, |at| found.push(at));
                let expected = find_bytewise(&record, delimiter, quote);
                assert_eq!(is_plain.then_some(found), expected);
                plain += usize::from(is_plain);
            }
        }
        assert!(plain > 10_000, "{plain}");
    }
}
