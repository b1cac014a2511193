//! A registry that is damaged, or is no file: named as what it is, with help that fits, and nothing hangs.

use std::fs;
use std::os::unix::net::UnixListener;

use rusqlite::Connection;

use super::{GOOD, registry, workspace};
use crate::limits::command;
use crate::workspace::Workspace;

fn execute(workspace: &Workspace, sql: &str) {
    Connection::open(registry(workspace)).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_status_that_differs_from_its_record_is_named_as_damaged() {
    for status in ["SUCCEDED", "", "FAILED", "REGISTERED", "PUBLISHING"] {
        let workspace = workspace();
        execute(&workspace, &format!("UPDATE versions SET status = '{status}' WHERE place = 'V00011'"));
        workspace.export("acme/test_table/V3", GOOD);
        workspace.export("globex/test_table/V1", GOOD);
        let out = crate::workspace::files(&workspace.path("out/acme"));
        let run = workspace.run();
        assert_eq!(run.status, 2, "{status}: {}", run.transcript());
        assert_eq!(crate::workspace::files(&workspace.path("out/acme")), out, "{status}: nothing is compared with it");
        assert_eq!(workspace.statuses("globex/test_table")["V1"], "SUCCEEDED", "{status}");
        for output in [run, workspace.tidemark(&["status"]), workspace.tidemark(&["history", "acme/test_table"])] {
            assert_eq!(output.status, 2, "{status}: {}", output.transcript());
            assert!(
                output.stderr.contains("the record of acme/test_table V1 is damaged"),
                "{status}: {}",
                output.stderr
            );
            assert!(output.stderr.contains("restore the registry from a backup"), "{status}: {}", output.stderr);
        }
    }
}

#[test]
fn a_registry_that_lacks_something_is_named_as_damaged() {
    for (sql, problem) in [
        ("DROP TABLE versions", "its table `versions` is missing"),
        ("DROP TABLE journal", "its table `journal` is missing"),
        ("DROP TABLE deliveries", "its table `deliveries` is missing"),
        ("DROP TABLE tables", "its table `tables` is missing"),
        ("DROP TABLE settings", "its table `settings` is missing"),
        ("DELETE FROM settings WHERE name = 'id'", "its identity is missing"),
        ("ALTER TABLE versions RENAME COLUMN record TO rekord", "no such column: record"),
    ] {
        let workspace = workspace();
        workspace.export("acme/test_table/V3", GOOD);
        execute(&workspace, sql);
        for arguments in [&["run", "exports"][..], &["status"], &["approve", "acme/test_table/V2", "00000000"]] {
            let output = workspace.tidemark(arguments);
            assert_eq!(output.status, 2, "{sql}: {}", output.transcript());
            assert!(output.stderr.contains(&format!("it is damaged: {problem}")), "{sql}: {}", output.stderr);
            assert!(output.stderr.contains("restore it from a backup"), "{sql}: {}", output.stderr);
            assert!(!output.stderr.contains("SELECT"), "{sql}: {}", output.stderr);
        }
    }
}

#[test]
fn a_creation_time_that_cannot_be_read_lets_no_sequence_fall_back() {
    let workspace = workspace();
    execute(&workspace, "UPDATE settings SET value = 'yesterday' WHERE name = 'created'");
    workspace.export("globex/test_table/V1", GOOD);
    // The workspace's own method would read the registry, too.
    let output = workspace.command(&["run", "exports"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("it is damaged"), "{stderr}");
    assert!(workspace.parts("globex/test_table/V1").is_empty());
}

#[test]
fn a_registry_that_is_no_file_is_an_error_and_nothing_waits_for_it() {
    for name in ["registry.sqlite", "registry.sqlite-wal", "registry.sqlite-journal"] {
        for kind in ["fifo", "socket", "folder"] {
            let workspace = workspace();
            let path = workspace.path(&format!(".tidemark/{name}"));
            let _ = fs::remove_file(&path);
            // Keeps the socket's file.
            let _listener = match kind {
                "fifo" => {
                    assert!(command("mkfifo").arg(&path).status().unwrap().success());
                    None
                }
                "socket" => Some(UnixListener::bind(&path).unwrap()),
                _ => {
                    fs::create_dir(&path).unwrap();
                    None
                }
            };
            for arguments in [&["status"][..], &["run", "exports"], &["resync", "acme/test_table"]] {
                // The workspace's own method would read the registry, too, and wait.
                let output = workspace.command(arguments).output().unwrap();
                let stderr = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(2), "{name} {kind}: {stderr}");
                assert!(stderr.contains(name) && stderr.contains("regular file"), "{stderr}");
            }
        }
    }
    // The folder of the registry is a file.
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace.write(".tidemark", b"");
    let output = workspace.run();
    assert!(output.status == 2 && output.stderr.contains("help: check the path"), "{}", output.transcript());
}
