//! What can happen to a run that applies versions to a database, and to the database: it always holds a whole version,
//! and in the end the newest.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use runtime::breakpoint::Breakpoint;

use super::sqlite::{RUN, check_against_exports, database, expect, text, with_one_version_applied};
use crate::breakpoints::{ONE_HOUR_AHEAD, StoppedProcess};
use crate::limits::command;
use crate::workspace::{Workspace, add_to_summary};

/// The version in the database, and how many rows it has; `None` if there is none.
fn held(workspace: &Workspace) -> Option<(String, i64)> {
    let sql = "SELECT version, (SELECT count(*) FROM test_table WHERE _tenant = 'acme') FROM _tidemark
               WHERE tenant = 'acme' AND table_name = 'test_table'";
    database(workspace).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
}

/// Three versions of `test_table`, with 3, 4 and 2 rows.
fn three_versions() -> Workspace {
    let workspace = Workspace::new().in_memory();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1), ("d", 1), ("e", 1)]));
    workspace.export("acme/test_table/V3", &text(&[("b", 3), ("d", 2)]));
    workspace
}

#[test]
fn the_database_holds_a_whole_version_after_a_kill_at_every_step() {
    let steps = [
        Breakpoint::Planned,
        Breakpoint::Publishing,
        Breakpoint::Claimed,
        Breakpoint::PartWritten,
        Breakpoint::Marked,
        Breakpoint::PartPublished,
        Breakpoint::Published,
        Breakpoint::Succeeded,
        Breakpoint::Unlocked,
    ];
    let mut kills = 0;
    for step in steps {
        for nth in 1..=3 {
            let workspace = three_versions();
            let Some(stopped) = StoppedProcess::start(&workspace, &RUN, step, nth) else { break };
            stopped.kill();
            kills += 1;
            if let Some((version, rows)) = held(&workspace) {
                assert!([("V1", 3), ("V2", 4), ("V3", 2)].contains(&(version.as_str(), rows)), "{version}: {rows}");
            }
            let output = workspace.tidemark(&RUN);
            assert_eq!(output.status, 0, "killed at {} {nth}: {}", step.name(), output.transcript());
            assert_eq!(held(&workspace), Some(("V3".into(), 2)), "killed at {} {nth}", step.name());
            check_against_exports(&workspace);
        }
    }
    assert!(kills >= 20, "{kills}");
    add_to_summary(&format!("{kills} kills while versions were applied to a database"));
}

#[test]
fn a_stale_writer_changes_nothing() {
    for nth in 1..=2 {
        let workspace = three_versions();
        let stalled = StoppedProcess::start(&workspace, &RUN, Breakpoint::Publishing, nth).unwrap();
        // An hour later the lease has expired, and another run does all the work.
        expect(&workspace.tidemark_with_env(&RUN, &[ONE_HOUR_AHEAD]), 0, "");
        let before = fs::read(workspace.path("shop.db")).unwrap();
        let output = stalled.resume();
        assert_eq!(output.status, 2, "{}", output.transcript());
        assert!(output.stderr.contains("took over"), "{}", output.transcript());
        assert!(fs::read(workspace.path("shop.db")).unwrap() == before, "the stale writer wrote");
        check_against_exports(&workspace);
    }
}

#[test]
fn whatever_was_edited_is_noticed_and_the_table_can_be_filled_again() {
    for (edit, problem) in [
        ("DELETE FROM test_table WHERE PK = 'b'", "1 rows that the version changes are not there"),
        ("UPDATE test_table SET PK = 'z' WHERE PK = 'a'", "1 rows that the version changes are not there"),
        ("UPDATE test_table SET _hash = 1 WHERE PK = 'a'", "or were changed, such as (a)"),
        (
            "INSERT INTO test_table SELECT _tenant, 'd', COL_1, COL_2, COL_3, _sequence, _hash FROM test_table WHERE PK = 'a'",
            "1 rows that it should not have yet are there, such as (d)",
        ),
        ("UPDATE _tidemark SET fingerprint = '7'", "the fingerprint of its rows is 7"),
    ] {
        let workspace = with_one_version_applied();
        database(&workspace).execute_batch(edit).unwrap();
        let before = fs::read(workspace.path("shop.db")).unwrap();
        let output = workspace.tidemark(&RUN);
        expect(&output, 1, problem);
        assert!(output.stderr.contains("the table is not what was published into it"), "{}", output.stderr);
        assert!(fs::read(workspace.path("shop.db")).unwrap() == before, "{edit}");
        database(&workspace).execute_batch("DROP TABLE test_table").unwrap();
        expect(&workspace.tidemark(&RUN), 0, "");
        check_against_exports(&workspace);
    }
}

/// Rows that no version touches.
const UNTOUCHED: [(&str, &str); 3] = [
    (
        "INSERT INTO test_table (_tenant, PK, _sequence, _hash) VALUES ('acme', 'z', 1, 1)",
        "it would have 4 rows, but END has 3",
    ),
    ("DELETE FROM test_table WHERE PK = 'c'", "it would have 2 rows, but END has 3"),
    ("UPDATE test_table SET _hash = 1 WHERE PK = 'c'", "the fingerprint of its rows would be"),
];

