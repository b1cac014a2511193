//! Both exports side by side, as long as their keys ascend: one look, and no memory beyond a few batches.
//!
//! A thread per export inflates and finds records; here they meet. Records of the same bytes are one row, and are read by
//! other threads (`same`). Of two others, the one with the lower key is alone. That every key is above the one before is checked all the way:
//! it is what makes this right, and it excludes that a key appears twice. Whatever is out of the ordinary (an order that
//! is not kept, a row that cannot be read, a file that ends too early) is left to the engine that needs no order, and
//! that names what is wrong.

mod cursor;
mod feed;
mod order;
mod same;

use std::cmp::Ordering;
use std::thread::{self, Scope};

use self::cursor::Cursor;
use self::feed::Feed;
use self::order::{Key, KeyOrder};
use self::same::Same;
use super::findings::DeletedRows;
use super::output::Output;
use super::{Layouts, check_conserved};
use crate::engine::{Failed, Found, Inputs, Side};
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::telemetry::Watch;

/// Why the exports cannot be compared here.
#[derive(Debug)]
enum Stop {
    /// Something is out of the ordinary.
    Irregular,
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
    watch: &Watch,
    output: Output<'_>,
) -> Result<Option<Found>, Failed> {
    let matched = thread::scope(|scope| {
        let (baseline, old) = Feed::start(scope, inputs.baseline, layouts.before, watch);
        let (snapshot, new) = Feed::start(scope, Some(inputs.snapshot), layouts.after, watch);
        let matched = compare(scope, layouts, old, new, output);
        // The cursors are gone, so the threads end.
        let parts = (baseline.finish(), snapshot.finish());
        matched.map(|matched| (matched, parts))
    });
    let (matched, baseline_parts, snapshot_parts) = match matched {
        Err(Stop::Irregular) => return stopped_or_none(),
        Err(Stop::Failed(error)) => return Err(Failed { side: Side::Snapshot, error }),
        Ok((matched, (Some(baseline), Some(snapshot)))) => (matched, baseline, snapshot),
        Ok(_) => return stopped_or_none(),
    };
    let written = matched.output.written;
    check_conserved(head, matched.before.fingerprint, matched.after.fingerprint, written.difference)?;
    let mut counts = written.counts;
    (counts.baseline_rows, counts.rows) = (matched.before.rows, matched.after.rows);
    let mut findings = written.findings;
    findings.deleted_block = matched.deleted.block(layouts.before);
    findings.in_order = true;
    Ok(Some(Found {
        counts,
        baseline_fingerprint: matched.before.fingerprint,
        fingerprint: matched.after.fingerprint,
        findings,
        sum_of_ids: written.sum_of_ids,
        baseline_parts,
        snapshot_parts,
    }))
}

fn compare<'scope, 'a: 'scope, 'o>(
    scope: &'scope Scope<'scope, '_>,
    layouts: Layouts<'a>,
    mut old: Cursor<'a>,
    mut new: Cursor<'a>,
    output: Output<'o>,
) -> Result<Matched<'o>, Stop> {
    let order = learn(layouts, &mut old, &mut new)?;
    let same = Same::start(scope, layouts.after, order.clone(), new.used());
    let mut matching = Match::new(layouts, order, old, new, same, output);
    let all = matching.all();
    let Match { same, mut done, .. } = matching;
    let same = same.finish();
    all?;
    let same = same?;
    done.before.merge(same);
    done.after.merge(same);
    Ok(done)
}

/// Learns the order from the first rows of the export that has more of them at hand; those of the other must keep it.
fn learn(layouts: Layouts<'_>, old: &mut Cursor<'_>, new: &mut Cursor<'_>) -> Result<KeyOrder, Stop> {
    let (old, new) = (old.first_keys(), new.first_keys());
    let (more, fewer) = if old.len() > new.len() { (old, new) } else { (new, old) };
    let order = KeyOrder::learn(layouts.after, &more).ok_or(Stop::Irregular)?;
    let is_kept = fewer.windows(2).all(|pair| order.compare(&pair[0], &pair[1]).is_lt());
    if is_kept { Ok(order) } else { Err(Stop::Irregular) }
}

/// A reading that was stopped by the user is no irregularity.
fn stopped_or_none<T>() -> Result<Option<T>, Failed> {
    match crate::telemetry::check_stop() {
        Ok(()) => Ok(None),
        Err(error) => Err(Failed { side: Side::Snapshot, error }),
    }
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

struct Match<'scope, 'a, 'o> {
    layouts: Layouts<'a>,
    order: KeyOrder,
    old: Cursor<'a>,
    new: Cursor<'a>,
    same: Same<'scope>,
    /// Room for the keys of two rows that differ.
    heads: (Key, Key),
    done: Matched<'o>,
}

