//! Rows that had no counterpart at hand when they came by.

use std::collections::HashMap;

use super::{HashedRow, Stop};
use crate::canonical::row::Row;
use crate::engine::Side;

/// What a row takes beside its bytes, roughly.
const OVERHEAD: u64 = 128;

/// Rows that wait, by their key's hash.
pub(super) struct Unmatched {
    waiting: HashMap<u128, Waiting>,
    /// How many more bytes may wait.
    room: u64,
}

/// One of them.
pub(super) struct Waiting {
    pub(super) side: Side,
    /// Its place in its export, from 0.
    pub(super) number: u64,
    /// The key of the row in front of it, where somebody asks for it.
    pub(super) behind: Option<Box<[u8]>>,
    pub(super) key_hash: u128,
    key_length: usize,
    hash: i64,
    image: Box<[u8]>,
}

impl Unmatched {
    /// None yet; `room` is how many bytes may wait.
    pub(super) fn new(room: u64) -> Self {
        Self { waiting: HashMap::new(), room }
    }

    /// The waiting row with the key of this one.
    pub(super) fn take(&mut self, row: &Row) -> Option<Waiting> {
        if self.waiting.is_empty() {
            return None;
        }
        let waiting = self.waiting.remove(&row.key_hash())?;
        self.room += waiting.bytes();
        Some(waiting)
    }

    /// A row begins to wait. Fails when too much waits for this to be a common order.
    pub(super) fn wait(&mut self, waiting: Waiting) -> Result<(), Stop> {
        self.room = self.room.checked_sub(waiting.bytes()).ok_or(Stop::Fallback)?;
        self.waiting.insert(waiting.key_hash, waiting);
        Ok(())
    }

    /// Those that have no counterpart, as they stand in their exports; the baseline's come first.
    pub(super) fn alone(self) -> Vec<Waiting> {
        let mut alone: Vec<Waiting> = self.waiting.into_values().collect();
        alone.sort_unstable_by_key(|waiting| (waiting.side == Side::Snapshot, waiting.number));
        alone
    }
}

impl Waiting {
    /// A row that begins to wait, with its row hash.
    pub(super) fn new(side: Side, number: u64, behind: Option<Box<[u8]>>, row: &Row, hash: i64) -> Self {
        let (key_hash, key_length, image) = (row.key_hash(), row.key().len(), row.image().into());
        Self { side, number, behind, key_hash, key_length, hash, image }
    }

    /// The row.
    pub(super) fn row(&self) -> HashedRow<'_> {
        let (key, values) = self.image.split_at(self.key_length);
        HashedRow { key, hash: self.hash, values }
    }

    fn bytes(&self) -> u64 {
        OVERHEAD + self.image.len() as u64
    }
}
