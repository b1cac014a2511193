//! Finds the delimiters of a record, as long as nothing in it needs a closer look: a quote, a carriage return, NUL.

use wide::u8x16;

const BLOCK: usize = 16;

/// Gives the place of each delimiter to `found`. False when the record needs a closer look; then some places may have
/// been given for nothing.
#[inline]
pub(super) fn find(record: &[u8], delimiter: u8, quote: Option<u8>, mut found: impl FnMut(usize)) -> bool {
    let [delimiter, quote] = [delimiter, quote.unwrap_or(b'\r')].map(u8x16::splat);
    let (blocks, rest) = record.as_chunks::<BLOCK>();
    for (number, block) in blocks.iter().enumerate() {
        let (delimiters, odd) = look(*block, delimiter, quote);
        if odd != 0 {
            return false;
        }
        each(delimiters, |place| found(number * BLOCK + place));
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    // What stands behind the record is not looked at.
    let inside = (1u32 << rest.len()) - 1;
    let (delimiters, odd) = look(last, delimiter, quote);
    each(delimiters & inside, |place| found(blocks.len() * BLOCK + place));
    odd & inside == 0
}

/// A bit for each byte that is a delimiter, and one for each that needs a closer look.
#[inline]
fn look(block: [u8; BLOCK], delimiter: u8x16, quote: u8x16) -> (u32, u32) {
    let block = u8x16::new(block);
    let odd = block.simd_eq(quote) | block.simd_eq(u8x16::splat(b'\r')) | block.simd_eq(u8x16::splat(0));
    (block.simd_eq(delimiter).to_bitmask(), odd.to_bitmask())
}

#[inline]
fn each(mut bits: u32, mut found: impl FnMut(usize)) {
    while bits != 0 {
        found(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
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
                let is_plain = find(&record, delimiter, quote, |place| found.push(place));
                let expected = plainly(&record, delimiter, quote);
                assert_eq!(is_plain.then_some(found), expected);
                plain += usize::from(is_plain);
            }
        }
        assert!(plain > 10_000, "{plain}");
    }
}
