//! A version with a mistyped name must not end its table: it is held, and if it was published, there is a way out.

use serde_json::{Value, json};

use crate::workspace::{CommandOutput, Workspace};

fn rows(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("PK{n:03};{n};;\n")).collect()
}

/// Delivers a version of `acme/test_table` with this many rows, and runs.
fn deliver(workspace: &Workspace, version: &str, count: u32) -> CommandOutput {
    workspace.export(&format!("acme/test_table/{version}"), &rows(0..count));
    workspace.run()
}

fn status(workspace: &Workspace, version: &str) -> String {
    workspace.statuses("acme/test_table")[version].clone()
}

/// Approves a HELD version.
fn approve(workspace: &Workspace, version: &str) {
    let path = format!("acme/test_table/{version}");
    let plan = workspace.tidemark(&["plan", &path, "--format", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let output = workspace.tidemark(&["approve", &path, plan["plan"]["hash"].as_str().unwrap(), "--by", "alice"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
}

/// A table whose newest version is of the wrong year, because somebody approved it.
fn with_a_wrong_year() -> Workspace {
    let workspace = Workspace::new();
    assert_eq!(deliver(&workspace, "20260101", 1).status, 0);
    assert_eq!(deliver(&workspace, "20290102", 2).status, 1);
    approve(&workspace, "20290102");
    workspace
}

#[test]
fn a_version_far_beyond_its_neighbours_is_held_and_later_ones_go_on() {
    let workspace = Workspace::new();
    assert_eq!(deliver(&workspace, "20260101", 1).status, 0);
    let output = deliver(&workspace, "20290102", 2);
    assert_eq!(output.status, 1);
    assert!(output.stdout.contains("version_jump: 1097 days after 20260101 > 180"), "{}", output.stdout);
    let plan = workspace.tidemark(&["plan", "acme/test_table/20290102"]);
    assert!(plan.stdout.contains("✗ version_jump: 1097 days"), "{}", plan.stdout);
    // It is compared with the new baseline and held again, until somebody rejects it.
    assert_eq!(deliver(&workspace, "20260103", 3).status, 1);
    assert_eq!((status(&workspace, "20260103"), status(&workspace, "20290102")), ("SUCCEEDED".into(), "HELD".into()));
    assert_eq!(workspace.tidemark(&["reject", "acme/test_table/20290102"]).status, 0);
    assert_eq!(deliver(&workspace, "20260104", 4).status, 0);
}

#[test]
fn names_that_begin_with_dates_are_compared_by_them() {
    for (before, version, held) in [
        ("20260101", "20260630", false),
        ("20260101", "20260701", true),
        ("2026-01-01_V2", "2027-01-02_V1", true),
        ("20260101T0300", "20260102T0300", false),
        ("202601010300", "202801010300", true),
        // What is no date comes after all dates.
        ("20260101", "20261301", true),
        ("20260101", "200260102", true),
        ("20260101", "V2", true),
        ("V1", "V900", false),
        ("1", "7000", false),
    ] {
        let workspace = Workspace::new().in_memory();
        assert_eq!(deliver(&workspace, before, 1).status, 0, "{before}");
        let output = deliver(&workspace, version, 2);
        assert_eq!(output.stdout.contains("version_jump"), held, "{before} {version}: {}", output.stdout);
    }
    // A first version is compared with the day of its delivery.
    for (version, held) in [("20000101", false), ("99990101", true)] {
        let workspace = Workspace::new().in_memory();
        assert_eq!(deliver(&workspace, version, 1).status, i32::from(held), "{version}");
    }
}

#[test]
fn a_guard_can_be_switched_off_for_yearly_exports() {
    let workspace = Workspace::from_schemas();
    let schema =
        "table: t\nprimary_key: [id]\ncolumns:\n  - { name: id, type: int }\nguards: { max_version_jump_days: none }\n";
    workspace.write("schemas/t.yaml", schema.as_bytes());
    for (version, id) in [("20240101", 1), ("20250101", 2), ("20260101", 3)] {
        workspace.export(&format!("acme/t/{version}"), &format!("id\n{id}\n"));
        assert_eq!(workspace.run().status, 0);
    }
}

#[test]
fn a_retired_version_stays_the_baseline_and_what_it_superseded_is_published() {
    let workspace = with_a_wrong_year();
    for (version, count) in [("20260103", 3), ("20260104", 4)] {
        let output = deliver(&workspace, version, count);
        assert_eq!(output.status, 1, "{}", output.transcript());
        assert!(output.stderr.contains("tidemark retire acme/test_table/20290102"), "{}", output.stderr);
    }
    let shown = workspace.tidemark(&["status"]).stdout;
    assert!(shown.contains("20260103") && shown.contains("20260104"), "{shown}");
    let retired = workspace.tidemark(&["retire", "acme/test_table/20290102", "--by", "alice", "--because", "typo"]);
    insta::assert_snapshot!("retire", retired.transcript());
    assert_eq!(status(&workspace, "20290102"), "RETIRED");
    assert_eq!(workspace.tidemark(&["status", "--check"]).status, 1);

    assert_eq!(workspace.run().status, 0);
    let published = workspace.published("acme/test_table/20260103");
    assert_eq!((&published[0]["previous"], published.len()), (&json!("20290102"), 3));
    assert_eq!(workspace.published("acme/test_table/20260104")[0]["previous"], json!("20260103"));
    assert_eq!(deliver(&workspace, "20260105", 5).status, 0);
    let check = workspace.tidemark(&["status", "--check"]);
    assert_eq!((check.status, check.stdout.as_str()), (0, ""), "{}", check.transcript());
    insta::assert_snapshot!("retired_history", workspace.tidemark(&["history", "acme/test_table"]).transcript());
}

#[test]
fn only_the_newest_version_that_succeeded_can_be_retired() {
    let workspace = with_a_wrong_year();
    for version in ["20260101", "20290102"] {
        let output = workspace.tidemark(&["retire", &format!("acme/test_table/{version}")]);
        assert_eq!(output.status, i32::from(version == "20260101"), "{}", output.transcript());
    }
    let again = workspace.tidemark(&["retire", "acme/test_table/20290102"]);
    assert!(again.status == 1 && again.stderr.contains("it is RETIRED"), "{}", again.transcript());
    // A published version stays what it is: other files are a revision.
    workspace.export("acme/test_table/20290102", &rows(5..9));
    assert!(workspace.run().stderr.contains("this revision is refused"));
}

#[test]
fn a_retired_version_can_be_replayed_and_verified_and_its_change_set_is_kept() {
    let workspace = with_a_wrong_year();
    workspace.tidemark(&["retire", "acme/test_table/20290102"]);
    assert_eq!(workspace.tidemark(&["gc"]).status, 0);
    for command in [["verify", "acme/test_table/20290102"], ["replay", "acme/test_table/20290102"]] {
        let output = workspace.tidemark(&command);
        assert_eq!(output.status, 0, "{}", output.transcript());
    }
}

#[test]
fn a_version_delivered_in_turn_and_superseded_is_reported_and_a_late_one_is_not() {
    for (versions, is_reported) in [
        (["V1", "V90", "V3"], true),
        (["V1", "V3", "V2"], false),
        (["V2", "V3", "V1"], false),
        (["20260101", "20260104", "20260103"], false),
        (["20260101", "20260104", "20260102_V0001"], false),
    ] {
        let workspace = Workspace::new().in_memory();
        assert_eq!(deliver(&workspace, versions[0], 1).status, 0);
        assert_eq!(deliver(&workspace, versions[1], 2).status, 0);
        let output = deliver(&workspace, versions[2], 3);
        assert_eq!(output.status, i32::from(is_reported), "{versions:?}: {}", output.transcript());
        assert_eq!(status(&workspace, versions[2]), "SUPERSEDED");
        assert_eq!(workspace.tidemark(&["status"]).stdout.contains("SUPERSEDED"), is_reported, "{versions:?}");
        let check = workspace.tidemark(&["status", "--check"]);
        assert_eq!((check.status, check.stdout.lines().count()), (output.status, usize::from(is_reported)));
        // It is reported by the run that supersedes it, and by no other.
        assert_eq!(workspace.run().status, 0);
    }
}

#[test]
fn a_version_that_is_named_like_those_before_it_is_reported_if_the_newest_is_not() {
    for wrong in ["v3", "VV3", "W3"] {
        let workspace = Workspace::new();
        for (number, version) in ["V1", "V2", wrong].into_iter().enumerate() {
            assert_eq!(deliver(&workspace, version, number as u32 + 1).status, 0, "{version}");
        }
        for version in ["V4", "V5"] {
            let output = deliver(&workspace, version, 9);
            assert_eq!(output.status, 1, "{wrong} {version}: {}", output.transcript());
            assert!(
                output.transcript().contains(&format!("retire acme/test_table/{wrong}")),
                "{}",
                output.transcript()
            );
        }
        assert_eq!(workspace.tidemark(&["status", "--check"]).status, 1);
        assert_eq!(workspace.tidemark(&["retire", &format!("acme/test_table/{wrong}")]).status, 0);
        workspace.run();
        assert_eq!(status(&workspace, "V5"), "SUCCEEDED");
    }
}

#[test]
fn a_name_that_is_written_in_another_way_than_all_others_is_itself_to_blame() {
    let workspace = Workspace::new();
    for (number, version) in ["20260101", "20260102"].into_iter().enumerate() {
        assert_eq!(deliver(&workspace, version, number as u32 + 1).status, 0, "{version}");
    }
    let output = deliver(&workspace, "2026-01-03", 3);
    assert_eq!(output.status, 1, "{}", output.transcript());
    let check = workspace.tidemark(&["status", "--check"]);
    assert_eq!(check.status, 1, "{}", check.transcript());
    for text in [output.stderr, check.stdout] {
        assert!(text.contains("2026-01-03 is written in another way than 20260102"), "{text}");
        assert!(!text.contains("retire"), "{text}");
    }
    assert_eq!(deliver(&workspace, "20260103", 4).status, 0);
}

#[test]
fn a_revision_of_a_retired_version_is_shown_with_its_status() {
    let workspace = with_a_wrong_year();
    workspace.tidemark(&["retire", "acme/test_table/20290102"]);
    workspace.export("acme/test_table/20290102", &rows(5..9));
    let (status, report) = workspace.run_json();
    assert_eq!((status, &report["outcomes"][0]["status"]), (1, &json!("RETIRED")), "{report:#}");
}
