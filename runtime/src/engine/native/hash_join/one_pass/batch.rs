//! The keys of the rows of a batch, and the rows that they meet.

use super::stored_row::{Position, StoredRow};
use super::waiting::{SHARDS, WaitingRows};
use crate::engine::native::hash_join::entry::KeyHash;
use crate::engine::request::Side;

/// The keys of the rows of a batch.
#[derive(Default)]
pub(super) struct BatchKeys {
    pub(super) hashes: Vec<KeyHash>,
    /// The rows sorted by shard, and where the rows of each shard begin.
    pub(super) by_shard: Vec<u32>,
    pub(super) starts: Vec<usize>,
    /// The row bytes of all keys in the baseline, and where each ends.
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<usize>,
}

/// Rows that have waited for those of a batch.
#[derive(Default)]
pub(super) struct Counterparts {
    /// The indexes of the rows of the batch whose counterparts had the same bytes.
    pub(super) identical: Vec<usize>,
    /// The other counterparts.
    pub(super) rows: Vec<Counterpart>,
    pub(super) bytes: Vec<u8>,
}

/// A row that has waited.
pub(super) struct Counterpart {
    /// The index of its counterpart in the batch.
    pub(super) at: usize,
    pub(super) position: Position,
    pub(super) fields: u32,
    pub(super) start: usize,
    pub(super) length: usize,
}

impl BatchKeys {
    /// Sorts the rows by shard. `starts` has the number of rows of each shard, one place further.
    pub(super) fn sort(&mut self) {
        for shard in 0..SHARDS {
            self.starts[shard + 1] += self.starts[shard];
        }
        self.by_shard.clear();
        self.by_shard.resize(self.hashes.len(), 0);
        let mut next: [usize; SHARDS] = std::array::from_fn(|shard| self.starts[shard]);
        for (at, hash) in self.hashes.iter().enumerate() {
            let next = &mut next[WaitingRows::shard_of(*hash)];
            self.by_shard[*next] = at as u32;
            *next += 1;
        }
    }

    /// The row bytes of the key of a row of the baseline.
    pub(super) fn key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// The row bytes of the key of the row before one of the baseline; `last` is the last one before the batch.
    pub(super) fn previous<'k>(&'k self, at: usize, last: &'k [u8]) -> &'k [u8] {
        match at.checked_sub(1) {
            _ if self.ends.is_empty() => &[],
            None => last,
            Some(before) => self.key(before),
        }
    }
}

impl Counterparts {
    pub(super) fn clear(&mut self) {
        self.identical.clear();
        self.rows.clear();
        self.bytes.clear();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.identical.len() + self.rows.len()
    }

    pub(super) fn add(&mut self, at: usize, row: &StoredRow<'_>) {
        let (record, length) = row.record;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&record[..length]);
        self.rows.push(Counterpart { at, position: row.position, fields: row.fields, start, length });
    }
}

impl Counterpart {
    /// The row as it has waited; `bytes` are those of all counterparts.
    pub(super) fn stored<'b>(&self, side: Side, key: KeyHash, bytes: &'b [u8]) -> StoredRow<'b> {
        let Self { position, fields, start, length, .. } = *self;
        StoredRow { side, key, position, fields, record: (&bytes[start..], length), previous_key: &[] }
    }
}
