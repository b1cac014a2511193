//! The flow over complete exports: which versions are published, wait, are superseded or refused.

use serde_json::{Value, json};

use crate::workspace::{Workspace, gzip};

const V1: &str = "PK1;1;a;x\nPK2;2;b;y\nPK3;3;c;z\n";
const V2: &str = "PK1;1;a;x\nPK2;20;b;y\nPK4;4;d;\n";

fn ops(records: &[Value]) -> Vec<(String, Value)> {
    let is_operation = |record: &&Value| !matches!(record["op"].as_str(), Some("BEGIN" | "END"));
    let mut ops: Vec<(String, Value)> = records
        .iter()
        .filter(is_operation)
        .map(|record| (record["op"].as_str().unwrap().to_owned(), record["key"]["PK"].clone()))
        .collect();
    ops.sort_by_key(|(op, key)| (key.to_string(), op.clone()));
    ops
}

fn counts(outcome: &Value) -> [i64; 3] {
    ["inserted", "updated", "deleted"].map(|name| outcome["counts"][name].as_i64().unwrap())
}

#[test]
fn three_versions_produce_the_expected_operations() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V2);
    let third: String = (0..100_000).map(|n| format!("PK{n};{n};c;z\n")).collect();
    workspace.export("acme/test_table/V10", &third);

    let (status, report) = workspace.run_json();
    assert_eq!(status, 0, "{report:#}");
    let outcomes = report["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.iter().map(counts).collect::<Vec<_>>(), [[3, 0, 0], [1, 1, 1], [99_997, 3, 0]]);

    let second = workspace.published("acme/test_table/V2");
    let expected = [("UPDATE", "PK2"), ("DELETE", "PK3"), ("INSERT", "PK4")];
    assert_eq!(ops(&second), expected.map(|(op, key)| (op.to_owned(), json!(key))));
    let update = second.iter().find(|record| record["op"] == "UPDATE").unwrap();
    assert_eq!(update["after"], json!({"COL_1": 20, "COL_2": "b", "COL_3": "y"}));
    assert_eq!(update["changed"], json!(["COL_1"]));
    assert_eq!((&update["sequence"], &update["previous"]), (&json!(2), &json!("V1")));
    let third = workspace.published("acme/test_table/V10");
    assert_eq!(third.len(), 100_002);
}

#[test]
fn ids_are_the_same_on_every_machine() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V2);
    workspace.run();
    let mut ids: Vec<String> = ["V1", "V2"]
        .iter()
        .flat_map(|version| workspace.published(&format!("acme/test_table/{version}")))
        .filter_map(|record| record["id"].as_str().map(str::to_owned))
        .collect();
    ids.sort();
    insta::assert_snapshot!("ids", ids.join("\n"));
}

#[test]
fn begin_and_end_frame_a_version_and_fingerprints_chain() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V2);
    workspace.run();
    let first = workspace.published("acme/test_table/V1");
    let second = workspace.published("acme/test_table/V2");
    let (begin, end) = (second.first().unwrap(), second.last().unwrap());
    assert_eq!((&begin["op"], &end["op"]), (&json!("BEGIN"), &json!("END")));
    assert_eq!(first.first().unwrap()["fingerprint"], "0");
    assert_eq!(first.last().unwrap()["fingerprint"], begin["fingerprint"]);
    assert_eq!(begin["reset"], json!(false));
    assert_eq!([&end["rows"], &end["inserted"], &end["updated"], &end["deleted"]], [3, 1, 1, 1]);

    let number = |value: &Value| value.as_str().map_or(0, |text| text.parse::<i128>().unwrap());
    let difference: i128 = second[1..second.len() - 1]
        .iter()
        .map(|operation| number(&operation["hash"]) - number(&operation["previous_hash"]))
        .sum();
    assert_eq!(number(&begin["fingerprint"]) + difference, number(&end["fingerprint"]));
}

#[test]
fn running_again_reports_nothing_to_do() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.run();
    let published = workspace.published("acme/test_table/V1");
    insta::assert_snapshot!("run_again", workspace.run().transcript());
    assert_eq!(workspace.published("acme/test_table/V1"), published);
}

