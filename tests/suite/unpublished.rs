//! Columns with `publish: false`: checked like all others, and seen by nobody.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use runtime::canonical::row::Layout;
use runtime::operation::SchemaChange;
use serde_json::{Value, json};

use crate::workspace::{CommandOutput, Workspace, files};

/// A schema of table `t` with the key `id` and these columns.
fn schema(columns: &str) -> String {
    format!(
        "table: t\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n{columns}source: {{ compression: none }}\nengine: {{ athena: false }}\noperations: {{ before_image: true }}\n"
    )
}

const NAME: &str = "  - { name: name, type: string }\n";

/// The column `pin`, with these options.
fn pin(options: &str) -> String {
    format!("  - {{ name: pin, type: int{options} }}\n")
}

/// Runs a command with full logging, and asserts that nothing it prints contains a secret.
fn run_traced(workspace: &Workspace, status: i32, arguments: &[&str]) -> CommandOutput {
    let output = workspace.tidemark_with_env(arguments, &[("RUST_LOG", "trace")]);
    assert_eq!(output.status, status, "{arguments:?}: {}", output.transcript());
    assert_keeps_secrets(&format!("{}{}", output.stdout, output.stderr), &format!("{arguments:?}"));
    output
}

fn assert_keeps_secrets(text: &str, place: &str) {
    for secret in ["s3cr3t", "czNjcjN0", "31415926"] {
        assert!(!text.contains(secret), "{place}: {text}");
    }
}

/// A table with three exports, of which the last cannot be read, with secrets in all columns that are not published.
fn with_secrets() -> Workspace {
    let workspace = Workspace::from_schemas();
    let columns = "  - { name: hash, type: varchar(8), publish: false }\n  - { name: note, type: date, nullable: true, publish: false }\n";
    workspace.write("schemas/t.yaml", schema(&(NAME.to_owned() + &pin(", publish: false") + columns)).as_bytes());
    let export = |version: &str, rows: &str| {
        let text = format!("hash,id,pin,name,note\n{rows}");
        workspace.write(&format!("exports/acme/t/{version}/t.csv"), text.as_bytes());
    };
    export("V1", "s3cr3t-1,1,31415926,Ann,\ns3cr3t-2,2,31415926,Bob,\ns3cr3t-3,3,31415926,Cleo,\n");
    export("V2", "s3cr3t-4,1,31415926,Anne,\ns3cr3t-5,2,314159260,Bob,\ns3cr3t-3,4,31415926,Dan,\n");
    // The first hash is too long, the pin is not a number, the note is not a date.
    export("V3", "s3cr3t-12,1,31415926,Anne,\ns3cr3t-2,2,31415926x,Bob,\ns3cr3t-3,4,31415926,Dan,czNjcjN0\n");
    workspace
}

#[test]
fn what_is_not_published_reaches_no_output_file_log_or_error() {
    let workspace = with_secrets();
    let output = run_traced(&workspace, 1, &["run", "exports"]);
    for column in ["hash", "pin", "note"] {
        assert!(output.stderr.contains(&format!("{column}  ")), "{}", output.stderr);
    }
    assert!(output.stderr.contains("a masked value is not an int"), "{}", output.stderr);
    let operations = workspace.published("acme/t/V2");
    assert_eq!(operations.len(), 5, "{operations:?}");
    let update = operations.iter().find(|record| record["op"] == "UPDATE").unwrap();
    assert_eq!((&update["after"], &update["before"]), (&json!({"name": "Anne"}), &json!({"name": "Ann"})));
    for command in [
        &["plan", "acme/t/V2"][..],
        &["plan", "acme/t/V2", "--format", "json"],
        &["why", "acme/t", "1"],
        &["why", "acme/t", "2", "--format", "json"],
        &["history", "acme/t", "V3"],
        &["verify"],
        &["replay", "acme/t/V2", "--out", "again"],
        &["delta", "t", "exports/acme/t/V1", "exports/acme/t/V2"],
        &["status"],
    ] {
        run_traced(&workspace, 0, command);
    }
    run_traced(&workspace, 1, &["delta", "t", "exports/acme/t/V1", "exports/acme/t/V3"]);
    for folder in ["out", "again", ".tidemark"] {
        for (path, bytes) in files(&workspace.path(folder)) {
            let mut text = Vec::new();
            let is_gzip = MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).is_ok();
            let text = String::from_utf8_lossy(if is_gzip { &text } else { &bytes }).into_owned();
            assert_keeps_secrets(&text, &path.to_string_lossy());
        }
    }
}

#[test]
fn a_row_mistaken_for_a_header_is_not_shown_if_columns_are_not_published() {
    let workspace = Workspace::from_schemas();
    workspace.write("schemas/t.yaml", schema(&(NAME.to_owned() + &pin(", publish: false"))).as_bytes());
    workspace.write("exports/acme/t/V1/t.csv", b"1,s3cr3t,31415926\n2,s3cr3t,31415926\n");
    run_traced(&workspace, 1, &["run", "exports"]);
}

