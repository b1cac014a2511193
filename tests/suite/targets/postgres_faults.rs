//! What can happen to a server while a version is applied: the fault of a machine, so that the next run goes on.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use runtime::breakpoint::Breakpoint;

use super::postgres::Target;
use super::rows::in_postgres;
use super::server::{SERVER, Server};
use super::sqlite::{check_rows, expect, text};
use crate::breakpoints::StoppedProcess;
use crate::workspace::Workspace;

#[test]
fn a_server_that_stops_in_the_middle_of_a_version_leaves_it_to_the_next_run() {
    let server = Server::start("restarted");
    let address = server.database("shop");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1)]));
    expect(&workspace.tidemark(&run), 0, "");
    workspace.export("acme/test_table/V2", &text(&[("a", 2), ("c", 1)]));
    let stopped = StoppedProcess::start(&workspace, &run, Breakpoint::PartWritten, 1).unwrap();
    server.restart();
    let output = stopped.resume();
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains("run again"), "{}", output.transcript());
    server.stop();
    expect(&workspace.tidemark(&run), 2, "check the address and the server");
    server.restart_after_stop();
    expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    let mut client = server.client("shop");
    check_rows(&workspace, |table, tenant| in_postgres(&mut client, table, tenant));
}

#[test]
fn whatever_the_server_refuses_for_now_is_a_machine_fault_and_the_next_run_goes_on() {
    for (database, begin, end, problem) in [
        (
            "read_only",
            "ALTER DATABASE read_only SET default_transaction_read_only = on",
            "ALTER DATABASE read_only RESET default_transaction_read_only",
            "the database is read-only",
        ),
        (
            "time_out",
            "ALTER DATABASE time_out SET statement_timeout = 300;
             CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$;
             CREATE TRIGGER own BEFORE INSERT ON test_table FOR EACH ROW EXECUTE FUNCTION own()",
            "ALTER DATABASE time_out RESET statement_timeout; DROP TRIGGER own ON test_table",
            "canceling statement due to statement timeout (57014)",
        ),
    ] {
        let target = Target::with_one_version_applied(database);
        target.execute(begin);
        expect(&target.run(), 2, problem);
        assert_eq!(target.held(), Some(("V1".into(), 3)));
        let mut client = SERVER.client("postgres");
        end.split(';').filter(|sql| sql.contains("DATABASE")).for_each(|sql| client.batch_execute(sql).unwrap());
        end.split(';').filter(|sql| !sql.contains("DATABASE")).for_each(|sql| target.execute(sql));
        expect(&target.run(), 0, "SUCCEEDED");
        target.check();
    }
}

#[test]
fn a_full_disk_is_a_machine_fault_and_the_next_run_goes_on() {
    let target = Target::new("full_disk", Workspace::new());
    target.workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    let output = target.workspace.tidemark(&target.arguments()[..4]);
    let statements: Vec<&str> = output.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    target.execute(&statements.join("\n"));
    let path = "SELECT pg_relation_filepath('test_table')";
    let path: String = SERVER.client("full_disk").query_one(path, &[]).unwrap().get(0);
    // The table is empty, and so is this device, to which nothing can be written.
    let file = SERVER.data().join(path);
    let moved = file.with_extension("moved");
    fs::rename(&file, &moved).unwrap();
    symlink("/dev/full", &file).unwrap();
    expect(&target.run(), 2, "No space left on device (53100)");
    fs::remove_file(&file).unwrap();
    fs::rename(&moved, &file).unwrap();
    expect(&target.run(), 0, "SUCCEEDED");
    target.check();
}

#[test]
fn a_deadlock_with_a_reader_is_a_machine_fault_and_the_next_run_goes_on() {
    let target = Target::with_one_version_applied("deadlock");
    target.execute("ALTER DATABASE deadlock SET deadlock_timeout = '2s'");
    let mut reader = SERVER.client("deadlock");
    reader.batch_execute("SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE test_table IN SHARE MODE").unwrap();
    let deadlock = thread::spawn(move || {
        let waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'test_table'::regclass";
        while reader.query_opt(waiting, &[]).unwrap().is_none() {
            thread::sleep(Duration::from_millis(20));
        }
        // The run has read this table, and waits for the other one.
        reader.batch_execute("LOCK TABLE _tidemark; COMMIT").unwrap();
    });
    expect(&target.run(), 2, "deadlock detected (40P01)");
    deadlock.join().unwrap();
    expect(&target.run(), 0, "SUCCEEDED");
    target.check();
}

#[test]
fn a_reader_that_locks_the_table_is_waited_for_as_long_as_the_role_allows() {
    let target = Target::with_one_version_applied("locked");
    target.execute("ALTER DATABASE locked SET lock_timeout = 200");
    let mut reader = SERVER.client("locked");
    reader.batch_execute("BEGIN; LOCK TABLE test_table IN SHARE MODE").unwrap();
    expect(&target.run(), 2, "canceling statement due to lock timeout (55P03)");
    reader.batch_execute("COMMIT").unwrap();
    expect(&target.run(), 0, "SUCCEEDED");
    target.check();
}
