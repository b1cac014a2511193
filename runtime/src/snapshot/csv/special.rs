//! Dialects with escapes, a delimiter of several bytes, another record end, or a delimiter at the end of each record.
//!
//! A record is found first, then split. An escape makes the next character part of a field, even a line break.

mod escapes;
mod framing;
mod splitting;

use crate::epoch::SourceFormat;
use crate::table::Escape;
pub(super) use framing::Progress;

/// The part of a dialect that plain exports do not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Special {
    delimiter: Box<[u8]>,
    /// Whether a delimiter can overlap with the next one, as `||` in `|||`.
    overlaps: bool,
    quote: Option<u8>,
    multiline: bool,
    /// `None` is LF or CR LF.
    record_end: Option<Box<[u8]>>,
    escape: Option<Escape>,
    /// Whether `\N` is NULL.
    has_null: bool,
    trailing_delimiter: bool,
    /// The bytes that are not simply part of a field.
    stops: Stops,
}

/// For each byte, whether it is in a set.
#[derive(PartialEq, Eq)]
struct Stops([bool; 256]);

impl Special {
    /// What is special about a format; `None` if nothing is.
    pub(super) fn from_format(format: &SourceFormat) -> Option<Self> {
        let SourceFormat { delimiter, long_delimiter, trailing_delimiter, record_end, escape, quote, .. } = format;
        if long_delimiter.is_none() && !trailing_delimiter && record_end.is_none() && escape.is_none() {
            return None;
        }
        let delimiter = long_delimiter.as_ref().map_or_else(|| vec![*delimiter], |text| text.clone().into_bytes());
        let mark = escape.map(Escape::byte);
        let stops = [Some(delimiter[0]), *quote, mark, Some(b'\r'), Some(b'\n'), Some(0)];
        Some(Self {
            overlaps: (1..delimiter.len()).any(|at| delimiter.starts_with(&delimiter[at..])),
            stops: Stops(std::array::from_fn(|byte| stops.iter().flatten().any(|stop| usize::from(*stop) == byte))),
            delimiter: delimiter.into(),
            quote: *quote,
            multiline: format.multiline,
            record_end: record_end.as_ref().map(|end| end.as_bytes().into()),
            escape: *escape,
            has_null: format.has_escaped_null(),
            trailing_delimiter: *trailing_delimiter,
        })
    }

    /// Returns whether records do not simply end with their lines.
    pub(super) fn has_own_ends(&self) -> bool {
        self.escape.is_some() || self.record_end.is_some()
    }

    /// The end of a record.
    pub(super) fn record_end(&self) -> &[u8] {
        self.record_end.as_deref().unwrap_or(b"\n")
    }
}

impl std::fmt::Debug for Stops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries((0..=u8::MAX).filter(|byte| self.0[usize::from(*byte)])).finish()
    }
}
