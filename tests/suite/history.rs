//! `history`: the versions of a table, what was found out about them, and who decided what.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::limits::command;
use crate::workspace::Workspace;

fn rows(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("PK{n:03};{n};;\n")).collect()
}

fn json(workspace: &Workspace, arguments: &[&str]) -> Value {
    let output = workspace.tidemark(&[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript()))
}

fn hash(workspace: &Workspace, version: &str) -> String {
    json(workspace, &["plan", version])["plan"]["hash"].as_str().unwrap().to_owned()
}

/// Runs a command that must succeed.
fn decide(workspace: &Workspace, arguments: &[&str]) {
    let output = workspace.tidemark(arguments);
    assert_eq!(output.status, 0, "{}", output.transcript());
}

/// Action, who and why of each decision about a version.
fn decisions(version: &Value) -> Vec<[Option<&str>; 3]> {
    let decisions = version["decisions"].as_array().unwrap();
    decisions.iter().map(|decision| ["action", "by", "because"].map(|name| decision[name].as_str())).collect()
}

/// A table of which each version was decided about.
fn decided() -> Workspace {
    let workspace = Workspace::new();
    let by = |who, why| ["--by", who, "--because", why];
    workspace.export("acme/test_table/V1", &rows(0..200));
    workspace.run();
    workspace.export("acme/test_table/V2", &rows(0..100));
    assert_eq!(workspace.run().status, 1);
    decide(&workspace, &[&["reject", "acme/test_table/V2"][..], &by("alice", "truncated")].concat());
    workspace.export("acme/test_table/V3", &rows(100..200));
    assert_eq!(workspace.run().status, 1);
    let plan = hash(&workspace, "acme/test_table/V3");
    decide(&workspace, &[&["approve", "acme/test_table/V3", &plan][..], &by("bob", "half moved away")].concat());
    decide(&workspace, &[&["replay", "acme/test_table/V3"][..], &by("bob", "lost")].concat());
    decide(&workspace, &[&["gc", "--keep", "0"][..], &by("cron", "nightly")].concat());
    workspace.export("acme/test_table/V4", "PK1;one;;\n");
    assert_eq!(workspace.run().status, 1);
    decide(&workspace, &[&["retry", "acme/test_table/V4"][..], &by("alice", "again")].concat());
    decide(&workspace, &[&["resync", "acme/test_table"][..], &by("carol", "wrong data")].concat());
    decide(&workspace, &[&["resync", "acme/test_table", "--cancel"][..], &by("carol", "not so wrong")].concat());
    workspace
}

#[test]
fn history_says_who_decided_what_and_why_between_the_versions_it_concerns() {
    let workspace = decided();
    let history = json(&workspace, &["history", "acme/test_table"]);
    assert_eq!(decisions(&history[0]), [[None; 3]; 0]);
    assert_eq!(decisions(&history[1]), [[Some("reject"), Some("alice"), Some("truncated")]]);
    assert_eq!(
        decisions(&history[2]),
        [
            [Some("approve"), Some("bob"), Some("half moved away")],
            [Some("replay"), Some("bob"), Some("lost")],
            [Some("gc"), Some("cron"), Some("nightly")],
        ]
    );
    assert_eq!(
        decisions(&history[3]),
        [
            [Some("retry"), Some("alice"), Some("again")],
            [Some("resync"), Some("carol"), Some("wrong data")],
            [Some("cancel-resync"), Some("carol"), Some("not so wrong")],
        ]
    );
    let at = history[1]["decisions"][0]["at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && at.contains('T'), "{at}");
    insta::assert_snapshot!("decisions", workspace.tidemark(&["history", "acme/test_table"]).transcript());
}

#[test]
fn a_decision_is_by_the_user_unless_it_says_otherwise() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;one;;\n");
    workspace.run();
    decide(&workspace, &["retry", "acme/test_table/V1"]);
    let history = json(&workspace, &["history", "acme/test_table"]);
    let user = command("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    assert_eq!(decisions(&history[0]), [[Some("retry"), Some(user.trim()), None]]);
    for empty in ["--by", "--because"] {
        assert_eq!(workspace.tidemark(&["retry", "acme/test_table/V1", empty, ""]).status, 2);
    }
}

#[test]
fn one_version_shows_the_bad_rows_that_were_found_whatever_its_status_is_now() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;;\nPK2;two;;\n");
    assert_eq!(workspace.run().status, 1);
    decide(&workspace, &["retry", "acme/test_table/V1", "--by", "alice"]);
    let version = json(&workspace, &["history", "acme/test_table", "V1"]);
    assert_eq!(version["status"], "REGISTERED");
    assert_eq!(version["findings"][0]["action"], "fail");
    let offender = &version["findings"][0]["details"]["rejects"]["offenders"][0];
    assert_eq!((&offender["part"], &offender["line"]), (&"part.csv.gz".into(), &2.into()));
    assert_eq!(json(&workspace, &["history", "acme/test_table/V1"]), version);
    insta::assert_snapshot!("one_version", workspace.tidemark(&["history", "acme/test_table/V1"]).transcript());
    assert_eq!(workspace.tidemark(&["history", "acme/test_table", "V2"]).status, 2);
}

