//! `--sink sqlite:FILE`: in the end, every tenant's rows equal its newest export.

use std::fs;
use std::path::Path;

use generated::TABLES;
use runtime::table::Table;
use rusqlite::Connection;

use super::rows::{Rows, exported, in_sqlite, newest};
use crate::limits::command;
use crate::workspace::{CommandOutput, Workspace};

pub(super) const RUN: [&str; 5] = ["run", "exports", "--sink", "sqlite:shop.db", "--create"];

pub(super) fn table(name: &str) -> &'static Table {
    TABLES.iter().find(|table| table.name == name).unwrap()
}

/// A workspace with the sample exports.
pub(super) fn samples() -> Workspace {
    samples_in(Workspace::new())
}

/// The same in a workspace with schemas of its own.
pub(super) fn samples_in(workspace: Workspace) -> Workspace {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports/.");
    let copied = command("cp").arg("-r").args([samples, workspace.path("exports")]).status().unwrap();
    assert!(copied.success());
    workspace
}

/// Checks every tenant's tables in `shop.db` against their newest exports. Returns the number of rows.
pub(super) fn check_against_exports(workspace: &Workspace) -> usize {
    check_rows(workspace, |table, tenant| in_sqlite(&workspace.path("shop.db"), table, tenant))
}

/// Checks every tenant's tables against their newest exports. Returns the number of rows.
pub(super) fn check_rows(workspace: &Workspace, mut read: impl FnMut(&Table, &str) -> Rows) -> usize {
    let mut rows = 0;
    for tenant in fs::read_dir(workspace.path("exports")).unwrap().map(|entry| entry.unwrap().path()) {
        for of_table in fs::read_dir(&tenant).unwrap().map(|entry| entry.unwrap().path()) {
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            let table = table(&name(&of_table));
            let expected = exported(table, &newest(&of_table));
            let actual = read(table, &name(&tenant));
            assert_eq!(difference(&expected, &actual), None, "{}", of_table.display());
            rows += actual.len();
        }
    }
    rows
}

/// The first difference between two tables.
fn difference(expected: &Rows, actual: &Rows) -> Option<String> {
    let keys = expected.keys().chain(actual.keys());
    let different = keys.into_iter().find(|key| expected.get(*key) != actual.get(*key))?;
    Some(format!("{different:?}: expected {:?}, found {:?}", expected.get(different), actual.get(different)))
}

/// Rows of `test_table` as an export has them.
pub(super) fn text(rows: &[(&str, u32)]) -> String {
    rows.iter().map(|(key, value)| format!("{key};{value};a;\n")).collect()
}

/// A workspace with two versions, of which the first is applied to `shop.db`.
pub(super) fn with_one_version_applied() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "");
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1), ("d", 1)]));
    workspace
}

/// Checks a command's exit status, and that it prints a text.
pub(super) fn expect(output: &CommandOutput, status: i32, text: &str) {
    let transcript = output.transcript();
    assert_eq!(output.status, status, "{transcript}");
    assert!(output.stdout.contains(text) || output.stderr.contains(text), "expected `{text}`:\n{transcript}");
}

pub(super) fn database(workspace: &Workspace) -> Connection {
    Connection::open(workspace.path("shop.db")).unwrap()
}

#[test]
fn rows_of_every_table_equal_its_newest_export() {
    let workspace = samples();
    let output = workspace.tidemark(&RUN);
    expect(&output, 0, "Rows are in sqlite:shop.db.");
    let rows = check_against_exports(&workspace);
    assert!(rows > 2_500, "{rows}");
    expect(&workspace.tidemark(&RUN[..4]), 0, "nothing to do");
    assert!(!workspace.path("out").exists());
    // Later commands know where operations go.
    expect(&workspace.tidemark(&["run", "exports"]), 0, "nothing to do");
    assert!(!workspace.path("out").exists());
}

#[test]
fn verify_says_that_there_are_no_files_of_versions_in_a_database_alone() {
    let workspace = with_one_version_applied();
    let output = workspace.tidemark(&["verify", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.status, &report["versions"][0]["published"]["verdict"]), (0, &"no-files".into()));
    assert_eq!(report["versions"][0]["out"], serde_json::Value::Null);
    expect(&workspace.tidemark(&["verify"]), 0, "V1       ok      no files");
}

#[test]
fn the_database_says_which_version_it_holds() {
    let workspace = with_one_version_applied();
    expect(&workspace.tidemark(&RUN), 0, "");
    let sql = "SELECT version, row_count, version_sequence = sequence, applied_at > '2020' FROM _tidemark
               WHERE tenant = 'acme' AND table_name = 'test_table'";
    let held: (String, i64, bool, bool) = database(&workspace)
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap();
    assert_eq!(held, ("V2".into(), 3, true, true));
    let sql = "SELECT count(DISTINCT _sequence), max(_sequence) = (SELECT sequence FROM _tidemark) FROM test_table";
    let sequences: (i64, bool) = database(&workspace).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(sequences, (2, true));
}

#[test]
fn keys_that_are_deleted_come_back_in_any_history() {
    let workspace = Workspace::new().in_memory();
    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    for version in 1..=25 {
        let mut rows = String::new();
        for key in 0..60 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if dice % 10 < 8 {
                rows.push_str(&format!("key {key};{};\"a;\"\"\u{e9}\";{}\n", dice % 3, ["", "x"][(dice % 2) as usize]));
            }
        }
        workspace.export(&format!("acme/test_table/V{version:02}"), &rows);
        if version % 3 == 0 {
            expect(&workspace.tidemark(&RUN), 0, "");
            check_against_exports(&workspace);
        }
    }
    expect(&workspace.tidemark(&RUN), 0, "");
    check_against_exports(&workspace);
}

