//! Exports in unrelated orders: however many of their rows fit into memory, the operations are the same.

use super::{Dice, Edits, Row, compare_into, edited, heap};

/// No row fits, some rows fit, all rows fit.
const MEMORY: [u64; 4] = [2 << 20, 4 << 20, 8 << 20, 1 << 30];

/// Asserts that the operations are the same, byte for byte, in whatever memory. Returns how many there are.
fn operations(exports: &[Vec<Row>; 2]) -> usize {
    let mut expected = Vec::new();
    let plan = compare_into(exports, MEMORY[0], &mut expected);
    for memory in &MEMORY[1..] {
        let mut lines = Vec::new();
        assert_eq!(compare_into(exports, *memory, &mut lines), plan, "{memory} bytes");
        assert!(lines == expected, "{memory} bytes: other lines");
    }
    expected.split_inclusive(|byte| *byte == b'\n').count()
}

fn shuffled(edits: &Edits, dice: &mut Dice) -> [Vec<Row>; 2] {
    let before = heap(dice, 30_000);
    let mut after = edited(&before, edits, dice);
    dice.shuffle(&mut after);
    [before, after]
}

#[test]
fn shuffled_exports_have_the_same_operations_in_whatever_memory() {
    let mut dice = Dice(3);
    let few = shuffled(&Edits { deleted: 20, updated: 20, moved: 0, inserted: 20 }, &mut dice);
    assert!((1_500..2_100).contains(&operations(&few)));
    // More rows than fit change, so that those are read again as well.
    let many = shuffled(&Edits { deleted: 100, updated: 200, moved: 0, inserted: 50 }, &mut dice);
    assert!((9_000..12_000).contains(&operations(&many)));
    let none = shuffled(&Edits { deleted: 0, updated: 0, moved: 0, inserted: 0 }, &mut dice);
    assert_eq!(operations(&none), 0);
}

#[test]
fn a_key_that_comes_again_after_its_rows_have_met_is_found_in_whatever_memory() {
    let mut dice = Dice(5);
    for at in [0, 15_000, 29_999] {
        let [mut before, mut after] = shuffled(&Edits { deleted: 1, updated: 1, moved: 0, inserted: 1 }, &mut dice);
        let (old, new) = (before[at].clone(), after[at].clone());
        before.push(old);
        after.insert(0, new);
        operations(&[before, after]);
    }
}

#[test]
fn a_block_of_deleted_rows_is_found_in_whatever_memory() {
    let mut dice = Dice(7);
    let [before, mut after] = shuffled(&Edits { deleted: 1, updated: 1, moved: 0, inserted: 1 }, &mut dice);
    let block: Vec<u64> = before[9_950..10_050].iter().map(|(id, _)| *id).collect();
    after.retain(|(id, _)| !block.contains(id));
    assert!(operations(&[before, after]) > 100);
}
