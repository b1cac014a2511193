//! Exports that turn out to be irregular late, when operations have been written already; and exports that change
//! between the two passes of a hash join.

use runtime::breakpoint::Breakpoint;
use serde_json::Value;

use crate::breakpoints::StoppedProcess;
use crate::workspace::Workspace;

fn row(number: u32, value: u32) -> String {
    format!("PK{number:05};{value};;\n")
}

fn rows(numbers: impl Iterator<Item = u32>, value: impl Fn(u32) -> u32) -> String {
    numbers.map(|number| row(number, value(number))).collect()
}

/// The operations of a version, by kind.
fn counts(workspace: &Workspace, version: &str) -> [usize; 3] {
    let records = workspace.published(version);
    let count = |op: &str| records.iter().filter(|record| record["op"] == op).count();
    ["INSERT", "UPDATE", "DELETE"].map(count)
}

/// Runs with parts of a few operations each.
fn run_in_small_parts(workspace: &Workspace) {
    let output = workspace.tidemark_with_env(&["run", "exports"], &[("TIDEMARK_PART_BYTES", "20000")]);
    assert_eq!(output.status, 0, "{}", output.transcript());
}

#[test]
fn parts_are_counted_anew_when_an_export_turns_out_to_be_irregular() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(0..3_000, |_| 1));
    run_in_small_parts(&workspace);
    // Many parts of operations are written before the last row, which comes twice.
    let changed = |number: u32| if number.is_multiple_of(3) { 2 } else { 1 };
    workspace.export("acme/test_table/V2", &(rows(0..3_000, changed) + &row(2_999, 1)));
    run_in_small_parts(&workspace);
    assert_eq!(counts(&workspace, "acme/test_table/V2"), [0, 1_000, 0]);
    // The same rows, the first one last: no operation, and one part for BEGIN and END.
    workspace.export("acme/test_table/V3", &(rows(1..3_000, changed) + &rows(0..1, changed)));
    run_in_small_parts(&workspace);
    assert_eq!(counts(&workspace, "acme/test_table/V3"), [0, 0, 0]);
    let statuses = workspace.statuses("acme/test_table");
    assert!(statuses.values().all(|status| status == "SUCCEEDED"), "{statuses:?}");
    let verified = workspace.tidemark(&["verify"]);
    assert_eq!(verified.status, 0, "{}", verified.transcript());
}

#[test]
fn a_row_that_the_baseline_has_twice_is_deleted_once() {
    // Sorted, in another order, and the other way round.
    let orders: [&[u32]; 3] = [&[1, 2, 2, 3, 4], &[4, 2, 1, 3, 2], &[2, 2, 4, 3, 1]];
    for order in orders {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(order.iter().copied(), |_| 1));
        workspace.export("acme/test_table/V2", &rows([1, 3, 4].into_iter(), |_| 1));
        let (status, report) = workspace.run_json();
        assert_eq!(status, 0, "{report:#}");
        assert_eq!(counts(&workspace, "acme/test_table/V2"), [0, 0, 1], "{order:?}");
        let ends: Vec<Value> = workspace.published("acme/test_table/V2").into_iter().rev().take(1).collect();
        assert_eq!((&ends[0]["rows"], &ends[0]["deleted"]), (&3.into(), &1.into()), "{order:?}");
    }
}

const SCHEMA: &str = "table: t
description: A table in two parts.
primary_key: [id]
columns:
  - { name: id, type: string }
  - { name: value, type: int }
source: { compression: none, header: false, complete: { count: 2 } }
engine: { athena: false }
";

/// A part of table `t`, in which one row differs.
fn part(ids: impl Iterator<Item = u32>, different: u32) -> Vec<u8> {
    ids.map(|id| format!("PK{id:05},{}\n", 1 + u32::from(id == different))).collect::<String>().into_bytes()
}

#[test]
fn an_export_that_changes_between_the_two_passes_is_refused() {
    // The orders differ, and no row fits into memory until its counterpart comes: rows are matched by the hashes of
    // their keys, and both exports are read twice. The first operation is the DELETE of the first row of the baseline,
    // before any second part is open.
    type SecondPart = (&'static str, fn(u32) -> Vec<u8>);
    let second_parts: [SecondPart; 2] = [
        ("V1/part-1.csv", |different| part(1_000..2_000, different)),
        ("V2/part-1.csv", |different| part((1..1_000).rev(), different)),
    ];
    for (changed, make) in second_parts {
        let workspace = Workspace::from_schemas();
        workspace.write("schemas/t.yaml", SCHEMA.as_bytes());
        let write = |name: &str, bytes: &[u8]| workspace.write(&format!("exports/acme/t/{name}"), bytes);
        write("V1/part-0.csv", &part(0..1_000, 0));
        write("V1/part-1.csv", &second_parts[0].1(0));
        assert_eq!(workspace.run().status, 0);
        write("V2/part-0.csv", &part((1_000..2_000).rev(), 1_500));
        write("V2/part-1.csv", &second_parts[1].1(0));
        let arguments = ["run", "exports", "--threads", "1", "--memory", "1MiB"];
        let stopped = StoppedProcess::start(&workspace, &arguments, Breakpoint::Planning, 1).unwrap();
        // A row that has no operation, so that nothing but the bytes shows it.
        write(changed, &make(if changed.starts_with("V1") { 1_100 } else { 900 }));
        let output = stopped.resume();
        assert_ne!(output.status, 0, "{}", output.transcript());
        assert!(output.stderr.contains("part-1.csv"), "{}", output.stderr);
        assert!(output.stderr.contains("it changed while it was read"), "{}", output.stderr);
        assert!(workspace.published("acme/t/V2").is_empty());
    }
}
