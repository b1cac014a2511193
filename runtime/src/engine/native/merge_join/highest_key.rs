//! The highest key that a merge join has passed.

use super::cursor::Cursor;
use super::key_order::{Key, KeyOrder};
use super::stop::Stop;

/// The highest key so far.
pub(super) struct HighestKey {
    order: KeyOrder,
    key: Option<Key>,
    /// A buffer for the key that is compared with it.
    next: Key,
}

impl HighestKey {
    pub(super) fn new(order: KeyOrder) -> Self {
        Self { order, key: None, next: Key::default() }
    }

    /// The order in which keys must ascend.
    #[inline]
    pub(super) fn order(&self) -> &KeyOrder {
        &self.order
    }

    /// The row bytes of the highest key; empty before the first.
    pub(super) fn bytes(&self) -> &[u8] {
        self.key.as_ref().map_or(&[], Key::bytes)
    }

    /// Advances over the next records, which must be above the highest key. Only the first and the last are checked
    /// here.
    pub(super) fn advance_over(&mut self, cursor: &mut Cursor<'_>, records: usize) -> Result<(), Stop> {
        self.advance(cursor.key(0)?)?;
        if records > 1 {
            self.advance(cursor.key(records - 1)?)?;
        }
        Ok(())
    }

    /// Advances to the next key, which must be above the highest key.
    #[inline]
    pub(super) fn advance(&mut self, key: &[u8]) -> Result<(), Stop> {
        self.next.set(key);
        match &mut self.key {
            None => self.key = Some(std::mem::take(&mut self.next)),
            Some(highest) if self.order.compare(highest, &self.next).is_lt() => std::mem::swap(highest, &mut self.next),
            Some(_) => return Err(Stop::Fallback),
        }
        Ok(())
    }
}
