//! What `gc` removes, and what it never touches.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use runtime::breakpoint::Breakpoint;
use serde_json::{Value, json};

use crate::breakpoints::StoppedProcess;
use crate::limits::command;
use crate::workspace::{CommandOutput, Workspace, files};

fn rows(keys: std::ops::RangeInclusive<u32>) -> String {
    keys.map(|key| format!("PK{key};1;;\n")).collect()
}

/// A table with five published versions, a FAILED one and a HELD one.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for version in 1..=5 {
        workspace.export(&format!("acme/test_table/V{version}"), &rows(1..=200 + version));
    }
    workspace.export("acme/test_table/V6", "PK1;one;;\n");
    workspace.export("acme/test_table/V7", &rows(1..=20));
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.statuses("acme/test_table")["V7"], "HELD");
    workspace
}

/// The versions of test_table with a folder below STATE/changes, marked if the folder is empty.
fn remaining(workspace: &Workspace) -> Vec<String> {
    let mut remaining = Vec::new();
    let Ok(versions) = fs::read_dir(workspace.path(".tidemark/changes/acme/test_table")) else { return remaining };
    for version in versions.map(|entry| entry.unwrap().path()) {
        let name = version.file_name().unwrap().to_string_lossy().into_owned();
        let is_empty = fs::read_dir(&version).unwrap().next().is_none();
        remaining.push(if is_empty { format!("{name} (empty)") } else { name });
    }
    remaining.sort();
    remaining
}

fn gc(workspace: &Workspace, keep: &str) -> CommandOutput {
    let output = workspace.tidemark(&["gc", "--keep", keep]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    output
}

fn version_record(workspace: &Workspace, version: &str) -> Value {
    let output = workspace.tidemark(&["plan", version, "--format", "json"]);
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript()))
}

fn registry(workspace: &Workspace) -> rusqlite::Connection {
    rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap()
}

/// The transcript without the sizes of change sets.
fn without_sizes(output: &CommandOutput) -> String {
    let text = regex::Regex::new(r" *\d+,\d+| +\d{3,}").unwrap().replace_all(&output.transcript(), " #").into_owned();
    regex::Regex::new(" +bytes\n").unwrap().replace_all(&text, " bytes\n").into_owned()
}

#[test]
fn gc_keeps_the_newest_change_sets_and_removes_the_others() {
    let workspace = workspace();
    let (published, exports) = (files(&workspace.path("out")), files(&workspace.path("exports")));
    let all = files(&workspace.path(".tidemark/changes"));
    let dry = workspace.tidemark(&["gc", "--keep", "2", "--dry-run"]);
    insta::assert_snapshot!("gc_dry_run", without_sizes(&dry));
    assert_eq!(files(&workspace.path(".tidemark/changes")), all);
    let done = gc(&workspace, "2");
    insta::assert_snapshot!("gc", without_sizes(&done));
    assert_eq!(dry.stdout.replace("would be removed", "removed"), done.stdout);
    assert_eq!(remaining(&workspace), ["V4", "V5", "V7"]);
    assert_eq!((files(&workspace.path("out")), files(&workspace.path("exports"))), (published, exports));
    assert_eq!(gc(&workspace, "2").stdout, "nothing to remove.\n");

    fs::remove_dir_all(workspace.path("out/acme/test_table/V4")).unwrap();
    assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V4"]).status, 0);
    assert_eq!(workspace.published("acme/test_table/V4").len(), 3);
    let output = workspace.tidemark(&["replay", "acme/test_table/V3"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("its change set") && output.stderr.contains("is gone"), "{}", output.stderr);
    // Runs are not affected.
    workspace.export("acme/test_table/V8", &rows(1..=206));
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V8").len(), 3);
}

#[test]
fn gc_keeps_ten_change_sets_by_default() {
    let workspace = Workspace::new();
    for version in 1..=12 {
        workspace.export(&format!("acme/test_table/V{version}"), &rows(1..=version));
    }
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.tidemark(&["gc"]).status, 0);
    let newest: Vec<String> = (3..=12).map(|version| format!("V{version}")).collect();
    let mut remaining = remaining(&workspace);
    remaining.sort_by_key(|version| version[1..].parse::<u32>().unwrap());
    assert_eq!(remaining, newest);
}

