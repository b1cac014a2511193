//! `--sink postgres://…`, on a real server.

use runtime::breakpoint::Breakpoint;

use super::named;
use super::rows::{exported, in_postgres};
use super::server::SERVER;
use super::sqlite::{check_rows, expect, samples, text};
use crate::breakpoints::{ONE_HOUR_AHEAD, StoppedProcess};
use crate::schema_changes::versions;
use crate::workspace::{CommandOutput, Workspace, add_to_summary, gzip};

/// A workspace, and a database of its own.
pub(super) struct Target {
    pub(super) workspace: Workspace,
    pub(super) database: &'static str,
    pub(super) address: String,
}

impl Target {
    pub(super) fn new(database: &'static str, workspace: Workspace) -> Self {
        Self { workspace, database, address: SERVER.database(database) }
    }

    /// With two versions, of which the first is applied.
    pub(super) fn with_one_version_applied(database: &'static str) -> Self {
        let target = Self::new(database, Workspace::new());
        target.workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
        expect(&target.run(), 0, "");
        target.workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1), ("d", 1)]));
        target
    }

    pub(super) fn arguments(&self) -> [&str; 5] {
        ["run", "exports", "--sink", &self.address, "--create"]
    }

    pub(super) fn run(&self) -> CommandOutput {
        self.workspace.tidemark(&self.arguments())
    }

    pub(super) fn execute(&self, sql: &str) {
        SERVER.client(self.database).batch_execute(sql).unwrap();
    }

    pub(super) fn check(&self) -> usize {
        let mut client = SERVER.client(self.database);
        check_rows(&self.workspace, |table, tenant| in_postgres(&mut client, table, tenant))
    }

    /// The version in the database, and how many rows it has.
    pub(super) fn held(&self) -> Option<(String, i64)> {
        let sql = "SELECT version, (SELECT count(*) FROM test_table) FROM _tidemark";
        let row = SERVER.client(self.database).query_opt(sql, &[]).ok()??;
        Some((row.get(0), row.get(1)))
    }
}

#[test]
fn rows_of_every_table_equal_its_newest_export() {
    let target = Target::new("samples", samples());
    expect(&target.run(), 0, "Rows are in postgres://postgres@");
    let rows = target.check();
    assert!(rows > 2_500, "{rows}");
    expect(&target.run(), 0, "nothing to do");
    let comment = "SELECT col_description('orders'::regclass, 5)";
    let comment: String = SERVER.client("samples").query_one(comment, &[]).unwrap().get(0);
    assert_eq!(comment, "varchar(12). open, paid, shipped, returned or cancelled.");
}

#[test]
fn keys_that_are_deleted_come_back_in_any_history() {
    let target = Target::new("histories", Workspace::new().in_memory());
    let mut dice = 0x2545_f491_4f6c_dd1du64;
    for version in 1..=20 {
        let mut rows = String::new();
        for key in 0..60 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if dice % 10 < 8 {
                let tail = ["", r"\N", "\\t\t\\"][(dice % 3) as usize];
                rows.push_str(&format!("key {key};{};\"a;\"\"\u{e9}\";{tail}\n", dice % 3));
            }
        }
        target.workspace.export(&format!("acme/test_table/V{version:02}"), &rows);
        if version % 4 == 0 {
            expect(&target.run(), 0, "");
            target.check();
        }
    }
}

#[test]
fn the_database_holds_a_whole_version_after_a_kill_at_every_step() {
    let steps = [
        Breakpoint::Publishing,
        Breakpoint::Claimed,
        Breakpoint::PartWritten,
        Breakpoint::Marked,
        Breakpoint::PartPublished,
        Breakpoint::Published,
    ];
    let target = Target::new("kills", Workspace::new());
    let mut kills = 0;
    for step in steps {
        for nth in 1..=3 {
            target.execute("DROP TABLE IF EXISTS test_table, _tidemark");
            let workspace = Workspace::new().in_memory();
            workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
            workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1), ("d", 1), ("e", 1)]));
            workspace.export("acme/test_table/V3", &text(&[("b", 3), ("d", 2)]));
            StoppedProcess::start(&workspace, &target.arguments(), step, nth).unwrap().kill();
            kills += 1;
            if let Some((version, rows)) = target.held() {
                assert!([("V1", 3), ("V2", 4), ("V3", 2)].contains(&(version.as_str(), rows)), "{version}: {rows}");
            }
            let output = workspace.tidemark(&target.arguments());
            assert_eq!(output.status, 0, "killed at {} {nth}: {}", step.name(), output.transcript());
            assert_eq!(target.held(), Some(("V3".into(), 2)), "killed at {} {nth}", step.name());
        }
    }
    add_to_summary(&format!("{kills} kills while versions were applied to PostgreSQL"));
}

