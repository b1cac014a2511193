//! What counts is what an export contains: not how it is compressed, nor how often a row is repeated.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::workspace::{Workspace, gzip};

fn rows(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("PK{n:03};{n};;\n")).collect()
}

/// The same rows with other bytes, and another size: two members, which are not compressed.
fn compressed_again(text: &str) -> Vec<u8> {
    let (first, second) = text.split_at(text.len() / 2);
    let member = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    [member(first), member(second)].concat()
}

fn nothing_new(workspace: &Workspace) {
    let output = workspace.run();
    assert!(output.status == 0 && output.stdout.contains("none is new"), "{}", output.transcript());
}

#[test]
fn the_same_rows_compressed_again_are_not_a_revision() {
    let workspace = Workspace::new();
    let path = workspace.export("acme/test_table/V1", &rows(0..200));
    assert_eq!(workspace.run().status, 0);
    fs::write(&path, compressed_again(&rows(0..200))).unwrap();
    nothing_new(&workspace);
    let verified = workspace.tidemark(&["verify"]);
    assert_eq!(verified.status, 0, "{}", verified.transcript());
    // It is the baseline all the same.
    workspace.export("acme/test_table/V2", &rows(1..200));
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V2").len(), 3);
    // Other rows are a revision, which is reported once.
    fs::write(&path, compressed_again(&rows(0..201))).unwrap();
    assert!(workspace.run().stderr.contains("this revision is refused"));
    nothing_new(&workspace);
    let verified = workspace.tidemark(&["verify", "acme/test_table/V1"]);
    assert!(verified.status == 1 && verified.stderr.contains("bytes instead of"), "{}", verified.transcript());
    // So is a file that cannot be read.
    fs::write(&path, &compressed_again(&rows(0..200))[..900]).unwrap();
    assert!(workspace.run().stderr.contains("this revision is refused"));
    // The published rows, compressed in yet another way, are no revision.
    fs::write(&path, gzip(rows(0..200).as_bytes())).unwrap();
    nothing_new(&workspace);
}

#[test]
fn a_version_that_waits_for_a_decision_and_is_compressed_again_keeps_waiting_for_it() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(0..200));
    let path = workspace.export("acme/test_table/V2", &rows(0..100));
    assert_eq!(workspace.run().status, 1);
    let plan = |workspace: &Workspace| {
        let plan = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]).stdout;
        serde_json::from_str::<Value>(&plan).unwrap()["plan"]["hash"].as_str().unwrap().to_owned()
    };
    let reviewed = plan(&workspace);
    fs::write(&path, compressed_again(&rows(0..100))).unwrap();
    nothing_new(&workspace);
    assert_eq!(plan(&workspace), reviewed);
    assert_eq!(workspace.tidemark(&["approve", "acme/test_table/V2", &reviewed]).status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUCCEEDED");
}

#[test]
fn a_baseline_that_was_compressed_again_is_still_the_baseline() {
    let workspace = Workspace::new();
    let path = workspace.export("acme/test_table/V1", &rows(0..200));
    assert_eq!(workspace.run().status, 0);
    fs::write(&path, compressed_again(&rows(0..200))).unwrap();
    workspace.export("acme/test_table/V2", &rows(0..201));
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V2").len(), 3);
}

#[test]
fn collapsed_rows_are_in_every_text() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &(rows(0..3) + &rows(0..2)));
    workspace.export("acme/test_table/V2", &(rows(0..3) + &rows(1..2)));
    let output = workspace.run();
    assert!(
        output.stdout.contains("SUCCEEDED  2 repeated rows counted once, how many is not compared\n"),
        "{}",
        output.stdout
    );
    assert!(
        output.stdout.contains("SUCCEEDED  1 repeated row counted once, how many is not compared\n"),
        "{}",
        output.stdout
    );
    let plan = workspace.tidemark(&["plan", "acme/test_table/V1"]).stdout;
    assert!(plan.contains("rows       0 → 3   2 repeated rows counted once, how many is not compared\n"), "{plan}");
    let history = workspace.tidemark(&["history", "acme/test_table/V1"]).stdout;
    assert!(
        history.contains(
            "3 rows: 3 inserted, 0 updated, 0 deleted; 2 repeated rows counted once, how many is not compared"
        ),
        "{history}"
    );
    let delta = workspace.tidemark(&["delta", "test_table", "none", "exports/acme/test_table/V1", "-o", "ops"]).stderr;
    assert!(
        delta.contains(
            "3 rows: 3 inserted, 0 updated, 0 deleted; 2 repeated rows counted once, how many is not compared"
        ),
        "{delta}"
    );
}

#[test]
fn a_columns_count_has_every_row_in_which_it_changed() {
    let workspace = Workspace::from_schemas();
    let schema = |more: &str| {
        format!(
            "table: t\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n  - {{ name: a, type: string }}\n{more}"
        )
    };
    workspace.write("schemas/t.yaml", schema("").as_bytes());
    workspace.export("acme/t/V1", "id,a\n1,x\n2,x\n3,x\n4,x\n");
    assert_eq!(workspace.run().status, 0);
    workspace.write("schemas/t.yaml", schema("  - { name: b, type: string, nullable: true }\n").as_bytes());
    // The first changes in `a`, the second in both, the third in the added column alone.
    workspace.export("acme/t/V2", "id,a,b\n1,y,\n2,y,z\n3,x,z\n4,x,\n");
    assert_eq!(workspace.run().status, 0);
    let plan = workspace.tidemark(&["plan", "acme/t/V2"]).stdout;
    assert!(plan.contains("a 2 · b 2\n") && plan.contains("1 of these in added columns only"), "{plan}");
}
