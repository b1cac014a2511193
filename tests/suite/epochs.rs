//! Schemas that change between two versions: the baseline is compared by today's schema, and a schema change never
//! floods consumers with operations unnoticed.

use serde_json::{Value, json};

use crate::workspace::{CommandOutput, Workspace};

/// A schema of table `t` with the key `id` and these columns.
fn schema(columns: &str) -> String {
    format!(
        "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n{columns}source: {{ compression: none, nulls: [\"\", \"NULL\"] }}\nengine: {{ athena: false }}\n"
    )
}

const BEFORE: &str = "  - { name: note, type: string, nullable: true }\n  - { name: amount, type: string }\n";

/// A table whose V1 was published: 200 rows with `note` and `amount`.
fn workspace() -> Workspace {
    let workspace = Workspace::from_schemas();
    workspace.write("schemas/t.yaml", schema(BEFORE).as_bytes());
    export(&workspace, "V1", "id,note,amount", |n| format!("{n},n{n},{n}.50"));
    assert_eq!(workspace.run().status, 0);
    workspace
}

fn export(workspace: &Workspace, version: &str, header: &str, row: impl Fn(u32) -> String) {
    let rows: String = (1..=200).map(|n| row(n) + "\n").collect();
    workspace.write(&format!("exports/acme/t/{version}/t.csv"), format!("{header}\n{rows}").as_bytes());
}

/// The same table after its schema has changed.
fn changed_schema(columns: &str) -> Workspace {
    let workspace = workspace();
    workspace.write("schemas/t.yaml", schema(columns).as_bytes());
    workspace
}

fn plan(workspace: &Workspace, version: &str) -> CommandOutput {
    workspace.tidemark(&["plan", &format!("acme/t/{version}")])
}

/// The operations of a version, without BEGIN and END.
/// Approves the current plan of a version.
fn approve(workspace: &Workspace, version: &str) {
    let path = format!("acme/t/{version}");
    let planned = workspace.tidemark(&["plan", &path, "--format", "json"]).stdout;
    let planned: Value = serde_json::from_str(&planned).unwrap();
    let output = workspace.tidemark(&["approve", &path, planned["plan"]["hash"].as_str().unwrap()]);
    assert_eq!(output.status, 0, "{}", output.transcript());
}

fn operations(workspace: &Workspace, version: &str) -> Vec<Value> {
    let mut records = workspace.published(&format!("acme/t/{version}"));
    records.retain(|record| !matches!(record["op"].as_str(), Some("BEGIN" | "END")));
    records
}

#[test]
fn an_added_column_takes_its_default_in_baseline_rows() {
    let workspace = changed_schema(
        &(BEFORE.to_owned()
            + "  - { name: qty, type: int, default: \"1\" }\n  - { name: tag, type: string, nullable: true }\n"),
    );
    // The source changed row 7; rows 1 to 150 differ from the default quantity; no row has a tag.
    export(&workspace, "V2", "id,note,amount,qty,tag", |n| {
        format!(
            "{n},{},{n}.50,{},",
            if n == 7 { "other".into() } else { format!("n{n}") },
            if n <= 150 { 2 } else { 1 }
        )
    });
    let output = workspace.run();
    assert_eq!(output.status, 0, "{}", output.transcript());
    insta::assert_snapshot!("added", plan(&workspace, "V2").transcript());
    let operations = operations(&workspace, "V2");
    assert_eq!(operations.len(), 150);
    let operation = |id: u32| operations.iter().find(|operation| operation["key"]["id"] == id).unwrap();
    assert_eq!(operation(1)["changed"], json!(["qty"]));
    assert_eq!(operation(7)["changed"], json!(["note", "qty"]));
    assert_eq!(operation(7)["after"], json!({"note": "other", "amount": "7.50", "qty": 2, "tag": null}));
}

#[test]
fn an_added_required_column_without_a_default_stops_the_run() {
    let workspace = changed_schema(&(BEFORE.to_owned() + "  - { name: qty, type: int }\n"));
    export(&workspace, "V2", "id,note,amount,qty", |n| format!("{n},n{n},{n}.50,1"));
    insta::assert_snapshot!("added_without_default", workspace.run().transcript());
    assert_eq!(workspace.statuses("acme/t")["V2"], "REGISTERED");
    // With a default, the same version is published.
    workspace.write(
        "schemas/t.yaml",
        schema(&(BEFORE.to_owned() + "  - { name: qty, type: int, default: \"1\" }\n")).as_bytes(),
    );
    assert_eq!(workspace.run().status, 0);
    assert!(operations(&workspace, "V2").is_empty());
}

