//! Change sets of which a part is gone, and parts that an earlier publication left behind.

use std::fs;
use std::path::PathBuf;

use runtime::breakpoint::Breakpoint;
use serde_json::Value;

use crate::breakpoints::StoppedProcess;
use crate::workspace::{Workspace, files, gzip};

const SMALL_PARTS: (&str, &str) = ("TIDEMARK_PART_BYTES", "5000");

fn rows(keys: std::ops::Range<u32>, value: u32) -> String {
    keys.map(|key| format!("PK{key};{value};;\n")).collect()
}

/// The parts of a version's change set.
fn parts(workspace: &Workspace, version: &str) -> Vec<PathBuf> {
    let folder = workspace.path(&format!(".tidemark/changes/acme/test_table/{version}"));
    files(&folder).into_keys().map(|path| folder.join(path)).collect()
}

fn run(workspace: &Workspace) -> i32 {
    workspace.tidemark_with_env(&["run", "exports"], &[SMALL_PARTS]).status
}

/// What an undisturbed run publishes of these exports.
fn undisturbed(exports: &[(&str, String)]) -> Workspace {
    let workspace = Workspace::new();
    for (version, text) in exports {
        workspace.export(&format!("acme/test_table/{version}"), text);
    }
    run(&workspace);
    workspace
}

#[test]
fn a_planned_version_of_which_a_part_is_gone_is_planned_again() {
    let exports = [("V1", rows(0..300, 1))];
    let expected = undisturbed(&exports).output();
    let number = expected.len();
    assert!(number > 5, "{number} parts");
    for lost in [0, 1, number - 1] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &exports[0].1);
        let arguments = ["run", "exports"];
        StoppedProcess::start_with(&workspace, &arguments, Breakpoint::Planned, 1, &[SMALL_PARTS]).unwrap().kill();
        let parts = parts(&workspace, "V1");
        assert_eq!(parts.len(), number);
        fs::remove_file(&parts[lost]).unwrap();
        assert_eq!(run(&workspace), 0, "without part {lost}");
        assert_eq!(workspace.output(), expected, "without part {lost}");
    }
}

#[test]
fn an_approved_version_of_which_a_part_is_gone_is_planned_again_and_published_as_approved() {
    let exports = [("V1", rows(0..300, 1)), ("V2", rows(0..300, 2))];
    let workspace = undisturbed(&exports);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "HELD");
    let plan = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let parts = parts(&workspace, "V2");
    fs::remove_file(&parts[parts.len() / 2]).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap();
    let output = workspace.tidemark_with_env(&["approve", "acme/test_table/V2", hash], &[SMALL_PARTS]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert_eq!(workspace.published("acme/test_table/V2").len(), 302);
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
}

#[test]
fn parts_that_a_longer_publication_left_behind_are_removed() {
    let exports = [("V1", rows(0..300, 1))];
    let expected = undisturbed(&exports).output();
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &exports[0].1);
    let arguments = ["run", "exports"];
    StoppedProcess::start_with(&workspace, &arguments, Breakpoint::PartPublished, 1, &[SMALL_PARTS]).unwrap().kill();
    let published = workspace.parts("acme/test_table/V1");
    assert_eq!(published.len(), 1);
    let first = published[0].file_name().unwrap().to_string_lossy().into_owned();
    let (sequence, _) = first.split_once("-part-").unwrap();
    for part in [expected.len(), expected.len() + 1, 70_000] {
        // Under this sequence, and as an earlier release would have called it.
        for name in [format!("{sequence}-part-{part:05}.ndjson.gz"), format!("part-{part:05}.ndjson.gz")] {
            workspace.write(&format!("out/acme/test_table/V1/{name}"), &gzip(b"{\"op\":\"INSERT\"}\n"));
        }
    }
    assert_eq!(run(&workspace), 0);
    assert_eq!(workspace.output(), expected);
    let verified = workspace.tidemark(&["verify"]);
    assert_eq!(verified.status, 0, "{}", verified.transcript());
}
