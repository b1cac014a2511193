//! A table whose schema changes: its table in a database is altered, and its rows are those of the newest export, read
//! with today's schema.

use runtime::breakpoint::Breakpoint;
use rusqlite::Connection;

use super::rows::{exported, in_sqlite};
use super::sqlite::{RUN, expect};
use crate::breakpoints::StoppedProcess;
use crate::schema_changes::versions;
use crate::workspace::{Workspace, gzip};

fn deliver(workspace: &Workspace, tenant: &str, number: usize) {
    let (schema, export) = &versions()[number - 1];
    workspace.write("schemas/orders.yaml", schema.as_bytes());
    workspace.write(&format!("exports/{tenant}/orders/V{number}/orders.csv.gz"), &gzip(export.as_bytes()));
}

/// Checks a tenant's rows against an export under the schema of its time.
fn check(workspace: &Workspace, tenant: &str, number: usize) {
    let table = tests::table::parse(&versions()[number - 1].0).unwrap();
    let expected = exported(table, &workspace.path(&format!("exports/{tenant}/orders/V{number}")));
    assert_eq!(in_sqlite(&workspace.path("shop.db"), table, tenant), expected, "{tenant} V{number}");
}

#[test]
fn columns_that_are_added_dropped_renamed_and_retyped_are_altered() {
    let workspace = Workspace::from_schemas();
    for number in 1..=5 {
        deliver(&workspace, "acme", number);
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check(&workspace, "acme", number);
        let expected = Connection::open_in_memory().unwrap();
        let table = tests::table::parse(&versions()[number - 1].0).unwrap();
        expected.execute_batch(table.target.sqlite.unwrap()).unwrap();
        let columns = |database: &Connection| -> Vec<(String, String, bool)> {
            let sql = "SELECT name, type, \"notnull\" FROM pragma_table_info('orders') ORDER BY name";
            let mut statement = database.prepare(sql).unwrap();
            let column = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            statement.query_map([], column).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(columns(&Connection::open(workspace.path("shop.db")).unwrap()), columns(&expected), "V{number}");
    }
}

#[test]
fn the_statements_of_a_changed_schema_are_printed_and_nothing_is_planned_until_they_ran() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 1);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    deliver(&workspace, "acme", 2);
    let output = workspace.tidemark(&RUN[..4]);
    expect(&output, 1, "the table is not that of today's schema; nothing was planned");
    let statements: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert!(statements.contains(&"ALTER TABLE \"orders\" RENAME COLUMN \"status\" TO \"state\";"), "{statements:?}");
    assert!(statements.contains(&"ALTER TABLE \"orders\" DROP COLUMN \"legacy\";"), "{statements:?}");
    assert_eq!(workspace.statuses("acme/orders")["V2"], "REGISTERED");
    check(&workspace, "acme", 1);
    Connection::open(workspace.path("shop.db")).unwrap().execute_batch(&statements.join("\n")).unwrap();
    expect(&workspace.tidemark(&RUN[..4]), 0, "SUCCEEDED");
    check(&workspace, "acme", 2);
}

#[test]
fn tenants_that_have_no_new_version_are_read_again_under_the_new_schema() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 3);
    deliver(&workspace, "globex", 3);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    deliver(&workspace, "acme", 4);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, "acme", 4);
    let sql = "SELECT status, amount, note FROM orders WHERE _tenant = ?1 ORDER BY order_id LIMIT 1 OFFSET 1";
    let database = Connection::open(workspace.path("shop.db")).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let read: (String, String, String) = database.query_row(sql, ["globex"], row).unwrap();
    assert_eq!(read, ("paid".into(), "7.5".into(), "none".into()));
    deliver(&workspace, "globex", 4);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, "globex", 4);
}

#[test]
fn a_version_that_was_being_published_under_the_earlier_schema_is_read_from_its_export() {
    // The first version that is applied is V1 again, under the new schema.
    for (step, nth) in [(Breakpoint::Publishing, 1), (Breakpoint::Marked, 2), (Breakpoint::PartPublished, 2)] {
        let workspace = Workspace::from_schemas();
        deliver(&workspace, "acme", 1);
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        deliver(&workspace, "acme", 2);
        StoppedProcess::start(&workspace, &RUN, step, nth).unwrap().kill();
        assert_eq!(workspace.statuses("acme/orders")["V2"], "PUBLISHING");
        deliver(&workspace, "acme", 3);
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check(&workspace, "acme", 3);
        assert_eq!(workspace.statuses("acme/orders")["V2"], "SUCCEEDED");
    }
}