/// Publishes V1 and V2 of table `t`, each under its schema.
fn two_schemas(before: &str, after: &str) -> Workspace {
    let workspace = Workspace::from_schemas();
    for (version, columns, rows) in
        [("V1", before, "1,Ann,11\n2,Bob,0\n3,Cleo,\n"), ("V2", after, "1,Ann,11\n2,Bob,5\n3,Cleo,\n")]
    {
        workspace.write("schemas/t.yaml", schema(&(NAME.to_owned() + columns)).as_bytes());
        let text = format!("id,name,pin\n{rows}");
        workspace.write(&format!("exports/acme/t/{version}/t.csv"), text.as_bytes());
        let output = workspace.run();
        assert_eq!(output.status, 0, "{version}: {}", output.transcript());
    }
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
    workspace
}

/// Folds both versions as a consumer does, and asserts that its rows have the fingerprints of BEGIN and END.
fn assert_carried_over(workspace: &Workspace, columns: &str) {
    let table = tests::table::parse(&schema(&(NAME.to_owned() + columns))).unwrap();
    let layout = Layout::new(table);
    let mut rows: BTreeMap<String, (Value, Value)> = BTreeMap::new();
    let fingerprint = |rows: &BTreeMap<String, (Value, Value)>| -> String {
        let hashes = rows.values().map(|(key, values)| i128::from(layout.hash_of_typed(key, values).unwrap()));
        hashes.sum::<i128>().to_string()
    };
    for version in ["V1", "V2"] {
        for record in workspace.published(&format!("acme/t/{version}")) {
            let key = record["key"].to_string();
            match record["op"].as_str().unwrap() {
                "BEGIN" if version == "V2" => {
                    let change: SchemaChange = serde_json::from_value(record["schema_change"].clone()).unwrap();
                    rows.values_mut().for_each(|(_, values)| change.carry_over(values.as_object_mut().unwrap()));
                    assert_eq!(record["fingerprint"], fingerprint(&rows));
                }
                "END" if version == "V2" => assert_eq!(record["fingerprint"], fingerprint(&rows)),
                "BEGIN" | "END" => {}
                "DELETE" => drop(rows.remove(&key)),
                _ => drop(rows.insert(key, (record["key"].clone(), record["after"].clone()))),
            }
        }
    }
}

fn change(workspace: &Workspace) -> Value {
    workspace.published("acme/t/V2")[0]["schema_change"].clone()
}

#[test]
fn a_column_that_becomes_published_is_an_added_column() {
    let after = pin(", nullable: true, default: \"11\"");
    let workspace = two_schemas(&pin(", nullable: true, publish: false"), &after);
    assert_eq!(change(&workspace)["added"], json!([{"name": "pin", "type": "int", "value": 11}]));
    assert_eq!(change(&workspace)["dropped"], json!([]));
    // Consumers have 11 in every row.
    let changed: Vec<Value> =
        workspace.published("acme/t/V2").into_iter().filter(|record| record["op"] == "UPDATE").collect();
    let changed: BTreeMap<String, &Value> =
        changed.iter().map(|record| (record["key"]["id"].to_string(), &record["after"]["pin"])).collect();
    assert_eq!(json!(changed), json!({"2": 5, "3": null}));
    assert_carried_over(&workspace, &after);
}

#[test]
fn a_column_that_is_no_longer_published_is_a_dropped_column() {
    let after = pin(", nullable: true, publish: false");
    let workspace = two_schemas(&pin(", nullable: true"), &after);
    assert_eq!((&change(&workspace)["added"], &change(&workspace)["dropped"]), (&json!([]), &json!(["pin"])));
    assert_eq!(workspace.published("acme/t/V2").len(), 2);
    assert_carried_over(&workspace, &after);
}

#[test]
fn a_column_that_stays_unpublished_is_no_schema_change_for_consumers() {
    let after = pin(", nullable: true, publish: false, trim: true");
    let workspace = two_schemas(&pin(", nullable: true, publish: false"), &after);
    for list in ["added", "dropped", "renamed", "retyped"] {
        assert_eq!(change(&workspace)[list], json!([]));
    }
    assert_eq!(workspace.published("acme/t/V2").len(), 2);
    assert_carried_over(&workspace, &after);
}

#[test]
fn a_column_that_becomes_published_needs_a_value_for_older_rows() {
    let workspace = Workspace::from_schemas();
    for (version, options) in [("V1", ", publish: false"), ("V2", "")] {
        workspace.write("schemas/t.yaml", schema(&(NAME.to_owned() + &pin(options))).as_bytes());
        workspace.write(&format!("exports/acme/t/{version}/t.csv"), b"id,name,pin\n1,Ann,1\n");
        let output = workspace.run();
        assert_eq!(output.status == 0, version == "V1", "{}", output.transcript());
        assert_eq!(output.stderr.contains("`pin` is not nullable and has no default"), version == "V2");
    }
}

#[test]
fn unreadable_values_of_an_older_schema_do_not_matter_if_they_are_not_published() {
    let workspace = Workspace::from_schemas();
    for (version, column, value) in [
        ("V1", "type: string", "none"),
        ("V2", "type: int, publish: false", "1"),
        ("V3", "type: int, publish: false", "x"),
    ] {
        let columns = format!("{NAME}  - {{ name: pin, {column} }}\n");
        workspace.write("schemas/t.yaml", schema(&columns).as_bytes());
        let text = format!("id,name,pin\n1,Ann,{value}\n");
        workspace.write(&format!("exports/acme/t/{version}/t.csv"), text.as_bytes());
        assert_eq!(workspace.run().status, i32::from(version == "V3"), "{version}");
    }
}
