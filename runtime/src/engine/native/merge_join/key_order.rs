//! The order in which a source lists its keys, learned from the first rows.
//!
//! A source may sort by its key columns in any order, up or down, numbers as numbers or as text. Which of these it is
//! shows in the first rows; whether it is kept is checked for every row after them.

use std::cmp::Ordering;

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::segments;
use crate::table::Type;

/// A key, and where the text of each of its columns stands in it.
#[derive(Debug, Default)]
pub(super) struct Key {
    bytes: Vec<u8>,
    texts: Vec<(usize, usize)>,
}

/// A total order of keys.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct KeyOrder(Vec<Step>);

/// One key column, in its place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    column: usize,
    kind: Kind,
    is_down: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of canonical integers, and of decimals of one scale, the longer is the larger.
    Number,
    Bytes,
}

impl KeyOrder {
    /// The order in which these keys stand; `None` when they stand in none.
    pub(super) fn learn(layout: &Layout, keys: &[Key]) -> Option<Self> {
        let mut left: Vec<Step> =
            layout.key_columns().enumerate().flat_map(|(column, of)| steps(column, of.ty)).collect();
        let mut steps = Vec::new();
        let mut open: Vec<(&Key, &Key)> = keys.windows(2).map(|pair| (&pair[0], &pair[1])).collect();
        while !left.is_empty() {
            // A column that decides something comes before one that decides nothing.
            let never_down = |step: &&Step| open.iter().all(|(a, b)| step.compare(a, b).is_le());
            let decided = |step: &&Step| open.iter().filter(|(a, b)| step.compare(a, b).is_lt()).count();
            // As long as all numbers have the same length, they ascend as text too; mostly they do so as numbers.
            let rank = |step: &&Step| (decided(step), std::cmp::Reverse(step.column), step.kind == Kind::Number);
            let step = left.iter().filter(never_down).max_by_key(rank)?;
            let step = *step;
            open.retain(|(a, b)| step.compare(a, b).is_eq());
            left.retain(|other| other.column != step.column);
            steps.push(step);
        }
        open.is_empty().then_some(Self(steps))
    }

    /// Compares two keys; equal are only the same.
    #[inline]
    pub(super) fn compare(&self, a: &Key, b: &Key) -> Ordering {
        for step in &self.0 {
            let order = step.compare(a, b);
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// The ways in which a column may be sorted.
fn steps(column: usize, ty: Type) -> Vec<Step> {
    let is_number = matches!(ty, Type::Tinyint | Type::Smallint | Type::Int | Type::Bigint | Type::Decimal { .. });
    let kinds = if is_number { vec![Kind::Number, Kind::Bytes] } else { vec![Kind::Bytes] };
    let both = |kind| [false, true].map(|is_down| Step { column, kind, is_down });
    kinds.into_iter().flat_map(both).collect()
}

impl Step {
    #[inline]
    fn compare(&self, a: &Key, b: &Key) -> Ordering {
        let (a, b) = (a.text(self.column), b.text(self.column));
        let order = match self.kind {
            Kind::Bytes => a.cmp(b),
            Kind::Number => compare_numbers(a, b),
        };
        if self.is_down { order.reverse() } else { order }
    }
}

impl Key {
    /// A key in row bytes.
    pub(super) fn of(key: &[u8]) -> Self {
        let mut new = Self::default();
        new.set(key);
        new
    }

    /// Takes another key, in row bytes.
    #[inline]
    pub(super) fn set(&mut self, key: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(key);
        self.texts.clear();
        let mut start = 0;
        // A key is never NULL.
        for segment in segments(key) {
            start += segment.bytes.len();
            self.texts.push((start - segment.text.map_or(0, <[u8]>::len), start));
        }
    }

    /// The key in row bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The canonical text of a column.
    #[inline]
    fn text(&self, column: usize) -> &[u8] {
        let (from, to) = self.texts[column];
        &self.bytes[from..to]
    }
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let magnitude = |a: &[u8], b: &[u8]| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    match (a.strip_prefix(b"-"), b.strip_prefix(b"-")) {
        (None, None) => magnitude(a, b),
        (Some(a), Some(b)) => magnitude(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::row_bytes::write_text;
    use crate::table::{Column, Guards, Source, Table};

    static TABLE: Table = Table {
        name: "t",
        role: "t",
        schema: "",
        primary_key: &["book", "number"],
        columns: &[Column::new("book", Type::String), Column::new("number", Type::Int)],
        source: Source::DEFAULT,
        before_image: false,
        athena: false,
        guards: Guards::DEFAULT,
    };

    fn key(book: &str, number: i32) -> Key {
        let mut bytes = Vec::new();
        write_text(book.as_bytes(), &mut bytes);
        write_text(number.to_string().as_bytes(), &mut bytes);
        Key::of(&bytes)
    }

    fn learn(keys: &[(&str, i32)]) -> Option<KeyOrder> {
        let keys: Vec<_> = keys.iter().map(|(book, number)| key(book, *number)).collect();
        let order = KeyOrder::learn(&Layout::new(&TABLE), &keys)?;
        assert!(keys.windows(2).all(|pair| order.compare(&pair[0], &pair[1]).is_lt()));
        Some(order)
    }

    #[test]
    fn numbers_ascend_as_numbers() {
        let ascending = ["-100.00", "-20.50", "-20.05", "-0.01", "0.00", "0.10", "9.99", "10.00", "100.00"];
        for (place, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(compare_numbers(a.as_bytes(), b.as_bytes()), place.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn an_order_is_learned_whatever_column_comes_first() {
        assert!(learn(&[("a", 1), ("a", 2), ("a", 10), ("b", 1)]).is_some());
        assert!(learn(&[("a", 1), ("b", 1), ("a", 2), ("b", 10)]).is_some());
        assert!(learn(&[("b", 3), ("b", 1), ("a", 7), ("a", 2)]).is_some());
        assert!(learn(&[("a", 1), ("a", 10), ("a", 2), ("b", 1)]).is_some());
        assert!(learn(&[("a", 1)]).is_some() && learn(&[]).is_some());
        let order = learn(&[("a", 8), ("a", 9)]).unwrap();
        assert!(order.compare(&key("a", 9), &key("a", 10)).is_lt(), "numbers ascend as numbers");
    }

    #[test]
    fn no_order_is_made_up() {
        assert!(learn(&[("a", 1), ("b", 3), ("a", 2), ("b", 1)]).is_none());
        assert!(learn(&[("a", 1), ("a", 1)]).is_none());
    }
}
