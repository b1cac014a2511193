//! `apply`: published files lead to the rows of the newest export, without a registry.

use std::fs;

use rusqlite::Connection;

use super::rows::{exported, in_sqlite};
use super::sqlite::{check_against_exports, expect, samples, table, text};
use crate::workspace::{CommandOutput, Workspace, gzip};

fn apply(workspace: &Workspace, more: &[&str]) -> CommandOutput {
    workspace.tidemark(&[&["apply", "out", "--to", "sqlite:shop.db"], more].concat())
}

fn check(workspace: &Workspace, version: &str) {
    let expected = exported(table("test_table"), &workspace.path(&format!("exports/acme/test_table/{version}")));
    assert_eq!(in_sqlite(&workspace.path("shop.db"), table("test_table"), "acme"), expected);
}

/// Four versions of `test_table`, published into `out`.
fn published() -> Workspace {
    let workspace = Workspace::new();
    for (version, rows) in [
        ("V1", &[("a", 1), ("b", 1), ("c", 1)][..]),
        ("V2", &[("a", 2), ("c", 1), ("d", 1)]),
        ("V3", &[("b", 3), ("d", 1)]),
        ("V4", &[("b", 3), ("d", 2), ("a", 1)]),
    ] {
        workspace.export(&format!("acme/test_table/{version}"), &text(rows));
    }
    expect(&workspace.run(), 0, "");
    workspace
}

#[test]
fn published_files_lead_to_the_rows_of_the_newest_exports() {
    let workspace = samples();
    expect(&workspace.run(), 0, "");
    fs::rename(workspace.path(".tidemark"), workspace.path("elsewhere")).unwrap();
    expect(&apply(&workspace, &[]), 1, "the table does not exist");
    expect(&apply(&workspace, &["--create"]), 0, "37 versions. Rows are in sqlite:shop.db.");
    check_against_exports(&workspace);
    expect(&apply(&workspace, &[]), 0, "nothing to do");
}

#[test]
fn a_range_of_versions_can_be_applied_and_the_rest_later() {
    let workspace = published();
    expect(&apply(&workspace, &["--create", "--until", "V2"]), 0, "2 versions");
    check(&workspace, "V2");
    expect(&apply(&workspace, &["--from", "V4"]), 1, "it holds V2, but the operations lead from V3 to V4");
    check(&workspace, "V2");
    expect(&apply(&workspace, &["--from", "V3", "--until", "V3"]), 0, "1 version");
    check(&workspace, "V3");
    expect(&apply(&workspace, &["--from", "V4", "--until", "V1"]), 2, "swap --from and --until");
    expect(&apply(&workspace, &["--until", "V9"]), 2, "V9 was not published there");
    expect(&apply(&workspace, &[]), 0, "1 version");
    check(&workspace, "V4");
}

#[test]
fn files_of_versions_that_are_held_are_not_read_again() {
    let workspace = published();
    expect(&apply(&workspace, &["--create", "--until", "V3"]), 0, "3 versions");
    for version in ["V1", "V2", "V3"] {
        fs::write(workspace.parts(&format!("acme/test_table/{version}")).remove(0), b"damaged").unwrap();
    }
    expect(&apply(&workspace, &[]), 0, "1 version");
    check(&workspace, "V4");
}

#[test]
fn a_run_goes_on_where_apply_ended_and_apply_where_a_run_ended() {
    let workspace = published();
    expect(&apply(&workspace, &["--create", "--until", "V3"]), 0, "");
    expect(&workspace.tidemark(&["run", "exports", "--out", "out", "--sink", "sqlite:shop.db"]), 0, "was behind");
    check(&workspace, "V4");
    workspace.export("acme/test_table/V5", &text(&[("d", 2), ("a", 1)]));
    expect(&workspace.tidemark(&["run", "exports", "--out", "out"]), 0, "SUCCEEDED");
    expect(&apply(&workspace, &[]), 0, "1 version");
    check(&workspace, "V5");
}

#[test]
fn it_starts_with_the_last_version_in_full_and_ends_before_one_that_is_not_complete() {
    let workspace = published();
    expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, "");
    workspace.export("acme/test_table/V5", &text(&[("d", 2), ("e", 1)]));
    expect(&workspace.run(), 0, "");
    workspace.export("acme/test_table/V6", &text(&[("d", 3), ("e", 1)]));
    expect(&workspace.run(), 0, "");
    let last = workspace.parts("acme/test_table/V6").pop().unwrap();
    let complete = fs::read(&last).unwrap();
    let lines = crate::workspace::gunzip(&last);
    let without_end: String = lines.split_inclusive('\n').filter(|line| !line.contains("\"END\"")).collect();
    fs::write(&last, gzip(without_end.as_bytes())).unwrap();
    expect(&apply(&workspace, &["--create"]), 0, "1 version");
    check(&workspace, "V5");
    fs::write(&last, complete).unwrap();
    expect(&apply(&workspace, &[]), 0, "1 version");
    check(&workspace, "V6");
}

#[test]
fn rows_that_no_version_touches_are_noticed_once_all_hashes_are_added_up() {
    let workspace = published();
    expect(&apply(&workspace, &["--create", "--until", "V3"]), 0, "");
    let database = Connection::open(workspace.path("shop.db")).unwrap();
    database.execute_batch("UPDATE test_table SET _hash = 1 WHERE PK = 'b'").unwrap();
    expect(&apply(&workspace, &["--recompute"]), 1, "the fingerprint of its rows would be");
    check(&workspace, "V3");
    expect(
        &workspace.tidemark(&["apply", "-", "--to", "sqlite:shop.db", "--recompute"]),
        2,
        "--recompute is for files",
    );
}

#[test]
fn what_cannot_be_applied_says_why() {
    let workspace = published();
    let to = |source: &str, target: &str| workspace.tidemark(&["apply", source, "--to", target, "--create"]);
    expect(&to("nowhere", "sqlite:shop.db"), 2, "no such file or folder");
    expect(&to("exports", "sqlite:shop.db"), 1, "it has no mark");
    expect(&to("out", "kinesis:stream"), 2, "this is not a database");
    fs::create_dir(workspace.path("empty")).unwrap();
    expect(&to("empty", "sqlite:shop.db"), 2, "no operations are published there");
    expect(&to("out", "sqlite:shop.db"), 0, "");
    // An operation that is lost is noticed.
    workspace.export("acme/test_table/V5", &text(&[("d", 7), ("e", 1)]));
    expect(&workspace.run(), 0, "");
    let last = workspace.parts("acme/test_table/V5").pop().unwrap();
    let lines = crate::workspace::gunzip(&last);
    let fewer: String = lines.split_inclusive('\n').filter(|line| !line.contains("\"INSERT\"")).collect();
    fs::write(&last, gzip(fewer.as_bytes())).unwrap();
    expect(&apply(&workspace, &[]), 2, "is not what was planned");
    check(&workspace, "V4");
    let other = Connection::open(workspace.path("shop.db")).unwrap();
    other.execute_batch("UPDATE _tidemark SET registry = 'other'").unwrap();
    expect(&apply(&workspace, &[]), 1, "another registry");
}
