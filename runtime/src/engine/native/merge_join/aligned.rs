//! Two exports that list most of their rows in the same order, which is no order of their keys.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::batch::MappedBatch;
use super::seen_keys::{self, SeenKeys};
use super::unmatched::{Unmatched, Waiting};
use super::{Done, HashedRow, Sides, Stop, Tally};
use crate::engine::findings::DeletedRows;
use crate::engine::output::Output;
use crate::engine::{Resources, Side};
use crate::plan::Comparison;

/// Of the memory that a delta may take: what is kept of every key, and rows that wait for their counterpart.
const KEYS: f64 = 0.5;
const LEFTOVERS: f64 = 0.25;

/// How many records ahead the next common one is looked for, at first and then.
const WINDOWS: [usize; 2] = [16, 1024];

/// Compares them, as long as most rows stand where they stood.
pub(super) fn compare<'o>(sides: Sides<'_, '_>, room: Resources<'_>, output: Output<'o>) -> Result<Done<'o>, Stop> {
    let (before, after) = (Tally::default(), Tally::default());
    let mut matching = Match {
        sides,
        leftovers: Unmatched::new(room.share(LEFTOVERS).memory()),
        keys: SeenKeys::default(),
        room: room.share(KEYS).memory() / seen_keys::BYTES,
        olds: BaselineScan::default(),
        news: 0,
        done: Done { comparison: Comparison::Aligned, output, before, after, deleted: DeletedRows::default() },
    };
    let all = matching.all();
    let Match { sides, leftovers, mut keys, mut done, mut olds, .. } = matching;
    let same = sides.same.finish();
    all?;
    let (same, mut seen) = same?;
    done.before.merge(same);
    done.after.merge(same);
    for waiting in leftovers.alone() {
        keys.add_hash(waiting.key_hash);
        done.alone(waiting.side, waiting.row())?;
        if waiting.side == Side::Baseline {
            olds.delete(waiting.number, waiting.behind);
        }
    }
    seen.push(keys);
    if !SeenKeys::are_distinct(seen) {
        return Err(Stop::Fallback);
    }
    done.deleted = DeletedRows::of(olds.rows, olds.deleted, olds.ends, olds.kept.map(Into::into));
    Ok(done)
}

struct Match<'scope, 'a, 'o> {
    sides: Sides<'scope, 'a>,
    leftovers: Unmatched,
    keys: SeenKeys,
    /// Of how many rows keys may be kept.
    room: u64,
    olds: BaselineScan,
    /// How many rows of the snapshot came by.
    news: u64,
    done: Done<'o>,
}

/// The rows of the baseline that came by.
#[derive(Default)]
struct BaselineScan {
    rows: u64,
    /// The key of the last one.
    last: Option<Vec<u8>>,
    deleted: u64,
    /// The places of the first and the last deleted row, and the key in front of the first.
    ends: Option<(u64, u64)>,
    kept: Option<Box<[u8]>>,
}

