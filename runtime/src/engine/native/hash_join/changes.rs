//! Finds the keys that need an operation, by comparing the entries of both exports.

use std::cmp::Ordering;

use super::entry::{Entry, KeyHash};
use crate::operation::Kind;

/// A key that needs an operation; 24 bytes.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: KeyHash,
    pub(super) kind: Kind,
}

/// Changes, which can be looked up by the hash of their key.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Ascending by key.
    list: Vec<Change>,
    /// For each value of the leading bits of a key hash, the index of the first change with at least that value; and
    /// the number of changes at the end.
    starts: Vec<u32>,
}

impl Changes {
    /// Adds the changes between the entries of a partition, which comes after those that were added before.
    pub(super) fn add(&mut self, baseline: &[Entry], snapshot: &[Entry]) {
        let (mut old_entries, mut new_entries) = (baseline.iter().peekable(), snapshot.iter().peekable());
        let mut add = |key: KeyHash, kind: Kind| self.list.push(Change { key, kind });
        loop {
            let order = match (old_entries.peek(), new_entries.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key.cmp(&new.key),
            };
            // Whether a row exists depends on which side has an entry, never on a value.
            let old = if order.is_le() { old_entries.next() } else { None };
            let new = if order.is_ge() { new_entries.next() } else { None };
            match (old, new) {
                (None, Some(new)) => add(new.key, Kind::Insert),
                (Some(old), None) => add(old.key, Kind::Delete),
                (Some(old), Some(new)) if old.row != new.row => add(new.key, Kind::Update),
                _ => {}
            }
        }
    }

    /// The number of changes.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether there are changes of one of these kinds.
    pub(super) fn has(&self, kinds: [Kind; 2]) -> bool {
        self.list.iter().any(|change| kinds.contains(&change.kind))
    }

    /// The operation that a change needs.
    pub(super) fn kind(&self, index: u32) -> Kind {
        self.list[index as usize].kind
    }

    /// Prepares [`Changes::find`]. Most keys have no change, which usually shows in two entries of `starts`.
    pub(super) fn indexed(mut self) -> Self {
        let bits = self.list.len().max(2).ilog2();
        let prefixes = 1usize << bits;
        self.starts = Vec::with_capacity(prefixes + 1);
        let mut next = 0;
        for prefix in 0..prefixes as u64 {
            while self.list.get(next).is_some_and(|change| change.key.0 >> (u64::BITS - bits) < prefix) {
                next += 1;
            }
            self.starts.push(next as u32);
        }
        self.starts.push(self.list.len() as u32);
        self
    }

    /// The index of a key's change, if it has one.
    pub(super) fn find(&self, key: KeyHash) -> Option<u32> {
        let bits = (self.starts.len() - 1).ilog2();
        let prefix = (key.0 >> (u64::BITS - bits)) as usize;
        let (from, to) = (self.starts[prefix], self.starts[prefix + 1]);
        let candidates = &self.list[from as usize..to as usize];
        candidates.binary_search_by_key(&key, |change| change.key).ok().map(|at| from + at as u32)
    }
}