#[test]
fn a_removed_column_is_skipped() {
    let workspace = changed_schema("  - { name: amount, type: string }\n");
    export(&workspace, "V2", "amount,id", |n| format!("{},{n}", if n == 3 { "9".into() } else { format!("{n}.50") }));
    assert_eq!(workspace.run().status, 0);
    insta::assert_snapshot!("removed", plan(&workspace, "V2").transcript());
    let operations = operations(&workspace, "V2");
    assert_eq!(operations.len(), 1);
    assert_eq!((&operations[0]["after"], &operations[0]["changed"]), (&json!({"amount": "9"}), &json!(["amount"])));
}

#[test]
fn a_retyped_column_is_compared_as_its_new_type() {
    let workspace = Workspace::from_schemas();
    workspace.write("schemas/t.yaml", schema(BEFORE).as_bytes());
    // Three old amounts are not decimals; one of them is NULL in a column that is not nullable.
    export(&workspace, "V1", "id,note,amount", |n| match n {
        5 => "5,n5,free".into(),
        6 => "6,n6,NaN".into(),
        7 => "7,n7,".into(),
        _ => format!("{n},n{n},{n}.5"),
    });
    assert_eq!(workspace.run().status, 0);
    workspace.write(
        "schemas/t.yaml",
        (schema("  - { name: note, type: string, nullable: true }\n  - { name: amount, type: \"decimal(10,2)\" }\n")
            + "operations: { before_image: true }\n")
            .as_bytes(),
    );
    // 1.5 equals 1.50; row 8 changes; rows 5, 6 and 7 become readable; row 9 is gone.
    export(&workspace, "V2", "id,note,amount", |n| match n {
        5..=7 => format!("{n},n{n},0"),
        8 => "8,n8,80".into(),
        9 => "1000,n,1".into(),
        _ => format!("{n},n{n},{n}.50"),
    });
    assert_eq!(workspace.run().status, 0);
    insta::assert_snapshot!("retyped", plan(&workspace, "V2").transcript());
    let operations = operations(&workspace, "V2");
    assert_eq!(operations.len(), 6);
    let operation = |id: u32| operations.iter().find(|operation| operation["key"]["id"] == id).unwrap();
    assert_eq!((&operation(5)["op"], &operation(5)["after"]["amount"]), (&json!("UPDATE"), &json!("0.00")));
    // A before image that today's types cannot represent is omitted; the others are present.
    assert_eq!(operation(5).get("before"), None);
    assert_eq!(operation(8)["before"], json!({"note": "n8", "amount": "8.50"}));
    assert_eq!(operation(9)["before"], json!({"note": "n9", "amount": "9.50"}));
}

#[test]
fn an_unreadable_baseline_value_is_hashed_as_raw_text() {
    let workspace =
        changed_schema("  - { name: note, type: string, nullable: true }\n  - { name: amount, type: int }\n");
    export(&workspace, "V2", "id,note,amount", |n| format!("{n},n{n},1"));
    assert_eq!(workspace.run().status, 1);
    let hash = |n: u32| {
        let (id, note, amount) = (n.to_string(), format!("n{n}"), format!("{n}.50"));
        let bytes = format!("{}:{id}{}:{note}!{}:{amount}", id.len(), note.len(), amount.len());
        i128::from(xxhash_rust::xxh64::xxh64(bytes.as_bytes(), 0).cast_signed())
    };
    let output = workspace.tidemark(&["plan", "acme/t/V2", "--format", "json"]);
    let version: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(version["plan"]["baseline_fingerprint"], (1..=200).map(hash).sum::<i128>().to_string());
    // Every row is an UPDATE, so the guard holds the version.
    assert_eq!((&version["status"], &version["reason"]), (&json!("HELD"), &json!("updates 100 % > 50 %")));
    assert_eq!(version["plan"]["findings"]["unreadable"], json!({"amount": 200}));
}

#[test]
fn a_renamed_column_is_held_unless_formerly_names_it() {
    let renamed = |formerly: &str| {
        format!(
            "  - {{ name: remark, type: string, nullable: true{formerly} }}\n  - {{ name: amount, type: string }}\n"
        )
    };
    let workspace = changed_schema(&renamed(""));
    export(&workspace, "V2", "id,remark,amount", |n| format!("{n},n{n},{n}.50"));
    insta::assert_snapshot!("renamed_without_formerly", workspace.run().transcript());
    insta::assert_snapshot!("renamed_without_formerly_plan", plan(&workspace, "V2").transcript());
    assert_eq!(workspace.statuses("acme/t")["V2"], "HELD");
    // Once the schema declares the rename, the version is planned again. Somebody has to look at the new plan.
    workspace.write("schemas/t.yaml", schema(&renamed(", formerly: note")).as_bytes());
    assert_eq!(workspace.run().status, 1);
    approve(&workspace, "V2");
    assert_eq!(workspace.statuses("acme/t")["V2"], "SUCCEEDED");
    insta::assert_snapshot!("renamed", plan(&workspace, "V2").transcript());
    assert!(operations(&workspace, "V2").is_empty());
}

