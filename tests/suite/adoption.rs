//! Registries that are lost, restored from an older copy, or not the one of yesterday: sequences never fall behind what
//! consumers may have seen, and a run that would let them is refused before it plans anything.

mod gone;
mod races;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use runtime::breakpoint::Breakpoint;
use serde_json::{Value, json};

use crate::breakpoints::StoppedProcess;
use crate::workspace::{CommandOutput, Workspace, files, gunzip, ndjson};

const KEY: &str = "acme/test_table";

/// The rows of an export: a key for each of `keys`, with the same value.
fn rows(keys: &[&str], value: u32) -> String {
    keys.iter().map(|key| format!("{key};{value};;\n")).collect()
}

/// A workspace in which three versions were published, one run each.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for (number, keys) in [(1, &["a", "b"][..]), (2, &["a", "b", "c"]), (3, &["b", "c"])] {
        deliver(&workspace, number, keys);
        assert_eq!(workspace.run().status, 0);
    }
    workspace
}

fn deliver(workspace: &Workspace, version: u32, keys: &[&str]) {
    workspace.export(&format!("{KEY}/V{version}"), &rows(keys, version));
}

fn remove_exports(workspace: &Workspace, versions: &[u32]) {
    for version in versions {
        fs::remove_dir_all(workspace.path(&format!("exports/{KEY}/V{version}"))).unwrap();
    }
}

/// Every published part, in the order of publication.
fn parts(workspace: &Workspace) -> Vec<PathBuf> {
    let out = workspace.path("out");
    let mut parts: Vec<PathBuf> =
        files(&out).into_keys().filter(|path| path.extension() == Some("gz".as_ref())).collect();
    parts.sort_by_key(|path| path.file_name().unwrap().to_owned());
    parts.into_iter().map(|path| out.join(path)).collect()
}

/// A consumer that reads everything that is published, in the order of the parts' names, and keeps what it has read.
#[derive(Default)]
struct Consumer {
    rows: BTreeMap<String, (u64, Option<Value>)>,
    reset: u64,
}

impl Consumer {
    fn read(&mut self, workspace: &Workspace) {
        let mut resets = false;
        for record in parts(workspace).iter().flat_map(|part| ndjson(&gunzip(part))) {
            let sequence = record["sequence"].as_u64().unwrap();
            match record["op"].as_str().unwrap() {
                "BEGIN" => resets = record["reset"] == true,
                "END" if resets && sequence > self.reset => {
                    self.reset = sequence;
                    self.rows.retain(|_, (last, _)| *last >= sequence);
                }
                "END" => {}
                _ => self.apply(&record, sequence),
            }
        }
    }

    fn apply(&mut self, record: &Value, sequence: u64) {
        let last = self.rows.entry(record["key"].to_string()).or_default();
        if sequence > last.0 && sequence >= self.reset {
            *last = (sequence, record.get("after").map(|after| after["COL_1"].clone()));
        }
    }

    /// The keys and their values.
    fn table(&self) -> BTreeMap<String, Value> {
        let live = self.rows.iter().filter_map(|(key, (_, value))| Some((key, value.clone()?)));
        live.map(|(key, value)| (serde_json::from_str::<Value>(key).unwrap()["PK"].as_str().unwrap().into(), value))
            .collect()
    }
}

fn expected(keys: &[&str], value: u32) -> BTreeMap<String, Value> {
    keys.iter().map(|key| ((*key).into(), json!(value))).collect()
}

/// Checks that a consumer that followed everything, and one that starts now, have exactly these rows.
fn check_consumers(consumer: &mut Consumer, workspace: &Workspace, expected: &BTreeMap<String, Value>) {
    consumer.read(workspace);
    assert_eq!(consumer.table(), *expected);
    let mut new = Consumer::default();
    new.read(workspace);
    assert_eq!(new.table(), *expected);
}

/// Runs, expects a refusal that names `--adopt`, and checks that it changed nothing that is published.
fn check_refused(workspace: &Workspace, arguments: &[&str], problem: &str) -> CommandOutput {
    let before = files(&workspace.path("out"));
    let output = workspace.tidemark(&[&["run", "exports"], arguments].concat());
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains(problem), "{}", output.transcript());
    assert!(output.stderr.contains("tidemark run ") && output.stderr.contains("--adopt"), "{}", output.stderr);
    assert_eq!(files(&workspace.path("out")), before);
    output
}

