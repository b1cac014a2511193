//! The read-only commands and `delta`, as their users see them.

use crate::limits::command;
use crate::workspace::{Workspace, gzip, ndjson};

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write(
        "old.csv.gz",
        &gzip(
            format!("{HEADER}eu,1,,open,1.5,,2026-01-01 00:00:00,a\neu,2,,paid,,,2026-01-01 00:00:00,a\n").as_bytes(),
        ),
    );
    workspace.write("new.csv.gz", &gzip(format!("{HEADER}eu,01,,open,1.50,,2026-01-01 00:00:00,b\neu,2,,sent,,,2026-01-01 00:00:00,b\neu,3,,open,,hi,2026-01-02 00:00:00,b\n").as_bytes()));
    workspace
}

#[test]
fn help_matches_its_snapshots() {
    let workspace = Workspace::new();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_run", &["run", "--help"]),
        ("help_delta", &["delta", "--help"]),
        ("help_status", &["status", "--help"]),
        ("help_history", &["history", "--help"]),
        ("help_retire", &["retire", "--help"]),
        ("help_retry", &["retry", "--help"]),
        ("help_infer", &["infer", "--help"]),
        ("help_tables", &["tables", "--help"]),
        ("help_plan", &["plan", "--help"]),
        ("help_apply", &["apply", "--help"]),
        ("help_approve", &["approve", "--help"]),
        ("help_reconcile", &["reconcile", "--help"]),
        ("help_recover", &["recover", "--help"]),
        ("help_reject", &["reject", "--help"]),
        ("help_replay", &["replay", "--help"]),
        ("help_report", &["report", "--help"]),
        ("help_resync", &["resync", "--help"]),
        ("help_why", &["why", "--help"]),
        ("help_verify", &["verify", "--help"]),
        ("help_gc", &["gc", "--help"]),
    ] {
        let output = workspace.tidemark_with_env(arguments, &[("COLUMNS", "110")]);
        assert_eq!(output.status, 0);
        insta::assert_snapshot!(name, output.transcript());
    }
}

#[test]
fn delta_prints_operations() {
    insta::assert_snapshot!(
        "delta",
        workspace().tidemark(&["delta", "orders", "old.csv.gz", "new.csv.gz"]).transcript()
    );
}

#[test]
fn delta_without_a_baseline_inserts_every_row() {
    let output = workspace().tidemark(&["delta", "orders", "none", "new.csv.gz"]);
    let operations = ndjson(&output.stdout);
    assert_eq!(operations.len(), 3);
    assert!(operations.iter().all(|operation| operation["op"] == "INSERT" && operation["previous"].is_null()));
}

#[test]
fn delta_accepts_folders_and_explicit_names() {
    let workspace = workspace();
    workspace.write("old/a.csv.gz", &std::fs::read(workspace.path("old.csv.gz")).unwrap());
    let arguments = [
        "delta",
        "orders",
        "old",
        "new.csv.gz",
        "--tenant",
        "acme",
        "--version",
        "V2",
        "--previous",
        "V1",
        "-o",
        "ops.ndjson",
    ];
    let output = workspace.tidemark(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(output.status, 0, "{}", output.stderr);
    let plan: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!([&plan["counts"]["inserted"], &plan["counts"]["updated"]], [1, 1]);
    let operations = ndjson(&std::fs::read_to_string(workspace.path("ops.ndjson")).unwrap());
    assert_eq!(operations.len(), 2);
    for operation in operations {
        assert_eq!([&operation["tenant"], &operation["version"], &operation["previous"]], ["acme", "V2", "V1"]);
    }
}

#[test]
fn delta_leaves_no_output_file_after_a_failure() {
    let workspace = workspace();
    workspace.write("bad.csv.gz", &gzip(format!("{HEADER}eu,x,,open,,,2026-01-01 00:00:00,\n").as_bytes()));
    let output = workspace.tidemark(&["delta", "orders", "old.csv.gz", "bad.csv.gz", "-o", "ops.ndjson"]);
    insta::assert_snapshot!("delta_rejected", output.transcript());
    let mut remaining: Vec<_> =
        std::fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    remaining.sort();
    assert_eq!(remaining, ["bad.csv.gz", "exports", "new.csv.gz", "old.csv.gz"]);
}

#[test]
fn delta_into_a_closed_pipe_is_not_an_error() {
    let workspace = Workspace::new();
    let rows: String = (0..200_000).map(|n| format!("PK{n};1;;\n")).collect();
    let path = workspace.write("new.csv.gz", &gzip(rows.as_bytes()));
    let binary = env!("CARGO_BIN_EXE_tidemark-under-test");
    let script = format!("set -o pipefail; {binary} delta test_table none {} | head -1", path.display());
    let output = command("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ndjson(&String::from_utf8(output.stdout).unwrap()).len(), 1);
}

#[test]
fn tables_lists_every_table() {
    let workspace = Workspace::new();
    let listed = workspace.tidemark(&["tables", "--format", "json"]);
    let tables: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table["table"].as_str().unwrap()).collect();
    let known: Vec<&str> = generated::TABLES.iter().map(|table| table.name).collect();
    assert_eq!(names, known);
    assert!(workspace.tidemark(&["tables"]).stdout.contains("test_table"));
    insta::assert_snapshot!("tables_orders", workspace.tidemark(&["tables", "orders"]).transcript());
}

#[test]
fn listings_support_json() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
    workspace.run();
    let status: serde_json::Value =
        serde_json::from_str(&workspace.tidemark(&["status", "--format", "json"]).stdout).unwrap();
    assert_eq!(status[0]["baseline"], "V1");
    assert_eq!(status[0]["rows"], 1);
    let history = workspace.tidemark(&["history", "acme/test_table", "--format", "json"]).stdout;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history[0]["sequence"], 1);
    assert_eq!(history[0]["parts"][0]["name"], "part.csv.gz");
}
