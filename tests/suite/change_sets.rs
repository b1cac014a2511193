//! Change sets of which a part is gone, and parts that an earlier publication left behind.

use std::fs;
use std::path::PathBuf;

use runtime::breakpoint::Breakpoint;
use serde_json::Value;

use crate::breakpoints::StoppedProcess;
use crate::workspace::{CommandOutput, Workspace, files, gunzip, gzip};

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

/// The lines of a part with another sequence.
fn with_sequence(text: &str, sequence: u64) -> String {
    let lines = text.lines().map(|line| {
        let (before, rest) = line.split_once(r#""sequence":"#).unwrap();
        let (_, after) = rest.split_once(',').unwrap();
        format!("{before}\"sequence\":{sequence},{after}\n")
    });
    lines.collect()
}

/// The operations of a version that was published, as lines.
fn published(workspace: &Workspace, version: &str) -> String {
    let parts = workspace.parts(&format!("acme/test_table/{version}"));
    let lines: String = parts.iter().map(|part| gunzip(part)).collect();
    let is_control = |line: &&str| line.starts_with(r#"{"op":"BEGIN""#) || line.starts_with(r#"{"op":"END""#);
    lines.split_inclusive('\n').filter(|line| !is_control(line)).collect()
}

/// A workspace whose second version is HELD, and the command that publishes it.
fn held() -> (Workspace, impl Fn(&Workspace) -> CommandOutput) {
    let workspace = undisturbed(&[("V1", rows(0..300, 1)), ("V2", rows(0..300, 2))]);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "HELD");
    let plan = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap().to_owned();
    (workspace, move |workspace| workspace.tidemark(&["approve", "acme/test_table/V2", &hash]))
}

#[test]
fn operations_are_planned_under_the_sequence_that_they_are_published_under() {
    let (workspace, approve) = held();
    let planned: String = parts(&workspace, "V2").iter().map(|part| gunzip(part)).collect();
    assert_eq!(approve(&workspace).status, 0);
    assert_eq!(published(&workspace, "V2"), planned);
}

#[test]
fn a_change_set_under_another_sequence_is_published_under_its_own() {
    // Sequence 0, in files of other programs, is what earlier releases wrote.
    for sequence in [0, 7, 99_999_999_999_999] {
        let (workspace, approve) = held();
        let parts = parts(&workspace, "V2");
        let planned: Vec<String> = parts.iter().map(|part| gunzip(part)).collect();
        for (part, text) in parts.iter().zip(&planned) {
            fs::write(part, gzip(with_sequence(text, sequence).as_bytes())).unwrap();
        }
        assert_eq!(approve(&workspace).status, 0, "{sequence}");
        assert_eq!(published(&workspace, "V2"), planned.concat(), "{sequence}");
        assert_eq!(workspace.tidemark(&["verify"]).status, 0, "{sequence}");
    }
}

#[test]
fn no_byte_of_a_damaged_change_set_is_published() {
    let damages: [fn(&mut Vec<u8>); 2] = [|bytes| bytes[200] ^= 1, |bytes| bytes.truncate(500)];
    for damage in damages {
        let (workspace, approve) = held();
        let parts = parts(&workspace, "V2");
        let mut bytes = fs::read(&parts[2]).unwrap();
        damage(&mut bytes);
        fs::write(&parts[2], bytes).unwrap();
        let output = approve(&workspace);
        assert_eq!(output.status, 2, "{}", output.transcript());
        let problem = "part-00002.ndjson.gz: it is incomplete, or differs from what was written";
        assert!(output.stderr.contains(problem), "{}", output.transcript());
        assert!(workspace.parts("acme/test_table/V2").len() <= 2, "the parts before it are published");
    }
}
