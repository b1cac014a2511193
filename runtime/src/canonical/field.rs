//! One field of a row as it stood in a part.

/// The text of a field, without its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The text, and whatever stands behind it in memory: so that a short text can be read as one block.
    bytes: &'a [u8],
    length: usize,
    /// Whether it was quoted.
    pub quoted: bool,
}

impl<'a> Field<'a> {
    /// A field of this text.
    pub fn new(text: &'a [u8], quoted: bool) -> Self {
        Self { bytes: text, length: text.len(), quoted }
    }

    /// The field between two places of a record.
    #[inline(always)]
    pub(crate) fn within(bytes: &'a [u8], from: u32, to: u32, quoted: bool) -> Self {
        Self { bytes: &bytes[from as usize..], length: (to - from) as usize, quoted }
    }

    /// The text.
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[..self.length]
    }

    /// Its length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the text is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A block that begins with the text and goes on with anything; `None` where memory ends before the block does, or
    /// the text goes on behind it.
    #[inline]
    pub(crate) fn block<const SIZE: usize>(&self) -> Option<&'a [u8; SIZE]> {
        if self.length > SIZE { None } else { self.bytes.first_chunk() }
    }
}
