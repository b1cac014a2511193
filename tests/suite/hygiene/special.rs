//! Fifos, sockets and devices are refused, and nothing blocks on them.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;

use crate::hygiene::{BINARY, GOOD, copy_sample, fifo, tidemark_with_timeout};
use crate::limits::command;
use crate::workspace::{Workspace, gzip, ndjson};

const PROBLEM: &str = "not a regular file";

#[test]
fn fifo_and_socket_parts_are_refused_and_the_run_continues() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    fifo(&workspace, "exports/acme/test_table/V2/part.csv.gz");
    fs::create_dir(workspace.path("exports/acme/test_table/V3")).unwrap();
    let _socket = UnixListener::bind(workspace.path("exports/acme/test_table/V3/part.csv.gz")).unwrap();
    workspace.export("acme/test_table/V4", "PK1;1;a;x\nPK2;3;b;y\n");
    fifo(&workspace, "exports/pipe");
    let output = tidemark_with_timeout(&workspace, &["run", "exports"]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    for version in ["V2", "V3"] {
        let message = format!("error: exports/acme/test_table/{version}/part.csv.gz: {PROBLEM}\nhelp: an export holds");
        assert!(output.stderr.contains(&message), "{}", output.stderr);
    }
    assert!(output.stderr.contains("exports/pipe: not a folder"), "{}", output.stderr);
    assert_eq!(workspace.published("acme/test_table/V4")[0]["previous"], "V1");
}

#[test]
fn a_fifo_as_marker_or_manifest_keeps_its_version_waiting() {
    let workspace = Workspace::new();
    for (version, file) in
        [("acme/web_events/20260101_V0001", "_SUCCESS"), ("acme/ledger_entries/20260101_V0001", "_manifest.json")]
    {
        let folder = copy_sample(&workspace, version);
        fs::remove_file(folder.join(file)).unwrap();
        fifo(&workspace, &format!("exports/{version}/{file}"));
        let output = tidemark_with_timeout(&workspace, &["run", "exports"]);
        let message = format!("{file} to be a regular file; it is a special file, such as a fifo or a device");
        assert!(output.stdout.contains(&message), "{}", output.transcript());
        assert!(workspace.published(version).is_empty());
    }
}

#[test]
fn a_part_replaced_by_a_fifo_is_not_a_baseline() {
    let workspace = Workspace::new();
    let part = workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    fs::remove_file(part).unwrap();
    fifo(&workspace, "exports/acme/test_table/V1/part.csv.gz");
    workspace.export("acme/test_table/V2", GOOD);
    let output = tidemark_with_timeout(&workspace, &["run", "exports"]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("baseline-changed") && output.stderr.contains(PROBLEM), "{}", output.stderr);
    assert!(workspace.published("acme/test_table/V2").is_empty());
}

#[test]
fn delta_refuses_input_that_cannot_be_read_twice() {
    let workspace = Workspace::new();
    fifo(&workspace, "part.csv.gz");
    for path in ["part.csv.gz", "/dev/zero", "/dev/stdin"] {
        let output = tidemark_with_timeout(&workspace, &["delta", "test_table", "none", path]);
        assert_eq!(output.status, 1, "{path}: {}", output.transcript());
        let message = format!("error: {path}: {PROBLEM}\nhelp: write it to a file first; it is read twice\n");
        assert_eq!(output.stderr, message);
    }
}

#[test]
fn delta_writes_into_a_fifo_without_replacing_it() {
    let workspace = Workspace::new();
    workspace.write("new.csv.gz", &gzip(GOOD.as_bytes()));
    fifo(&workspace, "pipe");
    // If the fifo were replaced by a file, its reader would block forever.
    let script = "timeout -s KILL 600 cat pipe > got & timeout -s KILL 600 \"$0\" delta test_table none new.csv.gz -o pipe && wait $!";
    let output = command("sh").args(["-c", script, BINARY]).current_dir(workspace.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::symlink_metadata(workspace.path("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(ndjson(&fs::read_to_string(workspace.path("got")).unwrap()).len(), 2);
}
