//! What the index keeps of a row: 24 bytes.

use crate::canonical::row::Row;

/// The leading bits of a key's hash that select its partition.
const PARTITION_BITS: u32 = 8;

/// The number of partitions. A billion rows make partitions of 94 MB.
pub(super) const PARTITIONS: usize = 1 << PARTITION_BITS;

/// The XXH3-128 of a key's row bytes, in two halves so that an entry needs no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyHash(pub(super) u64, pub(super) u64);

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: KeyHash,
    /// The row hash, which covers the compared columns.
    pub(super) row: i64,
}

impl KeyHash {
    /// The hash of a row's key.
    pub(super) fn new(row: &Row) -> Self {
        let hash = row.key_hash();
        Self((hash >> 64) as u64, hash as u64)
    }

    pub(super) fn partition(self) -> usize {
        (self.0 >> (u64::BITS - PARTITION_BITS)) as usize
    }
}
