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
    /// How many of them are rows of the baseline.
    old_rows: usize,
    /// How many more bytes may be used.
    free_bytes: u64,
}

/// An unmatched row.
pub(super) struct UnmatchedRow {
    pub(super) side: Side,
    /// Its position in its export, from 0.
    pub(super) number: u64,
    /// The key of the row before it, if it is a row of the baseline.
    pub(super) previous_key: Option<Vec<u8>>,
    pub(super) key_hash: u128,
    key_length: usize,
    hash: i64,
    image: Box<[u8]>,
}

impl Unmatched {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { rows: HashMap::new(), old_rows: 0, free_bytes: max_bytes }
    }

    /// Removes the row that has the same key as this one.
    pub(super) fn take(&mut self, row: &Row) -> Option<UnmatchedRow> {
        if self.rows.is_empty() {
            return None;
        }
        let unmatched = self.rows.remove(&row.key_hash())?;
        self.free_bytes += unmatched.bytes();
        self.old_rows -= usize::from(unmatched.side == Side::Baseline);
        Some(unmatched)
    }

    /// Adds a row. With more rows than fit into memory, the exports do not have the same order.
    pub(super) fn insert(&mut self, row: UnmatchedRow) -> Result<(), Stop> {
        self.free_bytes = self.free_bytes.checked_sub(row.bytes()).ok_or(Stop::Fallback)?;
        self.old_rows += usize::from(row.side == Side::Baseline);
        self.rows.insert(row.key_hash, row);
        Ok(())
    }

    /// Removes the rows of one side, and returns them in the order of their export.
    pub(super) fn take_side(&mut self, side: Side) -> Vec<UnmatchedRow> {
        let number = if side == Side::Baseline { self.old_rows } else { self.rows.len() - self.old_rows };
        if number == 0 {
            return Vec::new();
        }
        let mut rows: Vec<UnmatchedRow> = self.rows.extract_if(|_, row| row.side == side).map(|(_, row)| row).collect();
        self.old_rows -= if side == Side::Baseline { number } else { 0 };
        self.free_bytes += rows.iter().map(UnmatchedRow::bytes).sum::<u64>();
        rows.sort_unstable_by_key(|row| row.number);
        rows
    }
}

impl UnmatchedRow {
    pub(super) fn new(side: Side, number: u64, previous_key: Option<Vec<u8>>, row: &Row, hash: i64) -> Self {
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
