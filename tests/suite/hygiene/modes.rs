//! File modes follow the user's umask exactly.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::hygiene::{BINARY, GOOD, tidemark_through, tree};
use crate::limits::command;
use crate::workspace::Workspace;

/// Runs every command that writes: publishes, fails, holds, plans, approves, replays, and writes a delta to a file.
fn write_everything(workspace: &Workspace, umask: &str) {
    let row = |n: u32| format!("PK{n};{n};a;x\n");
    let rows = |first: u32, last: u32| (first..=last).map(row).collect::<String>();
    workspace.export("acme/test_table/V1", &rows(1, 200));
    workspace.export("acme/test_table/V2", &rows(1, 100));
    workspace.export("acme/test_table/V3", "PK1;one;a;x\n");
    workspace.export("globex/test_table/V1", GOOD);
    let script = format!("umask {umask}; exec \"$0\" \"$@\"");
    let tidemark = |status: i32, arguments: &[&str]| {
        let output = tidemark_through(workspace, &["sh", "-c", &script], arguments);
        assert_eq!(output.status, status, "{arguments:?}: {}", output.transcript());
        output.stdout
    };
    tidemark(1, &["run", "exports"]);
    let plan = tidemark(0, &["plan", "acme/test_table/V2", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap();
    tidemark(0, &["approve", "acme/test_table/V2", hash]);
    tidemark(0, &["replay", "acme/test_table/V2", "--out", "out/again"]);
    let folder = |version: &str| format!("exports/acme/test_table/{version}");
    tidemark(0, &["delta", "test_table", &folder("V1"), &folder("V2"), "-o", "out/delta.ndjson"]);
}

/// The path and mode of everything in these folders, and whether it is a folder.
fn modes(workspace: &Workspace, folders: &[&str]) -> Vec<(String, bool, u32)> {
    let below = |folder: &&str| {
        let root = workspace.path(folder);
        let own = (Path::new("").to_path_buf(), fs::symlink_metadata(&root).unwrap());
        let path = |path: &Path| format!("{folder}/{}", path.display());
        let entries = tree(&root).into_iter().chain([own]);
        entries
            .map(|(at, metadata)| (path(&at), metadata.is_dir(), metadata.permissions().mode() & 0o777))
            .collect::<Vec<_>>()
    };
    folders.iter().flat_map(below).collect()
}

fn has(modes: &[(String, bool, u32)], pieces: [&str; 2]) -> bool {
    modes.iter().any(|(path, _, _)| pieces.iter().all(|piece| path.contains(piece)))
}

#[test]
fn umask_077_keeps_everything_private() {
    let workspace = Workspace::new();
    write_everything(&workspace, "077");
    let modes = modes(&workspace, &["out", ".tidemark"]);
    for pieces in
        [["out/acme", "part-"], ["out/again", "part-"], ["out/", "delta.ndjson"], [".tidemark/changes", "part-"]]
    {
        assert!(has(&modes, pieces), "{pieces:?}: {modes:#?}");
    }
    assert!(has(&modes, [".tidemark", "registry.sqlite"]));
    for (path, is_folder, mode) in modes {
        assert_eq!(mode, if is_folder { 0o700 } else { 0o600 }, "{path}: {mode:o}");
    }
}

#[test]
fn umask_022_makes_published_files_readable_by_all() {
    let workspace = Workspace::new();
    write_everything(&workspace, "022");
    let modes = modes(&workspace, &["out"]);
    assert!(has(&modes, ["out/acme", "part-"]) && has(&modes, ["out/", "delta.ndjson"]), "{modes:#?}");
    for (path, is_folder, mode) in modes {
        assert_eq!(mode, if is_folder { 0o755 } else { 0o644 }, "{path}: {mode:o}");
    }
}

#[test]
fn umask_002_makes_published_files_writable_by_the_group() {
    let workspace = Workspace::new();
    write_everything(&workspace, "002");
    for (path, is_folder, mode) in modes(&workspace, &["out", ".tidemark/changes"]) {
        assert_eq!(mode, if is_folder { 0o775 } else { 0o664 }, "{path}: {mode:o}");
    }
}

/// These files exist only while the registry is open.
#[test]
fn temporary_files_of_the_registry_respect_the_umask() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    // The report must exceed the capacity of a pipe, so that the run waits until it is read.
    for n in 0..300 {
        workspace.write(&format!("exports/acme/unknown/V{n}/part.csv.gz"), b"");
    }
    let mut run = command("sh")
        .args(["-c", "umask 077; exec \"$0\" \"$@\"", BINARY, "run", "exports", "--format", "json"])
        .current_dir(workspace.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = run.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let modes = modes(&workspace, &[".tidemark", "out"]);
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert!(rest.len() > 64 << 10, "the report fits into a pipe, so the run did not wait");
    for name in ["registry.sqlite-wal", "registry.sqlite-shm"] {
        assert!(has(&modes, [".tidemark", name]), "{modes:#?}");
    }
    assert!(modes.iter().all(|(_, _, mode)| mode & 0o077 == 0), "{modes:#?}");
}