fn adopt(workspace: &Workspace, arguments: &[&str]) {
    let output = workspace.tidemark(&[&["run", "exports", "--adopt"], arguments].concat());
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains("is adopted"), "{}", output.transcript());
}

/// What is published stays as it is; only more may come.
fn check_only_added(before: &[(PathBuf, Vec<u8>)]) {
    for (path, bytes) in before {
        assert_eq!(fs::read(path).unwrap(), *bytes, "{}", path.display());
    }
}

fn snapshot(workspace: &Workspace) -> Vec<(PathBuf, Vec<u8>)> {
    parts(workspace).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn copy_registry(workspace: &Workspace, to: &str) {
    fs::copy(workspace.path(".tidemark/registry.sqlite"), workspace.path(to)).unwrap();
}

fn restore_registry(workspace: &Workspace, from: &str) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(workspace.path(&format!(".tidemark/registry.sqlite{suffix}")));
    }
    fs::copy(workspace.path(from), workspace.path(".tidemark/registry.sqlite")).unwrap();
}

#[test]
fn an_empty_registry_next_to_change_sets_is_refused() {
    let registry = |workspace: &Workspace| workspace.path(".tidemark/registry.sqlite");
    let losses: [fn(&Path); 2] = [|path| fs::remove_file(path).unwrap(), |path| fs::write(path, b"").unwrap()];
    for lose in losses {
        let workspace = workspace();
        let mut consumer = Consumer::default();
        consumer.read(&workspace);
        lose(&registry(&workspace));
        deliver(&workspace, 4, &["c", "d"]);
        check_refused(&workspace, &[], "the registry is gone or empty, but there are change sets");
        check_refused(&workspace, &[], "the registry is gone or empty, but there are change sets");
        let before = snapshot(&workspace);
        adopt(&workspace, &[]);
        check_only_added(&before);
        check_consumers(&mut consumer, &workspace, &expected(&["c", "d"], 4));
        // From now on it is this registry's output.
        deliver(&workspace, 5, &["d", "e"]);
        assert_eq!(workspace.run().status, 0);
        check_consumers(&mut consumer, &workspace, &expected(&["d", "e"], 5));
    }
}

#[test]
fn a_damaged_registry_leads_to_a_safe_path() {
    for length in [50, 5000] {
        let workspace = workspace();
        let mut consumer = Consumer::default();
        consumer.read(&workspace);
        let path = workspace.path(".tidemark/registry.sqlite");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..length]).unwrap();
        let output = workspace.run();
        assert_eq!(output.status, 2, "{}", output.transcript());
        assert!(output.stderr.contains("--adopt"), "{}", output.stderr);
        // Its help, and its former help: another state folder.
        remove_exports(&workspace, &[1, 2]);
        deliver(&workspace, 4, &["c", "d"]);
        check_refused(&workspace, &["--state", "other"], "another registry");
        fs::rename(&path, workspace.path("damaged")).unwrap();
        adopt(&workspace, &[]);
        check_consumers(&mut consumer, &workspace, &expected(&["c", "d"], 4));
    }
}

#[test]
fn another_registry_is_refused_before_it_plans() {
    let workspace = workspace();
    fs::rename(workspace.path(".tidemark"), workspace.path("lost")).unwrap();
    check_refused(&workspace, &[], "another registry");
    assert!(!workspace.path(".tidemark/changes").exists(), "something was planned");
    let statuses = workspace.statuses(KEY);
    assert!(statuses.values().all(|status| status == "REGISTERED"), "{statuses:?}");
    // The right one goes on as if nothing had happened.
    assert_eq!(workspace.tidemark(&["run", "exports", "--state", "lost"]).status, 0);
}

#[test]
fn two_registries_never_alternate() {
    let workspace = workspace();
    let mut consumer = Consumer::default();
    consumer.read(&workspace);
    deliver(&workspace, 4, &["c", "d"]);
    check_refused(&workspace, &["--state", "other"], "another registry");
    assert_eq!(workspace.run().status, 0);
    deliver(&workspace, 5, &["d", "e"]);
    adopt(&workspace, &["--state", "other"]);
    check_consumers(&mut consumer, &workspace, &expected(&["d", "e"], 5));
    // Now the first one is the stranger, and may take the output back.
    deliver(&workspace, 6, &["e", "f"]);
    check_refused(&workspace, &[], "another registry");
    adopt(&workspace, &[]);
    check_consumers(&mut consumer, &workspace, &expected(&["e", "f"], 6));
    check_refused(&workspace, &["--state", "other"], "another registry");
}

