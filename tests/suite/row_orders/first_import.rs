//! First imports of sorted rows in which a key comes twice: anywhere, and at the boundaries of batches and parts.

use runtime::plan::Comparison;

use crate::engines::{DeltaInput, ENGINES, Parts, difference, last_comparison, reference_delta};
use crate::workspace::gzip;

/// A row of 64 bytes, so that a batch of 128 KiB has 2,048 rows.
fn row(number: usize, value: u32) -> String {
    let start = format!("PK{number:05};{value};");
    format!("{start}{};x\n", "y".repeat(61 - start.len()))
}

const BATCH: usize = (128 << 10) / 64;
const ROWS: usize = 2 * BATCH + 500;

/// Asserts that the native engine finds what the reference finds. Returns how it compared the exports.
fn check(parts: &[String], what: &str) -> Option<Comparison> {
    let table = generated::TABLES.iter().find(|table| table.name == "test_table").unwrap();
    let named = |(number, text): (usize, &String)| (format!("part-{number}.csv.gz"), gzip(text.as_bytes()));
    let snapshot: Parts = parts.iter().enumerate().map(named).collect();
    let input = DeltaInput { table, baseline: None, snapshot };
    let wanted = reference_delta(&input);
    for native in ENGINES.iter().filter(|engine| ["native", "native with one thread"].contains(&engine.name)) {
        if let Some(difference) = difference(&wanted, &(native.delta)(&input)) {
            panic!("{what}, {}: {difference}", native.name);
        }
    }
    last_comparison()
}

fn rows() -> Vec<String> {
    (0..ROWS).map(|number| row(number, 1)).collect()
}

#[test]
fn a_first_import_of_sorted_rows_is_read_in_one_pass() {
    assert_eq!(row(0, 1).len(), 64);
    assert_eq!(check(&[rows().concat()], "sorted"), Some(Comparison::Ascending));
}

#[test]
fn a_repeated_key_is_found_within_every_batch_and_between_two() {
    for at in [5, BATCH - 2, BATCH - 1, BATCH, BATCH + 1, BATCH + 700, 2 * BATCH - 1, 2 * BATCH, ROWS - 1] {
        for value in [1, 2] {
            let mut rows = rows();
            // Right after its first row; the value tells whether the row is identical or contradicts it.
            rows.insert(at + 1, row(at, value));
            let comparison = check(&[rows.concat()], &format!("row {at} again with {value}"));
            assert_eq!(comparison, (value == 1).then_some(Comparison::AnyOrder), "row {at} again with {value}");
        }
    }
    for (first, again) in [(10, BATCH + 700), (BATCH - 1, 2 * BATCH), (BATCH, 2 * BATCH + 1)] {
        let mut rows = rows();
        rows.insert(again, row(first, 2));
        assert_eq!(check(&[rows.concat()], &format!("row {first} again after {again}")), None);
    }
}

#[test]
fn a_repeated_key_is_found_in_two_sorted_parts() {
    for middle in [2, BATCH - 1, BATCH, BATCH + 30] {
        let rows = rows();
        let (first, second) = rows.split_at(middle);
        assert_eq!(check(&[first.concat(), second.concat()], "two parts"), Some(Comparison::Ascending));
        for value in [1, 2] {
            // The second part begins with the last key of the first; then with one before it.
            for repeated in [middle - 1, middle / 2] {
                let second = row(repeated, value) + &second.concat();
                let comparison = check(&[first.concat(), second], &format!("{repeated} again after {middle}"));
                assert_eq!(comparison, (value == 1).then_some(Comparison::AnyOrder), "{repeated} after {middle}");
            }
        }
    }
}