struct Matched<'o> {
    output: Output<'o>,
    before: Tally,
    after: Tally,
    deleted: DeletedRows,
    /// The highest key so far, of either export; the next one is put beside it.
    last: Option<Key>,
    next: Key,
}

impl<'scope, 'a: 'scope, 'o> Match<'scope, 'a, 'o> {
    fn new(
        layouts: Layouts<'a>,
        order: KeyOrder,
        old: Cursor<'a>,
        new: Cursor<'a>,
        same: Same<'scope>,
        output: Output<'o>,
    ) -> Self {
        let (before, after) = (Tally::default(), Tally::default());
        let done = Matched { output, before, after, deleted: DeletedRows::default(), last: None, next: Key::default() };
        Self { layouts, order, old, new, same, heads: Default::default(), done }
    }

    fn all(&mut self) -> Result<(), Stop> {
        let mut are_alike = self.are_alike();
        loop {
            let is_new_batch = match (self.old.record(), self.new.record()) {
                (None, None) => return Ok(()),
                (Some(old), Some(new)) if are_alike && old == new => self.same()?,
                (Some(_), Some(_)) => {
                    self.heads.0.set(self.old.row()?.key());
                    self.heads.1.set(self.new.row()?.key());
                    match self.order.compare(&self.heads.0, &self.heads.1) {
                        Ordering::Less => self.delete()?,
                        Ordering::Greater => self.insert()?,
                        Ordering::Equal => self.same_key()?,
                    }
                }
                (Some(_), None) => self.delete()?,
                (None, Some(_)) => self.insert()?,
            };
            if is_new_batch {
                are_alike = self.are_alike();
            }
        }
    }

    /// Whether records of the same bytes are the same rows: both exports are read in the same way, and these parts of
    /// them list their columns in the same order.
    fn are_alike(&self) -> bool {
        std::ptr::eq(self.layouts.before, self.layouts.after)
            && matches!((self.old.place(), self.new.place()), (Some((old, _)), Some((new, _))) if old.places == new.places)
    }

    /// Takes all records that are the same in both from here on, up to where one of the two batches ends.
    fn same(&mut self) -> Result<bool, Stop> {
        let (Some((old, old_at)), Some((new, at))) = (self.old.place(), self.new.place()) else {
            return Err(Stop::Irregular);
        };
        let records = new.same(at, old, old_at);
        self.same.take(new, at..at + records)?;
        self.done.advance(&self.order, self.new.key(at)?)?;
        if records > 1 {
            self.done.advance(&self.order, self.new.key(at + records - 1)?)?;
        }
        self.done.deleted.see_kept(records as u64, self.done.last.as_ref().map_or(&[], Key::bytes));
        // Both go on, whatever the first one says.
        Ok(self.old.skip(records) | self.new.skip(records))
    }

    fn delete(&mut self) -> Result<bool, Stop> {
        let row = self.old.row()?;
        let hash = self.layouts.before.hash(row);
        self.done.advance(&self.order, row.key())?;
        self.done.deleted.see(row, true);
        self.done.before.add(hash);
        self.done.output.delete(row.key(), (hash, row.values()))?;
        Ok(self.old.skip(1))
    }

    fn insert(&mut self) -> Result<bool, Stop> {
        let row = self.new.row()?;
        let hash = self.layouts.after.hash(row);
        self.done.advance(&self.order, row.key())?;
        self.done.after.add(hash);
        self.done.output.insert(row.key(), (hash, row.values()))?;
        Ok(self.new.skip(1))
    }

    fn same_key(&mut self) -> Result<bool, Stop> {
        let (old, new) = (self.old.row()?, self.new.row()?);
        let (old_hash, new_hash) = (self.layouts.before.hash(old), self.layouts.after.hash(new));
        self.done.advance(&self.order, new.key())?;
        self.done.deleted.see(old, false);
        self.done.before.add(old_hash);
        self.done.after.add(new_hash);
        if self.layouts.before.compared(old) != self.layouts.after.compared(new) {
            self.done.output.update(new.key(), (old_hash, old.values()), (new_hash, new.values()))?;
        }
        Ok(self.old.skip(1) | self.new.skip(1))
    }
}

impl Matched<'_> {
    /// The next key must be above the last one.
    #[inline]
    fn advance(&mut self, order: &KeyOrder, key: &[u8]) -> Result<(), Stop> {
        self.next.set(key);
        match &mut self.last {
            None => self.last = Some(std::mem::take(&mut self.next)),
            Some(last) if order.compare(last, &self.next).is_lt() => std::mem::swap(last, &mut self.next),
            Some(_) => return Err(Stop::Irregular),
        }
        Ok(())
    }
}
