//! Folders that cannot be written, and temporary files: nothing is half-written or left over.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use runtime::breakpoint::Breakpoint;

use crate::breakpoints::StoppedProcess;
use crate::hygiene::{GOOD, files, tree};
use crate::workspace::Workspace;

/// Makes folders read-only, and writable again on drop, so that they can be removed.
struct ReadOnly(Vec<PathBuf>);

impl ReadOnly {
    fn folder(path: PathBuf) -> Self {
        fs::set_permissions(&path, Permissions::from_mode(0o555)).unwrap();
        Self(vec![path])
    }

    /// A folder and everything below it.
    fn tree(path: &Path) -> Self {
        let below = tree(path).into_keys().map(|below| path.join(below));
        let all: Vec<PathBuf> = below.chain([path.to_path_buf()]).collect();
        all.iter().for_each(|path| fs::set_permissions(path, Permissions::from_mode(0o555)).unwrap());
        Self(all)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        for path in &self.0 {
            // The failure of a test is more interesting than a failure here.
            let _ = fs::set_permissions(path, Permissions::from_mode(0o755));
        }
    }
}

/// Temporary files that should have been removed: working files, staged parts and staged change sets.
fn temporary_files(workspace: &Workspace) -> Vec<PathBuf> {
    // The mark and the empty folder of the last writer stay: they record the highest sequence and fence.
    let is_hidden = |path: &Path| {
        let starts_with_dot = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
        path.iter().any(starts_with_dot) && !path.ends_with("mark.json")
    };
    let (state, out) = (workspace.path(".tidemark"), workspace.path("out"));
    let is_work = |path: &Path| path.starts_with("work") && path != Path::new("work");
    let is_aside = |path: &Path| path.starts_with("changes") && path.to_string_lossy().contains("/aside");
    let in_state = tree(&state).into_keys().filter(|path| is_work(path) || is_aside(path));
    let in_out = if out.is_dir() { files(&out) } else { Vec::new() };
    in_state.chain(in_out.into_iter().filter(|path| is_hidden(path))).collect()
}

#[test]
fn exports_may_be_read_only() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace.export("acme/test_table/V2", "PK1;1;a;x\nPK2;3;b;y\n");
    workspace.drop_root();
    let exports = workspace.path("exports");
    let _read_only = ReadOnly::tree(&exports);
    let before: Vec<_> = tree(&exports).into_iter().map(|(path, m)| (path, m.modified().unwrap())).collect();
    let output = workspace.run();
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert_eq!(workspace.published("acme/test_table/V2").len(), 3);
    assert_eq!(before, tree(&exports).into_iter().map(|(path, m)| (path, m.modified().unwrap())).collect::<Vec<_>>());
}

#[test]
fn a_read_only_output_stops_the_run_and_the_next_run_resumes() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    fs::create_dir(workspace.path("out")).unwrap();
    workspace.drop_root();
    let read_only = ReadOnly::folder(workspace.path("out"));
    let output = workspace.run();
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains("cannot create out/acme/test_table/V1: Permission denied"), "{}", output.stderr);
    assert!(output.stderr.contains("help: check the permissions, then run again\n"), "{}", output.stderr);
    assert!(files(&workspace.path("out")).is_empty());
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "PUBLISHING");
    drop(read_only);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
    assert_eq!(temporary_files(&workspace), Vec::<PathBuf>::new());
}

#[test]
fn a_replay_into_a_read_only_folder_changes_nothing() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    let folder = workspace.path("out/acme/test_table/V1");
    let part = workspace.parts("acme/test_table/V1").remove(0);
    let before = fs::read(&part).unwrap();
    workspace.drop_root();
    let read_only = ReadOnly::folder(folder.clone());
    let output = workspace.tidemark(&["replay", "acme/test_table/V1"]);
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(
        output.stderr.contains("cannot rename into out/acme/test_table/V1/0000000000001-part-00000"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("check the permissions"), "{}", output.stderr);
    drop(read_only);
    assert_eq!((files(&folder).len(), fs::read(&part).unwrap()), (1, before));
}

