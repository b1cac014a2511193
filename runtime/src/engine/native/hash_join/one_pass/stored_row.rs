//! Rows as they are in the file, in an arena, with where they come from.

use super::arena::{Arena, Slot};
use crate::engine::native::hash_join::entry::KeyHash;
use crate::engine::native::scan::RecordBytes;
use crate::engine::request::Side;

/// The bytes in front of a row.
const HEADER: usize = 5 * size_of::<u64>();

/// The bit in the number of a row that says that it is in the snapshot.
const IN_SNAPSHOT: u64 = 1 << (u64::BITS - 1);

/// The bytes that the processor reads at once.
const LINE: usize = 64;

/// One for the baseline, one for the snapshot.
pub(super) type Both<T> = [T; 2];

/// Where a row comes from. Rows of a side sort like their positions in the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The index of its part.
    pub(super) part: u32,
    /// Its index in the part.
    pub(super) number: u64,
}

/// A row that is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredRow<'a> {
    pub(super) side: Side,
    pub(super) key: KeyHash,
    pub(super) position: Position,
    /// The index of its part's [`FieldMap`](crate::engine::native::scan::FieldMap).
    pub(super) fields: u32,
    /// The record; more bytes may follow.
    pub(super) record: RecordBytes<'a>,
    /// The row bytes of the key of the row before it, if it is in the baseline.
    pub(super) previous_key: &'a [u8],
}

impl StoredRow<'_> {
    /// The bytes of the record.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.record.0[..self.record.1]
    }
}

/// Rows.
#[derive(Debug)]
pub(super) struct StoredRows(Arena);

impl StoredRows {
    /// Room for rows of so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self(Arena::new(max_bytes))
    }

    /// Adds a row; `None` if there is no room for it.
    pub(super) fn add(&mut self, row: &StoredRow<'_>) -> Option<Slot> {
        let (record, length) = row.record;
        let slot = self.0.add(HEADER + length + row.previous_key.len())?;
        let (header, rest) = self.0.get_mut(slot).split_at_mut(HEADER);
        let (words, _) = header.as_chunks_mut::<8>();
        let pair = |high: u32, low: u32| u64::from(high) << u32::BITS | u64::from(low);
        let lengths = pair(row.previous_key.len() as u32, length as u32);
        let side = if row.side == Side::Snapshot { IN_SNAPSHOT } else { 0 };
        let values = [row.key.0, row.key.1, row.position.number | side, pair(row.position.part, row.fields), lengths];
        words.iter_mut().zip(values).for_each(|(word, value)| *word = value.to_le_bytes());
        rest[..length].copy_from_slice(&record[..length]);
        rest[length..length + row.previous_key.len()].copy_from_slice(row.previous_key);
        Some(slot)
    }

    /// The row in a slot.
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> StoredRow<'_> {
        let (header, rest) = self.0.get(slot).split_at(HEADER);
        let (words, _) = header.as_chunks::<8>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        let pair = |at: usize| ((word(at) >> u32::BITS) as u32, word(at) as u32);
        let ((part, fields), (previous, length)) = (pair(3), pair(4));
        let length = length as usize;
        StoredRow {
            side: if word(2) & IN_SNAPSHOT == 0 { Side::Baseline } else { Side::Snapshot },
            key: KeyHash(word(0), word(1)),
            position: Position { part, number: word(2) & !IN_SNAPSHOT },
            fields,
            record: (rest, length),
            previous_key: &rest[length..length + previous as usize],
        }
    }

    /// The hash of the key of the row in a slot.
    #[inline]
    pub(super) fn key(&self, slot: Slot) -> KeyHash {
        let (words, _) = self.0.get(slot).as_chunks::<8>();
        KeyHash(u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]))
    }

    /// Reads some bytes of the row in a slot.
    #[inline]
    pub(super) fn touch(&self, slot: Slot) -> u8 {
        let bytes = self.0.get(slot);
        [0, LINE, 2 * LINE].iter().fold(0, |sum, at| sum ^ bytes.get(*at).copied().unwrap_or_default())
    }

    /// Removes a row.
    pub(super) fn remove(&mut self, slot: Slot) {
        let StoredRow { record: (_, length), previous_key, .. } = self.get(slot);
        let bytes = HEADER + length + previous_key.len();
        self.0.remove(slot, bytes);
    }
}
