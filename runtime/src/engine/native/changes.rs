//! The two indexes side by side: which keys need an operation.

use std::cmp::Ordering;

use super::index::{Entry, KeyHash};
use crate::operation::Kind;

/// A key that needs an operation; 32 bytes.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: KeyHash,
    pub(super) state: State,
    pub(super) kind: Kind,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// None of its rows was looked at.
    Open,
    /// Its old row waits among the images.
    Waiting(u32),
    /// Its operation is written.
    Done,
}

/// Every change from the baseline's entries to the snapshot's, ascending by key hash like both of them.
pub(super) fn between(baseline: &[Entry], snapshot: &[Entry]) -> Vec<Change> {
    let (mut olds, mut news) = (baseline.iter().peekable(), snapshot.iter().peekable());
    let mut changes = Vec::new();
    let mut add = |key: KeyHash, kind: Kind| changes.push(Change { key, state: State::Open, kind });
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return changes,
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
