//! `expect` in a schema: exports that should have arrived and did not, at times that the tests choose.

use jiff::Timestamp;
use serde_json::Value;

use crate::workspace::{CommandOutput, Workspace};

/// Each day by six in Vienna: 05:00 UTC in winter, 04:00 UTC in summer.
const VIENNA: &str = "{ by: \"06:00\", zone: Europe/Vienna }";

/// A workspace in which the table `t` has these expectations.
fn expecting(expect: &str) -> Workspace {
    let workspace = Workspace::from_schemas();
    set_expectations(&workspace, expect);
    workspace
}

fn set_expectations(workspace: &Workspace, expect: &str) {
    let schema = "table: t\nprimary_key: [id]\ncolumns: [{ name: id, type: int }]\nengine: { athena: false }\n";
    workspace
        .write("schemas/t.yaml", format!("{schema}source: {{ compression: none }}\nexpect: {expect}\n").as_bytes());
}

/// Runs a command while the clock shows a time.
fn at(workspace: &Workspace, time: &str, arguments: &[&str]) -> CommandOutput {
    let now = workspace.write("now", b"").metadata().unwrap().modified().unwrap();
    let ahead =
        time.parse::<Timestamp>().unwrap().as_millisecond() - Timestamp::try_from(now).unwrap().as_millisecond();
    workspace.tidemark_with_env(arguments, &[("TIDEMARK_CLOCK_AHEAD_MS", &ahead.to_string())])
}

