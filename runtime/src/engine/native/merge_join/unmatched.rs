//! Rows whose counterpart was not nearby, until it comes.

use std::collections::HashMap;

use super::join_output::HashedRow;
use super::stop::Stop;
use crate::canonical::row::Row;
use crate::engine::request::Side;

/// The memory that a row takes in addition to its bytes, approximately.
const OVERHEAD: u64 = 128;

/// Unmatched rows of both exports, by the hash of their key.
pub(super) struct Unmatched {
    rows: HashMap<u128, UnmatchedRow>,
    /// How many more bytes may be used.
    free_bytes: u64,
}

/// An unmatched row.
pub(super) struct UnmatchedRow {
    pub(super) side: Side,
    /// Its position in its export, from 0.
    pub(super) number: u64,
    /// The key of the row before it, if it is a row of the baseline.
    pub(super) previous_key: Option<Box<[u8]>>,
    pub(super) key_hash: u128,
    key_length: usize,
    hash: i64,
    image: Box<[u8]>,
}

impl Unmatched {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { rows: HashMap::new(), free_bytes: max_bytes }
    }

    /// Removes the row that has the same key as this one.
    pub(super) fn take(&mut self, row: &Row) -> Option<UnmatchedRow> {
        if self.rows.is_empty() {
            return None;
        }
        let unmatched = self.rows.remove(&row.key_hash())?;
        self.free_bytes += unmatched.bytes();
        Some(unmatched)
    }

    /// Adds a row. With more rows than fit into memory, the exports do not have the same order.
    pub(super) fn insert(&mut self, row: UnmatchedRow) -> Result<(), Stop> {
        self.free_bytes = self.free_bytes.checked_sub(row.bytes()).ok_or(Stop::Fallback)?;
        self.rows.insert(row.key_hash, row);
        Ok(())
    }

    /// All rows, those of the baseline first, in the order of their exports.
    pub(super) fn into_rows(self) -> Vec<UnmatchedRow> {
        let mut rows: Vec<UnmatchedRow> = self.rows.into_values().collect();
        rows.sort_unstable_by_key(|row| (row.side == Side::Snapshot, row.number));
        rows
    }
}

impl UnmatchedRow {
    pub(super) fn new(side: Side, number: u64, previous_key: Option<Box<[u8]>>, row: &Row, hash: i64) -> Self {
        let (key_hash, key_length, image) = (row.key_hash(), row.key().len(), row.image().into());
        Self { side, number, previous_key, key_hash, key_length, hash, image }
    }

    pub(super) fn hashed(&self) -> HashedRow<'_> {
        let (key, values) = self.image.split_at(self.key_length);
        HashedRow { key, hash: self.hash, values }
    }

    fn bytes(&self) -> u64 {
        OVERHEAD + self.image.len() as u64
    }
}
