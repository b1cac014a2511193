//! Writes the operations of the rows that did not leave with their counterpart.

use std::sync::Arc;

use super::arena::Slot;
use super::reader::{PartRows, ThreadResult};
use super::stored_row::{Both, Position, StoredRow};
use super::waiting::Shard;
use crate::engine::deleted_rows::DeletedRows;
use crate::engine::native::scan::{FieldMap, RowReader};
use crate::engine::native::seen_keys::SeenKeys;
use crate::engine::output::{Layouts, Output};
use crate::engine::request::Side;
use crate::error::Result;

/// Writes operations in the order of the exports: the DELETEs, then the INSERTs and UPDATEs.
pub(super) struct OperationWriter<'a, 'o> {
    layouts: Layouts<'a>,
    maps: &'a [Arc<FieldMap>],
    readers: Both<RowReader<'a>>,
    pub(super) output: Output<'o>,
    pub(super) deleted: DeletedRows,
    /// The sums of the row hashes of the rows that were written.
    pub(super) fingerprints: Both<i128>,
}

/// Where a row is stored. There may be many, so that it is small.
enum RowSlot {
    /// In a shard.
    Single(u32, Slot),
    /// Among the pairs that a thread has found.
    Pair(u32, u32),
}

/// Returns whether all keys of an export are different, as far as pairs that left and rows that remain show that.
pub(super) fn are_distinct(found: &mut [ThreadResult], shards: &[Shard]) -> bool {
    let mut keys = SeenKeys::default();
    let mut add = |row: StoredRow<'_>| keys.add_hash(u128::from(row.key.1));
    shards.iter().flat_map(Shard::rows).for_each(&mut add);
    changed(found).for_each(|[old, _]| add(old));
    let left = found.iter_mut().map(|found| std::mem::take(&mut found.left));
    SeenKeys::are_distinct(left.chain([keys]).collect())
}

/// The rows of a side that wait.
fn waiting(shards: &[Shard], side: Side) -> impl Iterator<Item = (Position, RowSlot)> {
    (0..).zip(shards).flat_map(move |(number, shard)| {
        let rows = shard.slots().map(|slot| (shard.row(slot), slot)).filter(move |(row, _)| row.side == side);
        rows.map(move |(row, slot)| (row.position, RowSlot::Single(number, slot)))
    })
}

/// The pairs of rows that changed.
pub(super) fn changed(found: &[ThreadResult]) -> impl Iterator<Item = Both<StoredRow<'_>>> {
    found.iter().flat_map(|found| found.changed.iter().map(|pair| pair.map(|slot: Slot| found.changed_rows.get(slot))))
}

impl<'a, 'o> OperationWriter<'a, 'o> {
    pub(super) fn new(layouts: Layouts<'a>, maps: &'a [Arc<FieldMap>], output: Output<'o>) -> Self {
        let readers = [RowReader::new(layouts.before), RowReader::new(layouts.after)];
        Self { layouts, maps, readers, output, deleted: DeletedRows::default(), fingerprints: [0; 2] }
    }

    /// Writes a DELETE for each row of the baseline that waits. Returns false if a row cannot be read.
    pub(super) fn deletes(&mut self, shards: &[Shard], parts: &[PartRows]) -> Result<bool> {
        let mut rows: Vec<(Position, RowSlot)> = waiting(shards, Side::Baseline).collect();
        rows.sort_unstable_by_key(|(position, _)| *position);
        for (_, place) in rows {
            let RowSlot::Single(shard, slot) = place else { continue };
            let stored = shards[shard as usize].row(slot);
            let Some(row) = self.readers[0].read(stored.record, &self.maps[stored.fields as usize]) else {
                return Ok(false);
            };
            let hash = self.layouts.before.hash(row);
            self.fingerprints[0] += i128::from(hash);
            self.output.delete(row.key(), (hash, row.values()))?;
            let (number, previous) = in_export(&stored, parts);
            self.deleted.add_deleted(number, previous);
        }
        self.deleted.end(parts.iter().map(|part| part.rows).sum());
        Ok(true)
    }

    /// Writes an INSERT for each row of the snapshot that waits, and an UPDATE for each that changed. Returns false if
    /// a row cannot be read.
    pub(super) fn new_rows(&mut self, shards: &[Shard], found: &[ThreadResult]) -> Result<bool> {
        let updated = (0..).zip(found).flat_map(|(thread, found)| {
            let new = |pair: &[Slot; 2]| found.changed_rows.get(pair[1]).position;
            (0..).zip(&found.changed).map(move |(pair, slots)| (new(slots), RowSlot::Pair(thread, pair)))
        });
        let mut rows: Vec<(Position, RowSlot)> = waiting(shards, Side::Snapshot).chain(updated).collect();
        rows.sort_unstable_by_key(|(position, _)| *position);
        let ([old_reader, new_reader], Layouts { before, after }) = (&mut self.readers, self.layouts);
        for (_, place) in rows {
            let (old, new) = match place {
                RowSlot::Single(shard, slot) => (None, shards[shard as usize].row(slot)),
                RowSlot::Pair(thread, pair) => {
                    let found = &found[thread as usize];
                    let [old, new] = found.changed[pair as usize].map(|slot| found.changed_rows.get(slot));
                    (Some(old), new)
                }
            };
            let Some(row) = new_reader.read(new.record, &self.maps[new.fields as usize]) else { return Ok(false) };
            let hash = after.hash(row);
            self.fingerprints[1] += i128::from(hash);
            let Some(old) = old else {
                self.output.insert(row.key(), (hash, row.values()))?;
                continue;
            };
            let Some(old) = old_reader.read(old.record, &self.maps[old.fields as usize]) else { return Ok(false) };
            let previous_hash = before.hash(old);
            self.fingerprints[0] += i128::from(previous_hash);
            self.output.update(row.key(), (previous_hash, old.values()), (hash, row.values()))?;
        }
        Ok(true)
    }
}

/// The number of a row in the baseline, and the key of the row before it.
fn in_export<'r>(row: &'r StoredRow<'_>, parts: &'r [PartRows]) -> (u64, Option<&'r [u8]>) {
    let Position { part, number } = row.position;
    let (before, part) = (&parts[..part as usize], &parts[part as usize]);
    let previous = match number {
        0 => before.iter().rfind(|part| part.rows > 0).map(|part| part.last_key.as_slice()),
        _ => Some(row.previous_key),
    };
    (part.first + number, previous)
}