#[test]
fn a_restored_registry_is_refused_however_much_was_published_since() {
    for since in 1..=3 {
        let workspace = workspace();
        copy_registry(&workspace, "backup");
        for version in 4..4 + since {
            deliver(&workspace, version, &["a", &format!("v{version}")]);
            assert_eq!(workspace.run().status, 0);
        }
        let mut consumer = Consumer::default();
        consumer.read(&workspace);
        restore_registry(&workspace, "backup");
        check_refused(&workspace, &[], "does not know of it: it was restored");
        let before = snapshot(&workspace);
        adopt(&workspace, &[]);
        check_only_added(&before);
        let newest = 3 + since;
        check_consumers(&mut consumer, &workspace, &expected(&["a", &format!("v{newest}")], newest));
    }
}

#[test]
fn a_registry_restored_from_the_middle_of_a_publication_starts_it_over() {
    let workspace = workspace();
    deliver(&workspace, 4, &["c", "d"]);
    let stopped = StoppedProcess::start(&workspace, &["run", "exports"], Breakpoint::Publishing, 1).unwrap();
    stopped.kill();
    copy_with_log(&workspace, "backup");
    deliver(&workspace, 5, &["d", "e"]);
    assert_eq!(workspace.run().status, 0);
    let mut consumer = Consumer::default();
    consumer.read(&workspace);
    restore_registry(&workspace, "backup/registry.sqlite");
    fs::copy(workspace.path("backup/registry.sqlite-wal"), workspace.path(".tidemark/registry.sqlite-wal")).unwrap();
    // Of the two newer versions, the second is lost.
    remove_exports(&workspace, &[5]);
    check_refused(&workspace, &[], "does not know of it: it was restored");
    adopt(&workspace, &[]);
    check_consumers(&mut consumer, &workspace, &expected(&["c", "d"], 4));
}

/// Copies the registry of a killed process, with its write-ahead log.
fn copy_with_log(workspace: &Workspace, to: &str) {
    fs::create_dir(workspace.path(to)).unwrap();
    for name in ["registry.sqlite", "registry.sqlite-wal"] {
        fs::copy(workspace.path(&format!(".tidemark/{name}")), workspace.path(&format!("{to}/{name}"))).unwrap();
    }
}

#[test]
fn a_recovered_registry_goes_on_in_full_without_adopting() {
    let workspace = workspace();
    copy_registry(&workspace, "backup");
    deliver(&workspace, 4, &["a", "d"]);
    assert_eq!(workspace.run().status, 0);
    let mut consumer = Consumer::default();
    consumer.read(&workspace);
    restore_registry(&workspace, "backup");
    let output = workspace.tidemark(&["recover"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains(KEY), "{}", output.stdout);
    remove_exports(&workspace, &[4]);
    deliver(&workspace, 5, &["d", "e"]);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published(&format!("{KEY}/V5"))[0]["reset"], true);
    check_consumers(&mut consumer, &workspace, &expected(&["d", "e"], 5));
}

#[test]
fn an_output_of_an_earlier_release_continues_and_gets_its_mark() {
    let workspace = workspace();
    let old = |workspace: &Workspace| {
        // What an earlier release leaves: no mark, and parts without a sequence in their names.
        fs::remove_file(workspace.path("out/.writing/acme/test_table/mark.json")).unwrap();
        for part in parts(workspace) {
            fs::rename(&part, part.with_file_name("part-00000.ndjson.gz")).unwrap();
        }
    };
    old(&workspace);
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
    deliver(&workspace, 4, &["c", "d"]);
    assert_eq!(workspace.run().status, 0);
    assert!(workspace.path("out/.writing/acme/test_table/mark.json").exists());
    assert_eq!(workspace.published(&format!("{KEY}/V4"))[0]["sequence"], 4);
    // Another registry does not know the versions there.
    let workspace = self::workspace();
    old(&workspace);
    check_refused(&workspace, &["--state", "other"], "another registry published V3 there");
    adopt(&workspace, &["--state", "other"]);
}