impl Match<'_, '_, '_> {
    fn all(&mut self) -> Result<(), Stop> {
        self.check_alike()?;
        loop {
            let is_same = matches!((self.sides.old.record(), self.sides.new.record()), (Some(a), Some(b)) if a == b);
            let is_new_batch = match (self.sides.old.record().is_some(), self.sides.new.record().is_some()) {
                (false, false) => return Ok(()),
                (true, true) if is_same => self.same()?,
                (true, true) if self.sides.old.row()?.key() == self.sides.new.row()?.key() => self.same_key()?,
                (true, true) => self.catch_up()?,
                (true, false) => self.leave(Side::Baseline)?,
                (false, true) => self.leave(Side::Snapshot)?,
            };
            if is_new_batch {
                self.check_alike()?;
            }
            if self.olds.rows.max(self.news) > self.room {
                return Err(Stop::Fallback);
            }
        }
    }

    /// Where the exports are not read in the same way, no two records can be told to be the same by their bytes.
    fn check_alike(&self) -> Result<(), Stop> {
        let are_both = self.sides.old.record().is_some() && self.sides.new.record().is_some();
        if are_both && !self.sides.are_alike() { Err(Stop::Fallback) } else { Ok(()) }
    }

    fn same(&mut self) -> Result<bool, Stop> {
        let records = self.sides.take_same()?;
        self.olds.see(records as u64, self.sides.new.key(records - 1)?);
        self.news += records as u64;
        Ok(self.sides.skip(records))
    }

    fn same_key(&mut self) -> Result<bool, Stop> {
        let (old, new) = (self.sides.old.row()?, self.sides.new.row()?);
        self.keys.add(new);
        self.olds.see(1, old.key());
        self.news += 1;
        self.done.rows(self.sides.layouts, old, new)?;
        Ok(self.sides.skip(1))
    }

    /// Leaves as few rows behind as it takes to stand at the same record in both again.
    fn catch_up(&mut self) -> Result<bool, Stop> {
        let (Some((old, old_at)), Some((new, new_at))) = (self.sides.old.place(), self.sides.new.place()) else {
            return Err(Stop::Fallback);
        };
        let ends = (old.batch.len() - old_at, new.batch.len() - new_at);
        let found = WINDOWS.iter().find_map(|window| common((old, old_at), (new, new_at), *window));
        // Where there is none, the rest of the shorter batch is left behind, and as much of the other.
        let (olds, news) = found.unwrap_or_else(|| (ends.0.min(ends.1), ends.0.min(ends.1)));
        let mut is_new_batch = false;
        for _ in 0..olds {
            is_new_batch |= self.leave(Side::Baseline)?;
        }
        for _ in 0..news {
            is_new_batch |= self.leave(Side::Snapshot)?;
        }
        Ok(is_new_batch)
    }

    /// Leaves a row behind, unless its counterpart was. Behind the end of the other export nothing comes any more that it
    /// could wait for.
    fn leave(&mut self, side: Side) -> Result<bool, Stop> {
        let layouts = self.sides.layouts;
        let (number, cursor, other) = match side {
            Side::Baseline => (self.olds.rows, &mut self.sides.old, &self.sides.new),
            Side::Snapshot => (self.news, &mut self.sides.new, &self.sides.old),
        };
        let row = cursor.row()?;
        let layout = if side == Side::Baseline { layouts.before } else { layouts.after };
        let (hash, behind) = (layout.hash(row), self.olds.last.as_deref().filter(|_| side == Side::Baseline));
        let taken = HashedRow::of(row, hash);
        match self.leftovers.take(row) {
            // The key is there twice.
            Some(other) if other.side == side => return Err(Stop::Fallback),
            Some(other) => {
                self.keys.add(row);
                let (old, new) = if side == Side::Baseline { (taken, other.row()) } else { (other.row(), taken) };
                // Of the one that waited only the hash is kept beside its bytes, as where there is no order at all.
                self.done.pair(old, new, old.hash != new.hash)?;
            }
            None if other.record().is_none() => {
                self.keys.add(row);
                self.done.alone(side, taken)?;
                if side == Side::Baseline {
                    let behind = behind.map(Into::into);
                    self.olds.delete(number, behind);
                }
            }
            None => self.leftovers.wait(Waiting::new(side, number, behind.map(Into::into), row, hash))?,
        }
        match side {
            Side::Baseline => self.olds.see(1, row.key()),
            Side::Snapshot => self.news += 1,
        }
        Ok(cursor.skip(1))
    }
}

/// How far ahead the next record is that both have within so many, in either; the fewest in sum.
fn common(
    (old, old_at): (&MappedBatch, usize),
    (new, new_at): (&MappedBatch, usize),
    window: usize,
) -> Option<(usize, usize)> {
    let ahead = |fed: &MappedBatch, at: usize| window.min(fed.batch.len() - at);
    let mut places = HashMap::with_capacity(window);
    for place in (0..ahead(new, new_at)).rev() {
        places.insert(xxh3_64(new.batch.record(new_at + place)), place);
    }
    let mut best: Option<(usize, usize)> = None;
    for olds in 0..ahead(old, old_at) {
        if best.is_some_and(|(a, b)| a + b <= olds) {
            break;
        }
        let record = old.batch.record(old_at + olds);
        let found = places.get(&xxh3_64(record)).filter(|news| new.batch.record(new_at + **news) == record);
        if let Some(news) = found
            && best.is_none_or(|(a, b)| olds + news < a + b)
        {
            best = Some((olds, *news));
        }
    }
    best
}

impl BaselineScan {
    fn see(&mut self, rows: u64, last: &[u8]) {
        self.rows += rows;
        let key = self.last.get_or_insert_default();
        key.clear();
        key.extend_from_slice(last);
    }

    /// Takes a row that came by as deleted; `behind` is the key of the row in front of it.
    fn delete(&mut self, number: u64, behind: Option<Box<[u8]>>) {
        self.deleted += 1;
        if self.ends.is_none_or(|(first, _)| number < first) {
            self.kept = behind;
        }
        self.ends = Some(self.ends.map_or((number, number), |(first, last)| (first.min(number), last.max(number))));
    }
}
