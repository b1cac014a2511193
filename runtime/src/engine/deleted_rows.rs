//! Where the deleted rows are in the baseline: an export that was cut off lacks one block of rows, at the end.

use crate::canonical::row::{Layout, Row};
use crate::plan::Block;

/// Finds the longest block of deleted rows.
#[derive(Debug, Default)]
pub(super) struct DeletedRows {
    /// The number of rows so far.
    rows: u64,
    /// The key of the last row, if that was kept.
    last_kept: Vec<u8>,
    /// The block that ends with the last row, if that was deleted.
    current: Option<Rows>,
    longest: Option<Rows>,
    /// For each row, whether an earlier pass deleted it; one bit each.
    earlier: Vec<u64>,
    /// Whether another pass over the same rows follows.
    is_remembered: bool,
}

/// Deleted rows that follow each other.
#[derive(Debug)]
struct Rows {
    first: u64,
    number: u64,
    /// The key of the row before them; `None` if they are the first of the baseline.
    after: Option<Vec<u8>>,
}

impl DeletedRows {
    /// Begins another pass over the same rows. If it is not the last one, its deletions are remembered for the next.
    pub(super) fn begin_pass(&mut self, is_last: bool) {
        let earlier = std::mem::take(&mut self.earlier);
        *self = Self { earlier, is_remembered: !is_last, ..Self::default() };
    }

    /// Adds the next row of the baseline.
    pub(super) fn add(&mut self, row: &Row, is_deleted: bool) {
        let number = self.rows;
        if is_deleted && self.is_remembered {
            self.remember(number);
        }
        if is_deleted || self.is_remembered_as_deleted(number) {
            let last_kept = std::mem::take(&mut self.last_kept);
            self.add_deleted(number, (number > 0).then_some(last_kept.as_slice()));
            self.last_kept = last_kept;
        } else {
            self.add_kept(1, row.key());
        }
    }

    /// Adds the next rows of the baseline, none of which is deleted. `last` is the key of the last of them.
    pub(super) fn add_kept(&mut self, rows: u64, last: &[u8]) {
        self.end_block();
        self.last_kept.clear();
        self.last_kept.extend_from_slice(last);
        self.rows += rows;
    }

    /// Adds a deleted row by its number, which is larger than those before it; rows in between are kept. `previous` is
    /// the key of the row before it.
    pub(super) fn add_deleted(&mut self, number: u64, previous: Option<&[u8]>) {
        match &mut self.current {
            Some(block) if block.first + block.number == number => block.number += 1,
            _ => {
                self.end_block();
                self.current = Some(Rows { first: number, number: 1, after: previous.map(<[u8]>::to_vec) });
            }
        }
        self.rows = number + 1;
    }

    /// Ends the baseline, of which so many rows were read, where only the deleted ones were added.
    pub(super) fn end(&mut self, rows: u64) {
        self.rows = rows;
    }

    /// The longest block, once the baseline is read to its end. It counts no more than `deleted` keys: a row that is
    /// there twice is deleted once.
    pub(super) fn block(mut self, layout: &Layout, deleted: u64) -> Option<Block> {
        self.end_block();
        let Rows { first, number, after } = self.longest?;
        Some(Block {
            rows: number.min(deleted),
            after: after.map(|key| layout.shown_key(&key)),
            at_the_end: first + number == self.rows,
        })
    }

    fn end_block(&mut self) {
        let Some(block) = self.current.take() else { return };
        if self.longest.as_ref().is_none_or(|longest| longest.number < block.number) {
            self.longest = Some(block);
        }
    }

    fn remember(&mut self, number: u64) {
        let word = (number / u64::from(u64::BITS)) as usize;
        if self.earlier.len() <= word {
            self.earlier.resize(word + 1, 0);
        }
        self.earlier[word] |= 1 << (number % u64::from(u64::BITS));
    }

    fn is_remembered_as_deleted(&self, number: u64) -> bool {
        let word = self.earlier.get((number / u64::from(u64::BITS)) as usize);
        word.is_some_and(|word| word >> (number % u64::from(u64::BITS)) & 1 == 1)
    }
}
