//! Folders that cannot be written, and temporary files: nothing half-written, nothing left behind.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use runtime::breakpoint::Breakpoint;

use crate::breakpoints::Stopped;
use crate::hygiene::{GOOD, files, tree};
use crate::world::World;

/// Takes the right to write to a folder, and gives it back with its value, so that the folder can be removed.
struct ReadOnly(Vec<PathBuf>);

impl ReadOnly {
    fn folder(path: PathBuf) -> Self {
        fs::set_permissions(&path, Permissions::from_mode(0o555)).unwrap();
        Self(vec![path])
    }

    /// A folder with everything in it.
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
            // A test that fails says more than this would.
            let _ = fs::set_permissions(path, Permissions::from_mode(0o755));
        }
    }
}

/// What should have been taken away: working files, parts written aside, change sets written aside.
fn left(world: &World) -> Vec<PathBuf> {
    // The folder of the writer that was last stays, empty: it is the mark of the highest fence.
    let is_hidden = |path: &Path| path.components().any(|name| name.as_os_str().as_encoded_bytes().starts_with(b"."));
    let (state, out) = (world.path(".tidemark"), world.path("out"));
    let is_work = |path: &Path| path.starts_with("work") && path != Path::new("work");
    let is_aside = |path: &Path| path.starts_with("changes") && path.to_string_lossy().contains("/aside");
    let of_state = tree(&state).into_keys().filter(|path| is_work(path) || is_aside(path));
    let of_out = if out.is_dir() { files(&out) } else { Vec::new() };
    of_state.chain(of_out.into_iter().filter(|path| is_hidden(path))).collect()
}

#[test]
fn exports_may_be_read_only() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    world.export("acme/test_table/V2", "PK1;1;a;x\nPK2;3;b;y\n");
    world.give_up_root();
    let exports = world.path("exports");
    let _read_only = ReadOnly::tree(&exports);
    let before: Vec<_> = tree(&exports).into_iter().map(|(path, m)| (path, m.modified().unwrap())).collect();
    let said = world.run();
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(world.published("acme/test_table/V2").len(), 3);
    assert_eq!(before, tree(&exports).into_iter().map(|(path, m)| (path, m.modified().unwrap())).collect::<Vec<_>>());
}

#[test]
fn a_read_only_output_stops_the_run_and_the_next_run_resumes() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    fs::create_dir(world.path("out")).unwrap();
    world.give_up_root();
    let read_only = ReadOnly::folder(world.path("out"));
    let said = world.run();
    assert_eq!(said.status, 2, "{}", said.transcript());
    assert!(said.stderr.contains("cannot create out/acme/test_table/V1: Permission denied"), "{}", said.stderr);
    assert!(said.stderr.contains("help: check the permissions, then run again\n"), "{}", said.stderr);
    assert!(files(&world.path("out")).is_empty());
    assert_eq!(world.statuses("acme/test_table")["V1"], "PUBLISHING");
    drop(read_only);
    assert_eq!(world.run().status, 0);
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[test]
fn a_replay_into_a_read_only_folder_changes_nothing() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    assert_eq!(world.run().status, 0);
    let folder = world.path("out/acme/test_table/V1");
    let part = folder.join("part-00000.ndjson.gz");
    let before = fs::read(&part).unwrap();
    world.give_up_root();
    let read_only = ReadOnly::folder(folder.clone());
    let said = world.tidemark(&["replay", "acme/test_table/V1"]);
    assert_eq!(said.status, 2, "{}", said.transcript());
    assert!(said.stderr.contains("cannot rename into out/acme/test_table/V1/part-00000"), "{}", said.stderr);
    assert!(said.stderr.contains("check the permissions"), "{}", said.stderr);
    drop(read_only);
    assert_eq!((files(&folder).len(), fs::read(&part).unwrap()), (1, before));
}

