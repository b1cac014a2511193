//! A resync: a version is published in full, and consumers drop the rows it does not have.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::workspace::Workspace;

fn rows(numbers: impl IntoIterator<Item = u32>, value: u32) -> String {
    numbers.into_iter().map(|n| format!("PK{n};{value};;\n")).collect()
}

/// A workspace whose baseline of 200 rows is lost.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let baseline = workspace.export("acme/test_table/V1", &rows(1..=200, 1));
    assert_eq!(workspace.run().status, 0);
    fs::remove_file(baseline).unwrap();
    workspace
}

/// Applies records to a consumer's state, as the documentation tells consumers to.
fn consume(state: &mut BTreeMap<String, (u64, Option<Value>)>, records: &[Value]) {
    for record in records {
        let sequence = record["sequence"].as_u64().unwrap();
        match record["op"].as_str().unwrap() {
            "BEGIN" => {}
            "END" => {
                if records[0]["reset"] == json!(true) {
                    state.retain(|_, (last, _)| *last >= sequence);
                }
            }
            _ => drop(state.insert(record["key"].to_string(), (sequence, record.get("after").cloned()))),
        }
    }
}

#[test]
fn a_lost_baseline_is_replaced_by_publishing_the_next_version_in_full() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", &rows(11..=205, 2));
    let output = workspace.run();
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("tidemark resync acme/test_table"), "{}", output.stderr);
    insta::assert_snapshot!("resync", workspace.tidemark(&["resync", "acme/test_table"]).transcript());
    assert!(workspace.tidemark(&["status"]).stdout.contains("the next version is published in full"));
    assert_eq!(workspace.run().status, 0);
    insta::assert_snapshot!("plan_of_reset", workspace.tidemark(&["plan", "acme/test_table/V2"]).transcript());

    let full = workspace.published("acme/test_table/V2");
    assert_eq!(
        (&full[0]["reset"], &full[0]["previous"], &full[0]["fingerprint"]),
        (&json!(true), &Value::Null, &json!("0"))
    );
    assert_eq!(full.iter().filter(|record| record["op"] == "INSERT").count(), 195);
    let mut state = BTreeMap::new();
    consume(&mut state, &workspace.published("acme/test_table/V1"));
    assert_eq!(state.len(), 200);
    consume(&mut state, &full);
    assert_eq!(state.len(), 195);
    assert!(state.values().all(|(sequence, after)| *sequence == 2 && after.as_ref().unwrap()["COL_1"] == 2));

    // The version it replaces cannot be replayed: a consumer that has dropped a key would take it for a new one.
    insta::assert_snapshot!("replay_before_reset", workspace.tidemark(&["replay", "acme/test_table/V1"]).transcript());
    assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V2"]).status, 0);

    // The resync is done; the next version is compared with this one.
    workspace.export("acme/test_table/V3", &rows(11..=206, 2));
    assert_eq!(workspace.run().status, 0);
    let next = workspace.published("acme/test_table/V3");
    assert_eq!((&next[0]["reset"], &next[0]["previous"], next.len()), (&json!(false), &json!("V2"), 3));
}

#[test]
fn a_resync_can_be_requested_before_the_version_arrives_and_cancelled() {
    let workspace = workspace();
    insta::assert_snapshot!("resync_ahead", workspace.tidemark(&["resync", "acme/test_table"]).transcript());
    insta::assert_snapshot!(
        "resync_cancel",
        workspace.tidemark(&["resync", "acme/test_table", "--cancel"]).transcript()
    );
    insta::assert_snapshot!(
        "resync_cancel_again",
        workspace.tidemark(&["resync", "acme/test_table", "--cancel"]).transcript()
    );
    workspace.export("acme/test_table/V2", &rows(11..=205, 2));
    assert_eq!(workspace.run().status, 1);
    workspace.tidemark(&["resync", "acme/test_table"]);
    assert_eq!(workspace.run().status, 0);
    insta::assert_snapshot!("resync_unknown", workspace.tidemark(&["resync", "acme/orders"]).transcript());
}

#[test]
fn taking_back_a_resync_that_nobody_requested_is_no_decision() {
    let workspace = workspace();
    let history =
        |workspace: &Workspace| workspace.tidemark(&["history", "acme/test_table", "--format", "json"]).stdout;
    let before = history(&workspace);
    assert_eq!(workspace.tidemark(&["resync", "acme/test_table", "--cancel", "--because", "a test"]).status, 0);
    assert_eq!(history(&workspace), before);
}

#[test]
fn a_resync_much_smaller_than_the_version_it_replaces_is_held() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", &rows(1..=100, 1));
    workspace.tidemark(&["resync", "acme/test_table"]);
    let output = workspace.run();
    assert_eq!(output.status, 1);
    assert!(output.stdout.contains("50 % fewer rows than V1 > 20 %"), "{}", output.stdout);
    let output = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]);
    let version: Value = serde_json::from_str(&output.stdout).unwrap();
    let hash = version["plan"]["hash"].as_str().unwrap();
    let output = workspace.tidemark(&["approve", "acme/test_table/V2", hash]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert_eq!(workspace.published("acme/test_table/V2")[0]["reset"], json!(true));
}

#[test]
fn a_held_version_stays_held_and_cannot_be_approved_while_a_resync_is_pending() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(1..=200, 1));
    workspace.export("acme/test_table/V2", &rows(1..=100, 1));
    assert_eq!(workspace.run().status, 1);
    let output = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]);
    let version: Value = serde_json::from_str(&output.stdout).unwrap();
    let hash = version["plan"]["hash"].as_str().unwrap();
    workspace.tidemark(&["resync", "acme/test_table"]);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "HELD");
    let output = workspace.tidemark(&["approve", "acme/test_table/V2", hash]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("a resync was requested after it was planned"), "{}", output.stderr);
    // The next version is published in full, and supersedes the held one.
    workspace.export("acme/test_table/V3", &rows(1..=199, 1));
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V3")[0]["reset"], json!(true));
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUPERSEDED");
}
