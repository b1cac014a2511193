//! The rules of a consumer of operations, which the ones of this workspace share.
//!
//! Delivery is at least once, and in order at most within a part of a stream. Two rules make the effect exactly once,
//! in whichever order operations arrive:
//!
//! * An operation counts if its sequence is larger than the last one of its key. That number outlives the row, so that
//!   a late duplicate cannot bring it back.
//! * A version that is published in full replaces everything: no operation before it counts any more, and once it has
//!   ended, rows with a lower sequence are dropped.

use std::borrow::Cow;

use serde::Deserialize;

/// What every record of a stream says about itself, whichever table it is of.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// `BEGIN`, `END`, or the kind of an operation.
    #[serde(borrow)]
    pub op: Cow<'a, str>,
    /// The tenant.
    #[serde(borrow)]
    pub tenant: Cow<'a, str>,
    /// The table's name.
    #[serde(borrow)]
    pub table: Cow<'a, str>,
    /// The version's sequence.
    pub sequence: u64,
    /// `table@hash` of the schema.
    #[serde(borrow)]
    pub schema: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of a record. Fails if it is not one of a published version.
    pub fn from_json(record: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(record)
    }
}

/// Returns whether an operation counts. `last` is the last sequence applied to its key, and `full` that of the newest
/// version published in full; 0 if there is none.
pub fn counts(sequence: u64, last: u64, full: u64) -> bool {
    sequence > last && sequence >= full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_counts_if_it_is_newer_than_its_key_and_not_older_than_a_version_in_full() {
        for (sequence, last, full, expected) in
            [(1, 0, 0, true), (2, 2, 0, false), (3, 2, 0, true), (3, 2, 4, false), (4, 2, 4, true), (4, 4, 4, false)]
        {
            assert_eq!(counts(sequence, last, full), expected, "{sequence} after {last}, in full {full}");
        }
    }
}
