//! Both exports side by side, in one look, as long as they list their rows in one order.
//!
//! A thread per export inflates and finds records; here they meet. Records of the same bytes are one row, and are read by
//! other threads (`identical`). Where keys ascend, of two others the one with the lower key is alone: nothing stays in memory
//! beyond a few batches, and that every key is above the one before excludes that one appears twice (`sorted`). Where
//! they do not, but most rows stand in the same order in both, as in a table that is exported as it lies on the disk, rows
//! that have no counterpart at hand wait for it, and eight bytes a row tell whether a key appears twice (`aligned`).
//! Whatever is out of the ordinary (an order that is not kept, a row that cannot be read, a key that seems to appear twice,
//! a file that ends too early) is left to the engine that needs no order, and that names what is wrong.

mod aligned;
mod batch;
mod cursor;
mod first_import;
mod identical;
mod key_order;
mod reader;
mod seen_keys;
mod sorted;
mod unmatched;

use std::collections::HashSet;
use std::thread::{self, Scope};

use self::cursor::Cursor;
use self::identical::Same;
use self::key_order::{Key, KeyOrder};
use self::reader::{ReaderThread, Reading};
use crate::canonical::row::Row;
use crate::engine::findings::DeletedRows;
use crate::engine::output::Output;
use crate::engine::output::{Layouts, check_conserved};
use crate::engine::{DeltaSummary, Failed, Inputs, Resources, Side};
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::plan::Comparison;
use crate::telemetry::Watch;

/// Why the exports cannot be compared here.
#[derive(Debug)]
enum Stop {
    /// Something is out of the ordinary.
    Fallback,
    /// An operation cannot be written, or the user asked to stop.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Compares two exports; `None` when that takes the engine that needs no order.
pub(super) fn delta(
    layouts: Layouts<'_>,
    head: &Head,
    inputs: Inputs<'_>,
    room: Resources<'_>,
    watch: &Watch,
    output: Output<'_>,
) -> Result<Option<DeltaSummary>, Failed> {
    let done = thread::scope(|scope| {
        // Two exports, and the threads that read rows.
        let readers = (room.threads() / 2).max(1);
        let reading = |layout| Reading { layout, watch, readers };
        let (baseline, old) = ReaderThread::start(scope, inputs.baseline, reading(layouts.before));
        let (snapshot, new) = ReaderThread::start(scope, Some(inputs.snapshot), reading(layouts.after));
        let done = match inputs.baseline {
            Some(_) => compare(scope, layouts, room, (old, new), output),
            None => first_import::import(scope, layouts, head, room, new, output),
        };
        // The cursors are gone, so the threads end.
        let parts = (baseline.finish(), snapshot.finish());
        done.map(|done| (done, parts))
    });
    let (done, baseline_parts, snapshot_parts) = match done {
        Err(Stop::Fallback) => return stopped_or_none(),
        Err(Stop::Failed(error)) => return Err(Failed { side: Side::Snapshot, error }),
        Ok((done, (Some(baseline), Some(snapshot)))) => (done, baseline, snapshot),
        Ok(_) => return stopped_or_none(),
    };
    let written = done.output.written;
    check_conserved(head, done.before.fingerprint, done.after.fingerprint, written.difference)?;
    let mut counts = written.counts;
    (counts.baseline_rows, counts.rows) = (done.before.rows, done.after.rows);
    let mut findings = written.findings;
    findings.deleted_block = done.deleted.block(layouts.before);
    findings.comparison = done.comparison;
    Ok(Some(DeltaSummary {
        counts,
        baseline_fingerprint: done.before.fingerprint,
        fingerprint: done.after.fingerprint,
        findings,
        sum_of_ids: written.sum_of_ids,
        baseline_parts,
        snapshot_parts,
    }))
}

/// A reading that was stopped by the user is no irregularity.
fn stopped_or_none<T>() -> Result<Option<T>, Failed> {
    match crate::telemetry::check_stop() {
        Ok(()) => Ok(None),
        Err(error) => Err(Failed { side: Side::Snapshot, error }),
    }
}

/// What a comparison came to.
struct Done<'o> {
    comparison: Comparison,
    output: Output<'o>,
    before: Tally,
    after: Tally,
    deleted: DeletedRows,
}

/// What was seen of one export.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    rows: u64,
    fingerprint: i128,
}

impl Tally {
    fn add(&mut self, hash: i64) {
        self.rows += 1;
        self.fingerprint += i128::from(hash);
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.fingerprint += other.fingerprint;
    }
}

/// A row with its row hash, as its counterpart finds it.
#[derive(Debug, Clone, Copy)]
struct HashedRow<'a> {
    key: &'a [u8],
    hash: i64,
    /// The row bytes outside the key.
    values: &'a [u8],
}

