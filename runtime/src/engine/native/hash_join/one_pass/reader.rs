//! Reads parts of an export, and has each row meet its counterpart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::arena::Slot;
use super::batch::{BatchKeys, Counterparts};
use super::stored_row::{Position, StoredRow, StoredRows};
use super::waiting::{Outcome, SHARDS, Shard, WaitingRows};
use crate::canonical::row::Layout;
use crate::engine::native::hash_join::entry::KeyHash;
use crate::engine::native::hash_join::index::Index;
use crate::engine::native::scan::{self, FieldMap, RowReader};
use crate::engine::native::seen_keys::SeenKeys;
use crate::engine::output::Layouts;
use crate::engine::request::Side;
use crate::engine::resources::Resources;
use crate::error::Result;
use crate::snapshot::csv::Batch;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// If fewer rows than one in so many meet their counterpart once there is no room, the others are not looked up.
const MIN_MET: usize = 8;

/// What the threads of both exports share.
pub(super) struct Shared<'a> {
    layouts: Layouts<'a>,
    waiting: WaitingRows,
    /// The field maps of all parts, each once.
    maps: Mutex<Vec<Arc<FieldMap>>>,
    /// Whether a row cannot be read, or a key appears twice.
    is_irregular: AtomicBool,
    /// Whether rows become entries without being looked up.
    is_full: AtomicBool,
}

/// What one thread may use.
#[derive(Clone, Copy)]
pub(super) struct ThreadLimits<'a> {
    /// For entries.
    pub(super) entries: Resources<'a>,
    /// For rows that changed, in bytes.
    pub(super) changed: u64,
    /// How many pairs may leave.
    pub(super) pairs: u64,
}

/// What one thread found out.
pub(super) struct ThreadResult {
    /// The keys of the pairs that left.
    pub(super) left: SeenKeys,
    /// The number of these pairs.
    pub(super) pairs: u64,
    /// The sums of their row hashes in the baseline and in the snapshot.
    pub(super) fingerprints: [i128; 2],
    /// The rows of the pairs that changed, the old one first.
    pub(super) changed: Vec<[Slot; 2]>,
    pub(super) changed_rows: StoredRows,
    /// The entries of rows for which there was no room, of the baseline and of the snapshot.
    pub(super) entries: [Index; 2],
    /// The parts that were read.
    pub(super) parts: Vec<PartRows>,
}

/// The rows of a part that was read.
pub(super) struct PartRows {
    /// The index of the part.
    pub(super) part: u32,
    /// The part, with the checksum of the bytes that were read.
    pub(super) read: Part,
    /// The number of rows in the parts before it, once these are read.
    pub(super) first: u64,
    /// The number of its rows.
    pub(super) rows: u64,
    /// The row bytes of the key of the last one, in the baseline.
    pub(super) last_key: Vec<u8>,
}

/// Reads parts of one export.
pub(super) struct PartReader<'a> {
    shared: &'a Shared<'a>,
    side: Side,
    room: ThreadLimits<'a>,
    /// Readers of rows of the baseline and of the snapshot.
    readers: [RowReader<'a>; 2],
    maps: Vec<Arc<FieldMap>>,
    found: ThreadResult,
    batch: BatchKeys,
    counterparts: Counterparts,
    /// The row bytes of the key of the last row, in the baseline.
    last_key: Vec<u8>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(layouts: Layouts<'a>, waiting: WaitingRows) -> Self {
        let (maps, is_irregular, is_full) = (Mutex::default(), AtomicBool::new(false), AtomicBool::new(false));
        Self { layouts, waiting, maps, is_irregular, is_full }
    }

    /// Returns whether a row cannot be read, or a key appears twice.
    pub(super) fn is_irregular(&self) -> bool {
        self.is_irregular.load(Ordering::Relaxed)
    }

    fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// The field maps, and the rows that still wait.
    pub(super) fn into_parts(self) -> (Vec<Arc<FieldMap>>, Vec<Shard>) {
        (self.maps.into_inner().unwrap_or_else(PoisonError::into_inner), self.waiting.into_shards())
    }

    fn maps(&self) -> Vec<Arc<FieldMap>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The index of a map among all of them, and all of them.
    fn add_map(&self, map: FieldMap) -> (u32, Vec<Arc<FieldMap>>) {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        let known = maps.iter().position(|other| **other == map);
        let index = known.unwrap_or_else(|| {
            maps.push(Arc::new(map));
            maps.len() - 1
        });
        (index as u32, maps.clone())
    }
}

