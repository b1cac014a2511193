//! The entries of both exports side by side: which keys need an operation.

use std::cmp::Ordering;

use super::entry::{Entry, KeyHash};
use crate::operation::Kind;

/// A key that needs an operation; 24 bytes.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: KeyHash,
    pub(super) kind: Kind,
}

/// Changes that can be looked up by the hash of their key.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Ascending by key.
    list: Vec<Change>,
    /// Where the changes begin whose key hashes begin with the bits that count up to this place, and one place more.
    starts: Vec<u32>,
}

impl Changes {
    /// Adds the changes between the entries of one partition, which lies behind those before.
    pub(super) fn add(&mut self, baseline: &[Entry], snapshot: &[Entry]) {
        let (mut olds, mut news) = (baseline.iter().peekable(), snapshot.iter().peekable());
        let mut add = |key: KeyHash, kind: Kind| self.list.push(Change { key, kind });
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key.cmp(&new.key),
            };
            // Presence is which side stands here, never something inferred from a value.
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            match (old, new) {
                (None, Some(new)) => add(new.key, Kind::Insert),
                (Some(old), None) => add(old.key, Kind::Delete),
                (Some(old), Some(new)) if old.row != new.row => add(new.key, Kind::Update),
                _ => {}
            }
        }
    }

    /// How many changes there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are changes of one of these kinds.
    pub(super) fn has(&self, kinds: [Kind; 2]) -> bool {
        self.list.iter().any(|change| kinds.contains(&change.kind))
    }

    /// What kind of operation the change at a place needs.
    pub(super) fn kind(&self, place: u32) -> Kind {
        self.list[place as usize].kind
    }

    /// Makes ready for [`Changes::find`]: most keys have no change, and a look at two numbers shall tell that.
    pub(super) fn ready(mut self) -> Self {
        let bits = self.list.len().max(2).ilog2();
        let places = 1usize << bits;
        self.starts = Vec::with_capacity(places + 1);
        let mut next = 0;
        for prefix in 0..places as u64 {
            while self.list.get(next).is_some_and(|change| change.key.0 >> (u64::BITS - bits) < prefix) {
                next += 1;
            }
            self.starts.push(next as u32);
        }
        self.starts.push(self.list.len() as u32);
        self
    }

    /// The place of a key's change, if it has one.
    pub(super) fn find(&self, key: KeyHash) -> Option<u32> {
        let bits = (self.starts.len() - 1).ilog2();
        let prefix = (key.0 >> (u64::BITS - bits)) as usize;
        let (from, to) = (self.starts[prefix], self.starts[prefix + 1]);
        let found = self.list[from as usize..to as usize].binary_search_by_key(&key, |change| change.key);
        found.ok().map(|at| from + at as u32)
    }
}