impl<'a> HashedRow<'a> {
    fn of(row: &'a Row, hash: i64) -> Self {
        Self { key: row.key(), hash, values: row.values() }
    }
}

impl Done<'_> {
    /// Takes the two rows of a key, which are at hand.
    fn rows(&mut self, layouts: Layouts<'_>, old: &Row, new: &Row) -> Result<()> {
        let hashes = (layouts.before.hash(old), layouts.after.hash(new));
        let is_changed = layouts.before.compared(old) != layouts.after.compared(new);
        self.pair(HashedRow::of(old, hashes.0), HashedRow::of(new, hashes.1), is_changed)
    }

    /// Takes the two rows of a key.
    fn pair(&mut self, old: HashedRow<'_>, new: HashedRow<'_>, is_changed: bool) -> Result<()> {
        self.before.add(old.hash);
        self.after.add(new.hash);
        if is_changed {
            self.output.update(new.key, (old.hash, old.values), (new.hash, new.values))?;
        }
        Ok(())
    }

    /// Takes a row that only one of the exports has.
    fn alone(&mut self, side: Side, row: HashedRow<'_>) -> Result<()> {
        match side {
            Side::Baseline => {
                self.before.add(row.hash);
                self.output.delete(row.key, (row.hash, row.values))
            }
            Side::Snapshot => {
                self.after.add(row.hash);
                self.output.insert(row.key, (row.hash, row.values))
            }
        }
    }
}

fn compare<'scope, 'a: 'scope, 'o>(
    scope: &'scope Scope<'scope, '_>,
    layouts: Layouts<'a>,
    room: Resources<'_>,
    (mut old, mut new): (Cursor<'a>, Cursor<'a>),
    output: Output<'o>,
) -> Result<Done<'o>, Stop> {
    let order = learn(layouts, old.first_keys(), new.first_keys());
    let same = |check| Same::start(scope, room.threads(), layouts.after, check, new.used());
    match order {
        Learned::Ascending(order) => {
            let same = same(identical::Check::Order(order.clone()));
            sorted::compare(Sides { layouts, old, new, same }, order, output)
        }
        Learned::Aligned => {
            let same = same(identical::Check::Distinct);
            aligned::compare(Sides { layouts, old, new, same }, room, output)
        }
        Learned::None => Err(Stop::Fallback),
    }
}

/// The order in which both exports list their rows.
enum Learned {
    /// By their keys.
    Ascending(KeyOrder),
    /// By nothing in the rows.
    Aligned,
    None,
}

/// Learns the order from the first rows of the export that has more of them at hand; those of the other must keep it.
fn learn(layouts: Layouts<'_>, old: Vec<Key>, new: Vec<Key>) -> Learned {
    let (more, fewer) = if old.len() > new.len() { (old, new) } else { (new, old) };
    if let Some(order) = KeyOrder::learn(layouts.after, &more) {
        let is_kept = fewer.windows(2).all(|pair| order.compare(&pair[0], &pair[1]).is_lt());
        return if is_kept { Learned::Ascending(order) } else { Learned::None };
    }
    let known: HashSet<&[u8]> = more.iter().map(Key::bytes).collect();
    let common = fewer.iter().filter(|key| known.contains(key.bytes())).count();
    // With nothing to compare with, every row is alone.
    if 2 * common > fewer.len() || fewer.is_empty() { Learned::Aligned } else { Learned::None }
}

/// Where the comparison stands in both exports.
struct Sides<'scope, 'a> {
    layouts: Layouts<'a>,
    old: Cursor<'a>,
    new: Cursor<'a>,
    same: Same<'scope>,
}

impl Sides<'_, '_> {
    /// Whether records of the same bytes are the same rows: both exports are read in the same way, and these parts of
    /// them list their columns in the same order.
    fn are_alike(&self) -> bool {
        std::ptr::eq(self.layouts.before, self.layouts.after)
            && matches!((self.old.place(), self.new.place()), (Some((old, _)), Some((new, _))) if old.places == new.places)
    }

    /// How many records are the same in both from here on, up to where one of the two batches ends. They go to the other
    /// threads.
    fn take_same(&mut self) -> Result<usize, Stop> {
        let (Some((old, old_at)), Some((new, at))) = (self.old.place(), self.new.place()) else {
            return Err(Stop::Fallback);
        };
        let records = new.same(at, old, old_at);
        self.same.take(new, at..at + records)?;
        Ok(records)
    }

    /// Goes on in both; whether a batch ended is what is returned.
    fn skip(&mut self, records: usize) -> bool {
        // Both go on, whatever the first one says.
        self.old.skip(records) | self.new.skip(records)
    }
}