#[test]
fn run_status_and_history_output() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V2);
    workspace.export("globex/test_table/V1", V1);
    insta::assert_snapshot!("run", workspace.run().transcript());
    insta::assert_snapshot!("status", workspace.tidemark(&["status"]).transcript());
    insta::assert_snapshot!("history", workspace.tidemark(&["history", "acme/test_table"]).transcript());
}

#[test]
fn a_replay_is_byte_identical() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V2);
    workspace.run();
    let output = workspace.tidemark(&["replay", "acme/test_table/V1", "--out", "again"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let name = workspace.parts("acme/test_table/V1").remove(0).file_name().unwrap().to_owned();
    let part = |out: &str| std::fs::read(workspace.path(out).join("acme/test_table/V1").join(&name)).unwrap();
    assert_eq!(part("again"), part("out"));
    // The lease is free again, and the next version builds on V2.
    workspace.export("acme/test_table/V3", V1);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V3")[0]["sequence"], json!(3));
}

#[test]
fn only_succeeded_versions_can_be_replayed() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", "PK1;one;;\n");
    workspace.run();
    insta::assert_snapshot!("replay_of_failed", workspace.tidemark(&["replay", "acme/test_table/V2"]).transcript());
    std::fs::remove_dir_all(workspace.path(".tidemark/changes")).unwrap();
    let output = workspace.tidemark(&["replay", "acme/test_table/V1"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("is gone"), "{}", output.stderr);
}

#[test]
fn an_empty_change_set_is_published_and_takes_a_sequence() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V1);
    workspace.export("acme/test_table/V3", V2);
    workspace.run();
    let empty = workspace.published("acme/test_table/V2");
    assert_eq!(empty.iter().map(|record| record["op"].clone()).collect::<Vec<_>>(), ["BEGIN", "END"]);
    assert_eq!(workspace.published("acme/test_table/V3")[0]["sequence"], json!(3));
}

#[test]
fn an_older_version_that_arrives_late_is_superseded() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V2", V2);
    workspace.run();
    workspace.export("acme/test_table/V1", V1);
    let output = workspace.run();
    insta::assert_snapshot!("late", output.transcript());
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "SUPERSEDED");
    assert!(workspace.published("acme/test_table/V1").is_empty());
    assert_eq!(workspace.run().stdout, "nothing to do: 2 versions known, none is new\n");
}

#[test]
fn rewriting_the_same_parts_is_not_a_revision() {
    let workspace = Workspace::new();
    let path = workspace.export("acme/test_table/V1", V1);
    workspace.run();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    workspace.write("exports/acme/test_table/V1/part.csv.gz", &bytes);
    assert_eq!(workspace.run().stdout, "nothing to do: 1 version known, none is new\n");
    // It is still valid as a baseline.
    workspace.export("acme/test_table/V2", V2);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUCCEEDED");
}

#[test]
fn changed_parts_after_success_are_a_refused_revision() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.run();
    let published = workspace.published("acme/test_table/V1");
    workspace.export("acme/test_table/V1", V2);
    insta::assert_snapshot!("revision", workspace.run().transcript());
    assert_eq!(workspace.published("acme/test_table/V1"), published);
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "SUCCEEDED");
    // It is reported once, and recorded.
    assert_eq!(workspace.run().status, 0);
    assert!(workspace.tidemark(&["history", "acme/test_table"]).stdout.contains("a revision was refused"));
}

#[test]
fn a_changed_baseline_stops_the_run() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.run();
    workspace.export("acme/test_table/V1", V2);
    workspace.run();
    workspace.export("acme/test_table/V2", V2);
    insta::assert_snapshot!("baseline_changed", workspace.run().transcript());
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
    // Once the original is back, the next run continues.
    workspace.export("acme/test_table/V1", V1);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUCCEEDED");
}

