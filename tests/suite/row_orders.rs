//! Exports of some thousand rows, in every kind of row order: whichever comparison the native engine chooses, it agrees
//! with the reference.

use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZero;

use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::change_set::LineSink;
use runtime::delta::{self, Delta};
use runtime::engine::{Engines, Limits};
use runtime::plan::{Comparison, Plan};
use runtime::telemetry::Watch;

use crate::engines::{DeltaInput, ENGINES, Parts, difference, last_comparison, reference_delta, write_parts};
use crate::workspace::add_to_summary;

mod ahead;
mod blocks;
mod first_import;
mod headers;
mod shuffled;

/// How many pairs of exports are tried in each order.
const PAIRS: u64 = 5;

/// A row of `orders`: its key, and the text of its status and amount.
type Row = (u64, String);

/// Pseudo-random numbers: the same seed gives the same numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn row(id: u64, dice: &mut Dice) -> Row {
    (id, format!("status-{},{}.{:02}", dice.below(7), dice.below(1_000), dice.below(100)))
}

/// The changes to the source's table between two exports.
struct Edits {
    /// Of a thousand rows, how many are deleted, updated, moved elsewhere, or followed by a new one.
    deleted: u64,
    updated: u64,
    moved: u64,
    inserted: u64,
}

fn edited(rows: &[Row], edits: &Edits, dice: &mut Dice) -> Vec<Row> {
    let (mut edited, mut moved, mut next) = (Vec::new(), Vec::new(), 10_000_000);
    for (id, text) in rows {
        match dice.below(1000) {
            die if die < edits.deleted => {}
            die if die < edits.deleted + edits.updated => edited.push(row(*id, dice)),
            die if die < edits.deleted + edits.updated + edits.moved => moved.push((*id, text.clone())),
            _ => edited.push((*id, text.clone())),
        }
        if dice.below(1000) < edits.inserted {
            next += 1;
            edited.push(row(next, dice));
        }
    }
    for row in moved {
        let index = dice.below(edited.len() as u64 + 1) as usize;
        edited.insert(index, row);
    }
    edited
}

/// The rows as an export in one to three parts.
fn export(rows: &[Row], dice: &mut Dice) -> Parts {
    let size = rows.len() / (1 + dice.below(3) as usize) + 1;
    let part = |(number, rows): (usize, &[Row])| {
        let mut text = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n".to_owned();
        for (id, status_and_amount) in rows {
            writeln!(text, "r{},{id},,{status_and_amount},,2026-01-01 00:00:00,job", id % 3)
                .expect("memory can be written");
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).expect("memory can be written");
        (format!("part-{number}.csv.gz"), gzip.finish().expect("memory can be written"))
    };
    rows.chunks(size).enumerate().map(part).collect()
}

/// Tries one row order. `expected` is how the native engine should compare such exports, `None` if it should reject
/// them.
fn check_order(order: &str, expected: impl Into<Option<Comparison>>, make: impl Fn(&mut Dice) -> [Vec<Row>; 2]) {
    let expected = expected.into();
    let as_expected = (0..PAIRS).filter(|seed| check_pair(order, *seed, &make) == expected).count();
    add_to_summary(&format!("row order {order}: {as_expected} of {PAIRS} pairs compared as {expected:?}"));
    assert!(as_expected > PAIRS as usize * 2 / 3, "{order}: {as_expected} of {PAIRS} as {expected:?}");
}

/// Asserts that the native engine finds what the reference finds, whatever its resources. Returns how it compared the
/// exports by default.
fn check_pair(order: &str, seed: u64, make: impl Fn(&mut Dice) -> [Vec<Row>; 2]) -> Option<Comparison> {
    let table = generated::TABLES.iter().find(|table| table.name == "orders").expect("the samples have it");
    let mut dice = Dice(seed);
    let [before, after] = make(&mut dice);
    let [baseline, snapshot] = [&before, &after].map(|rows| export(rows, &mut dice));
    let baseline = (!before.is_empty()).then_some(baseline);
    let input = DeltaInput { table, baseline, snapshot };
    let wanted = reference_delta(&input);
    let mut comparison = None;
    for native in ENGINES.iter().filter(|engine| engine.name.starts_with("native")) {
        if let Some(difference) = difference(&wanted, &(native.delta)(&input)) {
            panic!("{order}, seed {seed}, {}: {difference}", native.name);
        }
        if native.name == "native" {
            comparison = last_comparison();
        }
    }
    comparison
}