/// Delivers an export, and processes it at a time.
fn deliver(workspace: &Workspace, version: &str, time: &str) {
    workspace.write(&format!("exports/{version}/part.csv"), b"id\n1\n");
    let output = at(workspace, time, &["run", "exports"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
}

/// The lines of `status --check` at a time, which exits with 1 if there are any.
fn check(workspace: &Workspace, time: &str) -> Vec<String> {
    let output = at(workspace, time, &["status", "--check"]);
    let lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    assert_eq!(output.status, i32::from(!lines.is_empty()), "{}", output.transcript());
    lines
}

fn assert_on_time(workspace: &Workspace, time: &str) {
    assert_eq!(check(workspace, time), Vec::<String>::new(), "{time}");
}

fn assert_overdue(workspace: &Workspace, time: &str, expected: &str) {
    let lines = check(workspace, time);
    assert!(lines.len() == 1 && lines[0].starts_with(expected), "{time}: {lines:?}");
}

#[test]
fn an_export_that_does_not_come_by_its_deadline_is_overdue_until_it_comes() {
    let workspace = expecting(VIENNA);
    deliver(&workspace, "acme/t/V1", "2026-01-05T04:30:00Z");
    assert_on_time(&workspace, "2026-01-05T05:30:00Z");
    assert_on_time(&workspace, "2026-01-06T04:59:50Z");
    let line = "acme/t  no export came by 2026-01-06 06:00 Europe/Vienna; the last one was V1, at 2026-01-05 04:30:0";
    assert_overdue(&workspace, "2026-01-06T05:00:00Z", line);
    let status = at(&workspace, "2026-01-06T05:00:00Z", &["status"]);
    assert!(status.stdout.contains("no export came by 2026-01-06 06:00 Europe/Vienna"), "{}", status.stdout);
    deliver(&workspace, "acme/t/V2", "2026-01-06T07:00:00Z");
    assert_on_time(&workspace, "2026-01-06T07:01:00Z");
}

#[test]
fn an_export_that_comes_late_does_not_count_for_the_next_deadline() {
    let workspace = expecting(VIENNA);
    deliver(&workspace, "acme/t/V1", "2026-01-05T08:00:00Z");
    assert_on_time(&workspace, "2026-01-06T04:00:00Z");
    assert_overdue(&workspace, "2026-01-06T05:00:00Z", "acme/t  no export came by 2026-01-06 06:00");
    // With a longer window, it is an early one.
    set_expectations(&workspace, "{ by: \"06:00\", zone: Europe/Vienna, window: 22h }");
    assert_on_time(&workspace, "2026-01-06T05:00:00Z");
}

#[test]
fn deadlines_follow_the_clocks_of_their_zone() {
    let workspace = expecting(VIENNA);
    deliver(&workspace, "acme/t/V1", "2026-03-28T04:00:00Z");
    assert_on_time(&workspace, "2026-03-29T03:59:00Z");
    assert_overdue(&workspace, "2026-03-29T04:00:10Z", "acme/t  no export came by 2026-03-29 06:00 Europe/Vienna;");
    deliver(&workspace, "acme/t/V2", "2026-10-24T03:00:00Z");
    assert_on_time(&workspace, "2026-10-25T04:59:00Z");
    assert_overdue(&workspace, "2026-10-25T05:00:10Z", "acme/t  no export came by 2026-10-25 06:00 Europe/Vienna;");
}

#[test]
fn nothing_is_expected_on_days_without_a_deadline() {
    let workspace = expecting("{ by: \"06:00\", days: [mon, tue, wed, thu, fri] }");
    // A Friday.
    deliver(&workspace, "acme/t/V1", "2026-01-02T05:00:00Z");
    assert_on_time(&workspace, "2026-01-04T23:00:00Z");
    assert_overdue(&workspace, "2026-01-05T06:00:10Z", "acme/t  no export came by 2026-01-05 06:00 UTC;");
}

#[test]
fn several_exports_a_day_can_be_expected() {
    let workspace = expecting("{ every: 6h, by: \"00:15\", window: 1h }");
    deliver(&workspace, "acme/t/V1", "2026-01-05T06:10:00Z");
    assert_on_time(&workspace, "2026-01-05T12:14:00Z");
    assert_overdue(&workspace, "2026-01-05T12:15:10Z", "acme/t  no export came by 2026-01-05 12:15 UTC;");
}

#[test]
fn a_tenant_that_never_delivered_is_overdue_if_it_is_named() {
    let workspace = expecting("{ by: \"06:00\", tenants: [acme, globex] }");
    deliver(&workspace, "acme/t/V1", "2026-01-05T05:00:00Z");
    deliver(&workspace, "initech/t/V1", "2026-01-05T05:01:00Z");
    assert_overdue(
        &workspace,
        "2026-01-05T06:30:00Z",
        "globex/t  no export came by 2026-01-05 06:00 UTC; none ever has",
    );
    let lines = check(&workspace, "2026-01-06T06:30:00Z");
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["acme/t", "globex/t"], "initech is not named");
    let output = at(&workspace, "2026-01-05T06:30:00Z", &["status", "--tenant", "globex", "--format", "json"]);
    let status: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(status[0]["overdue"]["local_deadline"], "2026-01-05 06:00 UTC");
    assert_eq!(status[0]["overdue"]["last"], Value::Null);
    // Without names, whoever has delivered is expected to.
    set_expectations(&workspace, "{ by: \"06:00\" }");
    let lines = check(&workspace, "2026-01-06T06:30:00Z");
    assert!(lines.len() == 2 && lines[1].starts_with("initech/t  "), "{lines:?}");
}

#[test]
fn an_export_that_is_not_complete_has_not_arrived() {
    let workspace = expecting("{ by: \"06:00\" }");
    let two_parts = "table: t\nprimary_key: [id]\ncolumns: [{ name: id, type: int }]\nengine: { athena: false }\nsource: { compression: none, complete: { count: 2 } }\nexpect: { by: \"06:00\" }\n";
    workspace.write("schemas/t.yaml", two_parts.as_bytes());
    deliver(&workspace, "acme/t/V1", "2026-01-05T05:00:00Z");
    assert_overdue(&workspace, "2026-01-05T06:10:00Z", "acme/t  no export came by 2026-01-05 06:00 UTC; V1 waits for ");
    workspace.write("exports/acme/t/V1/more.csv", b"id\n2\n");
    assert_eq!(at(&workspace, "2026-01-05T06:20:00Z", &["run", "exports"]).status, 0);
    assert_on_time(&workspace, "2026-01-05T06:21:00Z");
}

#[test]
fn an_export_that_fails_has_arrived_and_an_old_one_that_comes_late_has_not() {
    let workspace = expecting("{ by: \"06:00\" }");
    deliver(&workspace, "acme/t/V3", "2026-01-05T05:00:00Z");
    workspace.write("exports/acme/t/V4/part.csv", b"id\nno number\n");
    assert_eq!(at(&workspace, "2026-01-06T05:00:00Z", &["run", "exports"]).status, 1);
    assert_overdue(&workspace, "2026-01-06T06:10:00Z", "acme/t/V4  FAILED");
    workspace.write("exports/acme/t/V2/part.csv", b"id\n1\n");
    at(&workspace, "2026-01-07T05:00:00Z", &["run", "exports"]);
    let lines = check(&workspace, "2026-01-07T06:10:00Z");
    assert!(lines.iter().any(|line| line.starts_with("acme/t  no export came by 2026-01-07")), "{lines:?}");
}

#[test]
fn changing_what_is_expected_changes_no_operation() {
    let workspace = expecting(VIENNA);
    deliver(&workspace, "acme/t/V1", "2026-01-05T05:00:00Z");
    set_expectations(&workspace, "{ by: \"07:00\" }");
    workspace.write("exports/acme/t/V2/part.csv", b"id\n1\n2\n");
    assert_eq!(at(&workspace, "2026-01-06T05:00:00Z", &["run", "exports"]).status, 0);
    let [v1, v2] = ["V1", "V2"].map(|version| workspace.published(&format!("acme/t/{version}")));
    assert_eq!(v1[0]["schema"], v2[0]["schema"]);
    assert_eq!(v2.len(), 3, "BEGIN, one INSERT, END: {v2:?}");
    assert!(v2[0].get("schema_change").is_none(), "{v2:?}");
}
