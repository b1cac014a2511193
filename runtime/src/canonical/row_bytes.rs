//! The bytes of a row: a segment for each column.
//!
//! A segment is `-` for NULL, otherwise the length of the canonical text in bytes, `:`, and the text. A baseline's
//! value that today's type cannot read is `!`, the length of its raw text, `:`, and the raw text.

use xxhash_rust::xxh3::xxh3_128;

/// Marks a baseline's value that today's type cannot read.
pub(super) const UNREADABLE: u8 = b'!';

/// One column in row bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The canonical text, or the raw text of an unreadable value; `None` is NULL.
    pub text: Option<&'a [u8]>,
    /// The whole segment.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// Returns whether it is a value of the column's type, or NULL.
    pub fn is_readable(&self) -> bool {
        self.bytes.first() != Some(&UNREADABLE)
    }
}

/// The columns of row bytes, in their order.
pub fn segments(row_bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = row_bytes;
    std::iter::from_fn(move || {
        let (first, _) = rest.split_first()?;
        let (length, text) = if *first == b'-' {
            (1, None)
        } else if let [digit @ b'0'..=b'9', b':', text @ ..] = rest {
            let size = usize::from(digit - b'0');
            (2 + size, Some(&text[..size]))
        } else if let [ten @ b'1'..=b'9', one @ b'0'..=b'9', b':', text @ ..] = rest {
            let size = usize::from(ten - b'0') * 10 + usize::from(one - b'0');
            (3 + size, Some(&text[..size]))
        } else {
            let colon = rest.iter().position(|byte| *byte == b':')?;
            let digits = usize::from(*first == UNREADABLE);
            let size = rest[digits..colon].iter().fold(0usize, |size, digit| size * 10 + usize::from(digit - b'0'));
            (colon + 1 + size, Some(&rest[colon + 1..colon + 1 + size]))
        };
        let (bytes, tail) = rest.split_at(length);
        rest = tail;
        Some(Segment { text, bytes })
    })
}

/// Appends `length:text`.
#[inline]
pub(crate) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    write_number(text.len(), out);
    out.push(b':');
    out.extend_from_slice(text);
}

/// Appends `length:text` for the text of up to 16 bytes that this block begins with. Copies the whole block and
/// truncates it, because a call that copies a few bytes costs more than copying the block.
#[inline]
pub(crate) fn write_block(block: &[u8; 16], length: usize, out: &mut Vec<u8>) {
    let mut bytes = [0; 19];
    bytes[3..].copy_from_slice(block);
    bytes[2] = b':';
    // Lengths below ten have one digit.
    let from = usize::from(length < 10);
    bytes[0] = b'1';
    bytes[1] = b'0' + (if length < 10 { length } else { length - 10 }) as u8;
    let end = out.len() + 3 - from + length;
    out.extend_from_slice(&bytes[from..]);
    out.truncate(end);
}

/// XXH3-128 of several texts as `length:text`, 32 hex digits.
pub(crate) fn hash_texts(texts: &[&str]) -> String {
    let mut bytes = Vec::new();
    texts.iter().for_each(|text| write_text(text.as_bytes(), &mut bytes));
    format!("{:032x}", xxh3_128(&bytes))
}

fn write_number(number: usize, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
