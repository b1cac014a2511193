//! What is written is durable before anything relies on it. A library that is loaded into the real command line records
//! its calls: no test can take the power away from the machine.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::limits::command;
use crate::workspace::Workspace;

/// The recorder, compiled with the compiler that SQLite needs, too.
static RECORDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("record_syncs.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/record_syncs.c");
    let mut compiler = command("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().unwrap().success());
    library
});

/// A call that was recorded; paths are relative to the workspace.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Sync(String),
    Rename(String, String),
}

/// The calls of a run, in order.
fn calls(workspace: &Workspace, arguments: &[&str]) -> Vec<Call> {
    let log = workspace.path("calls");
    let environment = [
        ("LD_PRELOAD", RECORDER.to_str().unwrap()),
        ("SYNC_LOG", log.to_str().unwrap()),
        ("TIDEMARK_PART_BYTES", "20000"),
    ];
    let output = workspace.tidemark_with_env(arguments, &environment);
    assert_eq!(output.status, 0, "{}", output.transcript());
    let root = workspace.path("").canonicalize().unwrap();
    let relative =
        |path: &str| Path::new(path).strip_prefix(&root).map_or(path.into(), |path| path.display().to_string());
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let call = |line: &str| {
        let [call, from, to] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if call == "sync" { Call::Sync(relative(from)) } else { Call::Rename(relative(from), relative(to)) }
    };
    text.lines().map(call).collect()
}

fn parent(path: &str) -> String {
    Path::new(path).parent().unwrap().display().to_string()
}

/// Whether these calls make a name durable.
fn has_sync(calls: &[Call], path: &str) -> bool {
    calls.iter().any(|call| matches!(call, Call::Sync(synced) if synced == path))
}

fn is_commit(call: &Call) -> bool {
    matches!(call, Call::Sync(path) if path == ".tidemark/registry.sqlite-wal")
}

/// Asserts that what was renamed was durable before, and that its new name is durable before the registry relies on it.
fn assert_durable(calls: &[Call]) {
    for (at, call) in calls.iter().enumerate() {
        let Call::Rename(from, to) = call else { continue };
        assert!(has_sync(&calls[..at], from), "{from} was not durable when it was renamed: {calls:#?}");
        let rest = &calls[at + 1..];
        let until_commit = &rest[..rest.iter().position(is_commit).unwrap_or(rest.len())];
        assert!(until_commit.len() < rest.len(), "nothing is recorded after {to}");
        assert!(has_sync(until_commit, &parent(to)), "the name {to} was not durable: {calls:#?}");
    }
}

fn renamed_into<'a>(calls: &'a [Call], folder: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    calls.iter().enumerate().filter_map(move |(at, call)| match call {
        Call::Rename(_, to) if to.starts_with(folder) && !to.ends_with("mark.json") => Some((at, to.as_str())),
        _ => None,
    })
}

#[test]
fn everything_is_durable_before_anything_relies_on_it() {
    let workspace = Workspace::new();
    for (version, value) in [("V1", 1), ("V2", 2)] {
        let rows: String =
            (0..500).map(|key| format!("PK{key};{};;\n", if key % 3 == 0 { value } else { 1 })).collect();
        workspace.export(&format!("acme/test_table/{version}"), &rows);
        let calls = calls(&workspace, &["run", "exports"]);
        assert_durable(&calls);

        // The change set: each of its parts and the folder, before the folder has its name.
        let (planned, folder) = renamed_into(&calls, ".tidemark/changes").next().unwrap();
        let Call::Rename(draft, _) = &calls[planned] else { unreachable!() };
        let parts = std::fs::read_dir(workspace.path(folder)).unwrap().count();
        assert!(parts > 1, "{parts} parts");
        for part in 0..parts {
            let path = format!("{draft}/part-{part:05}.ndjson.gz");
            assert!(has_sync(&calls[..planned], &path), "{path} was not durable: {calls:#?}");
        }
        // The registry knows that, before anything is published; and that all is published, at the end.
        let published: Vec<(usize, &str)> = renamed_into(&calls, "out/").collect();
        assert_eq!(published.len(), parts);
        assert!(calls[planned..published[0].0].iter().filter(|call| is_commit(call)).count() >= 2, "{calls:#?}");
        assert!(calls[published[parts - 1].0..].iter().any(is_commit), "{calls:#?}");
        // So are the names of the folders above, which were created.
        let home = format!(".tidemark/changes/acme/test_table/{version}");
        for (created, until) in [(format!("out/acme/test_table/{version}"), published[0].0), (home, planned)] {
            assert!(has_sync(&calls[..until], &parent(&created)), "the name {created} was not durable: {calls:#?}");
        }
        if version == "V1" {
            for created in ["out/acme", "out/acme/test_table", ".tidemark/changes/acme"] {
                assert!(has_sync(&calls, &parent(created)), "the name {created} was not durable: {calls:#?}");
            }
        }
    }
}
