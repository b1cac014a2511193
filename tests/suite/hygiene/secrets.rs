//! Row values appear in operations, but never in logs, and `pii` values never in the registry.

use std::fs;

use runtime::breakpoint::Breakpoint;

use crate::breakpoints::StoppedProcess;
use crate::hygiene::{ORDERS, files};
use crate::workspace::{CommandOutput, Workspace};

/// Texts that no log line may contain: they occur in every string column, and in numbers that occur nowhere else.
const SECRETS: [&str; 4] = ["s3cr3t", "31415926", "27182818", "1961-07-0"];

/// Orders from `first` to `last` in which every value is secret; every tenth row contains `version`.
fn orders(first: u32, last: u32, version: u32) -> String {
    let row = |n: u32| {
        let version = if n.is_multiple_of(10) { version } else { 0 };
        format!(
            "s3cr3t-r,31415926{n:04},s3cr3t-{version}-{n}@example.com,s3cr3t-{version},27182818.{version}0,s3cr3t note,1961-07-0{} 00:00:00,s3cr3t job\n",
            version + 1
        )
    };
    ORDERS.to_owned() + &(first..=last).map(row).collect::<String>()
}

/// Runs a command with full logging, and asserts that its stderr contains no secret.
fn run_traced(workspace: &Workspace, status: i32, arguments: &[&str]) -> CommandOutput {
    let output = workspace.tidemark_with_env(arguments, &[("RUST_LOG", "trace")]);
    assert_eq!(output.status, status, "{arguments:?}: {}", output.transcript());
    for secret in SECRETS {
        assert!(!output.stderr.contains(secret), "{arguments:?}: {}", output.stderr);
    }
    output
}

/// A table whose V1 and V2 are published, V3 is HELD and V4 FAILED, with full logging.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(1, 200, 0));
    workspace.export("acme/orders/V2", &orders(5, 210, 1));
    workspace.export("acme/orders/V3", &orders(5, 50, 1));
    // One address is invalid in both engines; its message must not reveal any value.
    workspace.export("acme/orders/V4", &orders(5, 210, 2).replace("s3cr3t-2-10@", "s3cr3t\u{FFFD}@"));
    let output = run_traced(&workspace, 1, &["run", "exports"]);
    assert!(output.stderr.contains("INFO") && output.stderr.contains("Published the version."), "{}", output.stderr);
    assert!(output.stderr.contains("a masked value is not UTF-8"), "{}", output.stderr);
    let statuses = workspace.statuses("acme/orders");
    let expected = [("V1", "SUCCEEDED"), ("V2", "SUCCEEDED"), ("V3", "HELD"), ("V4", "FAILED")];
    assert_eq!(statuses.iter().map(|(v, s)| (v.as_str(), s.as_str())).collect::<Vec<_>>(), expected);
    workspace
}

#[test]
fn logs_never_contain_row_values() {
    let workspace = workspace();
    let operations = workspace.published("acme/orders/V2");
    for op in ["INSERT", "UPDATE", "DELETE"] {
        let operation = operations.iter().find(|operation| operation["op"] == op).unwrap().to_string();
        assert!(operation.contains("s3cr3t") && operation.contains("31415926"), "{operation}");
    }
    let plan = run_traced(&workspace, 0, &["plan", "acme/orders/V3"]);
    // The plan shows keys, which are not personal data here; the log must not contain them.
    assert!(plan.stdout.contains("31415926"), "{}", plan.stdout);
    let hash = plan.stdout.split_once("plan ").unwrap().1.split_whitespace().next().unwrap();
    run_traced(&workspace, 0, &["approve", "acme/orders/V3", hash]);
    run_traced(&workspace, 0, &["replay", "acme/orders/V2", "--out", "again"]);
    run_traced(&workspace, 0, &["retry", "acme/orders/V4"]);
    run_traced(&workspace, 1, &["run", "exports"]);
    let folder = |version: &str| format!("exports/acme/orders/{version}");
    run_traced(&workspace, 0, &["delta", "orders", &folder("V1"), &folder("V2")]);
    for command in [&["status"][..], &["history", "acme/orders"], &["tables", "orders"]] {
        let output = run_traced(&workspace, 0, command);
        assert!(!output.stdout.contains("s3cr3t"), "{}", output.stdout);
    }
}

#[test]
fn the_registry_never_contains_personal_data() {
    let workspace = workspace();
    workspace.export("acme/orders/V5", &orders(5, 211, 3));
    // While the run is stopped, its last writes are in the write-ahead log.
    let stopped = StoppedProcess::start(&workspace, &["run", "exports"], Breakpoint::Unlocked, 1).unwrap();
    let state = workspace.path(".tidemark");
    let registry = |name: &str| String::from_utf8_lossy(&fs::read(state.join(name)).unwrap()).into_owned();
    let (file, log) = (registry("registry.sqlite"), registry("registry.sqlite-wal"));
    stopped.resume();
    for (name, text) in [("file", &file), ("log", &log), ("file at the end", &registry("registry.sqlite"))] {
        // The plan's samples are stored, with their keys and masked values.
        for expected in ["31415926", "customer_email", "\"***\""] {
            assert!(text.contains(expected), "{name} lacks {expected}");
        }
        assert!(!text.contains("@example.com") && !text.contains("s3cr3t-1-"), "{name}");
    }
}

#[test]
fn a_row_mistaken_for_a_header_is_not_shown_if_columns_are_pii() {
    let workspace = Workspace::new();
    // A header may name the columns in any order, so a row may start with the address.
    workspace.export("acme/orders/V1", "s3cr3t@example.com,31415926,eu,paid,1.00,,1961-07-01 00:00:00,job\n");
    let output = run_traced(&workspace, 1, &["run", "exports"]);
    assert!(output.stderr.contains("part.csv.gz:1: the first line names none of the columns"), "{}", output.stderr);
    assert!(output.stderr.contains("`header: false`"), "{}", output.stderr);
    let state = workspace.path(".tidemark");
    for file in files(&state) {
        let bytes = fs::read(state.join(&file)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("s3cr3t"), "{}", file.display());
    }
}
