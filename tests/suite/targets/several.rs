//! Several sinks at once, each with its own progress.

use std::fs;

use runtime::breakpoint::Breakpoint;

use super::rows::{exported, in_sqlite};
use super::sqlite::{check_against_exports, database, expect, table, text};
use crate::breakpoints::StoppedProcess;
use crate::workspace::Workspace;

const RUN: [&str; 7] = ["run", "exports", "--out", "out", "--sink", "sqlite:shop.db", "--create"];

fn two_versions() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1), ("d", 1)]));
    workspace
}

#[test]
fn every_sink_gets_every_version() {
    let workspace = two_versions();
    let run = [&RUN[..], &["--sink", "sqlite:copy.db"]].concat();
    expect(&workspace.tidemark(&run), 0, "Operations are in out. Rows are in sqlite:shop.db and sqlite:copy.db.");
    assert_eq!(workspace.published("acme/test_table/V2").len(), 5);
    check_against_exports(&workspace);
    let copy = in_sqlite(&workspace.path("copy.db"), table("test_table"), "acme");
    assert_eq!(copy, exported(table("test_table"), &workspace.path("exports/acme/test_table/V2")));
    // The registry remembers all of them, and which of them are files to verify.
    workspace.export("acme/test_table/V3", &text(&[("a", 3), ("c", 1), ("d", 1)]));
    let output = workspace.tidemark(&["run", "exports"]);
    expect(&output, 0, "Operations are in out. Rows are in sqlite:shop.db and sqlite:copy.db.");
    expect(&workspace.tidemark(&["verify"]), 0, "3 versions: all files that exist match the registry.");
    check_against_exports(&workspace);
    expect(
        &workspace.tidemark(&["run", "exports", "--sink", "sqlite:shop.db", "--sink", "sqlite:./shop.db"]),
        2,
        "twice",
    );
}

#[test]
fn a_sink_that_fails_keeps_no_other_from_the_version() {
    let workspace = two_versions();
    expect(&workspace.tidemark(&RUN), 0, "");
    let refuse = "CREATE TRIGGER own BEFORE DELETE ON test_table BEGIN SELECT RAISE(ABORT, 'no'); END";
    database(&workspace).execute_batch(refuse).unwrap();
    workspace.export("acme/test_table/V3", &text(&[("a", 2), ("d", 1)]));
    let run = [&RUN[..], &["--sink", "sqlite:copy.db"]].concat();
    expect(&workspace.tidemark(&run), 1, "the table refuses a row");
    assert_eq!(workspace.statuses("acme/test_table")["V3"], "PUBLISHING");
    let files = workspace.parts("acme/test_table/V3");
    let written = fs::metadata(&files[0]).unwrap().modified().unwrap();
    let copy = || in_sqlite(&workspace.path("copy.db"), table("test_table"), "acme");
    let expected = exported(table("test_table"), &workspace.path("exports/acme/test_table/V3"));
    assert_eq!(copy(), expected);
    database(&workspace).execute_batch("DROP TRIGGER own").unwrap();
    expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    check_against_exports(&workspace);
    // What was delivered is not delivered again.
    assert_eq!(fs::metadata(&files[0]).unwrap().modified().unwrap(), written);
    assert_eq!(copy(), expected);
}

#[test]
fn a_kill_between_two_sinks_leaves_the_second_one_to_the_next_run() {
    for nth in 1..=4 {
        let workspace = two_versions();
        let stopped = StoppedProcess::start(&workspace, &RUN, Breakpoint::PartRecorded, nth);
        let Some(stopped) = stopped else { break };
        stopped.kill();
        expect(&workspace.tidemark(&RUN), 0, "");
        check_against_exports(&workspace);
        assert_eq!(workspace.published("acme/test_table/V2").len(), 5);
    }
}

#[test]
fn one_sink_can_be_adopted_while_the_others_are_the_registrys_own() {
    let workspace = two_versions();
    expect(&workspace.tidemark(&["run", "exports", "--sink", "sqlite:shop.db", "--create", "--state", "lost"]), 0, "");
    expect(&workspace.tidemark(&["run", "exports"]), 0, "");
    workspace.export("acme/test_table/V3", &text(&[("a", 2), ("d", 5)]));
    expect(&workspace.tidemark(&RUN), 1, "another registry");
    expect(&workspace.tidemark(&[&RUN[..], &["--adopt"]].concat()), 0, "is adopted");
    check_against_exports(&workspace);
    assert_eq!(workspace.published("acme/test_table/V3")[0]["reset"], true);
}