#[test]
fn a_read_only_state_stops_the_run_before_anything_is_published() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    fs::create_dir(workspace.path("state")).unwrap();
    workspace.drop_root();
    for state in ["state", "state/below"] {
        let _read_only = ReadOnly::folder(workspace.path("state"));
        let output = workspace.tidemark(&["run", "exports", "--state", state]);
        assert_eq!(output.status, 2, "{}", output.transcript());
        assert!(output.stderr.starts_with("error: ") && output.stderr.contains(state), "{}", output.stderr);
        assert!(output.stderr.contains("help: check the permissions"), "{}", output.stderr);
        assert!(files(&workspace.path("state")).is_empty() && !workspace.path("out").exists());
    }
    assert_eq!(workspace.tidemark(&["run", "exports", "--state", "state"]).status, 0);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
}

#[test]
fn a_read_only_registry_stops_the_run_and_the_next_run_resumes() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/test_table/V2", "PK1;1;a;x\n");
    workspace.drop_root();
    let read_only = ReadOnly::tree(&workspace.path(".tidemark"));
    let output = workspace.run();
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains("the registry .tidemark/registry.sqlite: "), "{}", output.stderr);
    let help = "help: check the permissions, or name another folder with --state\n";
    assert!(output.stderr.contains(help), "{}", output.stderr);
    drop(read_only);
    assert!(workspace.published("acme/test_table/V2").is_empty());
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V2").len(), 3);
}

#[test]
fn unwritable_change_sets_leave_the_version_unchanged() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/test_table/V2", "PK1;1;a;x\n");
    workspace.drop_root();
    let read_only = ReadOnly::folder(workspace.path(".tidemark/changes/acme/test_table"));
    let output = workspace.run();
    assert_eq!(output.status, 2, "{}", output.transcript());
    let message = "cannot create .tidemark/changes/acme/test_table/V2";
    assert!(output.stderr.contains(message) && output.stderr.contains("check the permissions"), "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
    assert!(workspace.published("acme/test_table/V2").is_empty());
    drop(read_only);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V2").len(), 3);
}

#[test]
fn no_temporary_files_remain_after_success_hold_or_refusal() {
    let workspace = Workspace::new();
    let rows = |count: u32, value: &str| (0..count).map(|n| format!("PK{n};{n};{value};x\n")).collect::<String>();
    workspace.export("acme/test_table/V1", &rows(5000, "a"));
    workspace.export("acme/test_table/V2", &rows(4500, "a"));
    assert_eq!(workspace.run().status, 0);
    // Every row differs, so the version is held.
    workspace.export("acme/test_table/V3", &rows(4500, "b"));
    // A revision, an incomplete version and a stray file.
    workspace.export("acme/test_table/V1", GOOD);
    fs::create_dir_all(workspace.path("exports/acme/test_table/V4")).unwrap();
    workspace.write("exports/stray", b"");
    assert_eq!(workspace.run().status, 1);
    let statuses = workspace.statuses("acme/test_table");
    assert_eq!(Vec::from_iter(statuses.values()), ["SUCCEEDED", "SUCCEEDED", "HELD", "WAITING"]);
    assert!(workspace.path(".tidemark/work").is_dir() && workspace.output().len() == 2);
    assert_eq!(temporary_files(&workspace), Vec::<PathBuf>::new());
    assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V2"]).status, 0);
    assert_eq!(temporary_files(&workspace), Vec::<PathBuf>::new());
}

#[test]
fn no_temporary_files_remain_after_bad_rows() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace.export("acme/test_table/V2", "PK1;one;a;x\n");
    workspace.export("acme/orders/V1", "no header\n");
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "FAILED");
    assert!(workspace.path(".tidemark/work").is_dir());
    assert_eq!(temporary_files(&workspace), Vec::<PathBuf>::new());
}

#[test]
fn the_next_run_removes_the_temporary_files_of_a_killed_one() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    for breakpoint in [Breakpoint::Planning, Breakpoint::PartWritten] {
        StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap().kill();
        assert!(!temporary_files(&workspace).is_empty());
    }
    assert_eq!(workspace.run().status, 0);
    assert_eq!(temporary_files(&workspace), Vec::<PathBuf>::new());
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
}
