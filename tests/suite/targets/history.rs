//! Histories: for every version, the rows as of it are those of its export, whatever happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use generated::TABLES;
use runtime::breakpoint::Breakpoint;
use runtime::table::Table;
use rusqlite::Connection;

use super::rows::{Rows, exported, in_sqlite, selected_in_sqlite};
use super::sqlite::{RUN, database, expect, samples_in, text};
use crate::breakpoints::StoppedProcess;
use crate::schema_changes::versions;
use crate::workspace::{Workspace, gzip};

/// `target` of a schema whose versions are named after days.
pub(super) const BY_DAY: &str = "target: { history: true, version_time: \"%Y%m%d*\" }\n";

const TEST_TABLE: &str = include_str!("../../../schemas/test_table.yaml");

/// The samples' schemas, each with a history.
pub(super) fn samples_with_histories() -> Workspace {
    let workspace = samples_in(Workspace::from_schemas());
    for table in TABLES {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../schemas/{}.yaml", table.name));
        let mut schema = fs::read_to_string(schema).unwrap();
        if table.target.history.is_none() {
            schema += BY_DAY;
        }
        workspace.write(&format!("schemas/{}.yaml", table.name), schema.as_bytes());
    }
    workspace
}

/// Calls `check` with the table, the tenant, the version and the rows of every export.
pub(super) fn each_export(workspace: &Workspace, mut check: impl FnMut(&Table, &str, &str, Rows)) -> usize {
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.collect()
    };
    let mut versions = 0;
    for tenant in names(&workspace.path("exports")) {
        for name in names(&workspace.path(&format!("exports/{tenant}"))) {
            let table = TABLES.iter().find(|table| table.name == name).unwrap();
            for version in names(&workspace.path(&format!("exports/{tenant}/{name}"))) {
                let folder = workspace.path(&format!("exports/{tenant}/{name}/{version}"));
                check(table, &tenant, &version, exported(table, &folder));
                versions += 1;
            }
        }
    }
    versions
}

/// A workspace with `test_table` and its history.
fn with_history(target: &str) -> Workspace {
    let workspace = Workspace::from_schemas().in_memory();
    workspace.write("schemas/test_table.yaml", format!("{TEST_TABLE}{target}").as_bytes());
    workspace
}

fn test_table() -> &'static Table {
    super::sqlite::table("test_table")
}

/// The rows as of a version, by the view.
fn as_of(workspace: &Workspace, condition: &str) -> Rows {
    let from = format!("test_table_as_of WHERE _tenant = 'acme' AND {condition}");
    selected_in_sqlite(&workspace.path("shop.db"), test_table(), &from, |name| name.to_owned())
}

/// Checks the rows as of these versions.
fn check_versions(workspace: &Workspace, versions: &[&str]) {
    for version in versions {
        let expected = exported(test_table(), &workspace.path(&format!("exports/acme/test_table/{version}")));
        assert_eq!(as_of(workspace, &format!("_version = '{version}'")), expected, "{version}");
    }
}