#[test]
fn reconcile_names_the_rows_that_differ_and_puts_them_right() {
    let target = Target::new("reconciled", samples());
    expect(&target.run(), 0, "");
    let reconcile = |more: &[&str]| {
        let arguments = ["reconcile", "acme/sensor_readings", "--to", &target.address];
        target.workspace.tidemark(&[&arguments[..], more].concat())
    };
    expect(&reconcile(&[]), 0, "holds acme/sensor_readings as of 20260103_V0001");
    let key = "SELECT sensor_id, site FROM sensor_readings WHERE _tenant = 'acme' ORDER BY 1 LIMIT 1";
    let row = SERVER.client("reconciled").query_one(key, &[]).unwrap();
    let (id, site): (i32, String) = (row.get(0), row.get(1));
    target.execute(&format!(
        "UPDATE sensor_readings SET temperature_c = 'NaN', payload = '\\x00', label = '' \
         WHERE sensor_id = {id} AND site = '{site}' AND _tenant = 'acme'"
    ));
    let output = reconcile(&[]);
    expect(&output, 1, "0 missing, 0 extra and 1 changed");
    expect(&output, 1, &format!("changed  ({site}, {id})"));
    expect(&reconcile(&["--repair"]), 0, "The rows are put right.");
    target.check();
    expect(&reconcile(&[]), 0, "holds");
}

#[test]
fn a_stale_writer_changes_nothing() {
    let target = Target::with_one_version_applied("stale");
    let stalled = StoppedProcess::start(&target.workspace, &target.arguments(), Breakpoint::Publishing, 1).unwrap();
    expect(&target.workspace.tidemark_with_env(&target.arguments(), &[ONE_HOUR_AHEAD]), 0, "");
    let output = stalled.resume();
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains("took over"), "{}", output.transcript());
    target.check();
}

#[test]
fn what_is_missing_is_printed_and_nothing_is_planned_until_it_is_there() {
    let target = Target::new("missing", Workspace::new());
    target.workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    let output = target.workspace.tidemark(&target.arguments()[..4]);
    expect(&output, 1, "test_table: the table does not exist; nothing was planned");
    let statements: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    target.execute(&statements.join("\n"));
    expect(&target.workspace.tidemark(&target.arguments()[..4]), 0, "SUCCEEDED");
    target.check();
}

#[test]
fn whatever_was_edited_is_noticed_and_the_table_can_be_filled_again() {
    let target = Target::new("edited", Workspace::new());
    for (edit, problem) in [
        ("DELETE FROM test_table WHERE pk = 'b'", "1 rows that the version changes are not there"),
        ("UPDATE test_table SET _hash = 1 WHERE pk = 'a'", "or were changed, such as (a)"),
        (
            "INSERT INTO test_table SELECT _tenant, 'd', col_1, col_2, col_3, _sequence, _hash FROM test_table LIMIT 1",
            "1 rows that it should not have yet are there, such as (d)",
        ),
        ("ALTER TABLE test_table ALTER COLUMN col_1 TYPE bigint", "column `col_1` is bigint, and should be integer"),
        ("ALTER TABLE test_table ADD COLUMN more text", "column `more` is not in the schema"),
    ] {
        target.execute("DROP TABLE IF EXISTS test_table, _tidemark");
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
        expect(&workspace.tidemark(&target.arguments()), 0, "");
        workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1), ("d", 1)]));
        target.execute(edit);
        expect(&workspace.tidemark(&target.arguments()), 1, problem);
        target.execute("DROP TABLE test_table");
        expect(&workspace.tidemark(&target.arguments()), 0, "");
        let mut client = SERVER.client("edited");
        check_rows(&workspace, |table, tenant| in_postgres(&mut client, table, tenant));
    }
}

/// What refuses a row, what is said about it, and which row it is.
const REFUSALS: [(&str, &str, &str); 4] = [
    (
        "ALTER TABLE test_table ADD CONSTRAINT own CHECK (pk <> 'secret')",
        "constraint `own` of `test_table` (23514)",
        "INSERT of (secret)",
    ),
    (
        "CREATE UNIQUE INDEX own ON test_table (col_2) WHERE pk IN ('d', 'secret')",
        "constraint `own` of `test_table` (23505)",
        "INSERT of (secret)",
    ),
    (
        "CREATE TRIGGER own BEFORE INSERT ON test_table FOR EACH ROW WHEN (NEW.pk = 'secret') EXECUTE FUNCTION own()",
        "a trigger raises an exception (P0001)",
        "INSERT of (secret)",
    ),
    (
        "CREATE TABLE IF NOT EXISTS invoices (t text, k text, CONSTRAINT own FOREIGN KEY (t, k) REFERENCES test_table);
         INSERT INTO invoices VALUES ('acme', 'b')",
        "constraint `own` of `invoices` (23503)",
        "DELETE of (b)",
    ),
];

#[test]
fn a_row_that_is_refused_is_named_without_another_value_of_it() {
    let target = Target::new("refused", Workspace::new());
    let function = "CREATE OR REPLACE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                    RAISE EXCEPTION 'not %', NEW.pk; END $$";
    target.execute(function);
    for (constraint, problem, row) in REFUSALS {
        target.execute("DROP TABLE IF EXISTS invoices, test_table, _tidemark");
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1), ("c", 1)]));
        expect(&workspace.tidemark(&target.arguments()), 0, "");
        workspace.export("acme/test_table/V2", "a;2;hidden;\nc;1;a;\nd;1;hidden;\nsecret;1;hidden;\n");
        target.execute(constraint);
        let output = workspace.tidemark_with_env(&target.arguments(), &[("RUST_LOG", "debug")]);
        expect(&output, 1, &format!("{problem}; it is the {row}"));
        assert!(!output.stderr.contains("hidden"), "{}", output.stderr);
        assert_eq!(target.held(), Some(("V1".into(), 3)));
    }
}

