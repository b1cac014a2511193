//! The positions of a merge join in both exports.

use super::cursor::Cursor;
use super::identical::IdenticalRows;
use super::stop::Stop;
use crate::engine::output::Layouts;

/// The positions of a merge join in both exports.
pub(super) struct Sides<'scope, 'a> {
    pub(super) layouts: Layouts<'a>,
    pub(super) old: Cursor<'a>,
    pub(super) new: Cursor<'a>,
    pub(super) identical: IdenticalRows<'scope>,
}

impl Sides<'_, '_> {
    /// Returns whether records of the same bytes are the same rows: both exports are read in the same way, and the
    /// current parts list their columns in the same order.
    pub(super) fn are_alike(&self) -> bool {
        std::ptr::eq(self.layouts.before, self.layouts.after)
            && matches!((self.old.position(), self.new.position()), (Some((old, _)), Some((new, _))) if old.fields == new.fields)
    }

    /// Hands the records that are identical from here on to the other threads, up to the end of the shorter batch.
    /// Returns how many there are.
    pub(super) fn take_identical(&mut self) -> Result<usize, Stop> {
        let (Some((old, old_at)), Some((new, at))) = (self.old.position(), self.new.position()) else {
            return Err(Stop::Fallback);
        };
        let records = new.identical_records(at, old, old_at);
        self.identical.take(new, at..at + records)?;
        Ok(records)
    }

    /// Skips so many records in both exports. Returns whether that ended a batch of either.
    pub(super) fn skip(&mut self, records: usize) -> bool {
        // Not `||`: both have to skip.
        self.old.skip(records) | self.new.skip(records)
    }
}