#[test]
fn a_held_version_can_be_approved_after_gc() {
    let workspace = workspace();
    let hash = version_record(&workspace, "acme/test_table/V7")["plan"]["hash"].as_str().unwrap().to_owned();
    gc(&workspace, "0");
    assert_eq!(remaining(&workspace), ["V7"]);
    let output = workspace.tidemark(&["approve", "acme/test_table/V7", &hash]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert_eq!(workspace.published("acme/test_table/V7").len(), 2 + 185);
    // Once published, its change set can go as well.
    gc(&workspace, "0");
    assert!(!workspace.path(".tidemark/changes/acme").exists());
    assert_eq!(workspace.run().status, 0);
}

#[test]
fn gc_keeps_the_change_sets_of_unfinished_versions() {
    for breakpoint in [
        Breakpoint::Planned,
        Breakpoint::Held,
        Breakpoint::Publishing,
        Breakpoint::Claimed,
        Breakpoint::PartWritten,
        Breakpoint::PartPublished,
        Breakpoint::Published,
    ] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(1..=200));
        assert_eq!(workspace.run().status, 0);
        workspace.export("acme/test_table/V2", &rows(if breakpoint == Breakpoint::Held { 1..=100 } else { 2..=201 }));
        StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap().kill();
        let needed = files(&workspace.path(".tidemark/changes/acme/test_table/V2"));
        assert_eq!(needed.len(), 1, "{breakpoint:?}");
        gc(&workspace, "0");
        assert_eq!(remaining(&workspace), ["V2"], "{breakpoint:?}");
        assert_eq!(files(&workspace.path(".tidemark/changes/acme/test_table/V2")), needed, "{breakpoint:?}");
        if breakpoint != Breakpoint::Held {
            let output = workspace.run();
            assert_eq!(output.status, 0, "{breakpoint:?}: {}", output.transcript());
            assert_eq!(workspace.published("acme/test_table/V2").len(), 4, "{breakpoint:?}");
            // It was not planned again.
            assert_eq!(files(&workspace.path(".tidemark/changes/acme/test_table/V2")), needed, "{breakpoint:?}");
        }
    }
}

#[test]
fn gc_removes_what_killed_runs_left_behind() {
    for breakpoint in [Breakpoint::Planning, Breakpoint::ChangesDurable] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(1..=200));
        StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap().kill();
        assert_eq!(remaining(&workspace), ["V1"], "{breakpoint:?}");
        let output = gc(&workspace, "10");
        assert!(output.stdout.contains("1 leftover removed"), "{breakpoint:?}: {}", output.stdout);
        assert!(!workspace.path(".tidemark/changes/acme").exists(), "{breakpoint:?}");
        assert_eq!(workspace.run().status, 0);
        assert_eq!(workspace.published("acme/test_table/V1").len(), 202);
    }
}

#[test]
fn gc_removes_rejected_and_superseded_change_sets() {
    let workspace = workspace();
    workspace.tidemark(&["reject", "acme/test_table/V7"]);
    assert_eq!(workspace.statuses("acme/test_table")["V7"], "REJECTED");
    gc(&workspace, "10");
    assert_eq!(remaining(&workspace), ["V1", "V2", "V3", "V4", "V5"]);
    // A newer version supersedes a held one.
    workspace.export("acme/test_table/V8", &rows(1..=21));
    workspace.run();
    workspace.export("acme/test_table/V9", &rows(1..=205));
    workspace.run();
    assert_eq!(workspace.statuses("acme/test_table")["V8"], "SUPERSEDED");
    gc(&workspace, "10");
    assert_eq!(remaining(&workspace), ["V1", "V2", "V3", "V4", "V5", "V9"]);
}

/// Adds leftovers of tables that are not in the registry, and entries that are not Tidemark's.
fn add_unnamed_and_foreign_entries(workspace: &Workspace) {
    let changes = workspace.path(".tidemark/changes");
    workspace.write(".tidemark/changes/acme/test_table/V1/aside-99/part-00000.ndjson.gz", b"x");
    workspace.write(".tidemark/changes/acme/test_table/V99/0123-7/part-00000.ndjson.gz", b"x");
    workspace.write(".tidemark/changes/acme/dropped_table/V1/0123-7/part-00000.ndjson.gz", b"x");
    workspace.write(".tidemark/changes/initech/orders/V1/aside-1/part-00000.ndjson.gz", b"x");
    fs::create_dir_all(changes.join("umbrella/orders/V1")).unwrap();
    // Foreign entries: files, a hidden folder, links and their target.
    workspace.write(".tidemark/changes/notes.txt", b"x");
    workspace.write(".tidemark/changes/acme/test_table/V1/notes.txt", b"x");
    workspace.write(".tidemark/changes/.snapshot/a/b/c/d", b"x");
    workspace.write("kept/a-7/part-00000.ndjson.gz", b"x");
    symlink(workspace.path("kept"), changes.join("acme/linked")).unwrap();
    symlink(workspace.path("kept"), changes.join("acme/test_table/V5/link-1")).unwrap();
}

