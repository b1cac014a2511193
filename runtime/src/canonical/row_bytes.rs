//! The bytes of a row: each column as `-`, or `length:text`.
//!
//! A column is `-` when it is NULL, otherwise the byte length of its canonical text, `:`, the text. A baseline value that
//! today's type cannot read is `!`, the length of its raw text, `:`, the raw text.

/// What stands in front of a baseline's value that today's type cannot read.
pub(super) const UNREADABLE: u8 = b'!';

/// One column of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The canonical text, or the raw text of a value that cannot be read; `None` is NULL.
    pub text: Option<&'a [u8]>,
    /// The bytes that stand for it in the image.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// Whether it is a value of the column's type, or NULL.
    pub fn is_readable(&self) -> bool {
        self.bytes.first() != Some(&UNREADABLE)
    }
}

/// The columns of an image, in its order.
pub fn segments(image: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = image;
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

/// The same for the text of up to 16 bytes that this block begins with: the whole block is copied, and what is too much is
/// cut off again, since a call to copy a few bytes costs more than the bytes.
#[inline]
pub(crate) fn write_block(block: &[u8; 16], length: usize, out: &mut Vec<u8>) {
    let mut bytes = [0; 19];
    bytes[3..].copy_from_slice(block);
    bytes[2] = b':';
    // Of the first ten lengths there is one digit.
    let from = usize::from(length < 10);
    bytes[0] = b'1';
    bytes[1] = b'0' + (if length < 10 { length } else { length - 10 }) as u8;
    let end = out.len() + 3 - from + length;
    out.extend_from_slice(&bytes[from..]);
    out.truncate(end);
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