#[test]
fn the_places_of_a_failed_version_stay_in_its_history_in_any_encoding() {
    let workspace = Workspace::from_schemas();
    let schema = "table: t\nprimary_key: [id]\ncolumns:\n  - { name: id, type: int }\n  - { name: n, type: int }\n\
                  source: { header: false, compression: none, encoding: windows-1252, delimiter: \"|~|\", quote: none }\n\
                  engine: { athena: false }\n";
    workspace.write("schemas/t.yaml", schema.as_bytes());
    let bad: Vec<u8> = (1..=25).flat_map(|id| [format!("{id}|~|caf").as_bytes(), b"\xE9 \\x\n"].concat()).collect();
    workspace.write("exports/acme/t/V1/t.csv", &bad);
    assert_eq!(workspace.run().status, 1);
    workspace.write("exports/acme/t/V2/t.csv", b"1|~|1\n");
    assert_eq!(workspace.run().status, 0);
    let version = json(&workspace, &["history", "acme/t", "V1"]);
    let rejects = &version["findings"][0]["details"]["rejects"];
    let offenders = rejects["offenders"].as_array().unwrap();
    let lines: Vec<_> = offenders.iter().filter_map(|offender| offender["line"].as_u64()).collect();
    assert_eq!(lines, (1..=20).collect::<Vec<u64>>());
    assert_eq!(rejects["totals"]["unreadable-value"], 25, "{rejects}");
    assert!(offenders.iter().all(|offender| offender["message"]
        == "`café \\x` is not an int; make the column nullable and add it to the column's `nulls` if it means NULL"));
}

#[test]
fn a_registry_without_a_journal_gets_one() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;one;;\n");
    workspace.run();
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    registry.execute_batch("DROP TABLE journal; DROP INDEX versions_by_status; ALTER TABLE versions DROP COLUMN digest; PRAGMA user_version = 3").unwrap();
    decide(&workspace, &["retry", "acme/test_table/V1", "--by", "alice"]);
    assert_eq!(decisions(&json(&workspace, &["history", "acme/test_table", "V1"]))[0][1], Some("alice"));
}

#[test]
fn a_superseded_version_keeps_what_was_found_and_is_listed_once() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(0..200));
    workspace.run();
    workspace.export("acme/test_table/V2", &rows(0..100));
    workspace.export("acme/test_table/V3", &rows(0..199));
    let output = workspace.run();
    assert_eq!(output.status, 1, "a guard broke");
    insta::assert_snapshot!("held_and_passed", output.transcript());
    // The help can be pasted.
    let help = output.stderr.lines().find_map(|line| line.split_once(" tidemark ")).unwrap().1;
    let shown = workspace.tidemark(&help.split(' ').collect::<Vec<_>>());
    insta::assert_snapshot!("held_and_passed_version", shown.transcript());
    let version = json(&workspace, &["history", "acme/test_table", "V2"]);
    assert_eq!(version["status"], "SUPERSEDED");
    assert_eq!([&version["plan"]["counts"]["rows"], &version["plan"]["counts"]["deleted"]], [100, 100]);
    assert_eq!(version["finding"], serde_json::json!({ "status": "HELD", "reason": "deletes 50 % > 20 %" }));
    assert_eq!(workspace.tidemark(&["plan", "acme/test_table/V2"]).status, 0);
}

#[test]
fn a_version_that_failed_or_waited_before_it_was_passed_says_so() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;one;;\n");
    workspace.write("exports/acme/test_table/V2/a.csv.gz", b"");
    workspace.write("exports/acme/test_table/V2/b.csv.gz", b"");
    assert_eq!(workspace.run().status, 1);
    // It is tried again, but cannot be read while V4 succeeds.
    decide(&workspace, &["retry", "acme/test_table/V1"]);
    workspace.export("acme/test_table/V4", &rows(0..3));
    workspace.drop_root();
    let mode =
        |mode| std::fs::set_permissions(workspace.path("exports/acme/test_table/V1"), PermissionsExt::from_mode(mode));
    mode(0o000).unwrap();
    assert_eq!(workspace.run().status, 2);
    mode(0o755).unwrap();
    std::fs::remove_file(workspace.path("exports/acme/test_table/V2/b.csv.gz")).unwrap();
    workspace.export("acme/test_table/V3", &rows(0..3));
    assert_eq!(workspace.run().status, 0);
    let history = json(&workspace, &["history", "acme/test_table"]);
    let reason = |index: usize| history[index]["reason"].as_str().unwrap().to_owned();
    assert!(history.as_array().unwrap()[..3].iter().all(|version| version["status"] == "SUPERSEDED"), "{history:#}");
    assert!(reason(0).starts_with("was FAILED when V4 succeeded: "), "{}", reason(0));
    assert_eq!(reason(1), "V4 succeeded first");
    assert_eq!(reason(2), "V4 succeeded before it came");
    assert_eq!(history[0]["findings"][0]["details"]["rejects"]["offenders"][0]["line"], 1);
}
