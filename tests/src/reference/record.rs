//! Records and fields.

/// One record of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The physical line it begins on, from 1.
    pub line: u64,
    /// Its fields, or the reason why it cannot be split.
    pub fields: Result<Vec<Field>, &'static str>,
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its bytes, without the quotes around them and with `""` as one quote.
    pub bytes: Vec<u8>,
    /// Whether it was in quotes.
    pub quoted: bool,
}

/// Returns whether the record contains NUL, or a carriage return without a line feed.
pub(super) fn has_bad_character(record: &[u8]) -> bool {
    let next = record.iter().skip(1).map(Some).chain([None]);
    record.iter().zip(next).any(|(byte, next)| *byte == 0 || (*byte == b'\r' && next != Some(&b'\n')))
}
