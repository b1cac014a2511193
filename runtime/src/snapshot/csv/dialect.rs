//! How fields and records are separated.

use crate::epoch::SourceFormat;

/// How fields and records are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a quoted field.
    pub quote: Option<u8>,
    /// Whether a quoted field can contain line breaks.
    pub multiline: bool,
}

impl Dialect {
    /// The dialect of exports in this format.
    pub fn from_format(format: &SourceFormat) -> Self {
        Self { delimiter: format.delimiter, quote: format.quote, multiline: format.multiline }
    }
}