/// The states of the rows: the key, the value, and from and until when and by what.
fn states(workspace: &Workspace) -> Vec<String> {
    let sql = "SELECT PK || ' ' || COL_1 || ' ' || _from_version || ' ' || _from_time || ' ' ||
               coalesce(_until_version || ' ' || _until_time || ' ' || _ended_by, '') FROM test_table_history ORDER BY 1";
    let database = database(workspace);
    let mut statement = database.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn as_of_each_version_of_the_samples_the_rows_are_those_of_its_export() {
    let workspace = samples_with_histories();
    expect(&workspace.tidemark(&RUN), 0, "37 versions");
    let file = workspace.path("shop.db");
    let mut by_day: BTreeMap<(String, String), Rows> = BTreeMap::new();
    let versions = each_export(&workspace, |table, tenant, version, expected| {
        let from = format!("{}_as_of WHERE _tenant = '{tenant}' AND _version = '{version}'", table.name);
        let actual = selected_in_sqlite(&file, table, &from, |name| name.to_owned());
        assert_eq!(actual, expected, "{tenant}/{}/{version}", table.name);
        if let Some((day, _)) = version.split_once('_') {
            by_day.insert((format!("{tenant}/{}", table.name), day.to_owned()), Rows::new());
        }
    });
    assert_eq!(versions, 37);
    // At noon, the last version of the day is the newest.
    for ((key, day), _) in by_day {
        let (tenant, name) = key.split_once('/').unwrap();
        let table = super::sqlite::table(name);
        let noon = format!("{}-{}-{}T12:00:00Z", &day[..4], &day[4..6], &day[6..]);
        let from = format!(
            "{name}_as_of WHERE _tenant = '{tenant}' AND _from <= '{noon}' AND (_until > '{noon}' OR _until IS NULL)"
        );
        let folder = |revision: u32| workspace.path(&format!("exports/{key}/{day}_V000{revision}"));
        let newest = [2, 1].map(folder).into_iter().find(|folder| folder.exists()).unwrap();
        let actual = selected_in_sqlite(&file, table, &from, |name| name.to_owned());
        assert_eq!(actual, exported(table, &newest), "{key} at {noon}");
    }
}

#[test]
fn states_say_from_when_until_when_they_held_and_what_ended_them() {
    let workspace = with_history(BY_DAY);
    for (version, rows) in [
        ("20260101", &[("a", 1), ("b", 1)][..]),
        ("20260102", &[("a", 2), ("b", 1)]),
        ("20260104", &[("b", 1)]),
        ("20260105", &[("a", 2), ("b", 1)]),
    ] {
        workspace.export(&format!("acme/test_table/{version}"), &text(rows));
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    }
    let day = |day: u32| format!("202601{day:02} 2026-01-{day:02}T00:00:00.000000Z");
    let expected = [
        format!("a 1 {} {} UPDATE", day(1), day(2)),
        format!("a 2 {} {} DELETE", day(2), day(4)),
        format!("a 2 {} ", day(5)),
        format!("b 1 {} ", day(1)),
    ];
    assert_eq!(states(&workspace), expected);
}

#[test]
fn a_version_whose_name_says_no_time_has_that_of_its_publication() {
    let workspace = with_history("target: { history: true }\n");
    workspace.export("acme/test_table/20260101", &text(&[("a", 1)]));
    expect(&workspace.tidemark_with_env(&RUN, &[("TIDEMARK_CLOCK_AHEAD_MS", "86400000")]), 0, "SUCCEEDED");
    let sql = "SELECT (julianday(_from_time) - julianday('now')) * 24 BETWEEN 23.5 AND 24.1 FROM test_table_history";
    assert!(database(&workspace).query_row(sql, [], |row| row.get::<_, bool>(0)).unwrap());
}

#[test]
fn a_version_in_full_ends_what_is_missing_and_keeps_what_is_the_same() {
    let workspace = with_history(BY_DAY);
    workspace.export("acme/test_table/20260101", &text(&[("a", 1), ("b", 1), ("c", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, "");
    workspace.export("acme/test_table/20260102", &text(&[("a", 1), ("b", 2), ("d", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    let shown: Vec<String> = states(&workspace).iter().map(|state| state.replace("T00:00:00.000000Z", "")).collect();
    assert_eq!(
        shown,
        [
            "a 1 20260101 2026-01-01 ",
            "b 1 20260101 2026-01-01 20260102 2026-01-02 UPDATE",
            "b 2 20260102 2026-01-02 ",
            "c 1 20260101 2026-01-01 20260102 2026-01-02 DELETE",
            "d 1 20260102 2026-01-02 ",
        ]
    );
    check_versions(&workspace, &["20260101", "20260102"]);
}

#[test]
fn a_moment_after_a_retired_version_has_the_rows_of_the_one_that_followed_it() {
    let workspace = with_history(&format!("guards: {{ max_version_jump_days: none }}\n{BY_DAY}"));
    workspace.export("acme/test_table/20260101", &text(&[("a", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    workspace.export("acme/test_table/20290102", &text(&[("a", 2)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    expect(&workspace.tidemark(&["retire", "acme/test_table/20290102"]), 0, "");
    workspace.export("acme/test_table/20260103", &text(&[("a", 3)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_versions(&workspace, &["20260101", "20290102", "20260103"]);
    let value = |moment: &str| {
        let rows = as_of(&workspace, &format!("_from <= '{moment}' AND (_until > '{moment}' OR _until IS NULL)"));
        rows.into_values().next().and_then(|values| values[0].clone())
    };
    let found = ["2025-12-31", "2026-01-02", "2026-01-04", "2029-01-03"].map(value);
    assert_eq!(found, [None, Some("1".into()), Some("3".into()), Some("3".into())]);
}

/// The steps that a random history takes.
fn disturb(workspace: &Workspace, dice: u64, version: usize, is_restored: &mut bool) {
    let number = dice as usize % version.max(1) + 1;
    match dice / 100 % 8 {
        0 => drop(workspace.tidemark(&["resync", "acme/test_table"])),
        1 => drop(workspace.tidemark(&["replay", &format!("acme/test_table/V{number:02}")])),
        2 => {
            let steps = [Breakpoint::Claimed, Breakpoint::PartWritten, Breakpoint::Marked, Breakpoint::PartPublished];
            if let Some(stopped) = StoppedProcess::start(workspace, &RUN, steps[dice as usize % 4], 1) {
                stopped.kill();
            }
        }
        3 if workspace.path("shop.db").exists() => {
            database(workspace).execute_batch("UPDATE test_table SET _hash = 1, COL_1 = 99").unwrap();
            let reconcile = ["reconcile", "acme/test_table", "--to", "sqlite:shop.db", "--repair"];
            expect(&workspace.tidemark(&reconcile), 0, "");
        }
        4 if workspace.path("shop.db").exists() => {
            let _ = fs::copy(workspace.path("shop.db"), workspace.path("copy.db"));
        }
        5 if workspace.path("copy.db").exists() => {
            fs::rename(workspace.path("copy.db"), workspace.path("shop.db")).unwrap();
            *is_restored = true;
        }
        6 if workspace.path("shop.db").exists() => {
            database(workspace).execute_batch("DROP TABLE test_table").unwrap();
        }
        _ => {}
    }
}

#[test]
fn random_histories_of_resets_replays_repairs_restored_copies_and_kills_lose_no_version() {
    for seed in 0..6u64 {
        let workspace =
            with_history("guards: { max_delete_ratio: none, max_update_ratio: none }\ntarget: { history: true }\n");
        let mut dice = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed + 1);
        let mut roll = || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice
        };
        let (mut versions, mut is_restored) = (Vec::new(), false);
        for version in 1..=12 {
            let mut rows = String::new();
            for key in 0..12 {
                if roll() % 10 < 7 {
                    rows += &format!("k{key};{};a;\n", roll() % 3);
                }
            }
            workspace.export(&format!("acme/test_table/V{version:02}"), &rows);
            versions.push(format!("V{version:02}"));
            disturb(&workspace, roll(), version, &mut is_restored);
            expect(&workspace.tidemark(&RUN), 0, "");
            let sql = "SELECT count(*) FROM _tidemark_versions WHERE version = ?1";
            let count =
                |name: &String| database(&workspace).query_row(sql, [name], |row| row.get::<_, i64>(0)).unwrap();
            let known = versions.iter().filter(|name| count(name) > 0).map(String::as_str).collect::<Vec<_>>();
            // An older copy misses what was published between it and a version in full.
            assert!(known.len() == versions.len() || is_restored, "{known:?}");
            check_versions(&workspace, &known);
            let newest = exported(test_table(), &workspace.path(&format!("exports/acme/test_table/V{version:02}")));
            assert_eq!(in_sqlite(&workspace.path("shop.db"), test_table(), "acme"), newest);
        }
    }
}

#[test]
fn a_history_that_is_switched_on_later_begins_with_the_rows_that_are_there() {
    let workspace = with_history("");
    workspace.export("acme/test_table/20260101", &text(&[("a", 1)]));
    workspace.export("acme/test_table/20260102", &text(&[("a", 2), ("b", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    workspace.write("schemas/test_table.yaml", format!("{TEST_TABLE}{BY_DAY}").as_bytes());
    workspace.export("acme/test_table/20260103", &text(&[("a", 3), ("b", 1)]));
    expect(&workspace.tidemark(&RUN[..4]), 1, "CREATE TABLE \"test_table_history\"");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_versions(&workspace, &["20260102", "20260103"]);
    assert!(as_of(&workspace, "_version = '20260101'").is_empty());
    // And off for a while: what was published meanwhile is not known.
    workspace.write("schemas/test_table.yaml", TEST_TABLE.as_bytes());
    workspace.export("acme/test_table/20260104", &text(&[("a", 4)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    workspace.write("schemas/test_table.yaml", format!("{TEST_TABLE}{BY_DAY}").as_bytes());
    workspace.export("acme/test_table/20260105", &text(&[("a", 5), ("b", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_versions(&workspace, &["20260102", "20260103", "20260105"]);
}

#[test]
fn a_history_that_somebody_edited_is_noticed_and_repaired() {
    for edit in [
        "DELETE FROM test_table_history WHERE PK = 'a'",
        "UPDATE test_table_history SET _hash = 1 WHERE PK = 'a'",
        "UPDATE test_table_history SET _until_sequence = 1 WHERE PK = 'b'",
        "INSERT INTO test_table_history SELECT _tenant, 'd', COL_1, COL_2, COL_3, _hash, _from_version, _from_sequence, \
         _from_time, NULL, NULL, NULL, NULL FROM test_table_history WHERE PK = 'a'",
    ] {
        let workspace = with_history(BY_DAY);
        workspace.export("acme/test_table/20260101", &text(&[("a", 1), ("b", 1), ("c", 1)]));
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        database(&workspace).execute_batch(edit).unwrap();
        workspace.export("acme/test_table/20260102", &text(&[("a", 2), ("c", 1), ("d", 1)]));
        expect(&workspace.tidemark(&RUN), 1, "the states in its history are not those of its rows");
        let reconcile = ["reconcile", "acme/test_table", "--to", "sqlite:shop.db"];
        expect(&workspace.tidemark(&reconcile), 1, "The row hashes it keeps are not those of its rows.");
        expect(&workspace.tidemark(&[&reconcile[..], &["--repair"]].concat()), 0, "put right");
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
        check_versions(&workspace, &["20260101", "20260102"]);
    }
    let workspace = with_history(BY_DAY);
    workspace.export("acme/test_table/20260101", &text(&[("a", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    database(&workspace)
        .execute_batch("DROP VIEW test_table_as_of; ALTER TABLE test_table_history DROP COLUMN COL_3")
        .unwrap();
    workspace.export("acme/test_table/20260102", &text(&[("a", 2)]));
    expect(&workspace.tidemark(&RUN), 1, "test_table_history: the table there is not as generated: column `COL_3`");
}

/// Where the history has a column of an earlier version of `orders`, after all of [`versions`].
pub(super) fn renamed(number: usize) -> fn(&str) -> String {
    fn first(name: &str) -> String {
        match name {
            "email" => "customer_email".into(),
            "amount" => "_amount_1".into(),
            "status" => "_state_1".into(),
            "legacy" => "_legacy_1".into(),
            name => name.to_owned(),
        }
    }
    fn second(name: &str) -> String {
        match name {
            "amount" => "_amount_1".into(),
            "state" => "_state_1".into(),
            name => name.to_owned(),
        }
    }
    fn third(name: &str) -> String {
        match name {
            "amount" => "_amount_2".into(),
            "state" => "status".into(),
            name => name.to_owned(),
        }
    }
    fn fourth(name: &str) -> String {
        if name == "amount" { "_amount_2".into() } else { name.to_owned() }
    }
    match number {
        1 => first,
        2 => second,
        3 => third,
        4 => fourth,
        _ => |name| name.to_owned(),
    }
}

#[test]
fn columns_of_earlier_schemas_stay_in_the_history() {
    let workspace = Workspace::from_schemas();
    let schema = |number: usize| format!("{}target: {{ history: true }}\n", versions()[number - 1].0);
    for number in 1..=5 {
        workspace.write("schemas/orders.yaml", schema(number).as_bytes());
        let export = gzip(versions()[number - 1].1.as_bytes());
        workspace.write(&format!("exports/acme/orders/V{number}/orders.csv.gz"), &export);
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    }
    for number in 1..=5 {
        let table = tests::table::parse(&schema(number)).unwrap();
        let folder = workspace.path(&format!("exports/acme/orders/V{number}"));
        let sequence = format!("(SELECT sequence FROM _tidemark_versions WHERE version = 'V{number}')");
        let from = format!(
            "orders_history WHERE _tenant = 'acme' AND _from_sequence <= {sequence} \
             AND (_until_sequence IS NULL OR _until_sequence > {sequence})"
        );
        let file = workspace.path("shop.db");
        assert_eq!(selected_in_sqlite(&file, table, &from, renamed(number)), exported(table, &folder), "V{number}");
    }
    // Rows that did not change have one state, whatever happened to the columns.
    let states = "SELECT count(*) FROM orders_history WHERE order_id = 1";
    let connection = Connection::open(workspace.path("shop.db")).unwrap();
    assert_eq!(connection.query_row(states, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}
