//! What is delivered can be hostile, and what is written can be private: links and special files, names that escape,
//! modes, secrets, leftovers, and what a terminal is made to show.

mod leftovers;
mod links;
mod modes;
mod names;
mod secrets;
mod special;
mod terminal;

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{Said, World};

const BINARY: &str = env!("CARGO_BIN_EXE_tidemark-under-test");

const GOOD: &str = "PK1;1;a;x\nPK2;2;b;y\n";

const ORDERS: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// Runs `tidemark` behind another command, such as `timeout 60`.
fn tidemark_behind(world: &World, command: &[&str], arguments: &[&str]) -> Said {
    let output = Command::new(command[0])
        .args(&command[1..])
        .arg(BINARY)
        .args(arguments)
        .current_dir(world.path(""))
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs what could hang; if it did, it would be killed. A stop it would not hear.
fn tidemark_in_time(world: &World, arguments: &[&str]) -> Said {
    tidemark_behind(world, &["timeout", "--signal=KILL", "60"], arguments)
}

/// Makes a link, and the folders above it.
fn link(world: &World, target: impl AsRef<Path>, relative: &str) {
    let path = world.path(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

fn fifo(world: &World, relative: &str) {
    let path = world.path(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Copies a version of the samples, `TENANT/TABLE/VERSION`, among the exports.
fn sample(world: &World, version: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports").join(version);
    let to = world.path("exports").join(version);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    to
}

/// Everything below a folder, by its path from there; links are not followed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Metadata> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), metadata);
        }
    }
    found
}

/// Every file below a folder, with its path from there.
fn files(folder: &Path) -> Vec<PathBuf> {
    tree(folder).into_iter().filter(|(_, metadata)| !metadata.is_dir()).map(|(path, _)| path).collect()
}