#[test]
fn a_change_of_case_is_a_rename() {
    let workspace =
        changed_schema("  - { name: Note, type: string, nullable: true }\n  - { name: amount, type: string }\n");
    export(&workspace, "V2", "id,Note,amount", |n| format!("{n},n{n},{n}.50"));
    assert_eq!(workspace.run().status, 0);
    assert!(operations(&workspace, "V2").is_empty());
}

#[test]
fn a_changed_primary_key_stops_the_run_until_a_resync() {
    let other_key = schema(BEFORE).replace("primary_key: [id]", "primary_key: [id, amount]");
    let other_type = schema(BEFORE).replace("name: id, type: int", "name: id, type: string");
    for (name, schema) in [("other_key", &other_key), ("other_key_type", &other_type)] {
        let workspace = workspace();
        workspace.write("schemas/t.yaml", schema.as_bytes());
        export(&workspace, "V2", "id,note,amount", |n| format!("{n},n{n},{n}.50"));
        insta::assert_snapshot!(name, workspace.run().transcript());
        assert_eq!(workspace.statuses("acme/t")["V2"], "REGISTERED");
        assert!(operations(&workspace, "V2").is_empty());
        assert_eq!(workspace.tidemark(&["resync", "acme/t"]).status, 0);
        assert_eq!(workspace.run().status, 0);
        let records = workspace.published("acme/t/V2");
        assert_eq!((&records[0]["reset"], &records[0]["previous"]), (&json!(true), &Value::Null));
        assert!(records[1..201].iter().all(|record| record["op"] == "INSERT"));
    }
}

#[test]
fn a_key_that_becomes_a_decimal_of_another_scale_stops_the_run() {
    let keyed_by = |ty: &str| schema(BEFORE).replace("name: id, type: int", &format!("name: id, type: \"{ty}\""));
    for (ty, is_same) in [("decimal(8,1)", true), ("decimal(8,2)", false), ("decimal(6,0)", false), ("int", false)] {
        let workspace = Workspace::from_schemas();
        workspace.write("schemas/t.yaml", keyed_by("decimal(6,1)").as_bytes());
        export(&workspace, "V1", "id,note,amount", |n| format!("{n},n{n},{n}.50"));
        assert_eq!(workspace.run().status, 0);
        workspace.write("schemas/t.yaml", keyed_by(ty).as_bytes());
        export(&workspace, "V2", "id,note,amount", |n| format!("{n},n{n},{n}.50"));
        let output = workspace.run();
        assert_eq!(output.status == 0, is_same, "{ty}: {}", output.transcript());
        assert!(operations(&workspace, "V2").is_empty(), "{ty}");
        let problem = format!("schema-changed: key column `id` was decimal(6,1) and is now {ty}");
        assert_eq!(output.stderr.contains(&problem), !is_same, "{ty}: {}", output.stderr);
    }
}

#[test]
fn a_wider_key_type_is_the_same_key() {
    let workspace = workspace();
    workspace
        .write("schemas/t.yaml", schema(BEFORE).replace("name: id, type: int", "name: id, type: bigint").as_bytes());
    export(&workspace, "V2", "id,note,amount", |n| format!("{n},n{n},{n}.50"));
    assert_eq!(workspace.run().status, 0);
    assert!(operations(&workspace, "V2").is_empty());
}

#[test]
fn the_baseline_is_read_in_its_original_dialect() {
    let workspace = workspace();
    let other = schema(BEFORE).replace(
        "source: { compression: none, nulls: [\"\", \"NULL\"] }",
        "source: { compression: gzip, delimiter: \";\", header: false, quote: none, nulls: [\"-\"] }",
    );
    workspace.write("schemas/t.yaml", other.as_bytes());
    let rows: String =
        (1..=200).map(|n| format!("{n};{};{n}.50\n", if n == 1 { "-".into() } else { format!("n{n}") })).collect();
    workspace.write("exports/acme/t/V2/t.csv.gz", &crate::workspace::gzip(rows.as_bytes()));
    let output = workspace.run();
    assert_eq!(output.status, 0, "{}", output.transcript());
    let operations = operations(&workspace, "V2");
    assert_eq!(operations.len(), 1);
    assert_eq!((&operations[0]["key"], &operations[0]["after"]["note"]), (&json!({"id": 1}), &Value::Null));
    insta::assert_snapshot!("other_dialect", plan(&workspace, "V2").transcript());
}

