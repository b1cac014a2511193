//! Two exports that list most of their rows in the same order, which is not an order of their keys.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::batch::MappedBatch;
use super::join_output::{HashedRow, JoinOutput};
use super::sides::Sides;
use super::stop::Stop;
use super::unmatched::{Unmatched, UnmatchedRow};
use crate::engine::native::seen_keys::{self, SeenKeys};
use crate::engine::output::Output;
use crate::engine::request::Side;
use crate::engine::resources::Resources;
use crate::plan::Comparison;

/// The share of a delta's memory for the hashes of all keys.
const KEYS: f64 = 0.5;
/// The share of a delta's memory for unmatched rows.
const UNMATCHED: f64 = 0.25;

/// How many records ahead the next common record is searched: at first, and if that fails.
const WINDOWS: [usize; 2] = [16, 1024];

/// Compares the exports, as long as most rows are where they were.
pub(super) fn compare<'o>(
    sides: Sides<'_, '_>,
    resources: Resources<'_>,
    output: Output<'o>,
) -> Result<JoinOutput<'o>, Stop> {
    let mut join = AlignedJoin {
        sides,
        unmatched: Unmatched::new(resources.share(UNMATCHED).memory()),
        keys: SeenKeys::default(),
        max_rows: resources.share(KEYS).memory() / seen_keys::BYTES,
        baseline: BaselineScan::default(),
        snapshot_rows: 0,
        joined: JoinOutput::new(Comparison::Aligned, output),
    };
    let result = join.run();
    let AlignedJoin { sides, keys, mut joined, baseline, .. } = join;
    // The other threads end before a failure is returned.
    let identical = sides.identical.finish();
    result?;
    let (identical, mut seen) = identical?;
    joined.before.merge(identical);
    joined.after.merge(identical);
    seen.push(keys);
    if !SeenKeys::are_distinct(seen) {
        return Err(Stop::Fallback);
    }
    joined.deleted.end(baseline.rows);
    Ok(joined)
}

struct AlignedJoin<'scope, 'a, 'o> {
    sides: Sides<'scope, 'a>,
    unmatched: Unmatched,
    keys: SeenKeys,
    /// The number of rows whose keys fit into memory.
    max_rows: u64,
    baseline: BaselineScan,
    /// The number of rows of the snapshot that were passed.
    snapshot_rows: u64,
    joined: JoinOutput<'o>,
}

/// The rows of the baseline that were passed.
#[derive(Default)]
struct BaselineScan {
    rows: u64,
    /// The key of the last one.
    last: Option<Vec<u8>>,
}

