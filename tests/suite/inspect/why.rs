//! `why`: one row through all versions.

use std::fs;

use serde_json::{Value, json};

use super::{lock_all_tables, state_of};
use crate::workspace::{Workspace, gzip};

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

fn order(id: &str, status: &str, amount: &str) -> String {
    format!("eu,{id},secret@example.com,{status},{amount},,2026-01-01 00:00:00,job\n")
}

/// Runs an export of three orders that never change, and these rows.
fn deliver(workspace: &Workspace, version: &str, rows: &str) {
    let others: String = (1..=3).map(|id| order(&id.to_string(), "paid", "1.00")).collect();
    workspace.export(&format!("acme/orders/{version}"), &format!("{HEADER}{others}{rows}"));
    workspace.run();
}

/// A workspace in which order 17 was imported, written differently, shipped, misspelt, corrected, and deleted.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    deliver(&workspace, "V1", &order("17", "paid", "12.5"));
    deliver(&workspace, "V2", &order("017", "paid", "12.50"));
    deliver(&workspace, "V3", &order("17", "shipped", "12.50"));
    deliver(&workspace, "V4", &order("17", "shipped", "\"12,50\""));
    deliver(&workspace, "V5", &order("17", "shipped", "12.50"));
    deliver(&workspace, "V6", &order("17", "shipped", "12.50"));
    deliver(&workspace, "V7", "");
    deliver(&workspace, "V8", "");
    workspace
}

fn why(workspace: &Workspace, key: &[&str]) -> String {
    let output = workspace.tidemark(&[&["why", "acme/orders"], key].concat());
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(!output.stdout.contains("secret"), "{}", output.stdout);
    output.stdout
}

