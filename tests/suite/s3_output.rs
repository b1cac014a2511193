//! Operations in S3: the same names and bytes as on disk, whatever is killed and whoever else publishes there.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use runtime::aws::s3::{self, S3Uri};
use runtime::breakpoint::Breakpoint;

use crate::breakpoints::{ONE_HOUR_AHEAD, StoppedProcess};
use crate::remote::Remote;
use crate::stack::Stack;
use crate::workspace::{CommandOutput, add_to_summary, files, gzip};

const KEY: &str = "acme/test_table";

/// Small parts, so that a version has several.
const SMALL_PARTS: (&str, &str) = ("TIDEMARK_PART_BYTES", "4000");

/// A first import of many parts, and a change. The exports are in a folder, the output is in S3.
fn remote() -> Remote {
    let remote = Remote::new();
    let rows = |value: u32| (1..=60).map(|key| format!("PK{key};{value};;\n")).collect::<String>();
    remote.workspace.export(&format!("{KEY}/V1"), &rows(1));
    remote.workspace.export(&format!("{KEY}/V2"), &(rows(1) + "PK99;1;;\n"));
    remote
}

fn environment() -> Vec<(&'static str, &'static str)> {
    let mut environment = Stack::get().environment().to_vec();
    environment.extend([SMALL_PARTS, ("AWS_EC2_METADATA_DISABLED", "true")]);
    environment
}

fn tidemark(remote: &Remote, arguments: &[&str], more: &[(&str, &str)]) -> CommandOutput {
    remote.workspace.tidemark_with_env(arguments, &[&environment(), more].concat())
}

fn run(remote: &Remote) -> CommandOutput {
    tidemark(remote, &["run", "exports", "--out", &remote.uri("out")], &[])
}

fn object(remote: &Remote, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let uri = S3Uri { bucket: remote.sandbox.bucket.clone(), key: key.into() };
    s3::open(&Arc::clone(&remote.sandbox.aws), &uri).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Every published part in S3, by its path below the output.
fn published(remote: &Remote) -> BTreeMap<String, Vec<u8>> {
    let part = |key: String| (key.strip_prefix("out/").unwrap().to_owned(), object(remote, &key));
    remote.sandbox.keys(&format!("out/{KEY}/")).into_iter().map(part).collect()
}

/// The same operations published into a folder by the same registry, under the same sequences.
fn published_on_disk(remote: &Remote) -> BTreeMap<String, Vec<u8>> {
    for version in ["V1", "V2"] {
        let replay = tidemark(remote, &["replay", &format!("{KEY}/{version}"), "--out", "on-disk"], &[]);
        assert_eq!(replay.status, 0, "{}", replay.transcript());
    }
    let files = files(&remote.workspace.path("on-disk"));
    let is_part = |path: &String| path.starts_with(KEY);
    let parts = files.into_iter().map(|(path, bytes)| (path.to_string_lossy().into_owned(), bytes));
    parts.filter(|(path, _)| is_part(path)).collect()
}

#[test]
fn a_run_publishes_the_same_parts_into_s3_as_into_a_folder() {
    let remote = remote();
    let output = run(&remote);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains(&format!("Operations are in {}", remote.uri("out"))), "{}", output.stdout);
    let in_s3 = published(&remote);
    assert!(in_s3.len() > 3, "{:?}", in_s3.keys());
    assert!(in_s3 == published_on_disk(&remote), "every name and every byte is the same");
    assert!(!remote.workspace.path("s3:").exists());
    let verified = tidemark(&remote, &["verify"], &[]);
    assert_eq!(verified.status, 0, "{}", verified.transcript());
    // A damaged part is found, and a part that lacks is as well.
    let damaged = format!("out/{}", in_s3.keys().next().unwrap());
    remote.sandbox.put(&damaged, b"nothing");
    let verified = tidemark(&remote, &["verify"], &[]);
    assert!(verified.status == 1 && verified.stderr.contains("the file is damaged"), "{}", verified.transcript());
}

#[test]
fn files_in_a_bucket_are_applied_to_a_database_like_those_in_a_folder() {
    let remote = remote();
    let out = remote.uri("out");
    let apply = |more: &[&str]| {
        let arguments = ["apply", &out, "--to", "sqlite:shop.db", "--create"];
        tidemark(&remote, &[&arguments[..], more].concat(), &[])
    };
    let nothing = apply(&[]);
    assert_eq!(nothing.status, 2, "{}", nothing.transcript());
    assert!(nothing.stderr.contains("no operations are published there"), "{}", nothing.transcript());
    assert_eq!(run(&remote).status, 0);
    let rows = || {
        let database = rusqlite::Connection::open(remote.workspace.path("shop.db")).unwrap();
        let sql = "SELECT (SELECT count(*) FROM test_table), version FROM _tidemark";
        database.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap()
    };
    for (more, expected) in [(&["--until", "V1"][..], (60, "V1")), (&["--from", "V2"], (61, "V2"))] {
        let output = apply(more);
        assert_eq!(output.status, 0, "{}", output.transcript());
        assert_eq!(rows(), (expected.0, expected.1.to_owned()));
    }
    let output = apply(&[]);
    assert!(output.stdout.contains("nothing to do"), "{}", output.transcript());
    // A part that somebody removed is noticed.
    remote.workspace.export(&format!("{KEY}/V3"), "PK1;2;;\n");
    let held = run(&remote);
    assert_eq!(held.status, 0, "{}", held.transcript());
    let parts = remote.sandbox.keys(&format!("out/{KEY}/V3/"));
    remote.sandbox.put(&parts[0], &gzip(b"{}\n"));
    let output = apply(&[]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("a line is not an operation"), "{}", output.transcript());
}

