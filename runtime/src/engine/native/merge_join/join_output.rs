//! The output of a merge join: operations, and totals of both exports.

use crate::canonical::row::Row;
use crate::engine::deleted_rows::DeletedRows;
use crate::engine::output::{Layouts, Output};
use crate::engine::request::Side;
use crate::error::Result;
use crate::plan::Comparison;

/// What a merge join has written and counted so far.
pub(super) struct JoinOutput<'o> {
    pub(super) comparison: Comparison,
    pub(super) output: Output<'o>,
    pub(super) before: Tally,
    pub(super) after: Tally,
    pub(super) deleted: DeletedRows,
}

/// The rows of one export so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) rows: u64,
    /// The sum of their row hashes.
    pub(super) fingerprint: i128,
}

impl Tally {
    pub(super) fn add(&mut self, hash: i64) {
        self.rows += 1;
        self.fingerprint += i128::from(hash);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.fingerprint += other.fingerprint;
    }
}

/// A row with its row hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashedRow<'a> {
    /// The row bytes of the key columns.
    pub(super) key: &'a [u8],
    pub(super) hash: i64,
    /// The row bytes of the other columns.
    pub(super) values: &'a [u8],
}

impl<'a> HashedRow<'a> {
    pub(super) fn new(row: &'a Row, hash: i64) -> Self {
        Self { key: row.key(), hash, values: row.values() }
    }
}

impl<'o> JoinOutput<'o> {
    pub(super) fn new(comparison: Comparison, output: Output<'o>) -> Self {
        let (before, after) = (Tally::default(), Tally::default());
        Self { comparison, output, before, after, deleted: DeletedRows::default() }
    }

    /// Adds the two rows of a key, both of which are in memory as they were read.
    pub(super) fn pair_rows(&mut self, layouts: Layouts<'_>, old: &Row, new: &Row) -> Result<()> {
        let hashes = (layouts.before.hash(old), layouts.after.hash(new));
        let is_changed = layouts.before.compared(old) != layouts.after.compared(new);
        self.pair(HashedRow::new(old, hashes.0), HashedRow::new(new, hashes.1), is_changed)
    }

    /// Adds the two rows of a key.
    pub(super) fn pair(&mut self, old: HashedRow<'_>, new: HashedRow<'_>, is_changed: bool) -> Result<()> {
        self.before.add(old.hash);
        self.after.add(new.hash);
        if is_changed {
            self.output.update(new.key, (old.hash, old.values), (new.hash, new.values))?;
        }
        Ok(())
    }

    /// Adds a row that only one of the exports has.
    pub(super) fn single(&mut self, side: Side, row: HashedRow<'_>) -> Result<()> {
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
