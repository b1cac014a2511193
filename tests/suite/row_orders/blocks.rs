//! The longest block of deleted rows, in every row order and with any memory.

use std::collections::HashSet;

use runtime::plan::{Block, Comparison};

use super::{Dice, Row, compare_into, heap, row};

/// The longest block of rows of the first export that the second one lacks, as a plan shows it.
fn longest_block([before, after]: &[Vec<Row>; 2]) -> Option<Block> {
    let kept: HashSet<u64> = after.iter().map(|(id, _)| *id).collect();
    let mut longest: Option<(usize, usize)> = None;
    let mut first = 0;
    for end in 0..=before.len() {
        if before.get(end).is_some_and(|(id, _)| !kept.contains(id)) {
            continue;
        }
        if end > first && longest.is_none_or(|(first_of, end_of)| end_of - first_of < end - first) {
            longest = Some((first, end));
        }
        first = end + 1;
    }
    let (first, end) = longest?;
    let key = |id: u64| format!("(r{}, {id})", id % 3);
    Some(Block {
        rows: (end - first) as u64,
        after: first.checked_sub(1).map(|at| key(before[at].0)),
        at_the_end: end == before.len(),
    })
}

/// Deletes a block of rows, and some others.
fn shortened(before: &[Row], dice: &mut Dice) -> Vec<Row> {
    let at = dice.below(before.len() as u64) as usize;
    let length = dice.below(400) as usize;
    let is_kept = |position: usize, die: u64| !(at..at + length).contains(&position) && die > 0;
    before
        .iter()
        .enumerate()
        .filter(|(position, _)| is_kept(*position, dice.below(50)))
        .map(|(_, row)| row.clone())
        .collect()
}

#[test]
fn the_longest_block_of_deleted_rows_is_found_by_every_comparison() {
    let mut compared = HashSet::new();
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let rows = 1_000 + dice.below(2_000);
        let mut before =
            if seed % 3 == 0 { (0..rows).map(|id| row(id, &mut dice)).collect() } else { heap(&mut dice, rows) };
        let mut after = shortened(&before, &mut dice);
        if seed % 3 == 2 {
            // A repeated row leaves the comparison to the hash join.
            after.push(after[0].clone());
        }
        if seed == 7 {
            before.truncate(after.len());
        }
        let exports = [before, after];
        for memory in [1 << 30, 1] {
            let plan = compare_into(&exports, memory, &mut Vec::new());
            assert_eq!(plan.findings.deleted_block, longest_block(&exports), "seed {seed}, memory {memory}");
            compared.insert(format!("{:?}", plan.findings.comparison));
        }
    }
    let all = [Comparison::Ascending, Comparison::Aligned, Comparison::AnyOrder];
    assert_eq!(compared, all.map(|comparison| format!("{comparison:?}")).into());
}
