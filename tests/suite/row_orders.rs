//! Exports of some thousand rows in every kind of order: the native engine finds what the reference finds, whichever way
//! it compares them.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use runtime::change_set::Comparison;

use crate::engines::{ENGINES, Given, Parts, by_reference, difference, seen};
use crate::world::tell;

/// How many pairs of exports are tried in each order.
const WORLDS: u64 = 12;

/// A row of `orders`: its key, and what is said of it.
type Row = (u64, String);

/// Dice that fall the same way each time.
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

/// What the source does to its table from one export to the next.
struct Edits {
    /// Of a thousand rows, how many are deleted, updated, written anew elsewhere, or followed by a new one.
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
        let place = dice.below(edited.len() as u64 + 1) as usize;
        edited.insert(place, row);
    }
    edited
}

/// The rows as an export in one to three parts.
fn export(rows: &[Row], dice: &mut Dice) -> Parts {
    let size = rows.len() / (1 + dice.below(3) as usize) + 1;
    let part = |(number, rows): (usize, &[Row])| {
        let mut text = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n".to_owned();
        for (id, said) in rows {
            writeln!(text, "r{},{id},,{said},,2026-01-01 00:00:00,job", id % 3).expect("memory can be written");
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text.as_bytes()).expect("memory can be written");
        (format!("part-{number}.csv.gz"), gzip.finish().expect("memory can be written"))
    };
    rows.chunks(size).enumerate().map(part).collect()
}

/// Tries one order. `expected` is how the native engine should compare such exports; `None` is that it should refuse them.
fn each_world(kind: &str, expected: impl Into<Option<Comparison>>, make: impl Fn(&mut Dice) -> [Vec<Row>; 2]) {
    let table = generated::TABLES.iter().find(|table| table.name == "orders").expect("the samples have it");
    let (mut as_expected, expected) = (0, expected.into());
    for world in 0..WORLDS {
        let mut dice = Dice(world);
        let [before, after] = make(&mut dice);
        let [baseline, snapshot] = [&before, &after].map(|rows| export(rows, &mut dice));
        let baseline = (!before.is_empty()).then_some(baseline);
        let given = Given { table, baseline, snapshot };
        let wanted = by_reference(&given);
        for native in ENGINES.iter().filter(|engine| engine.name.starts_with("native")) {
            if let Some(difference) = difference(&wanted, &(native.delta)(&given)) {
                panic!("{kind}, world {world}, {}: {difference}", native.name);
            }
            as_expected += usize::from(native.name == "native" && seen() == expected);
        }
    }
    tell(&format!("{kind}: {as_expected} of {WORLDS} compared as {expected:?}"));
    assert!(as_expected > WORLDS as usize * 2 / 3, "{kind}: {as_expected} of {WORLDS} as {expected:?}");
}

/// Rows in the order in which they lie on a disk, which is no order of their keys.
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
    each_world("heap, few changes", Comparison::Aligned, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let after = edited(&before, &Edits { deleted: 5, updated: 20, moved: 5, inserted: 5 }, dice);
        [before, after]
    });
    each_world("heap, many changes", Comparison::Aligned, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let after = edited(&before, &Edits { deleted: 150, updated: 200, moved: 150, inserted: 200 }, dice);
        [before, after]
    });
    each_world("heap, first import", Comparison::Aligned, |dice| {
        let rows = size(dice);
        [Vec::new(), heap(dice, rows)]
    });
    each_world("heap, the first half is gone", Comparison::AnyOrder, |dice| {
        let rows = size(dice) + 4_000;
        let before = heap(dice, rows);
        let after = before[before.len() / 2..].to_vec();
        [before, after]
    });
    each_world("heap, the last half is gone", Comparison::Aligned, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let after = before[..before.len() / 2].to_vec();
        [before, after]
    });
}

#[test]
fn repeated_keys_are_detected_in_every_row_order() {
    each_world("heap, a row again", Comparison::AnyOrder, |dice| {
        let rows = size(dice);
        let mut before = heap(dice, rows);
        let mut after = edited(&before, &Edits { deleted: 5, updated: 20, moved: 5, inserted: 5 }, dice);
        // In the one, the other, or both; near or far; mostly the same row, which is one then.
        let of_both = dice.below(3);
        for (rows, is_meant) in [(&mut before, of_both != 1), (&mut after, of_both != 0)] {
            let row = rows[dice.below(rows.len() as u64) as usize].clone();
            let place = dice.below(rows.len() as u64 + 1) as usize;
            if is_meant {
                rows.insert(place, row);
            }
        }
        [before, after]
    });
    each_world("heap, another row of the same key", None, |dice| {
        let rows = size(dice);
        let before = heap(dice, rows);
        let mut after = before.clone();
        let id = after[dice.below(after.len() as u64) as usize].0;
        let place = dice.below(after.len() as u64 + 1) as usize;
        after.insert(place, (id, "other,1.00".into()));
        [before, after]
    });
}

#[test]
fn sorted_and_shuffled_exports_use_the_comparison_that_fits() {
    each_world("sorted", Comparison::Ascending, |dice| {
        let rows = size(dice);
        let before: Vec<Row> = (0..rows).map(|id| row(id, dice)).collect();
        let after = edited(&before, &Edits { deleted: 50, updated: 50, moved: 0, inserted: 0 }, dice);
        [before, after]
    });
    each_world("shuffled", Comparison::AnyOrder, |dice| {
        let rows = 12_000 + size(dice);
        let before = heap(dice, rows);
        let mut after = before.clone();
        dice.shuffle(&mut after);
        [before, after]
    });
}
