//! Files of which the beginning does not show everything: the schema is that of all rows, whatever their order.

use super::{draft, has};
use crate::workspace::{Workspace, gzip};
use runtime::infer::Draft;

const ROWS: u64 = 1_200;

/// Rows that are more than the beginning that is read first.
fn rows() -> Vec<String> {
    (0..ROWS).map(|id| format!("{id};{:0>9};{}.{:02};{:-<1000}", id % 977, id % 100, id % 7, "text")).collect()
}

const HEADER: &str = "id;code;amount;note";

fn inferred(lines: &[String], end: &str) -> Draft {
    let workspace = Workspace::new();
    workspace.write("shop/export.csv.gz", &gzip(format!("{HEADER}\n{}\n{end}", lines.join("\n")).as_bytes()));
    draft(&workspace, &["shop/export.csv.gz"]).unwrap()
}

#[test]
fn rows_are_read_once_where_they_are_like_the_first_ones() {
    let draft = inferred(&rows(), "");
    assert_eq!((draft.rows, draft.read_again), (ROWS, Vec::new()));
    has(&draft.yaml, &["primary_key: [id]", "delimiter: \";\""]);
    assert_eq!(super::column(&draft.yaml, "code"), "type: char(9)");
}

#[test]
fn one_row_has_the_same_effect_at_the_end_as_at_the_beginning() {
    for (row, expected) in [
        ("1200;000000001;;x", "amount, type: \"decimal(9,2)\", nullable: true"),
        ("3000000000;000000001;1.00;x", "id, type: bigint"),
        ("1200;A1;1.00;x", "code, type: string"),
        ("1200;000000001;1.123;x", "amount, type: \"decimal(9,3)\""),
        ("1200;000000001;1.00;\"a; b\"", "note, type: string"),
        ("1200;000000001;1.00;'a; b'", "note, type: string"),
        ("1200;000000001;1.00;\"9\\\" wide\"", "note, type: string"),
        ("1200;000000001;1.00;é", "note, type: string"),
        ("1199;000000001;1.00;x", "id, type: int"),
    ] {
        let mut lines = rows();
        lines.push(row.into());
        let last = inferred(&lines, "");
        lines.rotate_right(1);
        let first = inferred(&lines, "");
        assert_eq!(last.yaml, first.yaml, "{row}");
        assert!(first.yaml.contains(expected), "{row}: {}", first.yaml);
    }
}

#[test]
fn a_last_line_that_is_not_a_row_is_found_in_a_large_file() {
    for (end, expected) in [
        ("*** end of data ***\n", "trailer: \"^\\\\*\\\\*\\\\* end of data \\\\*\\\\*\\\\*$\""),
        ("TRAILER;1200;;\n", "trailer: \"^TRAILER;([0-9]+);;$\""),
    ] {
        let draft = inferred(&rows(), end);
        has(&draft.yaml, &[expected, "primary_key: [id]"]);
        assert_eq!((draft.rows, draft.read_again.len()), (ROWS, 1));
    }
}

#[test]
fn bytes_of_a_code_page_are_found_anywhere() {
    let workspace = Workspace::new();
    let mut bytes = format!("{HEADER}\n{}\n", rows().join("\n")).into_bytes();
    bytes.extend(b"1200;000000001;1.00;caf\xE9\n");
    workspace.write("shop/export.csv", &bytes);
    let draft = draft(&workspace, &["shop/export.csv"]).unwrap();
    has(&draft.yaml, &["encoding: windows-1252", "primary_key: [id]"]);
}