#[test]
fn a_row_of_a_version_in_full_is_named_too() {
    let target = Target::new("refused_in_full", Workspace::new());
    let workspace = &target.workspace;
    workspace.export("globex/test_table/V1", &text(&[("a", 1)]));
    expect(&workspace.tidemark(&target.arguments()), 0, "");
    target.execute("ALTER TABLE test_table ADD CONSTRAINT own CHECK (pk <> 'k7')");
    let rows: Vec<String> = (0..20).map(|number| format!("k{number};{number};hidden;\n")).collect();
    workspace.export("acme/test_table/V1", &rows.concat());
    let output = workspace.tidemark(&target.arguments());
    expect(&output, 1, "constraint `own` of `test_table` (23514); it is the INSERT of (k7)");
    assert!(!output.stderr.contains("hidden"), "{}", output.stderr);
}

#[test]
fn what_an_index_cannot_hold_is_found_while_planning() {
    let target = Target::with_one_version_applied("too_long");
    // Random digits, which do not compress.
    let mut dice = 1u64;
    let mut digits = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + (dice >> 33) as u8 % 26)
    };
    let fits: String = (0..2_480).map(|_| digits()).collect();
    target.workspace.export("acme/test_table/V2", &text(&[("a", 2), (&fits, 1)]));
    expect(&target.run(), 0, "SUCCEEDED");
    target.check();
    let long: String = (0..2_600).map(|_| digits()).collect();
    target.workspace.export("acme/test_table/V3", &text(&[("a", 2), (&fits, 1), (&long, 1)]));
    // A plan that was made for files is made again.
    let only_files = ["run", "exports", "--out", "out"];
    let planned = StoppedProcess::start(&target.workspace, &only_files, Breakpoint::Planned, 1).unwrap();
    planned.kill();
    assert_eq!(target.workspace.statuses("acme/test_table")["V3"], "PLANNED");
    expect(&target.run(), 1, "but an index of PostgreSQL takes at most 2500");
    assert_eq!(target.workspace.statuses("acme/test_table")["V3"], "FAILED");
}

#[test]
fn columns_that_are_added_dropped_renamed_and_retyped_are_altered() {
    let address = SERVER.database("schema_changes");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let workspace = Workspace::from_schemas();
    for (number, (schema, export)) in (1..).zip(versions()) {
        workspace.write("schemas/orders.yaml", schema.as_bytes());
        workspace.write(&format!("exports/acme/orders/V{number}/orders.csv.gz"), &gzip(export.as_bytes()));
        if number > 1 {
            expect(&workspace.tidemark(&run[..4]), 1, "the table is not that of today's schema");
        }
        expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
        let table = tests::table::parse(&schema).unwrap();
        let expected = exported(table, &workspace.path(&format!("exports/acme/orders/V{number}")));
        assert_eq!(in_postgres(&mut SERVER.client("schema_changes"), table, "acme"), expected, "V{number}");
    }
}

#[test]
fn a_table_in_a_schema_of_its_own_is_created_and_altered_there() {
    let address = SERVER.database("named");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let workspace = Workspace::from_schemas();
    for number in 1..=5 {
        named::deliver(&workspace, number, "sales.placed");
        if number == 1 {
            expect(&workspace.tidemark(&run[..4]), 1, "sales.placed: the table does not exist");
            expect(&workspace.tidemark(&run[..4]), 1, "CREATE SCHEMA \"sales\";");
        }
        expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
        let table = tests::table::parse(&named::schema(number, "sales.placed")).unwrap();
        let expected = exported(table, &workspace.path(&format!("exports/acme/orders/V{number}")));
        assert_eq!(in_postgres(&mut SERVER.client("named"), table, "acme"), expected, "V{number}");
    }
    SERVER.client("named").batch_execute("DELETE FROM sales.placed WHERE order_id = 1").unwrap();
    expect(&workspace.tidemark(&["reconcile", "acme/orders", "--to", &address, "--repair"]), 0, "put right");
    SERVER.client("named").batch_execute("ALTER TABLE sales.placed ADD COLUMN more text").unwrap();
    expect(&workspace.tidemark(&run), 0, "nothing to do");
    expect(&workspace.tidemark(&["reconcile", "acme/orders", "--to", &address]), 1, "`more` is not in the schema");
}

#[test]
fn twenty_processes_racing_for_one_database_apply_every_version_once() {
    let target = Target::with_one_version_applied("races");
    let start = || target.workspace.command(&target.arguments()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let racers: Vec<_> = (0..20).map(|_| start()).collect();
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    target.check();
}
