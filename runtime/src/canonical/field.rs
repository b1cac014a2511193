//! One field of a row, as it is in a part.

use std::borrow::Cow;

/// The text of a field that is NULL by its escape, `\N`. No other field can have it, since NUL is refused.
pub(crate) const NULL: &[u8] = b"\0N";

/// The text of a field, without its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The text and whatever follows it in memory, so that a short text can be read as one block.
    bytes: &'a [u8],
    length: usize,
    /// Whether the field is quoted.
    pub quoted: bool,
}

impl<'a> Field<'a> {
    /// A field with this text.
    pub fn new(text: &'a [u8], quoted: bool) -> Self {
        Self { bytes: text, length: text.len(), quoted }
    }

    /// The field from `from` to `to` in a record.
    #[inline(always)]
    pub(crate) fn within(bytes: &'a [u8], from: u32, to: u32, quoted: bool) -> Self {
        Self { bytes: &bytes[from as usize..], length: (to - from) as usize, quoted }
    }

    /// The text.
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[..self.length]
    }

    /// The text for people.
    pub(crate) fn shown(&self) -> &'a [u8] {
        if self.text() == NULL { br"\N" } else { self.text() }
    }

    /// The text as it is in a part: with its quotes, if it has any, and with doubled quotes inside.
    pub(crate) fn as_delivered(&self, quote: Option<u8>) -> Cow<'a, [u8]> {
        let Some(quote) = quote.filter(|_| self.quoted) else { return Cow::Borrowed(self.shown()) };
        let mut text = vec![quote];
        for byte in self.text() {
            text.extend(std::iter::repeat_n(*byte, if *byte == quote { 2 } else { 1 }));
        }
        text.push(quote);
        Cow::Owned(text)
    }

    /// The length of the text in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the text is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A block that begins with the text and continues with anything; `None` if memory ends before the block does, or
    /// the text is longer than the block.
    #[inline]
    pub(crate) fn block<const SIZE: usize>(&self) -> Option<&'a [u8; SIZE]> {
        if self.length > SIZE { None } else { self.bytes.first_chunk() }
    }
}
