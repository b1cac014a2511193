//! What `status` and `status --check` show: versions that somebody has to do something about.

mod stuck;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::breakpoints::StoppedProcess;
use crate::workspace::Workspace;
use runtime::breakpoint::Breakpoint;

fn rows(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("PK{n:03};{n};;\n")).collect()
}

/// The lines of `status --check`, which exits with 1 if there are any.
fn check(workspace: &Workspace) -> Vec<String> {
    let output = workspace.tidemark(&["status", "--check"]);
    let lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    assert_eq!(output.status, i32::from(!lines.is_empty()), "{}", output.transcript());
    let json = workspace.tidemark(&["status", "--check", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&json.stdout).unwrap().len(), lines.len());
    lines
}

#[test]
fn failed_and_rejected_versions_leave_status_once_a_newer_one_succeeds() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(0..200));
    workspace.run();
    assert!(check(&workspace).is_empty());
    workspace.export("acme/test_table/V2", "PK1;one;;\n");
    workspace.export("acme/test_table/V3", &rows(0..100));
    assert_eq!(workspace.run().status, 1);
    let lines = check(&workspace);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("acme/test_table/V2  FAILED  "), "{lines:?}");
    assert_eq!(lines[1], "acme/test_table/V3  HELD  deletes 50 % > 20 %");
    workspace.tidemark(&["reject", "acme/test_table/V3"]);
    assert_eq!(check(&workspace).len(), 1, "a decision was taken about V3");
    assert!(workspace.tidemark(&["status"]).stdout.contains("REJECTED"));
    workspace.export("acme/test_table/V4", &rows(0..199));
    assert_eq!(workspace.run().status, 0);
    assert!(check(&workspace).is_empty());
    let status = workspace.tidemark(&["status"]).stdout;
    assert!(!status.contains("FAILED") && !status.contains("REJECTED"), "{status}");
    assert_eq!(workspace.run().stdout, "nothing to do: 4 versions known, none is new\n");
}

#[test]
fn a_run_that_ended_in_the_middle_needs_attention_and_one_that_works_does_not() {
    for (breakpoint, expected) in [(Breakpoint::Publishing, 2), (Breakpoint::Planned, 1)] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(0..200));
        let stopped = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap();
        assert!(check(&workspace).is_empty(), "a run is working");
        stopped.kill();
        let lines = check(&workspace);
        assert_eq!(lines.len(), expected, "{lines:?}");
        assert!(lines.last().unwrap().contains("locked by process"), "{lines:?}");
        // The same once its lease has expired.
        let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
        registry.execute("UPDATE tables SET expires_at = 1", []).unwrap();
        assert_eq!(check(&workspace).len(), expected);
        assert_eq!(workspace.run().status, 0);
        assert!(check(&workspace).is_empty());
    }
}

#[test]
fn a_folder_without_exports_next_to_a_registry_that_knows_some_is_an_error() {
    let workspace = Workspace::new();
    workspace.write("empty/.keep", b"");
    assert_eq!(workspace.tidemark(&["run", "empty"]).status, 0, "nothing is known yet");
    workspace.export("acme/test_table/V1", &rows(0..3));
    assert_eq!(workspace.run().status, 0);
    insta::assert_snapshot!("no_exports", workspace.tidemark(&["run", "empty"]).transcript());
    // What is not selected does not count, and the right folder is still the one that is remembered.
    assert_eq!(workspace.tidemark(&["run", "empty", "--tenant", "globex"]).status, 0);
    assert_eq!(workspace.tidemark(&["run", "empty", "--table", "orders"]).status, 0);
    assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V1"]).status, 0);
}

#[test]
fn exports_that_are_hidden_or_unreadable_are_not_called_missing() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(0..3));
    assert_eq!(workspace.run().status, 0);
    workspace.write("exports/.tidemarkignore", b"*\n");
    let hidden = workspace.run();
    assert_eq!(hidden.status, 2, "{}", hidden.transcript());
    assert!(hidden.stderr.contains("except what .tidemarkignore hides (1 name)"), "{}", hidden.stderr);
    assert!(!hidden.stderr.contains("mounted"), "{}", hidden.stderr);
    std::fs::remove_file(workspace.path("exports/.tidemarkignore")).unwrap();
    workspace.drop_root();
    for folder in ["exports/acme", "exports/acme/test_table"] {
        let set_mode = |mode| std::fs::set_permissions(workspace.path(folder), Permissions::from_mode(mode)).unwrap();
        set_mode(0o000);
        let output = workspace.run();
        set_mode(0o755);
        assert_eq!(output.status, 2, "{}", output.transcript());
        assert!(output.stderr.contains("Permission denied") && !output.stderr.contains("mounted"), "{}", output.stderr);
    }
}

#[test]
fn published_is_the_time_of_publication() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(0..3));
    workspace.run();
    let published = |workspace: &Workspace| {
        let status: Value = serde_json::from_str(&workspace.tidemark(&["status", "--format", "json"]).stdout).unwrap();
        status[0]["published_at"].as_str().unwrap().to_owned()
    };
    let first = published(&workspace);
    assert!(first.contains('T') && first.ends_with('Z'), "{first}");
    // Neither a refused revision nor a replay changes it.
    workspace.export("acme/test_table/V1", &rows(0..4));
    assert_eq!(workspace.run().status, 1);
    workspace.tidemark(&["replay", "acme/test_table/V1"]);
    assert_eq!(published(&workspace), first);
}