#[test]
fn a_table_without_rows_is_altered_too() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 1);
    workspace.write("exports/acme/orders/V1/orders.csv.gz", &gzip(b"region,order_id\n"));
    expect(&workspace.tidemark(&RUN), 1, "FAILED");
    deliver(&workspace, "acme", 2);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, "acme", 2);
}

#[test]
fn a_column_that_somebody_added_is_refused_and_never_dropped() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 1);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let database = Connection::open(workspace.path("shop.db")).unwrap();
    database.execute_batch("ALTER TABLE orders ADD COLUMN own TEXT; UPDATE orders SET own = 'mine'").unwrap();
    deliver(&workspace, "acme", 2);
    expect(&workspace.tidemark(&RUN), 1, "the table there is not as generated: column `own` is not in the schema\n");
    let kept = "SELECT count(*) FROM orders WHERE own = 'mine' AND legacy IS NOT NULL";
    assert_eq!(database.query_row(kept, [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    database.execute_batch("ALTER TABLE orders DROP COLUMN own").unwrap();
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, "acme", 2);
}

#[test]
fn a_changed_key_needs_a_version_in_full() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 5);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let schema = versions()[4].0.replace("primary_key: [region, order_id]", "primary_key: [order_id]");
    workspace.write("schemas/orders.yaml", schema.as_bytes());
    let export = versions()[4].1.replace("eu,1", "eu,7");
    workspace.write("exports/acme/orders/V6/orders.csv.gz", &gzip(export.as_bytes()));
    expect(&workspace.tidemark(&RUN), 1, "another place in the primary key");
    Connection::open(workspace.path("shop.db")).unwrap().execute_batch("DROP TABLE orders").unwrap();
    expect(&workspace.tidemark(&RUN), 1, "the primary key was (region, order_id) and is now (order_id)");
    expect(&workspace.tidemark(&["resync", "acme/orders"]), 0, "");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let table = tests::table::parse(&schema).unwrap();
    let expected = exported(table, &workspace.path("exports/acme/orders/V6"));
    assert_eq!(in_sqlite(&workspace.path("shop.db"), table, "acme"), expected);
}

/// A database as an earlier release left it.
fn without_recorded_tables() -> (Workspace, Connection) {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 1);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let database = Connection::open(workspace.path("shop.db")).unwrap();
    database.execute_batch("DROP TABLE _tidemark_tables").unwrap();
    (workspace, database)
}

#[test]
fn a_database_of_an_earlier_release_is_refused_with_what_it_lacks() {
    let (workspace, _) = without_recorded_tables();
    let lacks = "the database lacks `_tidemark_tables`, which this version needs; nothing was";
    let reconcile = ["reconcile", "acme/orders", "--to", "sqlite:shop.db"];
    expect(&workspace.tidemark(&reconcile), 1, lacks);
    expect(&workspace.tidemark(&reconcile), 1, "or run once with --create, which runs them");
    workspace.write("exports/acme/orders/V2/orders.csv.gz", &gzip(versions()[0].1.as_bytes()));
    expect(&workspace.tidemark(&RUN[..4]), 1, lacks);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    expect(&workspace.tidemark(&reconcile), 0, "");
}

#[test]
fn a_column_that_nobody_recorded_is_not_dropped() {
    let (workspace, database) = without_recorded_tables();
    deliver(&workspace, "acme", 2);
    expect(&workspace.tidemark(&RUN), 1, "the table there is not as generated: column `legacy` is not in the schema\n");
    let kept = "SELECT count(*) FROM orders WHERE legacy IS NOT NULL AND status IS NOT NULL";
    assert_eq!(database.query_row(kept, [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    database.execute_batch("ALTER TABLE orders DROP COLUMN legacy").unwrap();
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check(&workspace, "acme", 2);
}

#[test]
fn a_key_that_loses_a_column_of_the_schema_is_refused() {
    let workspace = Workspace::from_schemas();
    deliver(&workspace, "acme", 5);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let schema = versions()[4].0.replace("primary_key: [region, order_id]", "primary_key: [region]");
    let schema: String =
        schema.split_inclusive('\n').filter(|line| !line.contains("name: order_id")).collect::<Vec<_>>().concat();
    workspace.write("schemas/orders.yaml", schema.as_bytes());
    workspace.write("exports/acme/orders/V6/orders.csv.gz", &gzip(versions()[4].1.as_bytes()));
    expect(&workspace.tidemark(&RUN), 1, "the table there is not as generated: column `order_id` is not in the schema");
}