/// The paths of one kind in a report of `gc`.
fn removed<'a>(report: &'a Value, kind: &str) -> Vec<&'a str> {
    let tables = report["tables"].as_array().unwrap().iter();
    let removed = tables.flat_map(|table| table["removed"].as_array().unwrap());
    removed.filter(|removed| removed["kind"] == kind).map(|removed| removed["path"].as_str().unwrap()).collect()
}

#[test]
fn gc_leaves_foreign_files_alone() {
    let workspace = workspace();
    let changes = workspace.path(".tidemark/changes");
    add_unnamed_and_foreign_entries(&workspace);
    let output = workspace.tidemark(&["gc", "--keep", "1", "--format", "json"]);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["dry_run"], json!(false));
    assert_eq!(
        removed(&report, "leftover"),
        [
            "changes/acme/dropped_table/V1/0123-7",
            "changes/acme/test_table/V1/aside-99",
            "changes/acme/test_table/V99/0123-7",
            "changes/initech/orders/V1/aside-1",
        ]
    );
    let tables = report["tables"].as_array().unwrap();
    let sum: u64 = tables.iter().map(|table| table["bytes"].as_u64().unwrap()).sum();
    assert_eq!(report["bytes"], sum);
    let test_table = tables.iter().find(|table| table["table"] == "test_table").unwrap();
    assert_eq!(
        (&test_table["tenant"], &test_table["locked_by"], &test_table["failed"]),
        (&json!("acme"), &Value::Null, &json!([]))
    );
    let is_change_set = |removed: &&Value| removed["kind"] == "change-set";
    assert_eq!(test_table["removed"].as_array().unwrap().iter().filter(is_change_set).count(), 4);

    for gone in ["acme/dropped_table", "acme/test_table/V99", "initech", "umbrella"] {
        assert!(!changes.join(gone).exists(), "{gone}");
    }
    for kept in ["notes.txt", "acme/test_table/V1/notes.txt", ".snapshot/a/b/c/d", "acme/linked/a-7"] {
        assert!(changes.join(kept).exists(), "{kept}");
    }
    assert!(workspace.path("kept/a-7/part-00000.ndjson.gz").exists());
    assert!(changes.join("acme/test_table/V5/link-1").exists());
}