#[test]
fn what_is_missing_is_printed_and_nothing_is_planned_until_it_is_there() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    let output = workspace.tidemark(&RUN[..4]);
    expect(&output, 1, "sqlite:shop.db test_table: the table does not exist; nothing was planned");
    assert!(output.stderr.contains("run exports --sink sqlite:shop.db --create"), "{}", output.stderr);
    assert!(!workspace.path("shop.db").exists());
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "REGISTERED");
    let statements: String =
        output.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect::<Vec<_>>().join("\n");
    database(&workspace).execute_batch(&statements).unwrap();
    expect(&workspace.tidemark(&RUN[..4]), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}

#[test]
fn a_database_that_joins_later_is_filled_with_the_versions_it_missed() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1)]));
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1)]));
    assert_eq!(workspace.run().status, 0);
    expect(&workspace.tidemark(&RUN), 0, "sqlite:shop.db was behind, and holds it now");
    check_against_exports(&workspace);
    let sequences = "SELECT count(DISTINCT _sequence) FROM test_table";
    assert_eq!(database(&workspace).query_row(sequences, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    expect(&workspace.tidemark(&RUN), 0, "nothing to do");
    workspace.export("acme/test_table/V3", &text(&[("a", 2), ("c", 2)]));
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}

#[test]
fn a_database_that_joins_after_change_sets_are_gone_is_filled_from_the_newest_export() {
    let workspace = with_one_version_applied();
    expect(&workspace.tidemark(&["run", "exports", "--out", "out"]), 0, "");
    fs::remove_dir_all(workspace.path(".tidemark/changes/acme/test_table/V2")).unwrap();
    workspace.export("acme/test_table/V3", &text(&[("a", 3), ("c", 1), ("d", 1)]));
    for sink in ["sqlite:shop.db", "sqlite:another.db"] {
        expect(&workspace.tidemark(&["run", "exports", "--sink", sink, "--create"]), 0, "was behind, and holds it now");
    }
    check_against_exports(&workspace);
    let (table, folder) = (table("test_table"), workspace.path("exports/acme/test_table/V3"));
    assert_eq!(in_sqlite(&workspace.path("another.db"), table, "acme"), exported(table, &folder));
    // Nothing of it is left among the change sets.
    assert!(
        !workspace.path(".tidemark/changes/acme/test_table/V2").exists()
            || fs::read_dir(workspace.path(".tidemark/changes/acme/test_table/V2")).unwrap().next().is_none()
    );
}

#[test]
fn a_version_in_full_replaces_the_rows_of_its_tenant_only() {
    let workspace = with_one_version_applied();
    workspace.export("globex/test_table/V1", &text(&[("a", 7)]));
    expect(&workspace.tidemark(&RUN), 0, "");
    database(&workspace).execute("UPDATE test_table SET _hash = 1, COL_1 = 99", []).unwrap();
    expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, "");
    workspace.export("acme/test_table/V3", &text(&[("c", 1), ("e", 1)]));
    expect(&workspace.tidemark(&RUN), 0, "");
    let rows = |tenant| in_sqlite(&workspace.path("shop.db"), table("test_table"), tenant);
    assert_eq!(rows("acme"), exported(table("test_table"), &workspace.path("exports/acme/test_table/V3")));
    assert_eq!(rows("globex").into_values().next().unwrap()[0].as_deref(), Some("99"));
}

#[test]
fn a_replayed_version_changes_nothing() {
    let workspace = with_one_version_applied();
    expect(&workspace.tidemark(&RUN), 0, "");
    expect(&workspace.tidemark(&["replay", "acme/test_table/V1"]), 0, "");
    expect(&workspace.tidemark(&["replay", "acme/test_table/V2"]), 0, "");
    check_against_exports(&workspace);
}

#[test]
fn a_held_version_is_applied_once_it_is_approved() {
    let workspace = with_one_version_applied();
    let many: Vec<(String, u32)> = (0..200).map(|number| (format!("k{number}"), 1)).collect();
    let rows = |to: usize| text(&many[..to].iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>());
    workspace.export("acme/test_table/V3", &rows(200));
    expect(&workspace.tidemark(&RUN), 0, "");
    workspace.export("acme/test_table/V4", &rows(20));
    expect(&workspace.tidemark(&RUN), 1, "HELD");
    let plan = workspace.tidemark(&["plan", "acme/test_table/V4", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap();
    expect(&workspace.tidemark(&["approve", "acme/test_table/V4", hash]), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}

#[test]
fn nothing_is_created_where_no_database_is_named() {
    let workspace = with_one_version_applied();
    let output = workspace.tidemark(&["run", "exports", "--out", "out", "--create"]);
    expect(&output, 2, "there is nothing to create");
    expect(&workspace.tidemark(&["run", "exports", "--sink", "sqlite:"]), 2, "no file is named");
    let among = ["run", "exports", "--sink", "sqlite:exports/acme/shop.db", "--create"];
    expect(&workspace.tidemark(&among), 2, "would be among the exports");
}
