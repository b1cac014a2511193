//! The tables that hold the rows of the newest version: what is generated for them, and that they equal it.

mod apply;
#[cfg(feature = "postgres")]
mod connections;
mod faults;
mod history;
mod history_schemas;
mod kills;
#[cfg(feature = "aws")]
mod kinesis;
mod named;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_faults;
#[cfg(feature = "postgres")]
mod postgres_history;
#[cfg(feature = "postgres")]
mod postgres_stream;
#[cfg(feature = "postgres")]
mod postgres_tenants;
mod quotes;
mod reconcile;
mod refused;
pub(crate) mod rows;
mod schema_changes;
#[cfg(feature = "postgres")]
pub(crate) mod server;
mod several;
mod sqlite;
mod stream;
mod stream_schemas;

use generated::TABLES;
use rusqlite::Connection;

/// A schema with this name and these columns after its key.
fn schema(name: &str, columns: &str) -> String {
    format!(
        "table: {name}\ndescription: \"Quotes ' and \\\" and\\na second line.\"\nprimary_key: [id]\n\
         columns:\n  - {{ name: id, type: int, description: \"The customer's id.\" }}\n{columns}"
    )
}

fn target(name: &str, columns: &str) -> generator::Target {
    let model = tests::table::model(&schema(name, columns)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    generator::target(&model)
}

#[test]
fn generated_statements_create_every_table_in_sqlite_with_the_tenant_first_in_its_key() {
    for table in TABLES {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(table.target.sqlite.unwrap()).unwrap();
        let columns = |filter: &str| -> Vec<String> {
            let sql = format!("SELECT name FROM pragma_table_info(?1) {filter}");
            let mut statement = database.prepare(&sql).unwrap();
            statement.query_map([table.target.name], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let names = table.columns.iter().map(|column| column.name);
        let all: Vec<&str> = ["_tenant"].into_iter().chain(names).chain(["_sequence", "_hash"]).collect();
        assert_eq!(columns("ORDER BY cid"), all);
        let key: Vec<&str> = ["_tenant"].into_iter().chain(table.primary_key.iter().copied()).collect();
        assert_eq!(columns("WHERE pk > 0 ORDER BY pk"), key);
        let nullable: Vec<&str> =
            table.columns.iter().filter(|column| column.nullable).map(|column| column.name).collect();
        assert_eq!(columns("WHERE NOT \"notnull\" ORDER BY cid"), nullable);
    }
}

#[test]
fn descriptions_become_comments_whatever_is_in_them() {
    let target = target("customers", "");
    let (sqlite, postgres) = (target.sqlite.unwrap(), target.postgres.unwrap());
    Connection::open_in_memory().unwrap().execute_batch(&sqlite).unwrap();
    assert!(sqlite.contains("-- Quotes ' and \" and a second line.\n"), "{sqlite}");
    assert!(sqlite.contains("-- int. The customer's id.\n"), "{sqlite}");
    let comment = "COMMENT ON TABLE \"customers\" IS 'Quotes '' and \" and\na second line.';\n";
    assert!(postgres.contains(comment), "{postgres}");
    assert!(postgres.contains("\"id\" IS 'int. The customer''s id.';\n"), "{postgres}");
}

#[test]
fn a_table_in_a_schema_of_each_tenant_is_for_postgres_only() {
    let target = target("orders", "target: { tenants: schema, history: true }\n");
    assert_eq!(target.sqlite.unwrap_err(), "each tenant has a schema of its own, and SQLite has no schemas");
    assert!(target.postgres.unwrap().contains("CREATE TABLE \"TENANT\".\"orders\" ("));
    let [_, [history, view]] = target.history.unwrap();
    assert!(history.contains("CREATE TABLE \"TENANT\".\"orders_history\" ("), "{history}");
    assert!(view.contains("CREATE VIEW \"TENANT\".\"orders_as_of\" AS"), "{view}");
}

#[test]
fn a_table_that_a_database_cannot_hold_has_no_statements_there_but_a_reason() {
    let column = |name: &str| format!("  - {{ name: {name}, type: int }}\n");
    let many: String = (0..1_998).map(|number| column(&format!("c{number}"))).collect();
    let wide: String = (0..1_000).map(|number| format!("  - {{ name: c{number}, type: bigint }}\n")).collect();
    let long = format!("c{}", "x".repeat(63));
    for (name, columns, in_sqlite, in_postgres) in [
        ("sqlite_orders", "", Some("SQLite keeps names such as `sqlite_orders` to itself"), None),
        ("orders", &*column("XMIN"), None, Some("every table of PostgreSQL has a column `XMIN` of its own")),
        ("orders", &*column(&long), None, Some("is longer than 63 bytes, where PostgreSQL cuts names")),
        ("orders", &*wide, None, Some("a row can take 8004 bytes, and a page of PostgreSQL holds 8000")),
        (
            "orders",
            &*many,
            Some("it has 1999 columns, and there is room for 1997"),
            Some("it has 1999 columns, and there is room for 1597"),
        ),
    ] {
        let columns = format!("{columns}engine: {{ athena: false }}\n");
        let target = target(name, &columns);
        for (statements, expected) in [(target.sqlite, in_sqlite), (target.postgres, in_postgres)] {
            let problem = statements.err().unwrap_or_default();
            assert!(problem.contains(expected.unwrap_or_default()), "{problem}");
            assert_eq!(problem.is_empty(), expected.is_none(), "{name}: {problem}");
        }
    }
}
