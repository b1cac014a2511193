//! The one-page consumer, which is to be copied: it works, and it depends on little.

use std::collections::BTreeSet;
use std::path::Path;

use crate::limits::command;
use crate::schema_changes::orders_through_its_schemas;
use crate::workspace::{Workspace, gunzip, gzip};

/// The lines that the consumer prints about what is published; or its error.
fn fold(workspace: &Workspace) -> Result<Vec<String>, String> {
    let mut fold = command(env!("CARGO_BIN_EXE_fold-orders-under-test"));
    let output = fold.arg(workspace.path("out/acme/orders")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if !output.status.success() {
        return Err(text(output.stderr));
    }
    Ok(text(output.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn the_one_page_consumer_arrives_at_every_fingerprint() {
    let workspace = Workspace::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports");
    assert_eq!(workspace.tidemark(&["run", samples.to_str().unwrap()]).status, 0);
    let lines = fold(&workspace).unwrap();
    assert_eq!(lines.len(), workspace.statuses("acme/orders").len());
    assert!(lines.iter().all(|line| line.ends_with("matches")), "{lines:#?}");
}

#[test]
fn the_one_page_consumer_carries_rows_over_to_every_schema() {
    let workspace = orders_through_its_schemas();
    let lines = fold(&workspace).unwrap();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines[4].contains(" 3 rows") && lines[4].ends_with("matches"), "{lines:#?}");
    // A value of a row that was last sent in V1 is another one.
    let part = workspace.parts("acme/orders/V1").remove(0);
    let text = gunzip(&part).replacen("a@x", "b@x", 1);
    std::fs::write(&part, gzip(text.as_bytes())).unwrap();
    assert!(fold(&workspace).unwrap_err().contains("V5: the rows differ from the export"));
}

/// `UPDATE_EXPECT=1` writes the list again. A consumer compiles every crate on it, so keep it short, and without the
/// crates of AWS, SQLite and the command line.
#[test]
fn the_one_page_consumer_depends_on_the_listed_crates_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tree = command(env!("CARGO"));
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
