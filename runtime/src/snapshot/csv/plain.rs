//! What every dialect has.

/// The bytes that separate fields, and those around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plain {
    /// The byte between two fields.
    pub(crate) delimiter: u8,
    /// The byte around a quoted field.
    pub(crate) quote: Option<u8>,
    /// Whether a quoted field can contain line breaks.
    pub(crate) multiline: bool,
}
