//! `reconcile`: it names each difference between a database and the newest published export, and nothing else.

use serde_json::{Value, json};

use super::sqlite::{RUN, check_against_exports, database, expect, samples, text, with_one_version_applied};
use crate::workspace::{CommandOutput, Workspace};

fn reconcile(workspace: &Workspace, key: &str, more: &[&str]) -> CommandOutput {
    workspace.tidemark(&[&["reconcile", key, "--to", "sqlite:shop.db"], more].concat())
}

#[test]
fn every_table_as_it_was_published_has_no_difference() {
    let workspace = samples();
    expect(&workspace.tidemark(&RUN), 0, "");
    for tenant in ["acme", "globex"] {
        for table in generated::TABLES {
            expect(&reconcile(&workspace, &format!("{tenant}/{}", table.name), &[]), 0, "sqlite:shop.db holds");
        }
    }
}

#[test]
fn each_difference_is_named_and_nothing_else_and_put_right() {
    let workspace = samples();
    expect(&workspace.tidemark(&RUN), 0, "");
    let keys: Vec<(String, i64)> = {
        let database = database(&workspace);
        let sql = "SELECT region, order_id FROM orders WHERE _tenant = 'acme' ORDER BY order_id, region LIMIT 4";
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    let edit = |sql: &str, (region, id): &(String, i64)| {
        let sql = format!("{sql} WHERE _tenant = 'acme' AND region = ?1 AND order_id = ?2");
        assert_eq!(database(&workspace).execute(&sql, rusqlite::params![region, id]).unwrap(), 1);
    };
    edit("DELETE FROM orders", &keys[0]);
    edit("UPDATE orders SET order_id = 999999", &keys[1]);
    edit("UPDATE orders SET status = 'secretly', amount = '7.00'", &keys[2]);
    // It is not compared.
    edit("UPDATE orders SET exported_by = 'me'", &keys[3]);
    let output = reconcile(&workspace, "acme/orders", &["--format", "json"]);
    assert!(output.stdout.contains("differences"), "{}", output.transcript());
    assert_eq!(output.status, 1, "{}", output.transcript());
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    let shown = |(region, id): &(String, i64)| format!("({region}, {id})");
    let mut differences = found["differences"].as_array().unwrap().clone();
    differences.sort_by_key(|difference| difference.to_string());
    let mut expected = vec![
        json!({"kind": "missing", "key": shown(&keys[0]), "columns": []}),
        json!({"kind": "missing", "key": shown(&keys[1]), "columns": []}),
        json!({"kind": "extra", "key": shown(&(keys[1].0.clone(), 999_999)), "columns": []}),
        json!({"kind": "changed", "key": shown(&keys[2]), "columns": ["status", "amount"]}),
    ];
    expected.sort_by_key(|difference| difference.to_string());
    assert_eq!(differences, expected);
    check_repair(&workspace);
}

fn check_repair(workspace: &Workspace) {
    let output = reconcile(workspace, "acme/orders", &[]);
    expect(&output, 1, "2 missing, 1 extra and 1 changed");
    expect(&output, 1, "reconcile acme/orders --to sqlite:shop.db --repair");
    assert!(!output.transcript().contains("secretly"), "{}", output.transcript());
    expect(&reconcile(workspace, "globex/orders", &[]), 0, "sqlite:shop.db holds");
    expect(&reconcile(workspace, "acme/orders", &["--repair", "--because", "edited"]), 0, "The rows are put right.");
    check_against_exports(workspace);
    expect(&reconcile(workspace, "acme/orders", &[]), 0, "sqlite:shop.db holds");
    let history = workspace.tidemark(&["history", "acme/orders", "--format", "json"]);
    assert!(history.stdout.contains("\"repair\"") && history.stdout.contains("edited"), "{}", history.stdout);
}

#[test]
fn keys_of_private_columns_are_masked() {
    let workspace = Workspace::from_schemas();
    let schema = "table: t\nprimary_key: [name]\ncolumns:\n  - { name: name, type: string, pii: true }\n  \
                  - { name: v, type: int }\nsource: { compression: none }\n";
    workspace.write("schemas/t.yaml", schema.as_bytes());
    workspace.write("exports/acme/t/V1/t.csv", b"name,v\nsecret,1\n");
    expect(&workspace.tidemark(&RUN), 0, "");
    database(&workspace).execute_batch("UPDATE t SET v = 2").unwrap();
    let output = reconcile(&workspace, "acme/t", &[]);
    expect(&output, 1, "changed  (***)  v");
    assert!(!output.transcript().contains("secret"), "{}", output.transcript());
}

#[test]
fn a_version_that_a_diverged_table_refused_is_applied_after_the_repair() {
    for edit in [
        "DELETE FROM test_table WHERE PK = 'b'",
        "UPDATE test_table SET _hash = 1 WHERE PK = 'a'",
        "UPDATE _tidemark SET fingerprint = '7'",
    ] {
        let workspace = with_one_version_applied();
        database(&workspace).execute_batch(edit).unwrap();
        let output = workspace.tidemark(&RUN);
        expect(&output, 1, "tidemark reconcile acme/test_table --to sqlite:shop.db --repair");
        expect(&reconcile(&workspace, "acme/test_table", &[]), 1, "sqlite:shop.db differs from acme/test_table V1");
        expect(&reconcile(&workspace, "acme/test_table", &["--repair"]), 0, "The rows are put right.");
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check_against_exports(&workspace);
        expect(&reconcile(&workspace, "acme/test_table", &[]), 0, "sqlite:shop.db holds");
    }
}

#[test]
fn what_cannot_be_reconciled_says_why() {
    let workspace = with_one_version_applied();
    let to = |target: &str| workspace.tidemark(&["reconcile", "acme/test_table", "--to", target]);
    expect(&to("sqlite:other.db"), 1, "the table does not exist");
    expect(&to("/tmp"), 2, "it holds operations, not rows");
    expect(&reconcile(&workspace, "acme/nothing", &[]), 2, "nothing");
    expect(&reconcile(&workspace, "globex/test_table", &[]), 2, "it has no versions yet");
    workspace.export("acme/test_table/V1", &text(&[("a", 7)]));
    expect(&reconcile(&workspace, "acme/test_table", &[]), 1, "baseline-changed");
}
