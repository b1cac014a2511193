//! Parts whose headers name the same columns in another order: the same bytes are other rows there.

use super::{Dice, Row, heap};
use crate::engines::{DeltaInput, ENGINES, Parts, difference, reference_delta};
use crate::workspace::gzip;

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";
const PERMUTED: &str = "region,order_id,customer_email,note,amount,status,updated_at,exported_by\n";

/// A part of `orders`: its header, and the rows with a status and a note of the same kind.
fn part(header: &str, rows: &[Row], is_swapped: bool) -> String {
    let row = |(id, _): &Row| {
        let (status, note) = (format!("s{}", id % 7), format!("n{}", id % 5));
        let (first, second) = if is_swapped { (note, status) } else { (status, note) };
        format!("eu,{id},,{first},1.00,{second},2026-01-01 00:00:00,job\n")
    };
    header.to_owned() + &rows.iter().map(row).collect::<String>()
}

fn parts(texts: &[String]) -> Parts {
    let named = |(number, text): (usize, &String)| (format!("part-{number}.csv.gz"), gzip(text.as_bytes()));
    texts.iter().enumerate().map(named).collect()
}

/// Asserts that the native engine finds what the reference finds. Returns the number of UPDATEs.
fn updates(baseline: &[String], snapshot: &[String], what: &str) -> u64 {
    let table = generated::TABLES.iter().find(|table| table.name == "orders").unwrap();
    let input = DeltaInput { table, baseline: Some(parts(baseline)), snapshot: parts(snapshot) };
    let wanted = reference_delta(&input);
    for native in ENGINES.iter().filter(|engine| engine.name.starts_with("native")) {
        if let Some(difference) = difference(&wanted, &(native.delta)(&input)) {
            panic!("{what}, {}: {difference}", native.name);
        }
    }
    wanted.changes().updated
}

#[test]
fn the_same_bytes_under_a_permuted_header_are_other_rows() {
    let sorted: Vec<Row> = (0..3_000).map(|id| (id, String::new())).collect();
    for rows in [sorted, heap(&mut Dice(3), 3_000)] {
        // Parts that end at the same row, and parts that do not.
        for (old_end, new_end) in [(1_500, 1_500), (1_500, 1_000), (1_000, 1_500), (3_000, 2_999)] {
            let baseline = [part(HEADER, &rows[..old_end], false), part(HEADER, &rows[old_end..], false)];
            let (first, second) = (&rows[..new_end], &rows[new_end..]);
            let same_bytes = [part(HEADER, first, false), part(PERMUTED, second, false)];
            assert_eq!(updates(&baseline, &same_bytes, "the same bytes"), 3_000 - new_end as u64);
            let same_rows = [part(HEADER, first, false), part(PERMUTED, second, true)];
            assert_eq!(updates(&baseline, &same_rows, "the same rows"), 0);
            let first_permuted = [part(PERMUTED, first, false), part(HEADER, second, false)];
            assert_eq!(updates(&baseline, &first_permuted, "the first part permuted"), new_end as u64);
        }
    }
}
