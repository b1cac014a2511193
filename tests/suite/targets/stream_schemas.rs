//! A table that a stream feeds, whose schema changes: what is not sent again, and what comes late.

use super::rows::{exported, in_sqlite};
use super::sqlite::{expect, table};
use super::stream::{apply, dice, published_lines, shuffled};
use crate::schema_changes::{orders_through_its_schemas, versions};
use crate::workspace::{Workspace, gzip};

/// The lines of these versions.
pub(super) fn lines_of(workspace: &Workspace, versions: &[usize]) -> Vec<String> {
    let names: Vec<String> = versions.iter().map(|number| format!("\"version\":\"V{number}\"")).collect();
    let lines = published_lines(workspace).into_iter();
    lines.filter(|line| names.iter().any(|name| line.contains(name))).collect()
}

/// Publishes a version of `orders` under its schema.
pub(super) fn publish_orders(workspace: &Workspace, number: usize) {
    let (schema, export) = &versions()[number - 1];
    workspace.write("schemas/orders.yaml", schema.as_bytes());
    workspace.write(&format!("exports/acme/orders/V{number}/orders.csv.gz"), &gzip(export.as_bytes()));
    expect(&workspace.run(), 0, "SUCCEEDED");
}

/// Checks the rows of `orders` against an export under the schema of its time.
fn check_orders(workspace: &Workspace, number: usize) {
    let table = tests::table::parse(&versions()[number - 1].0).unwrap();
    let expected = exported(table, &workspace.path(&format!("exports/acme/orders/V{number}")));
    assert_eq!(in_sqlite(&workspace.path("shop.db"), table, "acme"), expected, "V{number}");
}

#[test]
fn rows_that_are_not_sent_again_are_read_under_every_schema() {
    let workspace = Workspace::from_schemas();
    let mut dice = dice(11);
    for number in 1..=5 {
        publish_orders(&workspace, number);
        // First only repetitions, which are of the schema before.
        let again: Vec<usize> = (1..number).collect();
        let repeated = apply(&workspace, &lines_of(&workspace, &again));
        assert!(number == 1 || repeated.stdout.contains("complete"), "V{number}: {}", repeated.transcript());
        let lines = shuffled(&lines_of(&workspace, &[number]), &mut dice);
        let (begin, rest): (Vec<String>, Vec<String>) = lines.into_iter().partition(|line| line.contains("\"BEGIN\""));
        expect(&apply(&workspace, &begin), 0, "arriving");
        expect(&apply(&workspace, &rest), 0, "complete");
        check_orders(&workspace, number);
        expect(&workspace.tidemark(&["reconcile", "acme/orders", "--to", "sqlite:shop.db"]), 0, "");
    }
}

#[test]
fn operations_of_an_earlier_schema_are_read_with_todays_whatever_their_order() {
    for seed in 0..5 {
        let workspace = Workspace::from_schemas();
        [1, 2].into_iter().for_each(|number| publish_orders(&workspace, number));
        let lines = shuffled(&published_lines(&workspace), &mut dice(seed + 1));
        let (first, second) = lines.split_at(lines.len() / 2);
        apply(&workspace, first);
        expect(&apply(&workspace, second), 0, "complete");
        check_orders(&workspace, 2);
    }
}

#[test]
fn operations_that_todays_schema_cannot_read_are_skipped_and_said_to_be() {
    let workspace = Workspace::from_schemas();
    for (version, ty, value) in [("V1", "string", "x"), ("V2", "int", "5")] {
        let schema = format!(
            "table: things\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n  - {{ name: a, type: {ty} }}\n"
        );
        workspace.write("schemas/things.yaml", schema.as_bytes());
        // Enough other rows for the guards.
        let others: String = (2..20).map(|id| format!("{id},{id}\n")).collect();
        let export = format!("id,a\n1,{value}\n{others}");
        workspace.write(&format!("exports/acme/things/{version}/part.csv.gz"), &gzip(export.as_bytes()));
        expect(&workspace.run(), 0, "SUCCEEDED");
    }
    let output = apply(&workspace, &published_lines(&workspace));
    expect(&output, 0, "1 operation of acme/things were skipped: they were published under another schema, and");
    expect(&output, 0, "complete");
}

#[test]
fn names_that_earlier_schemas_do_not_say_differ_until_a_version_comes_in_full() {
    let workspace = orders_through_its_schemas();
    let lines = published_lines(&workspace);
    expect(&apply(&workspace, &lines), 1, "acme/orders is not as of V5");
    let in_full: Vec<String> = {
        expect(&workspace.tidemark(&["resync", "acme/orders"]), 0, "");
        let header = "region,order_id,customer_email,status,amount,note,updated_at,exported_by";
        workspace.export("acme/orders/V6", &format!("{header}\neu,7,,open,1.50,,2026-01-01 00:00:00,a\n"));
        let run = workspace.run();
        assert!(run.status < 2, "{}", run.transcript());
        published_lines(&workspace).into_iter().filter(|line| line.contains("\"V6\"")).collect()
    };
    expect(&apply(&workspace, &in_full), 0, "complete");
    let rows = in_sqlite(&workspace.path("shop.db"), table("orders"), "acme");
    assert_eq!(rows, exported(table("orders"), &workspace.path("exports/acme/orders/V6")));
}