fn why_json(workspace: &Workspace, table: &str, key: &[&str]) -> Value {
    let output = workspace.tidemark(&[&["why", table], key, &["--format", "json"]].concat());
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(!output.stdout.contains("secret"), "{}", output.stdout);
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn a_row_is_traced_from_its_text_to_its_operation() {
    let workspace = workspace();
    insta::assert_snapshot!("why", why(&workspace, &["eu", "17"]));
    // The key is read as the column's type, so that every spelling of it finds the row.
    assert_eq!(why(&workspace, &["eu", "+0017"]), why(&workspace, &["eu", "17"]));
}

#[test]
fn json_output_has_every_detail() {
    let workspace = workspace();
    let row = why_json(&workspace, "acme/orders", &["eu", "17"]);
    assert_eq!((&row["tenant"], &row["table"], &row["key"]), (&json!("acme"), &json!("orders"), &json!("(eu, 17)")));
    let versions = row["versions"].as_array().unwrap();
    let names: Vec<&Value> = versions.iter().map(|version| &version["version"]).collect();
    assert_eq!(names, ["V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8"]);
    let third = &versions[2];
    assert_eq!((&third["status"], &third["sequence"]), (&json!("SUCCEEDED"), &json!(3)));
    assert_eq!((&third["export"], &third["change_set"], &third["places"]), (&json!("read"), &json!("read"), &json!(1)));
    assert_eq!((&third["rows"][0]["part"], &third["rows"][0]["line"]), (&json!("part.csv.gz"), &json!(5)));
    let published = workspace.published("acme/orders/V3");
    let operation = published.iter().find(|record| record["key"]["order_id"] == 17).unwrap();
    let changed = json!([{"column": "status", "old": "paid", "new": "shipped"}]);
    assert_eq!(third["operation"], json!({"op": "UPDATE", "id": operation["id"], "changed": changed}));
    // Text and value; values look as they do in operations.
    let columns = versions[0]["rows"][0]["columns"].as_array().unwrap();
    let cell = |name: &str| columns.iter().find(|cell| cell["column"] == name).unwrap().clone();
    assert_eq!(cell("order_id"), json!({"column": "order_id", "raw": "17", "quoted": false, "value": 17}));
    assert_eq!(cell("amount"), json!({"column": "amount", "raw": "12.5", "quoted": false, "value": "12.50"}));
    assert_eq!(cell("note"), json!({"column": "note", "raw": "", "quoted": false, "value": null}));
    assert_eq!(cell("customer_email")["raw"], "***");
    assert_eq!(cell("customer_email")["value"], "***");
    // A text that is not a value has a reason instead.
    let amount = &versions[3]["rows"][0]["columns"][4];
    assert_eq!(
        *amount,
        json!({
            "column": "amount", "raw": "12,50", "quoted": true,
            "refused": "`12,50` is not a decimal(12,2); declare `decimal_mark: \",\"` if it is a number"
        })
    );
    assert_eq!((&versions[3]["change_set"], &versions[3]["operation"]), (&json!("none"), &Value::Null));
    assert_eq!((&versions[6]["operation"]["op"], &versions[6]["rows"]), (&json!("DELETE"), &json!([])));
}

#[test]
fn a_change_in_a_masked_column_is_shown_without_the_value() {
    let workspace = Workspace::new();
    deliver(&workspace, "V1", &order("17", "paid", "1"));
    deliver(&workspace, "V2", &order("17", "paid", "1").replace("secret@", "secret2@"));
    deliver(&workspace, "V3", &order("17", "paid", "1").replace("secret@example.com", ""));
    insta::assert_snapshot!("why_pii", why(&workspace, &["eu", "17"]));
    let row = why_json(&workspace, "acme/orders", &["eu", "17"]);
    let changed = |version: usize| row["versions"][version]["operation"]["changed"].clone();
    assert_eq!(changed(1), json!([{"column": "customer_email", "old": "***", "new": "***"}]));
    assert_eq!(changed(2), json!([{"column": "customer_email", "old": "***", "new": null}]));
}

#[test]
fn rejected_rows_are_found() {
    let workspace = Workspace::new();
    // Unreadable in two columns; a field too many, which shifts the e-mail; text after a quote; the key twice with
    // different rows; the key twice with the same row.
    deliver(&workspace, "V1", &order("17", "much too long for it", "12,50").replace("12,50", "x"));
    deliver(&workspace, "V2", "eu,17,a,secret@example.com,paid,1,,2026-01-01 00:00:00,job\n");
    deliver(&workspace, "V3", "eu,\"17\",\"secret\"@example.com,paid,1,,2026-01-01 00:00:00,job\n");
    deliver(&workspace, "V4", &(order("17", "paid", "1") + &order("18", "paid", "1") + &order("17", "open", "1")));
    deliver(&workspace, "V5", &order("17", "paid", "1").repeat(2));
    insta::assert_snapshot!("why_refused", why(&workspace, &["eu", "17"]));
    let row = why_json(&workspace, "acme/orders", &["eu", "17"]);
    let places: Vec<&Value> = row["versions"].as_array().unwrap().iter().map(|version| &version["places"]).collect();
    assert_eq!(places, [1, 1, 1, 2, 2]);
    assert_eq!(row["versions"][1]["rows"][0]["flaw"], "9 fields where the header has 8");
    assert_eq!(row["versions"][1]["rows"][0]["columns"], json!([]));
}

#[test]
fn many_occurrences_are_counted_and_only_the_first_are_shown() {
    let workspace = Workspace::new();
    deliver(&workspace, "V1", &(0..1000).map(|n| order("17", &format!("s{n}"), "1")).collect::<String>());
    let text = why(&workspace, &["eu", "17"]);
    assert!(text.contains("at 1,000 places") && text.contains("… and at 980 more"), "{text}");
    let row = why_json(&workspace, "acme/orders", &["eu", "17"]);
    assert_eq!(row["versions"][0]["rows"].as_array().unwrap().len(), 20);
}

#[test]
fn files_that_can_no_longer_be_read_are_reported() {
    let workspace = workspace();
    let export = |version: &str| workspace.path(&format!("exports/acme/orders/{version}/part.csv.gz"));
    let changes = |version: &str| workspace.path(&format!(".tidemark/changes/acme/orders/{version}"));
    fs::remove_dir_all(export("V1").parent().unwrap()).unwrap();
    fs::remove_file(export("V2")).unwrap();
    fs::remove_dir_all(changes("V3")).unwrap();
    // A change set that is cut off.
    let set = fs::read_dir(changes("V7")).unwrap().next().unwrap().unwrap().path().join("part-00000.ndjson.gz");
    fs::write(&set, &fs::read(&set).unwrap()[..40]).unwrap();
    // An export that is cut off, and one that was replaced.
    let whole = fs::read(export("V6")).unwrap();
    fs::write(export("V6"), &whole[..whole.len() - 6]).unwrap();
    workspace.export("acme/orders/V8", &format!("{HEADER}{}", order("17", "found again", "1")));
    insta::assert_snapshot!(
        "why_gone",
        why(&workspace, &["eu", "17"]).replace(&*workspace.path("").to_string_lossy(), "~/")
    );
}

#[test]
fn a_held_version_is_shown_as_planned_but_not_published() {
    let workspace = Workspace::new();
    let many: String = (100..300).map(|id| order(&id.to_string(), "paid", "1.00")).collect();
    deliver(&workspace, "V1", &(many + &order("17", "paid", "1")));
    deliver(&workspace, "V2", &order("17", "open", "1"));
    assert_eq!(workspace.statuses("acme/orders")["V2"], "HELD");
    let text = why(&workspace, &["eu", "17"]);
    assert!(text.contains("V2  HELD       part.csv.gz:5  UPDATE  not published  id "), "{text}");
    assert!(text.contains("was paid"), "{text}");
}

#[test]
fn why_writes_nothing_and_needs_no_lease() {
    let workspace = workspace();
    lock_all_tables(&workspace);
    let before = state_of(&workspace);
    why(&workspace, &["eu", "17"]);
    why_json(&workspace, "acme/orders", &["eu", "17"]);
    assert_eq!(state_of(&workspace), before);
}

#[test]
fn usage_errors_name_the_key_columns() {
    let workspace = workspace();
    for (name, arguments) in [
        ("why_without_key", &["why", "acme/orders"][..]),
        ("why_too_few", &["why", "acme/orders", "eu"]),
        ("why_too_many", &["why", "acme/orders", "eu", "17", "18"]),
        ("why_no_number", &["why", "acme/orders", "eu", "seventeen"]),
        ("why_null", &["why", "acme/orders", "", "17"]),
        ("why_unknown_table", &["why", "acme/ordres", "eu", "17"]),
        ("why_unknown_tenant", &["why", "acne/orders", "eu", "17"]),
    ] {
        insta::assert_snapshot!(name, workspace.tidemark(arguments).transcript());
    }
    // An unknown key is not an error; a negative number is not an option.
    insta::assert_snapshot!("why_nobody", why(&workspace, &["eu", "-17"]));
}

fn schema(key: &str, columns: &str, source: &str) -> Vec<u8> {
    format!(
        "table: t\ndescription: A table.\nprimary_key: [{key}]\ncolumns:\n  - {{ name: id, type: int }}\n{columns}source: {{ {source} }}\nengine: {{ athena: false }}\n"
    )
    .into_bytes()
}

#[test]
fn an_export_is_read_with_the_schema_it_was_written_under() {
    let workspace = Workspace::from_schemas();
    let before = "  - { name: note, type: string, nullable: true }\n  - { name: qty, type: string }\n";
    workspace.write("schemas/t.yaml", &schema("id", before, "compression: none, nulls: [\"-\"]"));
    workspace.write("exports/acme/t/V1/t.csv", b"qty,note,id\nmany,-,1\n7,a,2\n");
    workspace.run();
    // Another dialect, a renamed, a retyped and a new column.
    let since = "  - { name: remark, type: string, nullable: true, formerly: note }\n  - { name: qty, type: int }\n  - { name: rate, type: double, default: \"1.5\" }\n";
    workspace.write("schemas/t.yaml", &schema("id", since, "compression: gzip, delimiter: \";\", header: false"));
    workspace.write("exports/acme/t/V2/t.csv.gz", &gzip(b"1;new;7;0.10\n2;a;7;15e-1\n"));
    assert_eq!(workspace.run().status, 0);
    insta::assert_snapshot!("why_epochs", workspace.tidemark(&["why", "acme/t", "1"]).stdout);
    let row = why_json(&workspace, "acme/t", &["1"]);
    let changed = json!([
        {"column": "remark", "old": null, "new": "new"},
        {"column": "qty", "old": "many", "new": 7},
        {"column": "rate", "old": 1.5, "new": 0.1},
    ]);
    assert_eq!(row["versions"][1]["operation"]["changed"], changed);
}

#[test]
fn a_pii_key_is_masked_everywhere() {
    let workspace = Workspace::from_schemas();
    let yaml = String::from_utf8(schema("id", "  - { name: code, type: string }\n", "compression: none")).unwrap();
    workspace.write("schemas/t.yaml", yaml.replace("type: int", "type: int, pii: true").as_bytes());
    workspace.write("exports/acme/t/V1/t.csv", b"id,code\n4711,a\n");
    workspace.run();
    workspace.write("exports/acme/t/V2/t.csv", b"id,code\n4711,a,4711\n");
    workspace.run();
    for arguments in [&["4711"][..], &["4711", "--format", "json"], &["4711x"], &["4711", "4711"]] {
        let output = workspace.tidemark(&[&["why", "acme/t"], arguments].concat());
        assert!(!output.transcript().contains("4711"), "{}", output.transcript());
    }
    assert!(workspace.tidemark(&["why", "acme/t", "4711"]).stdout.contains("acme/t  (***)"));
}

#[test]
fn every_part_is_searched_and_missing_parts_are_reported() {
    const HEADER: &str = "sku,name,category,price,weight_kg,in_stock,tags,released_on,tax_class,note\n";
    let workspace = Workspace::new();
    let part = |sku: &str| format!("{HEADER}{sku},Chair,seats,1.50,0.10,true,,,standard,\n");
    workspace.write("exports/acme/products/V1/a.csv", part("S1").as_bytes());
    workspace.write("exports/acme/products/V1/b.csv", part("S2").as_bytes());
    assert_eq!(workspace.run().status, 0);
    let row = why_json(&workspace, "acme/products", &["S2"]);
    assert_eq!((&row["versions"][0]["rows"][0]["part"], &row["versions"][0]["notes"]), (&json!("b.csv"), &json!([])));
    fs::remove_file(workspace.path("exports/acme/products/V1/a.csv")).unwrap();
    let row = why_json(&workspace, "acme/products", &["S2"]);
    assert_eq!((&row["versions"][0]["places"], &row["versions"][0]["notes"]), (&json!(1), &json!(["a.csv is gone"])));
    fs::remove_file(workspace.path("exports/acme/products/V1/b.csv")).unwrap();
    assert_eq!(why_json(&workspace, "acme/products", &["S2"])["versions"][0]["export"], "gone");
}

#[test]
fn a_changed_primary_key_is_reported_instead_of_guessing_rows() {
    let workspace = Workspace::from_schemas();
    let column = "  - { name: code, type: string }\n";
    workspace.write("schemas/t.yaml", &schema("id", column, "compression: none"));
    workspace.write("exports/acme/t/V1/t.csv", b"id,code\n1,a\n");
    workspace.run();
    workspace.write("schemas/t.yaml", &schema("code", column, "compression: none"));
    let output = workspace.tidemark(&["why", "acme/t", "a"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains("V1  SUCCEEDED  its rows had another key"), "{}", output.stdout);
}
