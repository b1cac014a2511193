//! Histories of tables whose schema changes, or that somebody changed: nothing of them is lost.

use rusqlite::Connection;

use super::history::BY_DAY;
use super::sqlite::{RUN, database, expect};
use crate::workspace::{Workspace, gzip};

const RECONCILE: [&str; 4] = ["reconcile", "acme/things", "--to", "sqlite:shop.db"];

/// A schema with these columns after its key.
pub(super) fn write(workspace: &Workspace, key: &str, columns: &str, target: &str) {
    let schema = format!(
        "table: things\nprimary_key: [{key}]\nguards: {{ max_delete_ratio: none, max_update_ratio: none }}\ncolumns:\n  \
         - {{ name: id, type: string }}\n{columns}{target}"
    );
    workspace.write("schemas/things.yaml", schema.as_bytes());
}

pub(super) const A: &str = "  - { name: a, type: string }\n";
pub(super) const AB: &str = "  - { name: a, type: string }\n  - { name: b, type: string, nullable: true }\n";

pub(super) fn export(workspace: &Workspace, version: &str, rows: &str) {
    workspace.write(&format!("exports/acme/things/{version}/things.csv.gz"), &gzip(rows.as_bytes()));
}

/// A workspace with one version.
fn with_one_version() -> Workspace {
    let workspace = Workspace::from_schemas();
    write(&workspace, "id", A, BY_DAY);
    export(&workspace, "20260101", "id,a\n1,x\n2,y\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    workspace
}

fn texts(workspace: &Workspace, sql: &str) -> Vec<String> {
    let database = database(workspace);
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The rows as of a version.
fn as_of(workspace: &Workspace, version: &str) -> Vec<String> {
    let row = "id || ' ' || a || ' ' || coalesce(b, '-')";
    texts(workspace, &format!("SELECT {row} FROM things_as_of WHERE _version = '{version}' ORDER BY id"))
}

#[test]
fn a_history_that_was_dropped_is_made_again_with_its_view() {
    let workspace = with_one_version();
    let columns = "  - { name: c, type: string, formerly: a }\n";
    for (columns, header) in [(A, "id,a"), (columns, "id,c")] {
        database(&workspace).execute_batch("DROP TABLE things_history").unwrap();
        write(&workspace, "id", columns, BY_DAY);
        let version = if columns == A { "20260102" } else { "20260103" };
        export(&workspace, version, &format!("{header}\n1,z\n2,y\n"));
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        let known = "SELECT DISTINCT id FROM things_as_of WHERE _version = '";
        assert_eq!(texts(&workspace, &format!("{known}{version}' ORDER BY id")), ["1", "2"]);
    }
}

#[test]
fn a_view_that_was_dropped_is_made_again() {
    let workspace = with_one_version();
    database(&workspace).execute_batch("DROP VIEW things_as_of").unwrap();
    export(&workspace, "20260102", "id,a\n1,z\n2,y\n");
    expect(&workspace.tidemark(&RUN[..4]), 1, "CREATE VIEW \"things_as_of\"");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let rows = texts(&workspace, "SELECT id || a FROM things_as_of WHERE _version = '20260101' ORDER BY id");
    assert_eq!(rows, ["1x", "2y"]);
}

#[test]
fn columns_that_were_added_while_a_history_was_off_are_added_to_it() {
    for publishes_meanwhile in [true, false] {
        let workspace = with_one_version();
        write(&workspace, "id", AB, "");
        if publishes_meanwhile {
            export(&workspace, "20260102", "id,a,b\n1,x,q\n2,y,\n");
        }
        expect(&workspace.tidemark(&RUN), 0, "");
        write(&workspace, "id", AB, BY_DAY);
        export(&workspace, "20260103", "id,a,b\n1,x,r\n2,y,\n");
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        assert_eq!(as_of(&workspace, "20260103"), ["1 x r", "2 y -"], "{publishes_meanwhile}");
        let first = as_of(&workspace, "20260101");
        assert_eq!((first.len(), &*first[1]), (2, "2 y -"), "{publishes_meanwhile}");
        expect(&workspace.tidemark(&RECONCILE), 0, "");
    }
}

#[test]
fn a_column_that_was_retyped_while_a_history_was_off_is_set_aside() {
    let workspace = with_one_version();
    let retyped = "  - { name: a, type: varchar(9) }\n  - { name: b, type: string, nullable: true }\n";
    write(&workspace, "id", retyped, "");
    export(&workspace, "20260102", "id,a,b\n1,x,q\n2,y,\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    write(&workspace, "id", retyped, BY_DAY);
    export(&workspace, "20260103", "id,a,b\n1,z,q\n2,y,\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    assert_eq!(as_of(&workspace, "20260103"), ["1 z q", "2 y -"]);
    let old = texts(&workspace, "SELECT _a_1 FROM things_history WHERE _from_version = '20260101' ORDER BY id");
    assert_eq!(old, ["x", "y"]);
}

#[test]
fn a_history_with_another_key_is_refused_before_it_is_altered_and_its_states_can_be_kept() {
    let workspace = with_one_version();
    database(&workspace).execute_batch("DROP TABLE things").unwrap();
    write(&workspace, "id, a", AB, BY_DAY);
    export(&workspace, "20260102", "id,a,b\n1,z,q\n2,y,\n");
    let columns = || texts(&workspace, "SELECT name || pk FROM pragma_table_info('things_history') ORDER BY 1");
    let before = columns();
    for _ in 0..2 {
        let output = workspace.tidemark(&RUN);
        expect(&output, 1, "column `a` has another place in the primary key");
        expect(&output, 1, "To drop it loses every earlier state");
        assert_eq!(columns(), before);
    }
    Connection::open(workspace.path("shop.db"))
        .unwrap()
        .execute_batch("ALTER TABLE things_history RENAME TO things_history_of_2025")
        .unwrap();
    expect(&workspace.tidemark(&["resync", "acme/things"]), 0, "");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    assert_eq!(as_of(&workspace, "20260102"), ["1 z q", "2 y -"]);
    assert_eq!(texts(&workspace, "SELECT id || a FROM things_history_of_2025 ORDER BY id"), ["1x", "2y"]);
}

#[test]
fn a_view_whose_history_is_off_and_was_dropped_does_not_keep_the_table_from_being_altered() {
    let renamed = "  - { name: c, type: string, formerly: a }\n";
    let workspace = with_one_version();
    write(&workspace, "id", A, "");
    database(&workspace).execute_batch("DROP TABLE things_history").unwrap();
    export(&workspace, "20260102", "id,a\n1,z\n2,y\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    write(&workspace, "id", renamed, "");
    export(&workspace, "20260103", "id,c\n1,z\n2,w\n");
    expect(&workspace.tidemark(&RUN[..4]), 1, "DROP VIEW IF EXISTS \"things_as_of\"");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    assert_eq!(texts(&workspace, "SELECT id || c FROM things ORDER BY id"), ["1z", "2w"]);
    // It can be switched on again.
    write(&workspace, "id", renamed, BY_DAY);
    export(&workspace, "20260104", "id,c\n1,v\n2,w\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let rows = texts(&workspace, "SELECT id || c FROM things_as_of WHERE _version = '20260104' ORDER BY id");
    assert_eq!(rows, ["1v", "2w"]);
}

#[test]
fn the_hash_of_a_state_is_that_of_the_schema_under_which_it_held_last() {
    let workspace = with_one_version();
    let hashes = |condition: &str| {
        let order = "ORDER BY id, _from_sequence";
        texts(&workspace, &format!("SELECT CAST(_hash AS TEXT) FROM things_history WHERE {condition} {order}"))
    };
    export(&workspace, "20260102", "id,a\n1,z\n2,y\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let (ended, held) = (hashes("_until_sequence IS NOT NULL"), hashes("_until_sequence IS NULL"));
    write(&workspace, "id", AB, BY_DAY);
    export(&workspace, "20260103", "id,a,b\n1,z,\n2,y,\n3,x,q\n");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    // A state that has ended is left alone. One that holds is one of today's rows.
    assert_eq!(hashes("_until_sequence IS NOT NULL"), ended);
    let today = hashes("_until_sequence IS NULL");
    assert_eq!(today, texts(&workspace, "SELECT CAST(_hash AS TEXT) FROM things ORDER BY id"));
    assert!(held.iter().all(|hash| !today.contains(hash)), "{held:?} {today:?}");
    // So the hashes as of a version are those of its export if its schema is that of today, or of the states' end.
    let fingerprint = texts(&workspace, "SELECT fingerprint FROM _tidemark");
    let sum = |version: &str| {
        let hashes = format!("SELECT CAST(_hash AS TEXT) FROM things_as_of WHERE _version = '{version}'");
        texts(&workspace, &hashes).iter().map(|hash| hash.parse::<i128>().unwrap()).sum::<i128>().to_string()
    };
    assert_eq!([sum("20260103")].as_slice(), fingerprint.as_slice());
    assert_eq!(as_of(&workspace, "20260101"), ["1 x -", "2 y -"]);
}