#[test]
fn a_read_only_state_stops_the_run_before_anything_is_published() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    fs::create_dir(world.path("state")).unwrap();
    world.give_up_root();
    for state in ["state", "state/below"] {
        let _read_only = ReadOnly::folder(world.path("state"));
        let said = world.tidemark(&["run", "exports", "--state", state]);
        assert_eq!(said.status, 2, "{}", said.transcript());
        assert!(said.stderr.starts_with("error: ") && said.stderr.contains(state), "{}", said.stderr);
        assert!(said.stderr.contains("help: check the permissions"), "{}", said.stderr);
        assert!(files(&world.path("state")).is_empty() && !world.path("out").exists());
    }
    assert_eq!(world.tidemark(&["run", "exports", "--state", "state"]).status, 0);
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
}

#[test]
fn a_read_only_registry_stops_the_run_and_the_next_run_resumes() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    assert_eq!(world.run().status, 0);
    world.export("acme/test_table/V2", "PK1;1;a;x\n");
    world.give_up_root();
    let read_only = ReadOnly::tree(&world.path(".tidemark"));
    let said = world.run();
    assert_eq!(said.status, 2, "{}", said.transcript());
    assert!(said.stderr.contains("error: the registry .tidemark/registry.sqlite: "), "{}", said.stderr);
    let step = "help: check the permissions, or name another folder with --state\n";
    assert!(said.stderr.contains(step), "{}", said.stderr);
    drop(read_only);
    assert!(world.published("acme/test_table/V2").is_empty());
    assert_eq!(world.run().status, 0);
    assert_eq!(world.published("acme/test_table/V2").len(), 3);
}

#[test]
fn unwritable_change_sets_leave_the_version_unchanged() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    assert_eq!(world.run().status, 0);
    world.export("acme/test_table/V2", "PK1;1;a;x\n");
    world.give_up_root();
    let read_only = ReadOnly::folder(world.path(".tidemark/changes/acme/test_table"));
    let said = world.run();
    assert_eq!(said.status, 2, "{}", said.transcript());
    let told = "cannot create .tidemark/changes/acme/test_table/V2";
    assert!(said.stderr.contains(told) && said.stderr.contains("check the permissions"), "{}", said.stderr);
    assert_eq!(world.statuses("acme/test_table")["V2"], "REGISTERED");
    assert!(world.published("acme/test_table/V2").is_empty());
    drop(read_only);
    assert_eq!(world.run().status, 0);
    assert_eq!(world.published("acme/test_table/V2").len(), 3);
}

#[test]
fn no_leftovers_after_success_hold_or_refusal() {
    let world = World::new();
    let rows = |count: u32, value: &str| (0..count).map(|n| format!("PK{n};{n};{value};x\n")).collect::<String>();
    world.export("acme/test_table/V1", &rows(5000, "a"));
    world.export("acme/test_table/V2", &rows(4500, "a"));
    assert_eq!(world.run().status, 0);
    // Every row is another: held.
    world.export("acme/test_table/V3", &rows(4500, "b"));
    // A revision, a version that is not whole, and what is no export.
    world.export("acme/test_table/V1", GOOD);
    fs::create_dir_all(world.path("exports/acme/test_table/V4")).unwrap();
    world.write("exports/stray", b"");
    assert_eq!(world.run().status, 1);
    let statuses = world.statuses("acme/test_table");
    assert_eq!(Vec::from_iter(statuses.values()), ["SUCCEEDED", "SUCCEEDED", "HELD", "WAITING"]);
    assert!(world.path(".tidemark/work").is_dir() && files(&world.path("out")).len() == 2);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert_eq!(world.tidemark(&["replay", "acme/test_table/V2"]).status, 0);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[test]
fn no_leftovers_after_bad_rows() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    world.export("acme/test_table/V2", "PK1;one;a;x\n");
    world.export("acme/orders/V1", "no header\n");
    assert_eq!(world.run().status, 1);
    assert_eq!(world.statuses("acme/test_table")["V2"], "FAILED");
    assert!(world.path(".tidemark/work").is_dir());
    assert_eq!(left(&world), Vec::<PathBuf>::new());
}

#[test]
fn the_next_run_removes_the_leftovers_of_a_killed_one() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    for place in [Breakpoint::Planning, Breakpoint::PartWritten] {
        Stopped::start(&world, &["run", "exports"], place, 1).unwrap().kill();
        assert!(!left(&world).is_empty());
    }
    assert_eq!(world.run().status, 0);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
}
