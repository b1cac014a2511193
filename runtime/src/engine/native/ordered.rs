//! Both exports side by side, as long as their keys ascend: one look, and no memory beyond a few batches.
//!
//! A thread per export inflates and finds records; here they meet. Two records of the same bytes are read as one row.
//! Of two others, the one with the lower key is alone. That every key is above the one before is checked all the way:
//! it is what makes this right, and it excludes that a key appears twice. Whatever is out of the ordinary (an order that
//! is not kept, a row that cannot be read, a file that ends too early) is left to the engine that needs no order, and
//! that names what is wrong.

mod cursor;
mod feed;
mod order;

use std::cmp::Ordering;
use std::thread;

use self::cursor::Cursor;
use self::feed::Feed;
use self::order::{Key, KeyOrder};
use super::findings::DeletedRows;
use super::output::Output;
use super::{Layouts, check_conserved};
use crate::engine::{Failed, Found, Inputs, Side};
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::row::Row;
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
        let mut matching = Match::new(layouts, old, new, output);
        let done = matching.learn().and_then(|()| matching.all());
        let output = matching.finish();
        // The cursors are gone, so the threads end.
        let parts = (baseline.finish(), snapshot.finish());
        done.map(|()| (output, parts))
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
}

struct Match<'a, 'o> {
    layouts: Layouts<'a>,
    order: KeyOrder,
    old: Cursor<'a>,
    new: Cursor<'a>,
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

impl<'a, 'o> Match<'a, 'o> {
    fn new(layouts: Layouts<'a>, old: Cursor<'a>, new: Cursor<'a>, output: Output<'o>) -> Self {
        let (before, after) = (Tally::default(), Tally::default());
        let done = Matched { output, before, after, deleted: DeletedRows::default(), last: None, next: Key::default() };
        Self { layouts, order: KeyOrder::default(), old, new, done }
    }

    /// Learns the order from the first rows of the export that has more of them at hand; those of the other must keep it.
    fn learn(&mut self) -> Result<(), Stop> {
        let (old, new) = (self.old.first_keys(), self.new.first_keys());
        let (more, fewer) = if old.len() > new.len() { (old, new) } else { (new, old) };
        self.order = KeyOrder::learn(self.layouts.after, &more).ok_or(Stop::Irregular)?;
        let is_kept = fewer.windows(2).all(|pair| self.order.compare(&pair[0], &pair[1]).is_lt());
        if is_kept { Ok(()) } else { Err(Stop::Irregular) }
    }

    fn finish(self) -> Matched<'o> {
        self.done
    }

    fn all(&mut self) -> Result<(), Stop> {
        // Rows of the same bytes are the same only where both exports are read in the same way.
        let is_one_epoch = std::ptr::eq(self.layouts.before, self.layouts.after);
        loop {
            match (self.old.record(), self.new.record()) {
                (None, None) => return Ok(()),
                (Some(old), Some(new)) if is_one_epoch && old == new && self.old.places() == self.new.places() => {
                    let new = self.new.row()?;
                    let hash = self.layouts.after.hash(new);
                    self.done.advance(&self.order, new)?;
                    self.done.deleted.see(new, false);
                    self.done.before.add(hash);
                    self.done.after.add(hash);
                    self.old.next();
                    self.new.next();
                }
                (Some(_), Some(_)) => {
                    let (mut old, mut new) = (Key::default(), Key::default());
                    old.set(self.old.row()?.key());
                    new.set(self.new.row()?.key());
                    match self.order.compare(&old, &new) {
                        Ordering::Less => self.delete()?,
                        Ordering::Greater => self.insert()?,
                        Ordering::Equal => self.same_key()?,
                    }
                }
                (Some(_), None) => self.delete()?,
                (None, Some(_)) => self.insert()?,
            }
        }
    }

    fn delete(&mut self) -> Result<(), Stop> {
        let row = self.old.row()?;
        let hash = self.layouts.before.hash(row);
        self.done.advance(&self.order, row)?;
        self.done.deleted.see(row, true);
        self.done.before.add(hash);
        self.done.output.delete(row.key(), (hash, row.values()))?;
        self.old.next();
        Ok(())
    }

    fn insert(&mut self) -> Result<(), Stop> {
        let row = self.new.row()?;
        let hash = self.layouts.after.hash(row);
        self.done.advance(&self.order, row)?;
        self.done.after.add(hash);
        self.done.output.insert(row.key(), (hash, row.values()))?;
        self.new.next();
        Ok(())
    }

    fn same_key(&mut self) -> Result<(), Stop> {
        let (old, new) = (self.old.row()?, self.new.row()?);
        let (old_hash, new_hash) = (self.layouts.before.hash(old), self.layouts.after.hash(new));
        self.done.advance(&self.order, new)?;
        self.done.deleted.see(old, false);
        self.done.before.add(old_hash);
        self.done.after.add(new_hash);
        if self.layouts.before.compared(old) != self.layouts.after.compared(new) {
            self.done.output.update(new.key(), (old_hash, old.values()), (new_hash, new.values()))?;
        }
        self.old.next();
        self.new.next();
        Ok(())
    }
}

impl Matched<'_> {
    /// The next key must be above the last one.
    #[inline]
    fn advance(&mut self, order: &KeyOrder, row: &Row) -> Result<(), Stop> {
        self.next.set(row.key());
        match &mut self.last {
            None => self.last = Some(std::mem::take(&mut self.next)),
            Some(last) if order.compare(last, &self.next).is_lt() => std::mem::swap(last, &mut self.next),
            Some(_) => return Err(Stop::Irregular),
        }
        Ok(())
    }
}
