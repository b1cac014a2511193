//! The one-page consumer, which is to be copied: it works, and it depends on little.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::workspace::Workspace;

#[test]
fn the_one_page_consumer_arrives_at_every_fingerprint() {
    let workspace = Workspace::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports");
    assert_eq!(workspace.tidemark(&["run", samples.to_str().unwrap()]).status, 0);
    let fold =
        Command::new(env!("CARGO_BIN_EXE_fold-orders-under-test")).arg(workspace.path("out/acme/orders")).output();
    let output = fold.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let versions = workspace.statuses("acme/orders").len();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), versions);
}

/// `UPDATE_EXPECT=1` writes the list again. A consumer compiles every crate on it, so keep it short, and without the
/// crates of AWS, SQLite and the command line.
#[test]
fn the_one_page_consumer_depends_on_the_listed_crates_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--locked", "--package", "generated", "--no-default-features"]);
    tree.args(["--edges", "normal,dev", "--prefix", "none", "--format", "{p}"]).current_dir(&root);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
    let found: String = crates.iter().map(|name| format!("{name}\n")).collect();
    let list = root.join("generated/examples/dependencies.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&list, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(list).unwrap());
}
