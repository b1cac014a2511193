//! How far one sorted export runs ahead of the other before the native engine gives up on their order: little is
//! written in vain, whatever the order.

use runtime::change_set::LineSink;
use runtime::error::Result;
use runtime::plan::{Comparison, Plan};

use super::{Dice, Row, check_pair, compare_into, row};
use crate::workspace::add_to_summary;

/// Two exports: the first lists its rows by key, the second as `reordered` says.
fn pair(rows: u64, reordered: impl FnOnce(Vec<Row>) -> Vec<Row>) -> [Vec<Row>; 2] {
    let sorted: Vec<Row> = (0..rows).map(|id| row(id, &mut Dice(id))).collect();
    [sorted.clone(), reordered(sorted)]
}

/// The rows in blocks, in another order.
fn blocks(rows: &[Row], order: &[usize]) -> Vec<Row> {
    let size = rows.len().div_ceil(order.len());
    let blocks: Vec<&[Row]> = rows.chunks(size).collect();
    order.iter().flat_map(|block| blocks[*block].to_vec()).collect()
}

/// Those rows first of which the position is a multiple of `step`, or those last.
fn combed(rows: Vec<Row>, step: usize, first: bool) -> Vec<Row> {
    let (mut some, mut others): (Vec<_>, Vec<_>) = rows.into_iter().enumerate().partition(|(at, _)| at % step == 0);
    if !first {
        std::mem::swap(&mut some, &mut others);
    }
    some.into_iter().chain(others).map(|(_, row)| row).collect()
}

type Order = (&'static str, fn(Vec<Row>) -> Vec<Row>);

/// Orders of the same rows that begin like a sorted export.
const ORDERS: [Order; 11] = [
    ("the last percent first", |rows| [&rows[rows.len() * 99 / 100..], &rows[..rows.len() * 99 / 100]].concat()),
    ("rotated by a half", |rows| blocks(&rows, &[1, 0])),
    ("the first tenth last", |rows| [&rows[rows.len() / 10..], &rows[..rows.len() / 10]].concat()),
    ("two blocks swapped in the middle", |rows| blocks(&rows, &[0, 2, 1, 3])),
    ("the last two blocks swapped", |rows| blocks(&rows, &[0, 1, 2, 3, 5, 4])),
    ("blocks from the last to the first", |rows| blocks(&rows, &[7, 6, 5, 4, 3, 2, 1, 0])),
    ("every second row first", |rows| combed(rows, 2, true)),
    ("every thousandth row first", |rows| combed(rows, 1000, true)),
    ("every tenth row last", |rows| combed(rows, 10, false)),
    ("descending", |rows| rows.into_iter().rev().collect()),
    ("the first row last", |rows| blocks(&rows[1..], &[0]).into_iter().chain([rows[0].clone()]).collect()),
];

#[test]
fn the_same_rows_in_another_order_are_no_change() {
    for (seed, (order, reordered)) in (0..).zip(ORDERS) {
        for backwards in [false, true] {
            check_pair(order, seed, |dice| {
                let [sorted, other] = pair(2_000 + dice.below(6_000), reordered);
                if backwards { [other, sorted] } else { [sorted, other] }
            });
        }
    }
}

/// Counts the operations that are written in vain.
#[derive(Default)]
struct Discarding {
    operations: usize,
    in_vain: usize,
}

impl LineSink for Discarding {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        self.operations += lines.iter().filter(|byte| **byte == b'\n').count();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.in_vain += std::mem::take(&mut self.operations);
        Ok(())
    }
}

fn compare(exports: &[Vec<Row>; 2], memory: u64) -> (Plan, Discarding) {
    let mut lines = Discarding::default();
    let plan = compare_into(exports, memory, &mut lines);
    (plan, lines)
}

#[test]
fn what_is_written_in_vain_is_bounded_in_every_order() {
    const ROWS: u64 = 60_000;
    // A thirty-second of the memory is 64 KiB, which are no more than 300 operations.
    const MEMORY: u64 = 2 << 20;
    for (order, reordered) in ORDERS {
        let [sorted, other] = pair(ROWS, reordered);
        for exports in [[sorted.clone(), other.clone()], [other, sorted]] {
            let (plan, lines) = compare(&exports, MEMORY);
            assert_eq!((plan.counts.inserted, plan.counts.updated, plan.counts.deleted), (0, 0, 0), "{order}");
            let share = lines.in_vain as f64 / ROWS as f64;
            add_to_summary(&format!("{order}: {:.1} % of the rows written in vain", share * 100.0));
            assert!(share < 0.13, "{order}: {} operations", lines.in_vain);
        }
    }
}

#[test]
fn large_deletions_and_new_partitions_of_sorted_exports_are_still_compared_in_one_pass() {
    type Edit = fn(Vec<Row>) -> Vec<Row>;
    let edits: [(&str, Edit); 4] = [
        ("the first half is gone", |rows| blocks(&rows, &[1, 0])[..rows.len() / 2].to_vec()),
        ("the last half is gone", |rows| rows[..rows.len() / 2].to_vec()),
        ("the middle is gone", |rows| blocks(&rows, &[0, 3, 1, 2])[..rows.len() / 2].to_vec()),
        ("every second row is gone", |rows| combed(rows, 2, true).into_iter().take(30_000).collect()),
    ];
    for (edit, edited) in edits {
        let [all, fewer] = pair(60_000, edited);
        for exports in [[all.clone(), fewer.clone()], [fewer, all]] {
            let (plan, lines) = compare(&exports, 1 << 20);
            assert_eq!(plan.findings.comparison, Comparison::Ascending, "{edit}");
            assert_eq!((plan.counts.inserted + plan.counts.deleted, lines.in_vain), (30_000, 0), "{edit}");
        }
    }
}
