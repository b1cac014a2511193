//! The order in which a source lists its keys, learned from the first rows.
//!
//! A source may sort by its key columns in any sequence, ascending or descending, numbers as numbers or as text. The
//! first rows show which; every later row is checked against that.

use std::cmp::Ordering;

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::segments;
use crate::table::Type;

/// A key, and the range of each column's text in it.
#[derive(Debug, Default)]
pub(super) struct Key {
    bytes: Vec<u8>,
    texts: Vec<(usize, usize)>,
}

/// A total order of keys.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct KeyOrder(Vec<Step>);

/// One key column in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    column: usize,
    comparison: Comparison,
    is_descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Of two canonical integers, or decimals of the same scale, the longer is the larger.
    Number,
    Bytes,
}

impl KeyOrder {
    /// The order that these keys follow; `None` if they follow none.
    pub(super) fn learn(layout: &Layout, keys: &[Key]) -> Option<Self> {
        let mut candidates: Vec<Step> =
            layout.key_columns().enumerate().flat_map(|(index, column)| candidates(index, column.ty)).collect();
        let mut steps = Vec::new();
        let mut undecided: Vec<(&Key, &Key)> = keys.windows(2).map(|pair| (&pair[0], &pair[1])).collect();
        while !candidates.is_empty() {
            let never_falls = |step: &&Step| undecided.iter().all(|(a, b)| step.compare(a, b).is_le());
            let decided = |step: &&Step| undecided.iter().filter(|(a, b)| step.compare(a, b).is_lt()).count();
            // The column that decides most pairs comes first. Numbers of the same length ascend as text, too, but
            // sources usually sort them as numbers.
            let rank =
                |step: &&Step| (decided(step), std::cmp::Reverse(step.column), step.comparison == Comparison::Number);
            let step = *candidates.iter().filter(never_falls).max_by_key(rank)?;
            undecided.retain(|(a, b)| step.compare(a, b).is_eq());
            candidates.retain(|other| other.column != step.column);
            steps.push(step);
        }
        undecided.is_empty().then_some(Self(steps))
    }

    /// Compares two keys. Only identical keys are equal.
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

/// The ways in which a column can be sorted.
fn candidates(column: usize, ty: Type) -> Vec<Step> {
    let is_number = matches!(ty, Type::Tinyint | Type::Smallint | Type::Int | Type::Bigint | Type::Decimal { .. });
    let comparisons: &[_] = if is_number { &[Comparison::Number, Comparison::Bytes] } else { &[Comparison::Bytes] };
    let both =
        |comparison: &_| [false, true].map(|is_descending| Step { column, comparison: *comparison, is_descending });
    comparisons.iter().flat_map(both).collect()
}

impl Step {
    #[inline]
    fn compare(&self, a: &Key, b: &Key) -> Ordering {
        let (a, b) = (a.text(self.column), b.text(self.column));
        let order = match self.comparison {
            Comparison::Bytes => a.cmp(b),
            Comparison::Number => compare_numbers(a, b),
        };
        if self.is_descending { order.reverse() } else { order }
    }
}

impl Key {
    /// A key from its row bytes.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut key = Self::default();
        key.set(bytes);
        key
    }

    /// Replaces the key by another, given as row bytes.
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

    /// The row bytes of the key.
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
    use crate::table::{Column, Guards, Source, Table, Target};

    static TABLE: Table = Table {
        name: "t",
        description: None,
        role: "t",
        schema: "",
        primary_key: &["book", "number"],
        columns: &[Column::new("book", Type::String), Column::new("number", Type::Int)],
        source: Source::DEFAULT,
        before_image: false,
        athena: false,
        guards: Guards::DEFAULT,
        expect: None,
        target: Target::NONE,
        tenants: &[],
    };

    fn key(book: &str, number: i32) -> Key {
        let mut bytes = Vec::new();
        write_text(book.as_bytes(), &mut bytes);
        write_text(number.to_string().as_bytes(), &mut bytes);
        Key::new(&bytes)
    }

    fn learn(keys: &[(&str, i32)]) -> Option<KeyOrder> {
        let keys: Vec<_> = keys.iter().map(|(book, number)| key(book, *number)).collect();
        let order = KeyOrder::learn(&Layout::new(&TABLE), &keys)?;
        assert!(keys.windows(2).all(|pair| order.compare(&pair[0], &pair[1]).is_lt()));
        Some(order)
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let ascending = ["-100.00", "-20.50", "-20.05", "-0.01", "0.00", "0.10", "9.99", "10.00", "100.00"];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare_numbers(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn an_order_is_learned_whichever_column_comes_first() {
        assert!(learn(&[("a", 1), ("a", 2), ("a", 10), ("b", 1)]).is_some());
        assert!(learn(&[("a", 1), ("b", 1), ("a", 2), ("b", 10)]).is_some());
        assert!(learn(&[("b", 3), ("b", 1), ("a", 7), ("a", 2)]).is_some());
        assert!(learn(&[("a", 1), ("a", 10), ("a", 2), ("b", 1)]).is_some());
        assert!(learn(&[("a", 1)]).is_some() && learn(&[]).is_some());
        let order = learn(&[("a", 8), ("a", 9)]).unwrap();
        assert!(order.compare(&key("a", 9), &key("a", 10)).is_lt(), "numbers ascend as numbers");
    }

    #[test]
    fn no_order_is_learned_where_there_is_none() {
        assert!(learn(&[("a", 1), ("b", 3), ("a", 2), ("b", 1)]).is_none());
        assert!(learn(&[("a", 1), ("a", 1)]).is_none());
    }
}