#[test]
fn a_missing_baseline_stops_the_run() {
    let workspace = Workspace::new();
    let path = workspace.export("acme/test_table/V1", V1);
    workspace.run();
    std::fs::remove_file(path).unwrap();
    workspace.export("acme/test_table/V2", V2);
    let output = workspace.run();
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("part.csv.gz is missing"), "{}", output.stderr);
}

#[test]
fn a_part_that_is_added_to_the_baseline_stops_the_run() {
    let marked = |workspace: &Workspace, version: &str, rows: &[u32]| {
        let header =
            "visitor_id\tevent_no\tkind\tpath\treferrer\tduration_ms\toccurred_at\tcountry\tuser_agent\tloaded_by\n";
        let row = |n: &u32| format!("v{n}\t1\tview\t/\t\\N\t1\t2025-03-07T23:14:45Z\tGB\tua\tc\n");
        let text = header.to_owned() + &rows.iter().map(row).collect::<String>();
        let part = zstd::encode_all(text.as_bytes(), 1).unwrap();
        let part = workspace.write(&format!("exports/acme/web_events/{version}/part-{}.tsv.zst", rows[0]), &part);
        workspace.write(&format!("exports/acme/web_events/{version}/_SUCCESS"), b"");
        part
    };
    let workspace = Workspace::new();
    marked(&workspace, "V1", &[1, 2, 3]);
    assert_eq!(workspace.run().status, 0);
    let added = marked(&workspace, "V1", &[4, 5]);
    marked(&workspace, "V2", &[1, 2, 3]);
    let output = workspace.run();
    assert_eq!(output.status, 1, "{}", output.transcript());
    let problem = "baseline-changed: the files of V1 are not the published ones: part-4.tsv.zst was added";
    assert!(output.stderr.contains(problem), "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/web_events")["V2"], "REGISTERED");
    assert!(workspace.published("acme/web_events/V2").is_empty());
    std::fs::remove_file(added).unwrap();
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/web_events")["V2"], "SUCCEEDED");
}

#[test]
fn two_spellings_of_one_version_are_refused() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V01", V2);
    let output = workspace.run();
    insta::assert_snapshot!("two_spellings", output.transcript());
}

#[test]
fn single_waits_while_there_are_two_files() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.write("exports/acme/test_table/V2/a.csv.gz", &gzip(V2.as_bytes()));
    workspace.write("exports/acme/test_table/V2/b.csv.gz", &gzip(b"PK9;9;;\n"));
    insta::assert_snapshot!("single_waits", workspace.run().transcript());
    // A waiting version never blocks a newer one.
    workspace.export("acme/test_table/V3", V2);
    workspace.run();
    assert_eq!(workspace.statuses("acme/test_table")["V3"], "SUCCEEDED");
    std::fs::remove_file(workspace.path("exports/acme/test_table/V2/b.csv.gz")).unwrap();
    workspace.run();
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUPERSEDED");
}

#[test]
fn a_count_waits_for_every_part() {
    const HEADER: &str = "sku,name,category,price,weight_kg,in_stock,tags,released_on,tax_class,note\n";
    let workspace = Workspace::new();
    let part = |n: u32| format!("{HEADER}S{n},Chair,seats,1.50,,true,,,standard,\n");
    workspace.write("exports/acme/products/V1/a.csv", part(1).as_bytes());
    let output = workspace.run();
    assert!(output.stdout.contains("WAITING  waits for 1 of 2 parts"), "{}", output.stdout);
    assert_eq!(output.status, 0);
    assert!(workspace.tidemark(&["status"]).stdout.contains("waits for 1 of 2 parts"));
    workspace.write("exports/acme/products/V1/b.csv", part(2).as_bytes());
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/products/V1").len(), 4);
}

