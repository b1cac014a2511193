//! What a pass over all rows has proved about candidates for the key.

use crate::infer::decide::Column;

/// Candidates for the key of which it is known whether they are unique.
#[derive(Debug, Default)]
pub(in crate::infer) struct Proved {
    keys: Vec<(Vec<usize>, Option<u128>)>,
    columns: Vec<Column>,
}

impl Proved {
    pub(super) fn new(keys: Vec<(Vec<usize>, Option<u128>)>, columns: Vec<Column>) -> Self {
        Self { keys, columns }
    }

    /// A key that two rows have, if that is known for columns that are read like this.
    pub(super) fn duplicate(&self, candidate: &[usize], columns: &[Column]) -> Option<Option<u128>> {
        let (_, duplicate) = self.keys.iter().find(|(columns, _)| columns == candidate)?;
        let is_alike = |index: &usize| self.columns[*index].reads_like(&columns[*index]);
        candidate.iter().all(is_alike).then_some(*duplicate)
    }
}
