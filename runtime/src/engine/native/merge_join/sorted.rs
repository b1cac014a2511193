//! Two exports whose keys ascend.

use std::cmp::Ordering;

use super::cursor::Cursor;
use super::key_order::{Key, KeyOrder};
use super::{Done, HashedRow, Sides, Stop, Tally};
use crate::engine::Side;
use crate::engine::findings::DeletedRows;
use crate::engine::output::Output;
use crate::plan::Comparison;

/// Compares them, as long as the order is kept.
pub(super) fn compare<'o>(sides: Sides<'_, '_>, order: KeyOrder, output: Output<'o>) -> Result<Done<'o>, Stop> {
    let (before, after) = (Tally::default(), Tally::default());
    let done = Done { comparison: Comparison::Ascending, output, before, after, deleted: DeletedRows::default() };
    let mut matching = Match { sides, keys: Keys::new(order), heads: <_>::default(), done };
    let all = matching.all();
    let Match { sides, mut done, .. } = matching;
    let same = sides.same.finish();
    all?;
    let (same, _) = same?;
    done.before.merge(same);
    done.after.merge(same);
    Ok(done)
}

struct Match<'scope, 'a, 'o> {
    sides: Sides<'scope, 'a>,
    keys: Keys,
    /// Resources for the keys of two rows that differ.
    heads: (Key, Key),
    done: Done<'o>,
}

/// The highest key so far, of either export.
pub(super) struct Keys {
    order: KeyOrder,
    last: Option<Key>,
    /// Resources for the one that is put beside it.
    next: Key,
}

impl Match<'_, '_, '_> {
    fn all(&mut self) -> Result<(), Stop> {
        let mut are_alike = self.sides.are_alike();
        loop {
            let is_new_batch = match (self.sides.old.record(), self.sides.new.record()) {
                (None, None) => return Ok(()),
                (Some(old), Some(new)) if are_alike && old == new => self.same()?,
                (Some(_), Some(_)) => {
                    self.heads.0.set(self.sides.old.row()?.key());
                    self.heads.1.set(self.sides.new.row()?.key());
                    match self.keys.order.compare(&self.heads.0, &self.heads.1) {
                        Ordering::Less => self.delete()?,
                        Ordering::Greater => self.insert()?,
                        Ordering::Equal => self.same_key()?,
                    }
                }
                (Some(_), None) => self.delete()?,
                (None, Some(_)) => self.insert()?,
            };
            if is_new_batch {
                are_alike = self.sides.are_alike();
            }
        }
    }

    fn same(&mut self) -> Result<bool, Stop> {
        let records = self.sides.take_same()?;
        self.keys.advance_over(&mut self.sides.new, records)?;
        self.done.deleted.see_kept(records as u64, self.keys.last.as_ref().map_or(&[], Key::bytes));
        Ok(self.sides.skip(records))
    }

    fn delete(&mut self) -> Result<bool, Stop> {
        let row = self.sides.old.row()?;
        self.keys.advance(row.key())?;
        self.done.deleted.see(row, true);
        let hash = self.sides.layouts.before.hash(row);
        self.done.alone(Side::Baseline, HashedRow::of(row, hash))?;
        Ok(self.sides.old.skip(1))
    }

    fn insert(&mut self) -> Result<bool, Stop> {
        let row = self.sides.new.row()?;
        self.keys.advance(row.key())?;
        let hash = self.sides.layouts.after.hash(row);
        self.done.alone(Side::Snapshot, HashedRow::of(row, hash))?;
        Ok(self.sides.new.skip(1))
    }

    fn same_key(&mut self) -> Result<bool, Stop> {
        let layouts = self.sides.layouts;
        let (old, new) = (self.sides.old.row()?, self.sides.new.row()?);
        self.keys.advance(new.key())?;
        self.done.deleted.see(old, false);
        self.done.rows(layouts, old, new)?;
        Ok(self.sides.skip(1))
    }
}

impl Keys {
    pub(super) fn new(order: KeyOrder) -> Self {
        Self { order, last: None, next: Key::default() }
    }

    /// The next so many records must be above the last one; of these, the first and the last are looked at.
    pub(super) fn advance_over(&mut self, cursor: &mut Cursor<'_>, records: usize) -> Result<(), Stop> {
        self.advance(cursor.key(0)?)?;
        if records > 1 {
            self.advance(cursor.key(records - 1)?)?;
        }
        Ok(())
    }

    /// The next key must be above the last one.
    #[inline]
    fn advance(&mut self, key: &[u8]) -> Result<(), Stop> {
        self.next.set(key);
        match &mut self.last {
            None => self.last = Some(std::mem::take(&mut self.next)),
            Some(last) if self.order.compare(last, &self.next).is_lt() => std::mem::swap(last, &mut self.next),
            Some(_) => return Err(Stop::Fallback),
        }
        Ok(())
    }
}
