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

/// Row bytes that are being written, in memory with room for more.
#[derive(Debug, Default, Clone)]
pub(crate) struct RowBytes {
    memory: Vec<u8>,
    length: usize,
}

/// The room for a short segment: at least what a timestamp takes.
const ROOM: usize = 32;

impl RowBytes {
    /// The bytes so far.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Forgets what comes after so many bytes.
    #[inline]
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Appends the segment of NULL.
    #[inline]
    pub(crate) fn push_null(&mut self) {
        self.push([b'-']);
    }

    /// Appends a few bytes.
    #[inline]
    pub(crate) fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        self.room()[..N].copy_from_slice(&bytes);
        self.length += N;
    }

    /// Appends any bytes.
    #[inline]
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.memory[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Appends `length:text`.
    pub(crate) fn push_text(&mut self, text: &[u8]) {
        if text.len() < 100 {
            let (label, size) = short_label(text.len());
            self.push_first(&label, size);
        } else {
            let (digits, from) = decimal(text.len());
            self.extend_from_slice(&digits[from..]);
            self.push([b':']);
        }
        self.extend_from_slice(text);
    }

    /// Appends `length:text` for the text of up to 16 bytes that this block begins with. Copies the whole block,
    /// because a call that copies a few bytes costs more.
    #[inline(always)]
    pub(crate) fn push_block(&mut self, block: &[u8; 16], length: usize) {
        let (label, size) = short_label(length);
        let room = self.room();
        room[..3].copy_from_slice(&label);
        room[size..][..16].copy_from_slice(block);
        self.length += size + length;
    }

    /// Appends the first `length` bytes of these, of which there are no more than in [`ROOM`].
    #[inline(always)]
    pub(crate) fn push_first<const N: usize>(&mut self, bytes: &[u8; N], length: usize) {
        self.room()[..N].copy_from_slice(bytes);
        self.length += length;
    }

    /// The memory after the bytes so far.
    #[inline(always)]
    fn room(&mut self) -> &mut [u8; ROOM] {
        self.make_room(ROOM);
        self.memory[self.length..].first_chunk_mut().expect("there is as much room")
    }

    #[inline(always)]
    fn make_room(&mut self, bytes: usize) {
        if self.memory.len() - self.length < bytes {
            self.grow(bytes);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) {
        let needed = self.length + bytes;
        self.memory.resize(needed + needed / 8 + ROOM, 0);
    }
}

/// A length below 100 and the colon after it, and how many bytes these are.
#[inline(always)]
fn short_label(length: usize) -> ([u8; 3], usize) {
    let digit = |number: usize| b'0' + number as u8;
    if length < 10 { ([digit(length), b':', 0], 2) } else { ([digit(length / 10), digit(length % 10), b':'], 3) }
}

/// Appends `length:text`.
#[inline]
pub(crate) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    write_number(text.len(), out);
    out.push(b':');
    out.extend_from_slice(text);
}

/// XXH3-128 of several texts as `length:text`, 32 hex digits.
pub(crate) fn hash_texts(texts: &[&str]) -> String {
    let mut bytes = Vec::new();
    texts.iter().for_each(|text| write_text(text.as_bytes(), &mut bytes));
    format!("{:032x}", xxh3_128(&bytes))
}

fn write_number(number: usize, out: &mut Vec<u8>) {
    let (digits, from) = decimal(number);
    out.extend_from_slice(&digits[from..]);
}

/// The digits of a number, and where the first of them is.
fn decimal(number: usize) -> ([u8; 20], usize) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return (digits, at);
        }
    }
}
