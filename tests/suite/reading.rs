//! Commands that only read: they wait for nobody, write nothing, and need no right to.

mod damaged;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::workspace::{CommandOutput, Workspace, files};

const GOOD: &str = "PK1;1;a;x\n";

/// Every command that only reads, for a workspace with V1 published and V2 held.
const READING: [&[&str]; 10] = [
    &["status"],
    &["status", "--format", "json"],
    &["history", "acme/test_table"],
    &["report", "--format", "json"],
    &["plan", "acme/test_table/V1"],
    &["plan", "acme/test_table/V2"],
    &["why", "acme/test_table", "PK1"],
    &["verify"],
    &["gc", "--dry-run"],
    &["run", "exports"],
];

/// A workspace with V1 published and V2 held.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let rows: String = (0..100).map(|n| format!("PK{n};{n};a;x\n")).collect();
    workspace.export("acme/test_table/V1", &rows);
    workspace.run();
    workspace.export("acme/test_table/V2", GOOD);
    assert_eq!(workspace.run().status, 1);
    workspace
}

fn registry(workspace: &Workspace) -> std::path::PathBuf {
    workspace.path(".tidemark/registry.sqlite")
}

/// A command that waited for a writer would fail in the end, because the writer never ends meanwhile.
fn assert_reads(workspace: &Workspace, situation: &str) {
    for arguments in READING {
        let output = workspace.tidemark(arguments);
        assert_eq!(output.status, 0, "{situation}, {arguments:?}: {}", output.transcript());
    }
}

/// Sets the mode of a folder and of everything in it.
fn set_modes(path: &Path, folder_mode: u32, file_mode: u32) {
    if path.is_dir() {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        for entry in fs::read_dir(path).unwrap() {
            set_modes(&entry.unwrap().path(), folder_mode, file_mode);
        }
    }
    fs::set_permissions(path, Permissions::from_mode(if path.is_dir() { folder_mode } else { file_mode })).unwrap();
}

#[test]
fn reading_never_waits_for_a_writer() {
    let workspace = workspace();
    let writer = Connection::open(registry(&workspace)).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_reads(&workspace, "a write is open");
    writer.execute_batch("UPDATE tables SET pending = pending + 1").unwrap();
    assert_reads(&workspace, "a write is pending");
    writer.execute_batch("COMMIT").unwrap();
    assert_reads(&workspace, "a write is done");
    drop(writer);
    assert_reads(&workspace, "no writer is there");
}

#[test]
fn reading_changes_no_file() {
    let workspace = workspace();
    let before = files(&workspace.path(""));
    assert_reads(&workspace, "nobody writes");
    assert_eq!(files(&workspace.path("")), before);
}

#[test]
fn reading_needs_no_right_to_write() {
    let workspace = workspace();
    workspace.drop_root();
    set_modes(&workspace.path(""), 0o555, 0o444);
    assert_reads(&workspace, "everything is read-only");
    set_modes(&workspace.path(""), 0o755, 0o644);
}

