//! Two exports whose keys ascend.

use std::cmp::Ordering;

use super::highest_key::HighestKey;
use super::join_output::{HashedRow, JoinOutput};
use super::key_order::{Key, KeyOrder};
use super::sides::Sides;
use super::singles::Singles;
use super::stop::Stop;
use crate::engine::output::Output;
use crate::engine::request::Side;
use crate::plan::Comparison;

/// Compares the exports, as long as their keys ascend.
pub(super) fn compare<'o>(
    sides: Sides<'_, '_>,
    order: KeyOrder,
    singles: Singles<'_>,
    output: Output<'o>,
) -> Result<JoinOutput<'o>, Stop> {
    let joined = JoinOutput::new(Comparison::Ascending, output);
    let mut join = SortedJoin { sides, highest: HighestKey::new(order), buffers: <_>::default(), singles, joined };
    let result = join.run();
    let SortedJoin { sides, mut joined, .. } = join;
    // The other threads end before a failure is returned.
    let identical = sides.identical.finish();
    result?;
    let (identical, _) = identical?;
    joined.before.merge(identical);
    joined.after.merge(identical);
    Ok(joined)
}

struct SortedJoin<'scope, 'a, 'o> {
    sides: Sides<'scope, 'a>,
    highest: HighestKey,
    /// Buffers for the keys of two rows.
    buffers: (Key, Key),
    singles: Singles<'a>,
    joined: JoinOutput<'o>,
}

impl SortedJoin<'_, '_, '_> {
    fn run(&mut self) -> Result<(), Stop> {
        let mut are_alike = self.sides.are_alike();
        loop {
            let is_new_batch = match (self.sides.old.record(), self.sides.new.record()) {
                (None, None) => return Ok(()),
                (Some(old), Some(new)) if are_alike && old == new => self.take_identical()?,
                (Some(_), Some(_)) => {
                    self.buffers.0.set(self.sides.old.row()?.key());
                    self.buffers.1.set(self.sides.new.row()?.key());
                    match self.highest.order().compare(&self.buffers.0, &self.buffers.1) {
                        Ordering::Less => self.delete()?,
                        Ordering::Greater => self.insert()?,
                        Ordering::Equal => self.take_pair()?,
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

    fn take_identical(&mut self) -> Result<bool, Stop> {
        let records = self.sides.take_identical()?;
        self.highest.advance_over(&mut self.sides.new, records)?;
        self.singles.add_matched(records as u64);
        self.joined.deleted.add_kept(records as u64, self.highest.bytes());
        Ok(self.sides.skip(records))
    }

    fn delete(&mut self) -> Result<bool, Stop> {
        let row = self.sides.old.row()?;
        self.highest.advance(row.key())?;
        self.joined.deleted.add(row, true);
        let hash = self.sides.layouts.before.hash(row);
        self.joined.single(Side::Baseline, HashedRow::new(row, hash))?;
        self.check_singles(Side::Baseline)?;
        Ok(self.sides.old.skip(1))
    }

    fn insert(&mut self) -> Result<bool, Stop> {
        let row = self.sides.new.row()?;
        self.highest.advance(row.key())?;
        let hash = self.sides.layouts.after.hash(row);
        self.joined.single(Side::Snapshot, HashedRow::new(row, hash))?;
        self.check_singles(Side::Snapshot)?;
        Ok(self.sides.new.skip(1))
    }

    /// Counts a row that was written because only this side seems to have its key. Where the other side has ended,
    /// that is certain.
    fn check_singles(&mut self, side: Side) -> Result<(), Stop> {
        let other = match side {
            Side::Baseline => &self.sides.new,
            Side::Snapshot => &self.sides.old,
        };
        if other.record().is_none() {
            return Ok(());
        }
        self.singles.add(side, self.joined.output.last_bytes(), self.highest.order())
    }

    /// Takes the two rows of a key.
    fn take_pair(&mut self) -> Result<bool, Stop> {
        let layouts = self.sides.layouts;
        let (old, new) = (self.sides.old.row()?, self.sides.new.row()?);
        self.highest.advance(new.key())?;
        self.singles.add_matched(1);
        self.joined.deleted.add(old, false);
        self.joined.pair_rows(layouts, old, new)?;
        Ok(self.sides.skip(1))
    }
}