#[test]
fn a_manifest_waits_for_the_parts_it_names() {
    const HEADER: &str =
        "book,entry_id,posted_on,booked_at,account,counterparty,amount,currency,fx_rate,reversed,reference,batch_no\n";
    let workspace = Workspace::new();
    let rows = |n: u32| format!("{HEADER}EU01,{n},2026-01-01,2026-01-01 00:00:00,0012,,1.00,EUR,,f,,1\n");
    let (a, b) = (gzip(rows(1).as_bytes()), gzip(rows(2).as_bytes()));
    let manifest = |rows_of_b: u32| {
        json!({"parts": [
            {"name": "a.csv.gz", "size": a.len(), "rows": 1},
            {"name": "b.csv.gz", "size": b.len(), "rows": rows_of_b},
        ]})
    };
    let folder = "exports/acme/ledger_entries/V1";
    workspace.write(&format!("{folder}/a.csv.gz"), &a);
    assert!(workspace.run().stdout.contains("waits for _manifest.json"));
    workspace.write(&format!("{folder}/_manifest.json"), b"{\"parts\": [");
    assert!(workspace.run().stdout.contains("waits for _manifest.json to be valid"));
    workspace.write(&format!("{folder}/_manifest.json"), manifest(2).to_string().as_bytes());
    assert!(workspace.run().stdout.contains("waits for b.csv.gz, which _manifest.json lists"));
    workspace.write(&format!("{folder}/b.csv.gz"), &b[..10]);
    assert!(workspace.run().stdout.contains("waits for b.csv.gz to have"));
    workspace.write(&format!("{folder}/b.csv.gz"), &b);
    let output = workspace.run();
    assert!(output.stderr.contains("it has 1 row, but the manifest says 2"), "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/ledger_entries")["V1"], "FAILED");
    workspace.write(&format!("{folder}/_manifest.json"), manifest(1).to_string().as_bytes());
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/ledger_entries")["V1"], "SUCCEEDED");
}

#[test]
fn a_marker_alone_is_not_an_export() {
    let workspace = Workspace::new();
    workspace.write("exports/acme/web_events/V1/_SUCCESS", b"");
    let output = workspace.run();
    assert!(output.stdout.contains("waits for its first part; only the marker is there"), "{}", output.stdout);
    assert!(workspace.published("acme/web_events/V1").is_empty());
}

#[test]
fn a_filtered_run_leaves_other_tables_alone() {
    let workspace = Workspace::new();
    for tenant in ["acme", "globex"] {
        workspace.export(&format!("{tenant}/test_table/V1"), V1);
    }
    let output = workspace.tidemark(&["run", "exports", "--tenant", "globex", "--table", "test_table"]);
    assert_eq!(output.status, 0);
    assert!(workspace.published("acme/test_table/V1").is_empty());
    assert!(!workspace.published("globex/test_table/V1").is_empty());
}

#[test]
fn a_run_exits_at_once_when_the_lock_is_taken() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.run();
    workspace.export("acme/test_table/V2", V2);
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let hold = "UPDATE tables SET owner = 'process 1', fence = fence + 1, expires_at = 4102444800000";
    registry.execute(hold, []).unwrap();
    let output = workspace.run();
    assert_eq!(output.status, 0);
    assert!(output.stdout.contains("process 1 is working on it"), "{}", output.stdout);
    assert!(workspace.published("acme/test_table/V2").is_empty());
    // A lease that is not renewed expires.
    registry.execute("UPDATE tables SET expires_at = 1", []).unwrap();
    assert_eq!(workspace.run().status, 0);
    assert!(!workspace.published("acme/test_table/V2").is_empty());
}

#[test]
fn an_interrupted_publication_is_finished_first_under_its_sequence() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", V1);
    workspace.export("acme/test_table/V2", V2);
    workspace.run();
    let published = workspace.published("acme/test_table/V2");
    // The state that a process killed between PUBLISHING and SUCCEEDED leaves behind.
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let back = "UPDATE versions SET status = 'PUBLISHING',
                record = replace(record, '\"SUCCEEDED\"', '\"PUBLISHING\"') WHERE record ->> 'version' = 'V2'";
    assert_eq!(registry.execute(back, []).unwrap(), 1);
    std::fs::remove_dir_all(workspace.path("out/acme/test_table/V2")).unwrap();
    workspace.export("acme/test_table/V3", V1);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V2"), published);
    assert_eq!(workspace.published("acme/test_table/V3")[0]["sequence"], json!(3));
}