#[test]
fn reading_sees_what_a_killed_writer_left_in_the_log() {
    let workspace = workspace();
    let writer = Connection::open(registry(&workspace)).unwrap();
    writer.execute_batch("UPDATE tables SET resync = 1").unwrap();
    // As after a kill: the log is there, and nobody has it open.
    let kept = Workspace::new();
    for name in ["registry.sqlite", "registry.sqlite-wal", "registry.sqlite-shm"] {
        kept.write(&format!(".tidemark/{name}"), &fs::read(workspace.path(&format!(".tidemark/{name}"))).unwrap());
    }
    kept.drop_root();
    set_modes(&kept.path(".tidemark"), 0o555, 0o444);
    let output = kept.tidemark(&["status"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains("the next version is published in full"), "{}", output.stdout);
    set_modes(&kept.path(".tidemark"), 0o755, 0o644);
}

#[test]
fn reading_undoes_what_a_killed_writer_left_half_done() {
    let workspace = workspace();
    // As while a new registry is set up: not in WAL mode yet, and more is written than the cache holds.
    let writer = Connection::open(registry(&workspace)).unwrap();
    writer.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    writer.execute_batch("DELETE FROM versions; INSERT INTO settings VALUES ('x', hex(zeroblob(2000000)))").unwrap();
    let kept = Workspace::new();
    for name in ["registry.sqlite", "registry.sqlite-journal"] {
        kept.write(&format!(".tidemark/{name}"), &fs::read(workspace.path(&format!(".tidemark/{name}"))).unwrap());
    }
    let output = kept.tidemark(&["status"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains("HELD"), "{}", output.stdout);
}

#[test]
fn a_registry_in_an_odd_place_is_read() {
    let workspace = workspace();
    for folder in ["with space", "100%?a=b#c", "Ünï'cødé\"", "-dash"] {
        fs::create_dir_all(workspace.path(folder)).unwrap();
        fs::copy(registry(&workspace), workspace.path(&format!("{folder}/registry.sqlite"))).unwrap();
        let output = workspace.tidemark(&["status", &format!("--state={folder}")]);
        assert_eq!(output.status, 0, "{folder}: {}", output.transcript());
        assert!(output.stdout.contains("test_table"), "{folder}: {}", output.stdout);
        assert_eq!(fs::read_dir(workspace.path(folder)).unwrap().count(), 1, "{folder}");
    }
}

fn assert_names_the_registry(output: &CommandOutput, registry: &str) {
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains(registry), "{}", output.stderr);
    assert!(output.stderr.contains("help: "), "{}", output.stderr);
}

#[test]
fn reading_creates_no_registry() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    for arguments in &READING[..8] {
        let output = workspace.tidemark(arguments);
        assert_names_the_registry(&output, ".tidemark");
    }
    let output = workspace.tidemark(&["status", "--state", "elsewhere"]);
    assert_names_the_registry(&output, "elsewhere/registry.sqlite");
    let names: Vec<_> = fs::read_dir(workspace.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["exports"]);
}

/// Ways to damage a record, as SQL.
const DAMAGES: [&str; 5] = [
    "substr(record, 1, 100)",
    "''",
    "replace(record, '\"HELD\"', '\"HEDL\"')",
    "replace(record, '\"version\":\"V2\"', '\"version\":\"V3\"')",
    "cast(X'ff00fe' AS TEXT)",
];

/// Damages the record of acme/test_table V2.
fn damage(workspace: &Workspace, damage: &str) {
    let sql = format!("UPDATE versions SET record = {damage} WHERE tenant = 'acme' AND place = 'V00012'");
    assert_eq!(Connection::open(registry(workspace)).unwrap().execute(&sql, []).unwrap(), 1, "{damage}");
}

#[test]
fn a_damaged_record_is_named_and_hides_no_other_table() {
    for how in DAMAGES {
        let workspace = workspace();
        workspace.export("globex/test_table/V1", GOOD);
        workspace.run();
        let healthy = workspace.tidemark(&["status", "--tenant", "globex", "--format", "json"]);
        let healthy: Vec<Value> = serde_json::from_str(&healthy.stdout).unwrap();
        damage(&workspace, how);
        let named = "the record of acme/test_table V2 is damaged: ";
        let status = workspace.tidemark(&["status"]);
        assert_eq!(status.status, 2, "{how}: {}", status.transcript());
        assert!(status.stderr.contains(named), "{how}: {}", status.stderr);
        let all: Vec<Value> =
            serde_json::from_str(&workspace.tidemark(&["status", "--format", "json"]).stdout).unwrap();
        assert!(all[0]["error"].as_str().unwrap().contains(named), "{how}: {all:#?}");
        assert_eq!(all[1..], healthy, "{how}");
        let history = workspace.tidemark(&["history", "acme/test_table"]);
        assert!(history.status == 2 && history.stderr.contains(named), "{how}: {}", history.transcript());
    }
}

#[test]
fn a_damaged_record_stops_no_other_table() {
    let workspace = workspace();
    damage(&workspace, DAMAGES[0]);
    workspace.export("globex/test_table/V1", GOOD);
    let run = workspace.run();
    assert_eq!(run.status, 2, "{}", run.transcript());
    assert!(run.stderr.contains("the record of acme/test_table V2 is damaged: "), "{}", run.stderr);
    assert_eq!(workspace.statuses("globex/test_table")["V1"], "SUCCEEDED");
    let other = workspace.tidemark(&["run", "exports", "--tenant", "globex"]);
    assert_eq!((other.status, other.stderr.as_str()), (0, ""), "{}", other.transcript());
}