#[test]
fn rows_that_no_version_touches_are_noticed_once_all_hashes_are_added_up() {
    let recompute = [&RUN[..], &["--recompute"]].concat();
    for (edit, problem) in UNTOUCHED {
        let workspace = with_one_version_applied();
        database(&workspace).execute_batch(edit).unwrap();
        let before = fs::read(workspace.path("shop.db")).unwrap();
        expect(&workspace.tidemark(&recompute), 1, problem);
        assert!(fs::read(workspace.path("shop.db")).unwrap() == before, "{edit}");
        expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    }
    let workspace = with_one_version_applied();
    expect(&workspace.tidemark(&recompute), 0, "SUCCEEDED");
    check_against_exports(&workspace);
    expect(&workspace.tidemark(&["run", "exports", "--out", "out", "--recompute"]), 2, "there is nothing to add up");
}

#[test]
fn an_altered_table_is_refused_before_anything_is_planned() {
    for (alteration, problem) in [
        ("ALTER TABLE test_table ADD COLUMN more TEXT", "column `more` is not in the schema"),
        ("ALTER TABLE test_table DROP COLUMN COL_3", "column `COL_3` is missing"),
        ("ALTER TABLE test_table RENAME COLUMN COL_3 TO other", "column `COL_3` is missing"),
        (
            "DROP TABLE test_table; CREATE TABLE test_table (_tenant TEXT NOT NULL, PK TEXT NOT NULL, COL_1 TEXT, \
             COL_2 TEXT, COL_3 TEXT NOT NULL, _sequence INTEGER NOT NULL, _hash INTEGER NOT NULL, PRIMARY KEY (PK))",
            "column `_tenant` has another place in the primary key; column `PK` has another place in the primary key; \
             column `COL_1` is TEXT, and should be INTEGER; column `COL_3` is NOT NULL, and should be nullable",
        ),
    ] {
        let workspace = with_one_version_applied();
        database(&workspace).execute_batch(alteration).unwrap();
        expect(&workspace.tidemark(&RUN), 1, problem);
        assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
    }
}

#[test]
fn a_locked_database_is_a_machine_fault_and_the_next_run_goes_on() {
    let workspace = with_one_version_applied();
    let other = database(&workspace);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let output = workspace.tidemark_with_env(&RUN, &[("TIDEMARK_BUSY_MS", "100")]);
    expect(&output, 2, "sqlite:shop.db: database is locked");
    drop(other);
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}

#[test]
fn a_database_that_cannot_be_written_is_a_machine_fault_and_the_next_run_goes_on() {
    let workspace = with_one_version_applied();
    workspace.drop_root();
    let file = workspace.path("shop.db");
    fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
    expect(&workspace.tidemark(&RUN), 2, "sqlite:shop.db: the database is read-only");
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}

#[test]
fn a_file_that_is_no_database_is_left_as_it_is() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    let text = "a letter, of more than the hundred bytes that a database begins with ".repeat(9);
    workspace.write("shop.db", text.as_bytes());
    expect(&workspace.tidemark(&RUN), 2, "file is not a database");
    assert_eq!(fs::read_to_string(workspace.path("shop.db")).unwrap(), text);
    fs::create_dir(workspace.path("folder")).unwrap();
    expect(&workspace.tidemark(&["run", "exports", "--sink", "sqlite:folder", "--create"]), 2, "sqlite:folder");
}

#[test]
fn another_registry_is_refused_until_it_adopts_the_database() {
    let workspace = with_one_version_applied();
    let other = [&RUN[..], &["--state", "other"]].concat();
    expect(&workspace.tidemark(&other), 1, "another registry");
    assert_eq!(held(&workspace), Some(("V1".into(), 3)));
    expect(&workspace.tidemark(&[&other[..], &["--adopt"]].concat()), 0, "is adopted");
    check_against_exports(&workspace);
    expect(&workspace.tidemark(&RUN), 1, "another registry");
    check_against_exports(&workspace);
}

#[test]
fn a_database_that_was_restored_from_an_older_copy_is_brought_up_to_date() {
    let workspace = with_one_version_applied();
    fs::copy(workspace.path("shop.db"), workspace.path("copy.db")).unwrap();
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    fs::copy(workspace.path("copy.db"), workspace.path("shop.db")).unwrap();
    expect(&workspace.tidemark(&RUN), 0, "sqlite:shop.db was behind, and holds it now");
    check_against_exports(&workspace);
}

#[test]
fn twenty_processes_racing_for_one_database_apply_every_version_once() {
    let workspace = three_versions();
    let start = || workspace.command(&RUN).stdout(std::process::Stdio::null()).spawn().unwrap();
    let racers: Vec<_> = (0..20).map(|_| start()).collect();
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    check_against_exports(&workspace);
    assert_eq!(held(&workspace), Some(("V3".into(), 2)));
}

#[test]
fn a_database_on_a_full_disk_is_a_machine_fault_and_the_next_run_goes_on() {
    let workspace = with_one_version_applied();
    let rows: String = (0..2_000).map(|key| format!("key {key};1;{};\n", "x".repeat(500))).collect();
    workspace.export("acme/test_table/V2", &rows);
    // No file may be larger than 400 KiB, so the change set fits, and the database does not.
    let program = workspace.command(&RUN);
    let mut limited = command("bash");
    let script = "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"";
    limited.arg("-c").arg(script).arg(program.get_program()).args(program.get_args());
    let output = limited.current_dir(workspace.path("")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("sqlite:shop.db: "), "{stderr}");
    expect(&workspace.tidemark(&RUN), 0, "SUCCEEDED");
    check_against_exports(&workspace);
}
