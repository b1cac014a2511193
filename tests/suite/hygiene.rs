//! Input can be hostile and output can be private: links, special files, names that try to escape, file modes, secrets,
//! temporary files and terminal escape sequences.

mod links;
mod modes;
mod names;
mod secrets;
mod special;
mod temporary_files;
mod terminal;

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::limits::command;
use crate::workspace::{CommandOutput, Workspace};

const BINARY: &str = env!("CARGO_BIN_EXE_tidemark-under-test");

const GOOD: &str = "PK1;1;a;x\nPK2;2;b;y\n";

const ORDERS: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// Runs `tidemark` through a wrapper command such as `timeout 600`.
fn tidemark_through(workspace: &Workspace, wrapper: &[&str], arguments: &[&str]) -> CommandOutput {
    let output = command(wrapper[0])
        .args(&wrapper[1..])
        .arg(BINARY)
        .args(arguments)
        .current_dir(workspace.path(""))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CommandOutput {
        status: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs a command that might hang, and kills it after ten minutes: a process in a blocking call ignores other signals.
fn tidemark_with_timeout(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    tidemark_through(workspace, &["timeout", "--foreground", "--signal=KILL", "600"], arguments)
}

/// Creates a symbolic link, and the folders above it.
fn link(workspace: &Workspace, target: impl AsRef<Path>, relative: &str) {
    let path = workspace.path(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

fn fifo(workspace: &Workspace, relative: &str) {
    let path = workspace.path(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(command("mkfifo").arg(path).status().unwrap().success());
}

/// Copies a version of the samples, `TENANT/TABLE/VERSION`, into the exports.
fn copy_sample(workspace: &Workspace, version: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports").join(version);
    let target = workspace.path("exports").join(version);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    assert!(command("cp").arg("-r").args([&source, &target]).status().unwrap().success());
    target
}

/// Everything below a folder by relative path; links are not followed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Metadata> {
    let mut entries = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            entries.insert(path.strip_prefix(folder).unwrap().to_path_buf(), metadata);
        }
    }
    entries
}

/// The relative path of every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    tree(folder).into_iter().filter(|(_, metadata)| !metadata.is_dir()).map(|(path, _)| path).collect()
}