#[test]
fn gc_skips_only_locked_tables() {
    let workspace = workspace();
    workspace.export("globex/test_table/V1", &rows(1..=2));
    workspace.export("globex/test_table/V2", &rows(1..=3));
    workspace.run();
    let lock = "UPDATE tables SET owner = 'process 1', fence = fence + 1, expires_at = 4102444800000
                WHERE tenant = 'acme'";
    assert_eq!(registry(&workspace).execute(lock, []).unwrap(), 1);
    let before = files(&workspace.path(".tidemark/changes/acme"));
    insta::assert_snapshot!("gc_locked", without_sizes(&gc(&workspace, "0")));
    assert_eq!(files(&workspace.path(".tidemark/changes/acme")), before);
    assert!(!workspace.path(".tidemark/changes/globex").exists());
    let report = workspace.tidemark(&["gc", "--keep", "0", "--format", "json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["tables"][0]["locked_by"], "process 1");
    // The lease expires.
    registry(&workspace).execute("UPDATE tables SET expires_at = 1", []).unwrap();
    gc(&workspace, "0");
    assert_eq!(remaining(&workspace), ["V7"]);
    let locked = "SELECT count(*) FROM tables WHERE owner IS NOT NULL";
    assert_eq!(registry(&workspace).query_row(locked, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
}

#[test]
fn gc_does_not_disturb_a_run_in_progress() {
    for breakpoint in [Breakpoint::Planning, Breakpoint::ChangesDurable, Breakpoint::Planned, Breakpoint::PartWritten] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(1..=200));
        let run = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap();
        let before = files(&workspace.path(".tidemark/changes"));
        let output = gc(&workspace, "0");
        assert!(output.stdout.contains("skipped: locked by "), "{breakpoint:?}: {}", output.stdout);
        assert_eq!(files(&workspace.path(".tidemark/changes")), before, "{breakpoint:?}");
        assert_eq!(run.resume().status, 0, "{breakpoint:?}");
        assert_eq!(workspace.published("acme/test_table/V1").len(), 202, "{breakpoint:?}");
    }
}

#[test]
fn gc_reports_a_version_that_arrives_while_it_holds_the_lease() {
    let workspace = workspace();
    workspace.export("acme/test_table/V8", &rows(1..=206));
    let gc = StoppedProcess::start(&workspace, &["gc", "--keep", "1"], Breakpoint::Locked, 1).unwrap();
    // The run leaves the new version to the holder of the lease, but gc does not publish anything.
    let output = workspace.run();
    assert!(output.stdout.contains("is working on it"), "{}", output.stdout);
    let output = gc.resume();
    assert!(output.stdout.contains("a version arrived meanwhile; run `tidemark run`"), "{}", output.stdout);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V8"], "SUCCEEDED");
}

#[test]
fn gc_removes_only_abandoned_temporary_files() {
    let workspace = workspace();
    let old = workspace.write(".tidemark/work/.tmpabcdef", b"old rows");
    File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(1_600_000_000))
        .unwrap();
    let recent = workspace.write(".tidemark/work/.tmpghijkl", b"recent");
    let folder = workspace.write(".tidemark/work/folder/file", b"x");
    let dry = workspace.tidemark(&["gc", "--dry-run", "--format", "json"]);
    let dry: Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!(dry["work"], json!([{"path": "work/.tmpabcdef", "kind": "leftover", "bytes": 8}]));
    assert!(old.exists());
    insta::assert_snapshot!("gc_work", gc(&workspace, "10").transcript());
    assert!(!old.exists() && recent.exists() && folder.exists());
    // The folder itself is kept for a run that is about to use it.
    fs::remove_dir_all(workspace.path(".tidemark/work")).unwrap();
    fs::create_dir(workspace.path(".tidemark/work")).unwrap();
    gc(&workspace, "10");
    assert!(workspace.path(".tidemark/work").exists());
}

#[test]
fn gc_works_without_exports_and_reports_what_it_cannot_remove() {
    let workspace = workspace();
    workspace.export("globex/test_table/V1", &rows(1..=2));
    workspace.run();
    fs::rename(workspace.path("exports"), workspace.path("unmounted")).unwrap();
    workspace.drop_root();
    let read_only = workspace.path(".tidemark/changes/acme/test_table/V1");
    set_mode(&read_only, "555");
    let output = workspace.tidemark(&["gc", "--keep", "0"]);
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains("Permission denied"), "{}", output.stderr);
    // The other table was processed all the same.
    assert!(!workspace.path(".tidemark/changes/globex").exists());
    set_mode(&read_only, "755");
    gc(&workspace, "0");
    assert_eq!(remaining(&workspace), ["V7"]);
}

#[test]
fn an_interrupted_removal_leaves_no_partial_change_set() {
    let workspace = workspace();
    let version = workspace.path(".tidemark/changes/acme/test_table/V5");
    let set = fs::read_dir(&version).unwrap().next().unwrap().unwrap().path();
    workspace.drop_root();
    // Its files cannot be removed, but the folder can be renamed.
    set_mode(&set, "555");
    assert_eq!(workspace.tidemark(&["gc", "--keep", "0"]).status, 2);
    assert!(!set.exists() && fs::read_dir(&version).unwrap().count() == 1);
    let output = workspace.tidemark(&["replay", "acme/test_table/V5"]);
    assert!(output.stderr.contains("is gone"), "{}", output.stderr);
    let aside = fs::read_dir(&version).unwrap().next().unwrap().unwrap().path();
    set_mode(&aside, "755");
    gc(&workspace, "0");
    assert_eq!(remaining(&workspace), ["V7"]);
}

fn set_mode(path: &std::path::Path, mode: &str) {
    assert!(command("chmod").arg(mode).arg(path).status().unwrap().success());
}