impl ThreadResult {
    fn new(room: ThreadLimits<'_>) -> Self {
        Self {
            left: SeenKeys::default(),
            pairs: 0,
            fingerprints: [0; 2],
            changed: Vec::new(),
            changed_rows: StoredRows::new(room.changed),
            entries: [Index::empty(), Index::empty()],
            parts: Vec::new(),
        }
    }

    /// Takes two rows of the same bytes. Returns false if they cannot be read.
    fn identical(
        &mut self,
        layout: &Layout,
        reader: &mut RowReader<'_>,
        fields: &FieldMap,
        row: &StoredRow<'_>,
    ) -> bool {
        let Some(read) = reader.read(row.record, fields) else { return false };
        self.leave(row.key, [layout.hash(read); 2]);
        true
    }

    /// Takes the two rows of a key. Returns false if one of them cannot be read.
    fn pair(
        &mut self,
        Layouts { before, after }: Layouts<'_>,
        [old_reader, new_reader]: &mut [RowReader<'_>; 2],
        maps: &[Arc<FieldMap>],
        [old, new]: [StoredRow<'_>; 2],
        room: ThreadLimits<'_>,
    ) -> Result<bool> {
        let Some(new_row) = new_reader.read(new.record, &maps[new.fields as usize]) else { return Ok(false) };
        let new_hash = after.hash(new_row);
        let Some(old_row) = old_reader.read(old.record, &maps[old.fields as usize]) else { return Ok(false) };
        if before.compared(old_row) == after.compared(new_row) {
            self.leave(new.key, [before.hash(old_row), new_hash]);
        } else if let Some(slots) = self.changed_rows.add(&old).zip(self.changed_rows.add(&new)) {
            self.changed.push(slots.into());
        } else {
            self.entries[0].add(old_row, before, room.entries)?;
            self.entries[1].add(new_row, after, room.entries)?;
        }
        Ok(true)
    }

    /// Counts a pair that did not change.
    fn leave(&mut self, key: KeyHash, hashes: [i64; 2]) {
        self.left.add_hash(key.1.into());
        self.pairs += 1;
        self.fingerprints = std::array::from_fn(|side| self.fingerprints[side] + i128::from(hashes[side]));
    }
}

impl<'a> PartReader<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, side: Side, room: ThreadLimits<'a>) -> Self {
        Self {
            shared,
            side,
            room,
            readers: [RowReader::new(shared.layouts.before), RowReader::new(shared.layouts.after)],
            maps: Vec::new(),
            found: ThreadResult::new(room),
            batch: BatchKeys::default(),
            counterparts: Counterparts::default(),
            last_key: Vec::new(),
        }
    }

    pub(super) fn into_result(self) -> ThreadResult {
        self.found
    }

    /// Reads a part, unless something is irregular.
    pub(super) fn read(&mut self, export: &Export, index: u32, watch: &Watch) -> Result<()> {
        let part = &export.parts[index as usize];
        let layout = [self.shared.layouts.before, self.shared.layouts.after][self.side as usize];
        let mut open = scan::open(export, part, layout)?;
        let fields;
        (fields, self.maps) = self.shared.add_map(open.fields);
        let (mut batch, mut position) = (Batch::default(), Position { part: index, number: 0 });
        self.last_key.clear();
        while open.reader.next_batch(&mut batch).map_err(|error| scan::unreadable(error, &open.path))? {
            watch.checkpoint(batch.len() as u64)?;
            if self.shared.is_irregular() || !self.take(&batch, position, fields)? {
                self.shared.is_irregular.store(true, Ordering::Relaxed);
                return Ok(());
            }
            position.number += batch.len() as u64;
        }
        let read = scan::close(open.reader, &open.path, part, position.number)?;
        let last_key = std::mem::take(&mut self.last_key);
        self.found.parts.push(PartRows { part: index, read, first: 0, rows: position.number, last_key });
        Ok(())
    }

