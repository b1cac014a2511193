//! Quotes in names that no schema gives: those of a database, of a role, and of what somebody added to a table.

use rusqlite::Connection;

use super::rows::in_sqlite;
use super::sqlite::{check_rows, expect, text};
use crate::workspace::Workspace;

#[test]
fn a_file_and_a_column_with_quotes_in_their_names_are_named_as_they_are() {
    let workspace = Workspace::new();
    let run = || workspace.tidemark(&["run", "exports", "--sink", r#"sqlite:it's "my" shop.db"#, "--create"]);
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1)]));
    expect(&run(), 0, r#"Rows are in sqlite:it's "my" shop.db"#);
    let file = workspace.path(r#"it's "my" shop.db"#);
    let execute = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    execute(r#"ALTER TABLE test_table ADD COLUMN "it's ""more""" TEXT"#);
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1)]));
    expect(&run(), 1, r#"column `it's "more"` is not in the schema"#);
    execute(r#"ALTER TABLE test_table DROP COLUMN "it's ""more""""#);
    expect(&run(), 0, "SUCCEEDED");
    assert_eq!(check_rows(&workspace, |table, tenant| in_sqlite(&file, table, tenant)), 2);
}

#[cfg(feature = "postgres")]
#[test]
fn a_database_a_role_a_column_and_a_constraint_with_quotes_in_their_names_are_named_as_they_are() {
    use super::rows::in_postgres;
    use super::server::SERVER;

    let (database, role) = ("it%27s%20%22my%22%20shop", "it%27s%20%22me%22");
    let mut server = SERVER.client("postgres");
    server.batch_execute(r#"CREATE ROLE "it's ""me""" LOGIN"#).unwrap();
    server.batch_execute(r#"CREATE DATABASE "it's ""my"" shop" OWNER "it's ""me""""#).unwrap();
    let workspace = Workspace::new();
    let run = || workspace.tidemark(&["run", "exports", "--sink", &SERVER.socket(role, database), "--create"]);
    let execute = |sql: &str| SERVER.client(database).batch_execute(sql).unwrap();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1)]));
    expect(&run(), 0, "");
    execute(r#"ALTER TABLE test_table ADD COLUMN "it's ""more""" text"#);
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 7)]));
    expect(&run(), 1, r#"column `it's "more"` is not in the schema"#);
    execute(r#"ALTER TABLE test_table DROP COLUMN "it's ""more""""#);
    execute(r#"ALTER TABLE test_table ADD CONSTRAINT "it's ""own""" CHECK (col_1 < 5)"#);
    expect(&run(), 1, r#"constraint `it's "own"` of `test_table`"#);
    execute(r#"ALTER TABLE test_table DROP CONSTRAINT "it's ""own""""#);
    expect(&run(), 0, "SUCCEEDED");
    let mut client = SERVER.client(database);
    assert_eq!(check_rows(&workspace, |table, tenant| in_postgres(&mut client, table, tenant)), 2);
}