#[test]
fn a_kill_between_the_mark_and_the_first_part_is_resumed() {
    for breakpoint in [Breakpoint::Publishing, Breakpoint::Claimed, Breakpoint::Marked, Breakpoint::PartWritten] {
        let workspace = workspace();
        let mut consumer = Consumer::default();
        consumer.read(&workspace);
        deliver(&workspace, 4, &["c", "d"]);
        StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap().kill();
        assert_eq!(workspace.run().status, 0, "killed at {}", breakpoint.name());
        assert_eq!(workspace.published(&format!("{KEY}/V4"))[0]["sequence"], 4);
        check_consumers(&mut consumer, &workspace, &expected(&["c", "d"], 4));
    }
}

#[test]
fn an_adoption_that_is_killed_is_repeated() {
    for breakpoint in Breakpoint::ALL.into_iter().chain([Breakpoint::Adopting]) {
        let workspace = workspace();
        let mut consumer = Consumer::default();
        consumer.read(&workspace);
        deliver(&workspace, 4, &["c", "d"]);
        let arguments = ["run", "exports", "--state", "other", "--adopt"];
        let Some(stopped) = StoppedProcess::start(&workspace, &arguments, breakpoint, 1) else { continue };
        stopped.kill();
        let output = workspace.tidemark(&arguments);
        assert_eq!(output.status, 0, "killed at {}: {}", breakpoint.name(), output.transcript());
        check_consumers(&mut consumer, &workspace, &expected(&["c", "d"], 4));
    }
}

#[test]
fn a_replay_does_not_publish_into_another_registrys_output() {
    let workspace = workspace();
    adopt(&workspace, &["--state", "other"]);
    let before = files(&workspace.path("out"));
    let output = workspace.tidemark(&["replay", "acme/test_table/V2"]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("another registry"), "{}", output.stderr);
    assert_eq!(files(&workspace.path("out")), before);
}

#[test]
fn nobody_who_walks_the_output_finds_a_part_that_is_being_written() {
    let workspace = workspace();
    let before = parts(&workspace);
    deliver(&workspace, 4, &["c", "d"]);
    StoppedProcess::start(&workspace, &["run", "exports"], Breakpoint::PartWritten, 1).unwrap().kill();
    assert_eq!(parts(&workspace), before);
    assert_eq!(workspace.run().status, 0);
    // Names sort in the order of publication.
    let versions: Vec<Value> =
        parts(&workspace).iter().map(|part| ndjson(&gunzip(part))[0]["version"].clone()).collect();
    assert_eq!(versions, ["V1", "V2", "V3", "V4"]);
}

#[test]
fn a_copy_of_a_registry_does_not_overwrite_what_the_other_published() {
    let workspace = workspace();
    fs::create_dir(workspace.path("copy")).unwrap();
    copy_registry(&workspace, "copy/registry.sqlite");
    deliver(&workspace, 4, &["b"]);
    // The copy is killed once it has assigned the sequence.
    let arguments = ["run", "exports", "--state", "copy"];
    StoppedProcess::start(&workspace, &arguments, Breakpoint::Publishing, 1).unwrap().kill();
    remove_exports(&workspace, &[4]);
    workspace.export(&format!("{KEY}/V4"), &rows(&["b", "c", "d"], 7));
    assert_eq!(workspace.run().status, 0);
    let published = files(&workspace.path("out"));
    let output = workspace.tidemark(&arguments);
    assert_ne!(output.status, 0, "{}", output.transcript());
    assert!(output.stderr.contains("another copy"), "{}", output.stderr);
    let parts = |files: BTreeMap<PathBuf, Vec<u8>>| files.into_iter().filter(|(path, _)| !path.ends_with("mark.json"));
    assert!(parts(files(&workspace.path("out"))).eq(parts(published)));
}

#[test]
fn an_implausible_mark_is_called_damaged() {
    for sequence in [u64::MAX, i64::MAX as u64, 1 << 53] {
        let workspace = workspace();
        let mark = json!({"registry": "0123456789abcdef", "sequence": sequence, "fence": 1});
        workspace.write(&format!("out/.writing/{KEY}/mark.json"), mark.to_string().as_bytes());
        deliver(&workspace, 4, &["b"]);
        for arguments in [&["run", "exports"][..], &["run", "exports", "--adopt"]] {
            let output = workspace.tidemark(arguments);
            assert_ne!(output.status, 0, "{}", output.transcript());
            assert!(output.stderr.contains("the mark cannot be read: no registry assigns"), "{}", output.stderr);
        }
    }
}