/// Compares two exports of `orders`, and returns the plan.
fn compare_into([before, after]: &[Vec<Row>; 2], memory: u64, lines: &mut dyn LineSink) -> Plan {
    let folder = tempfile::tempdir().expect("the tests have a folder");
    let write = |name: &str, rows: &[Row]| {
        delta::export(&write_parts(&folder.path().join(name), &export(rows, &mut Dice(7)))).expect("it has parts")
    };
    let delta = Delta {
        table: generated::TABLES.iter().find(|table| table.name == "orders").expect("the samples have it"),
        tenant: "acme".into(),
        version: "V2".into(),
        previous: "V1".into(),
        baseline: Some(write("before", before)),
        snapshot: write("after", after),
        engines: Engines::default(),
        limits: Limits { memory, threads: NonZero::new(2).expect("2 is not 0"), ..Limits::default() },
        hmac_key: None,
    };
    delta.run_into(lines, &Watch::default()).expect("the exports are valid")
}

/// Rows in the order in which they are stored on disk, which is not the order of their keys.
fn heap(dice: &mut Dice, rows: u64) -> Vec<Row> {
    let mut ids: Vec<u64> = (0..rows).collect();
    dice.shuffle(&mut ids);
    ids.into_iter().map(|id| row(id, dice)).collect()
}

fn size(dice: &mut Dice) -> u64 {
    [40, 700, 6_000][dice.below(3) as usize] + dice.below(100)
}

#[test]
fn exports_in_the_same_row_order_are_compared_in_one_pass() {
    check_order("heap, few changes", Comparison::Aligned, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let after = edited(&before, &Edits { deleted: 5, updated: 20, moved: 5, inserted: 5 }, dice);
        [before, after]
    });
    check_order("heap, many changes", Comparison::Aligned, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let after = edited(&before, &Edits { deleted: 150, updated: 200, moved: 150, inserted: 200 }, dice);
        [before, after]
    });
    check_order("heap, first import", Comparison::Aligned, |dice| {
        let rows = size(dice);
        [Vec::new(), heap(dice, rows)]
    });
    check_order("heap, first half deleted", Comparison::AnyOrder, |dice| {
        let rows = size(dice) + 4_000;
        let before = heap(dice, rows);
        let after = before[before.len() / 2..].to_vec();
        [before, after]
    });
    check_order("heap, last half deleted", Comparison::Aligned, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let after = before[..before.len() / 2].to_vec();
        [before, after]
    });
}

#[test]
fn repeated_keys_are_detected_in_every_row_order() {
    check_order("heap, a repeated row", Comparison::AnyOrder, |dice| {
        let rows = size(dice);
        let mut before = heap(dice, rows);
        let mut after = edited(&before, &Edits { deleted: 5, updated: 20, moved: 5, inserted: 5 }, dice);
        // In the baseline, the snapshot or both, anywhere. An identical row counts once.
        let target = dice.below(3);
        for (rows, is_target) in [(&mut before, target != 1), (&mut after, target != 0)] {
            let row = rows[dice.below(rows.len() as u64) as usize].clone();
            let index = dice.below(rows.len() as u64 + 1) as usize;
            if is_target {
                rows.insert(index, row);
            }
        }
        [before, after]
    });
    check_order("heap, two rows with one key", None, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let mut after = before.clone();
        let id = after[dice.below(after.len() as u64) as usize].0;
        let index = dice.below(after.len() as u64 + 1) as usize;
        after.insert(index, (id, "other,1.00".into()));
        [before, after]
    });
}

#[test]
fn sorted_and_shuffled_exports_use_the_comparison_that_fits() {
    check_order("sorted", Comparison::Ascending, |dice| {
        let rows = size(dice);
        let before: Vec<Row> = (0..rows).map(|id| row(id, dice)).collect();
        let after = edited(&before, &Edits { deleted: 50, updated: 50, moved: 0, inserted: 0 }, dice);
        [before, after]
    });
    check_order("shuffled", Comparison::AnyOrder, |dice| {
        let rows = 12_000 + size(dice);
        let before = heap(dice, rows);
        let mut after = before.clone();
        dice.shuffle(&mut after);
        [before, after]
    });
}
