//! Rows of both exports that wait for their counterpart, as they are in the file.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::arena::{MIN_BYTES, Slot};
use super::stored_row::{StoredRow, StoredRows};
use crate::engine::native::hash_join::entry::KeyHash;

/// The leading bits of a key's hash that select its shard.
const SHARD_BITS: u32 = 5;

/// The number of shards, each of which has a lock of its own.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;

/// The share of the memory that the rows take. The tables take less than the rest.
const ROWS: f64 = 0.875;

/// Rows that wait.
#[derive(Debug)]
pub(super) struct WaitingRows(Vec<Mutex<Shard>>);

/// Rows that wait, by the hashes of their keys.
#[derive(Debug)]
pub(super) struct Shard {
    table: HashTable<Waiter>,
    rows: StoredRows,
    /// A buffer.
    ahead: Vec<Slot>,
}

/// A row that waits.
#[derive(Debug, Clone, Copy)]
struct Waiter {
    /// Some bits of its key's hash, to look at few rows whose key is another.
    tag: u32,
    slot: Slot,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It waits for its counterpart.
    Waits,
    /// Its counterpart waited, and does not any more.
    Met,
    /// Another row of the same export with the same key waits.
    Repeated,
    /// It did not meet its counterpart, and there is no room for it.
    NoRoom,
}

impl WaitingRows {
    /// Room for rows of so many bytes; `None` if that is too little for any.
    pub(super) fn new(max_bytes: u64) -> Option<Self> {
        let of_shard = (max_bytes as f64 * ROWS) as u64 / SHARDS as u64;
        let shard = || Shard { table: HashTable::new(), rows: StoredRows::new(of_shard), ahead: Vec::new() };
        (of_shard >= MIN_BYTES).then(|| Self((0..SHARDS).map(|_| Mutex::new(shard())).collect()))
    }

    /// The number of the shard in which a key's rows wait.
    #[inline]
    pub(super) fn shard_of(key: KeyHash) -> usize {
        (key.0 >> (u64::BITS - SHARD_BITS)) as usize
    }

    /// Locks a shard.
    pub(super) fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.0[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards, once no row comes any more.
    pub(super) fn into_shards(self) -> Vec<Shard> {
        self.0.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

impl Shard {
    /// Reads the rows that rows with these keys will meet into the cache: all at once, so that the processor does not
    /// wait for each of them.
    pub(super) fn read_ahead(&mut self, keys: impl Iterator<Item = KeyHash>) {
        let Self { table, rows, ahead } = self;
        ahead.clear();
        let find = |key| table.find(hash(tag(key)), |waiter| waiter.tag == tag(key)).map(|waiter| waiter.slot);
        ahead.extend(keys.filter_map(find));
        black_box(ahead.iter().fold(0, |sum, slot| sum ^ rows.touch(*slot)));
    }

    /// Has a row meet its counterpart, which is given to `met` and removed. If that is not there, the row waits.
    #[inline]
    pub(super) fn meet(&mut self, row: &StoredRow<'_>, met: impl FnOnce(StoredRow<'_>)) -> Outcome {
        let (Self { table, rows, .. }, tag) = (self, tag(row.key));
        let is_same = |waiter: &Waiter| waiter.tag == tag && rows.key(waiter.slot) == row.key;
        match table.entry(hash(tag), is_same, |waiter| hash(waiter.tag)) {
            Entry::Occupied(found) => {
                let slot = found.get().slot;
                let counterpart = rows.get(slot);
                if counterpart.side == row.side {
                    return Outcome::Repeated;
                }
                met(counterpart);
                found.remove();
                rows.remove(slot);
                Outcome::Met
            }
            Entry::Vacant(room) => match rows.add(row) {
                Some(slot) => {
                    room.insert(Waiter { tag, slot });
                    Outcome::Waits
                }
                None => Outcome::NoRoom,
            },
        }
    }

    /// The slots of the rows that wait.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.table.iter().map(|waiter| waiter.slot)
    }

    /// The row in a slot.
    pub(super) fn row(&self, slot: Slot) -> StoredRow<'_> {
        self.rows.get(slot)
    }

    /// The rows that wait.
    pub(super) fn rows(&self) -> impl Iterator<Item = StoredRow<'_>> {
        self.slots().map(|slot| self.row(slot))
    }
}

/// The bits of a key's hash that are in the table.
fn tag(key: KeyHash) -> u32 {
    key.1 as u32
}

/// The hash by which the table finds a tag: it uses the lowest and the highest bits.
fn hash(tag: u32) -> u64 {
    u64::from(tag) << u32::BITS | u64::from(tag)
}