#[test]
fn a_run_into_s3_that_is_killed_anywhere_is_completed_by_the_next_one() {
    let steps = [
        Breakpoint::Claimed,
        Breakpoint::Marked,
        Breakpoint::PartWritten,
        Breakpoint::PartPublished,
        Breakpoint::PartRecorded,
    ];
    let mut kills = 0;
    for breakpoint in steps {
        for nth in [1, 2, 4] {
            let remote = remote();
            let out = remote.uri("out");
            let arguments = ["run", "exports", "--out", &out];
            let stopped = StoppedProcess::start_with(&remote.workspace, &arguments, breakpoint, nth, &environment());
            let Some(stopped) = stopped else { break };
            stopped.kill();
            kills += 1;
            let output = run(&remote);
            assert_eq!(output.status, 0, "{} {nth}: {}", breakpoint.name(), output.transcript());
            assert!(published(&remote) == published_on_disk(&remote), "killed at {} {nth}", breakpoint.name());
        }
    }
    assert!(kills >= 10, "{kills}");
    add_to_summary(&format!("{kills} kills of runs that publish into S3"));
}

#[test]
fn a_publisher_that_stalled_writes_no_end_after_another_run_took_over() {
    for breakpoint in [Breakpoint::Claimed, Breakpoint::Marked, Breakpoint::PartWritten] {
        let remote = remote();
        let out = remote.uri("out");
        let arguments = ["run", "exports", "--out", &out];
        let stalled = StoppedProcess::start_with(&remote.workspace, &arguments, breakpoint, 1, &environment()).unwrap();
        // An hour later the lease has expired, and another run does all the work.
        let output = tidemark(&remote, &arguments, &[ONE_HOUR_AHEAD]);
        assert_eq!(output.status, 0, "{}", output.transcript());
        let complete = published(&remote);
        let CommandOutput { status, stderr, .. } = stalled.resume();
        assert!(status == 2 && stderr.contains("another run took over"), "{}: {stderr}", breakpoint.name());
        assert!(published(&remote) == complete);
    }
}

#[test]
fn an_output_in_s3_refuses_another_registry_until_it_is_adopted() {
    let remote = remote();
    assert_eq!(run(&remote).status, 0);
    let before = published(&remote);
    let second = ["run", "exports", "--state", "second", "--out", &remote.uri("out")];
    let refused = tidemark(&remote, &second, &[]);
    assert!(refused.status != 0 && refused.stderr.contains("another registry"), "{}", refused.transcript());
    assert!(published(&remote) == before);
    let adopted = tidemark(&remote, &[&second[..], &["--adopt"]].concat(), &[]);
    assert_eq!(adopted.status, 0, "{}", adopted.transcript());
    let after = published(&remote);
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "nothing is overwritten");
    let file_name = |path: &String| path.rsplit('/').next().unwrap().to_owned();
    let last_before = before.keys().map(file_name).max().unwrap();
    assert!(after.keys().filter(|name| !before.contains_key(*name)).all(|name| file_name(name) > last_before));
    // Now the first registry is the one that is refused.
    remote.workspace.export(&format!("{KEY}/V3"), "PK1;2;;\n");
    assert_ne!(run(&remote).status, 0);
}

#[test]
fn a_part_that_somebody_else_wrote_is_not_overwritten() {
    let remote = remote();
    let out = remote.uri("out");
    let arguments = ["run", "exports", "--out", &out];
    let stopped = StoppedProcess::start_with(&remote.workspace, &arguments, Breakpoint::Marked, 1, &environment());
    stopped.unwrap().kill();
    let mark: serde_json::Value =
        serde_json::from_slice(&object(&remote, &format!("out/.writing/{KEY}/mark.json"))).unwrap();
    let name = format!("out/{KEY}/V1/{}-part-00000.ndjson.gz", mark["sequence"]);
    remote.sandbox.put(&name, &gzip(b"{}\n"));
    let output = run(&remote);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("it exists with other contents"), "{}", output.transcript());
    assert!(published(&remote)[name.strip_prefix("out/").unwrap()] == gzip(b"{}\n"));
}
