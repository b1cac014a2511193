//! Rows that a constraint or a trigger refuses: which row and what refuses it are named, and no other value.

use super::sqlite::{RUN, check_against_exports, database, expect, text, with_one_version_applied};
use crate::workspace::Workspace;

/// The second version: one row is changed, one deleted, two are new.
const SECOND: &str = "a;2;hidden;\nc;1;a;\nd;1;hidden;\nsecret;1;hidden;\n";

/// What refuses a row of [`SECOND`], what is said about it, which row it is, and what puts an end to it.
const REFUSALS: [(&str, &str, &str, &str); 4] = [
    (
        "CREATE UNIQUE INDEX own ON test_table (COL_1) WHERE PK IN ('d', 'secret')",
        "UNIQUE constraint failed: test_table.COL_1",
        "INSERT of (secret)",
        "DROP INDEX own",
    ),
    (
        "CREATE TRIGGER own BEFORE INSERT ON test_table BEGIN SELECT RAISE(ABORT, 'not on Sundays'); END",
        "not on Sundays",
        "INSERT of (d)",
        "DROP TRIGGER own",
    ),
    (
        "CREATE TRIGGER own BEFORE UPDATE ON test_table BEGIN SELECT RAISE(FAIL, 'never'); END",
        "never",
        "UPDATE of (a)",
        "DROP TRIGGER own",
    ),
    (
        "CREATE TABLE invoices (t TEXT, k TEXT, FOREIGN KEY (t, k) REFERENCES test_table);
         INSERT INTO invoices VALUES ('acme', 'b')",
        "FOREIGN KEY constraint failed",
        "DELETE of (b)",
        "DELETE FROM invoices",
    ),
];

#[test]
fn the_row_and_the_constraint_are_named_and_the_next_run_goes_on_without_it() {
    for (constraint, problem, row, removal) in REFUSALS {
        let workspace = with_one_version_applied();
        workspace.export("acme/test_table/V2", SECOND);
        database(&workspace).execute_batch(constraint).unwrap();
        let output = workspace.tidemark_with_env(&RUN, &[("RUST_LOG", "debug")]);
        expect(&output, 1, &format!("the table refuses a row: {problem}"));
        expect(&output, 1, &format!("; it is the {row}"));
        assert!(!output.stderr.contains("hidden"), "{}", output.stderr);
        let held = "SELECT version || count(*) FROM test_table, _tidemark";
        assert_eq!(database(&workspace).query_row(held, [], |row| row.get::<_, String>(0)).unwrap(), "V13");
        database(&workspace).execute_batch(removal).unwrap();
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check_against_exports(&workspace);
    }
}

#[test]
fn a_trigger_that_ends_the_transaction_is_named_without_a_row() {
    let workspace = with_one_version_applied();
    let trigger = "CREATE TRIGGER own BEFORE INSERT ON test_table BEGIN SELECT RAISE(ROLLBACK, 'no more'); END";
    database(&workspace).execute_batch(trigger).unwrap();
    expect(&workspace.tidemark(&RUN), 1, "the table refuses a row: no more");
    database(&workspace).execute_batch("DROP TRIGGER own").unwrap();
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}

#[test]
fn the_row_of_a_version_in_full_is_named_and_masked_if_its_key_is_private() {
    let schema = include_str!("../../../schemas/test_table.yaml");
    let private = schema.replacen("{ name: PK,", "{ pii: true, name: PK,", 1);
    assert_ne!(private, schema);
    for (schema, row) in [(schema, "INSERT of (k77)"), (&private, "INSERT of (***)")] {
        let workspace = Workspace::from_schemas();
        workspace.write("schemas/test_table.yaml", schema.as_bytes());
        workspace.export("globex/test_table/V1", &text(&[("a", 1)]));
        expect(&workspace.tidemark(&RUN), 0, "");
        let trigger = "CREATE TRIGGER own BEFORE INSERT ON test_table WHEN NEW.PK = 'k77' BEGIN \
                       SELECT RAISE(ABORT, 'no'); END";
        database(&workspace).execute_batch(trigger).unwrap();
        let rows: Vec<String> = (0..200).map(|number| format!("k{number:02};{number};hidden;\n")).collect();
        workspace.export("acme/test_table/V1", &rows.concat());
        let output = workspace.tidemark(&RUN);
        expect(&output, 1, &format!("the table refuses a row: no; it is the {row}"));
        assert!(!output.stderr.contains("hidden"), "{}", output.stderr);
        database(&workspace).execute_batch("DROP TRIGGER own").unwrap();
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check_against_exports(&workspace);
    }
}