impl AlignedJoin<'_, '_, '_> {
    fn run(&mut self) -> Result<(), Stop> {
        self.check_alike()?;
        loop {
            let is_identical =
                matches!((self.sides.old.record(), self.sides.new.record()), (Some(a), Some(b)) if a == b);
            let is_new_batch = match (self.sides.old.record().is_some(), self.sides.new.record().is_some()) {
                (false, false) => break,
                (true, true) if is_identical => self.take_identical()?,
                (true, true) if self.sides.old.row()?.key() == self.sides.new.row()?.key() => self.take_pair()?,
                (true, true) => self.realign()?,
                (true, false) => {
                    self.write_unmatched(Side::Baseline)?;
                    self.set_aside(Side::Baseline)?
                }
                (false, true) => self.set_aside(Side::Snapshot)?,
            };
            if is_new_batch {
                self.check_alike()?;
            }
            if self.baseline.rows.max(self.snapshot_rows) > self.max_rows {
                return Err(Stop::Fallback);
            }
        }
        self.write_unmatched(Side::Baseline)?;
        self.write_unmatched(Side::Snapshot)
    }

    /// Writes the rows of a side whose counterpart cannot follow any more, in the order of their export.
    fn write_unmatched(&mut self, side: Side) -> Result<(), Stop> {
        for row in self.unmatched.take_side(side) {
            self.keys.add_hash(row.key_hash);
            self.joined.single(side, row.hashed())?;
            if side == Side::Baseline {
                self.joined.deleted.add_deleted(row.number, row.previous_key.as_deref());
            }
        }
        Ok(())
    }

    /// Exports that are not read in the same way have no records whose bytes could be compared.
    fn check_alike(&self) -> Result<(), Stop> {
        let are_both = self.sides.old.record().is_some() && self.sides.new.record().is_some();
        if are_both && !self.sides.are_alike() { Err(Stop::Fallback) } else { Ok(()) }
    }

    fn take_identical(&mut self) -> Result<bool, Stop> {
        let records = self.sides.take_identical()?;
        self.baseline.pass(records as u64, self.sides.new.key(records - 1)?);
        self.snapshot_rows += records as u64;
        Ok(self.sides.skip(records))
    }

    /// Takes two different rows of the same key.
    fn take_pair(&mut self) -> Result<bool, Stop> {
        let (old, new) = (self.sides.old.row()?, self.sides.new.row()?);
        self.keys.add(new);
        self.baseline.pass(1, old.key());
        self.snapshot_rows += 1;
        self.joined.pair_rows(self.sides.layouts, old, new)?;
        Ok(self.sides.skip(1))
    }

    /// Sets rows aside, as few as possible, until both sides are at the same record again.
    fn realign(&mut self) -> Result<bool, Stop> {
        let (Some((old, old_at)), Some((new, new_at))) = (self.sides.old.position(), self.sides.new.position()) else {
            return Err(Stop::Fallback);
        };
        let rest = (old.records.len() - old_at).min(new.records.len() - new_at);
        let common = WINDOWS.iter().find_map(|window| next_common((old, old_at), (new, new_at), *window));
        // Without a common record, set aside the rest of the shorter batch, and as many rows of the other.
        let (old_rows, new_rows) = common.unwrap_or((rest, rest));
        let mut is_new_batch = false;
        for _ in 0..old_rows {
            is_new_batch |= self.set_aside(Side::Baseline)?;
        }
        for _ in 0..new_rows {
            is_new_batch |= self.set_aside(Side::Snapshot)?;
        }
        Ok(is_new_batch)
    }

    /// Takes a row together with its counterpart if that was set aside, and sets it aside otherwise. After the end of
    /// the other export, no counterpart can follow.
    fn set_aside(&mut self, side: Side) -> Result<bool, Stop> {
        let layouts = self.sides.layouts;
        let (number, layout, cursor, other) = match side {
            Side::Baseline => (self.baseline.rows, layouts.before, &mut self.sides.old, &self.sides.new),
            Side::Snapshot => (self.snapshot_rows, layouts.after, &mut self.sides.new, &self.sides.old),
        };
        let row = cursor.row()?;
        let hash = layout.hash(row);
        let previous_key = self.baseline.last.as_ref().filter(|_| side == Side::Baseline);
        let hashed = HashedRow::new(row, hash);
        match self.unmatched.take(row) {
            // The key appears twice in this export.
            Some(counterpart) if counterpart.side == side => return Err(Stop::Fallback),
            Some(counterpart) => {
                self.keys.add(row);
                let counterpart = counterpart.hashed();
                let (old, new) = if side == Side::Baseline { (hashed, counterpart) } else { (counterpart, hashed) };
                // Compare hashes, as the hash join does: the compared columns of the counterpart are not kept
                // separately.
                self.joined.pair(old, new, old.hash != new.hash)?;
            }
            None if other.record().is_none() => {
                self.keys.add(row);
                self.joined.single(side, hashed)?;
                if side == Side::Baseline {
                    self.joined.deleted.add_deleted(number, previous_key.map(Vec::as_slice));
                }
            }
            None => {
                self.unmatched.insert(UnmatchedRow::new(side, number, previous_key.cloned(), row, hash))?;
            }
        }
        match side {
            Side::Baseline => self.baseline.pass(1, row.key()),
            Side::Snapshot => self.snapshot_rows += 1,
        }
        Ok(cursor.skip(1))
    }
}

/// How far ahead in either batch the next record is that both have within a window; the pair with the smallest sum.
fn next_common(
    (old, old_at): (&MappedBatch, usize),
    (new, new_at): (&MappedBatch, usize),
    window: usize,
) -> Option<(usize, usize)> {
    let length = |batch: &MappedBatch, at: usize| window.min(batch.records.len() - at);
    let mut new_distances = HashMap::with_capacity(window);
    for distance in (0..length(new, new_at)).rev() {
        new_distances.insert(xxh3_64(new.records.record(new_at + distance)), distance);
    }
    let mut best: Option<(usize, usize)> = None;
    for old_distance in 0..length(old, old_at) {
        if best.is_some_and(|(a, b)| a + b <= old_distance) {
            break;
        }
        let record = old.records.record(old_at + old_distance);
        let is_equal = |distance: &&usize| new.records.record(new_at + **distance) == record;
        if let Some(new_distance) = new_distances.get(&xxh3_64(record)).filter(is_equal)
            && best.is_none_or(|(a, b)| old_distance + new_distance < a + b)
        {
            best = Some((old_distance, *new_distance));
        }
    }
    best
}

impl BaselineScan {
    /// Passes rows; `last` is the key of the last of them.
    fn pass(&mut self, rows: u64, last: &[u8]) {
        self.rows += rows;
        let key = self.last.get_or_insert_default();
        key.clear();
        key.extend_from_slice(last);
    }
}
