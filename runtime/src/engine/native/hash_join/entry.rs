//! What is kept of a row while keys are matched: 24 bytes.

use crate::canonical::row::Row;

/// The first bits of a key's hash that name its partition.
const PARTITION_BITS: u32 = 8;

/// How many partitions there are. A billion rows make partitions of 94 MB.
pub(super) const PARTITIONS: usize = 1 << PARTITION_BITS;

/// The XXH3-128 of a key's bytes, in two halves so that an entry needs no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyHash(pub(super) u64, pub(super) u64);

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: KeyHash,
    /// The row hash: over the compared columns.
    pub(super) row: i64,
}

impl KeyHash {
    /// The hash of a row's key.
    pub(super) fn of(row: &Row) -> Self {
        let hash = row.key_hash();
        Self((hash >> 64) as u64, hash as u64)
    }

    pub(super) fn partition(self) -> usize {
        (self.0 >> (u64::BITS - PARTITION_BITS)) as usize
    }
}