    /// Takes the rows of a batch. Returns false if one of them is irregular.
    fn take(&mut self, batch: &Batch, first: Position, fields: u32) -> Result<bool> {
        if self.shared.is_full() {
            return self.add_entries(batch, 0..batch.len(), fields);
        }
        if !self.read_keys(batch, fields) {
            return Ok(false);
        }
        let Some(no_room) = self.meet(batch, first, fields) else { return Ok(false) };
        let (counterparts, mut is_regular) = (std::mem::take(&mut self.counterparts), true);
        if counterparts.rows.iter().any(|row| row.fields as usize >= self.maps.len()) {
            self.maps = self.shared.maps();
        }
        let (layouts, side) = (self.shared.layouts, self.side as usize);
        for at in &counterparts.identical {
            let row = self.stored(batch, *at, first, fields);
            let (reader, map) = (&mut self.readers[side], &self.maps[fields as usize]);
            is_regular &= self.found.identical(layouts.after, reader, map, &row);
        }
        for row in &counterparts.rows {
            let other = row.stored(self.side.other(), self.batch.hashes[row.at], &counterparts.bytes);
            let own = self.stored(batch, row.at, first, fields);
            let (old, new) = if self.side == Side::Baseline { (own, other) } else { (other, own) };
            is_regular &= self.found.pair(layouts, &mut self.readers, &self.maps, [old, new], self.room)?;
        }
        let has_met_few = !no_room.is_empty() && counterparts.len() < batch.len() / MIN_MET;
        if has_met_few || self.found.pairs > self.room.pairs {
            self.shared.is_full.store(true, Ordering::Relaxed);
        }
        self.counterparts = counterparts;
        Ok(is_regular && self.add_entries(batch, no_room.into_iter(), fields)?)
    }

    /// Reads the keys of a batch, and sorts its rows by shard. Returns false if a key cannot be read.
    fn read_keys(&mut self, batch: &Batch, fields: u32) -> bool {
        let (keys, reader) = (&mut self.batch, &mut self.readers[self.side as usize]);
        keys.hashes.clear();
        keys.bytes.clear();
        keys.ends.clear();
        keys.starts.clear();
        keys.starts.resize(SHARDS + 1, 0);
        for at in 0..batch.len() {
            let Some(key) = reader.read_key(batch.with_following(at), &self.maps[fields as usize]) else {
                return false;
            };
            if self.side == Side::Baseline {
                keys.bytes.extend_from_slice(key);
                keys.ends.push(keys.bytes.len());
            }
            let hash = KeyHash::new(reader.row());
            keys.starts[WaitingRows::shard_of(hash) + 1] += 1;
            keys.hashes.push(hash);
        }
        keys.sort();
        true
    }

    /// Has each row of the batch meet its counterpart, or wait. Returns the rows for which there is no room; `None` if
    /// a key appears twice.
    fn meet(&mut self, batch: &Batch, first: Position, fields: u32) -> Option<Vec<usize>> {
        let (keys, mut no_room) = (&self.batch, Vec::new());
        self.counterparts.clear();
        let are_read_alike = std::ptr::eq(self.shared.layouts.before, self.shared.layouts.after);
        for shard in 0..SHARDS {
            let rows = &keys.by_shard[keys.starts[shard]..keys.starts[shard + 1]];
            if rows.is_empty() {
                continue;
            }
            let mut waiting = self.shared.waiting.shard(shard);
            waiting.read_ahead(rows.iter().map(|at| keys.hashes[*at as usize]));
            for at in rows.iter().map(|at| *at as usize) {
                let row = StoredRow {
                    previous_key: keys.previous(at, &self.last_key),
                    ..self.stored(batch, at, first, fields)
                };
                let met = |counterpart: StoredRow<'_>| {
                    let is_same = are_read_alike && counterpart.fields == fields && counterpart.bytes() == row.bytes();
                    if is_same { self.counterparts.identical.push(at) } else { self.counterparts.add(at, &counterpart) }
                };
                match waiting.meet(&row, met) {
                    Outcome::Waits | Outcome::Met => {}
                    Outcome::NoRoom => no_room.push(at),
                    Outcome::Repeated => return None,
                }
            }
        }
        if let Some(last) = keys.ends.len().checked_sub(1) {
            self.last_key.clear();
            self.last_key.extend_from_slice(keys.key(last));
        }
        Some(no_room)
    }

    /// A row of a batch.
    fn stored<'b>(&self, batch: &'b Batch, at: usize, first: Position, fields: u32) -> StoredRow<'b> {
        StoredRow {
            side: self.side,
            key: self.batch.hashes[at],
            position: Position { number: first.number + at as u64, ..first },
            fields,
            record: batch.with_following(at),
            previous_key: &[],
        }
    }

    /// Adds rows of a batch to the entries. Returns false if one of them cannot be read.
    fn add_entries(&mut self, batch: &Batch, rows: impl Iterator<Item = usize>, fields: u32) -> Result<bool> {
        let side = self.side as usize;
        let layout = [self.shared.layouts.before, self.shared.layouts.after][side];
        for at in rows {
            let row = self.readers[side].read(batch.with_following(at), &self.maps[fields as usize]);
            let Some(row) = row else { return Ok(false) };
            self.found.entries[side].add(row, layout, self.room.entries)?;
        }
        Ok(true)
    }
}