#[test]
fn the_baseline_keeps_its_columns_own_nulls() {
    let workspace = workspace();
    let own = |nulls: &str| BEFORE.replace("nullable: true", &format!("nullable: true, nulls: [{nulls}]"));
    let note = |n: u32, null: &str| if n == 1 { format!("{n},{null},{n}.50") } else { format!("{n},n{n},{n}.50") };
    for (version, nulls, null) in [("V2", "none", "none"), ("V3", "n/a", "n/a"), ("V4", "", "n/a")] {
        workspace.write("schemas/t.yaml", schema(&own(nulls)).as_bytes());
        export(&workspace, version, "id,note,amount", |n| note(n, null));
        let output = workspace.run();
        assert_eq!(output.status, 0, "{}", output.transcript());
    }
    let notes = |version: &str| -> Vec<Value> {
        operations(&workspace, version).iter().map(|operation| operation["after"]["note"].clone()).collect()
    };
    assert_eq!(notes("V2"), [Value::Null]);
    assert_eq!(notes("V3"), [] as [Value; 0]);
    assert_eq!(notes("V4"), ["n/a"]);
}

#[test]
fn the_baseline_keeps_the_format_of_its_times() {
    for (types, formats, dates) in [
        (["date"; 3], ["%d.%m.%Y", "%m.%d.%Y", ""], ["04.03.2026", "03.04.2026", "2026-03-04"]),
        (["date"; 3], ["", "%d/%m/%y", "%Y-%d-%m"], ["2026-03-04", "04/03/26", "2026-04-03"]),
        (
            ["timestamp", "timestamp", "timestamp"],
            ["epoch_seconds", "epoch_millis", "%Y-%m-%d %H:%M"],
            ["1772582400", "1772582400000", "2026-03-04 00:00"],
        ),
        // A format is that of its type: the old one would read a date, and lose the time of day.
        (["timestamp", "date", "date"], ["%Y%m%d%H%M", "%Y%m%d", ""], ["202603040000", "20260304", "2026-03-04"]),
    ] {
        let workspace = Workspace::from_schemas();
        for version in 0..3 {
            let (ty, format) = (types[version], formats[version]);
            let format = if format.is_empty() { String::new() } else { format!(", format: \"{format}\"") };
            let columns = format!("  - {{ name: day, type: {ty}{format} }}\n");
            workspace.write("schemas/t.yaml", schema(&columns).as_bytes());
            export(&workspace, &format!("V{version}"), "id,day", |n| format!("{n},{}", dates[version]));
            let output = workspace.run();
            let is_retyped = version > 0 && types[version] != types[version - 1];
            assert_eq!(output.status, i32::from(is_retyped), "{formats:?} {}", output.transcript());
            if is_retyped {
                approve(&workspace, &format!("V{version}"));
            }
            let changed = if is_retyped || version == 0 { 200 } else { 0 };
            assert_eq!(operations(&workspace, &format!("V{version}")).len(), changed, "{formats:?}");
        }
    }
}

#[test]
fn the_baseline_keeps_the_words_of_its_booleans() {
    let workspace = Workspace::from_schemas();
    for (version, words, is_true) in [
        ("V1", "", "true"),
        ("V2", ", true_values: [J], false_values: [N]", "J"),
        ("V3", ", true_values: [N], false_values: [J]", "N"),
        ("V4", "", "1"),
    ] {
        let columns = format!("  - {{ name: paid, type: boolean{words} }}\n");
        workspace.write("schemas/t.yaml", schema(&columns).as_bytes());
        export(&workspace, version, "id,paid", |n| format!("{n},{is_true}"));
        let output = workspace.run();
        assert_eq!(output.status, 0, "{version} {}", output.transcript());
        assert_eq!(operations(&workspace, version).len(), if version == "V1" { 200 } else { 0 }, "{version}");
    }
}

#[test]
fn a_held_version_is_planned_again_after_a_schema_change() {
    let workspace = workspace();
    export(&workspace, "V2", "id,note,amount", |n| format!("{n},other,{n}.50"));
    assert_eq!(workspace.run().status, 1);
    workspace.write(
        "schemas/t.yaml",
        schema(&BEFORE.replace("nullable: true", "nullable: true, compare: false")).as_bytes(),
    );
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.statuses("acme/t")["V2"], "HELD");
    approve(&workspace, "V2");
    assert_eq!(workspace.statuses("acme/t")["V2"], "SUCCEEDED");
    assert!(operations(&workspace, "V2").is_empty());
}
