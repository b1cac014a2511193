//! A table with a name of its own in databases.

use rusqlite::Connection;

use super::rows::{exported, in_sqlite};
use super::sqlite::{RUN, expect};
use crate::schema_changes::versions;
use crate::workspace::{Workspace, gzip};

/// The schema of a version, with a name in databases.
pub(super) fn schema(number: usize, name: &str) -> String {
    format!("{}target: {{ name: {name} }}\n", versions()[number - 1].0)
}

/// Delivers a version under its schema.
pub(super) fn deliver(workspace: &Workspace, number: usize, name: &str) {
    workspace.write("schemas/orders.yaml", schema(number, name).as_bytes());
    let export = gzip(versions()[number - 1].1.as_bytes());
    workspace.write(&format!("exports/acme/orders/V{number}/orders.csv.gz"), &export);
}

fn check(workspace: &Workspace, number: usize, name: &str) {
    let table = tests::table::parse(&schema(number, name)).unwrap();
    let expected = exported(table, &workspace.path(&format!("exports/acme/orders/V{number}")));
    assert_eq!(in_sqlite(&workspace.path("shop.db"), table, "acme"), expected, "V{number}");
}

#[test]
fn a_schema_and_a_name_are_one_name_in_sqlite() {
    let workspace = Workspace::from_schemas();
    for number in 1..=5 {
        deliver(&workspace, number, "sales.placed");
        if number == 1 {
            expect(&workspace.tidemark(&RUN[..4]), 1, "sqlite:shop.db sales_placed: the table does not exist");
        }
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check(&workspace, number, "sales.placed");
    }
    Connection::open(workspace.path("shop.db")).unwrap().execute_batch("DELETE FROM sales_placed").unwrap();
    expect(&workspace.tidemark(&["reconcile", "acme/orders", "--to", "sqlite:shop.db", "--repair"]), 0, "put right");
    check(&workspace, 5, "sales.placed");
}

#[test]
fn another_name_is_another_table_which_is_filled_again() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, 1, "placed");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    deliver(&workspace, 2, "sales.placed");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, 2, "sales.placed");
    check(&workspace, 1, "placed");
}

#[test]
fn a_name_that_comes_back_is_refused_until_its_old_table_is_gone() {
    let workspace = Workspace::from_schemas();
    for (number, name) in [(1, "placed"), (2, "sales.placed")] {
        deliver(&workspace, number, name);
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    }
    deliver(&workspace, 3, "placed");
    expect(&workspace.tidemark(&RUN), 1, "before it had another name, and holds the rows of then");
    Connection::open(workspace.path("shop.db")).unwrap().execute_batch("DROP TABLE placed").unwrap();
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, 3, "placed");
}

#[test]
fn the_name_changes_nothing_in_operations() {
    let hash = |schema: &str| tests::table::parse(schema).unwrap().schema;
    assert_eq!(hash(&schema(1, "sales.placed")), hash(&versions()[0].0));
}
