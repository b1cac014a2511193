//! `kill -9` at random moments over the samples: the databases always hold whole versions, and in the end the newest.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::sqlite::{check_against_exports, database, expect, samples};
use super::stream::{apply_to, dice, published_lines, samples_without_history, shuffled};
use crate::workspace::{Workspace, add_to_summary};

/// How much longer each attempt may take than the one before.
const STEP: Duration = Duration::from_millis(60);

/// Kills runs with these arguments until so many were killed. `check` is called after each of them, and `finish` once a
/// run has reached the end.
fn kill(wanted: usize, arguments: &[&str], mut check: impl FnMut(&Workspace), mut finish: impl FnMut(&Workspace)) {
    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let (mut kills, mut workspaces) = (0, 0);
    while kills < wanted {
        let workspace = samples();
        workspaces += 1;
        for attempt in 1.. {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let mut run = workspace.command(arguments);
            let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(STEP.mul_f64((dice % 1000) as f64 / 1000.0 * f64::from(attempt)));
            let is_done = run.try_wait().unwrap().is_some();
            run.kill().unwrap();
            run.wait().unwrap();
            if workspace.path("shop.db").exists() {
                check(&workspace);
            }
            if is_done {
                break;
            }
            kills += 1;
        }
        expect(&workspace.tidemark(arguments), 0, "");
        check_against_exports(&workspace);
        finish(&workspace);
    }
    add_to_summary(&format!("{kills} kills at random moments in {workspaces} workspaces with databases"));
}

/// Checks that every table in `shop.db` is a whole version.
fn check_sqlite(workspace: &Workspace) {
    let database = database(workspace);
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%_history' AND name NOT LIKE '_tidemark_%'";
    let mut names = database.prepare(names).unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    if !names.contains(&"_tidemark".to_owned()) {
        return;
    }
    for table in names.iter().filter(|name| *name != "_tidemark") {
        let marks =
            "SELECT tenant, row_count, fingerprint FROM _tidemark WHERE table_name = ?1 AND version IS NOT NULL";
        let mut marks = database.prepare(marks).unwrap();
        let mark = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let marks: Vec<(String, i64, String)> = marks.query_map([table], mark).unwrap().map(Result::unwrap).collect();
        for (tenant, count, fingerprint) in marks {
            let mut hashes = database.prepare(&format!("SELECT _hash FROM {table} WHERE _tenant = ?1")).unwrap();
            let hashes = hashes.query_map([&tenant], |row| row.get::<_, i64>(0)).unwrap().map(Result::unwrap);
            let hashes: Vec<i128> = hashes.map(i128::from).collect();
            let found = (hashes.len() as i64, hashes.iter().sum::<i128>().to_string());
            assert_eq!(found, (count, fingerprint), "{tenant}/{table}");
        }
    }
}

#[cfg(not(feature = "postgres"))]
#[test]
fn random_kills_leave_whole_versions_and_the_newest_in_the_end() {
    let run = ["run", "exports", "--sink", "sqlite:shop.db", "--create"];
    kill(40, &run, check_sqlite, |_| ());
}

#[cfg(feature = "postgres")]
#[test]
fn random_kills_leave_whole_versions_and_the_newest_in_the_end() {
    use super::rows::in_postgres;
    use super::server::SERVER;
    use super::sqlite::check_rows;

    let address = SERVER.database("random_kills");
    let run = ["run", "exports", "--sink", "sqlite:shop.db", "--sink", &address, "--create"];
    let check_postgres = || {
        let mut client = SERVER.client("random_kills");
        let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                      AND relname NOT LIKE '\\_tidemark%' AND relname NOT LIKE '%\\_history'";
        let tables: Vec<String> = client.query(tables, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        for table in tables {
            let torn = format!(
                "SELECT tenant FROM _tidemark m WHERE table_name = '{table}' AND version IS NOT NULL
                 AND row_count || ' ' || fingerprint <>
                     (SELECT count(*) || ' ' || coalesce(sum(_hash), 0) FROM {table} WHERE _tenant = m.tenant)"
            );
            assert!(client.query(&torn, &[]).unwrap().is_empty(), "{table}");
        }
    };
    let check = |workspace: &Workspace| {
        check_sqlite(workspace);
        check_postgres();
    };
    let finish = |workspace: &Workspace| {
        let mut client = SERVER.client("random_kills");
        check_rows(workspace, |table, tenant| in_postgres(&mut client, table, tenant));
        client.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").unwrap();
    };
    kill(100, &run, check, finish);
}

/// How much longer each attempt to apply a stream may take than the one before.
const STREAM_STEP: Duration = Duration::from_millis(8);

/// Applies a stream to an empty database and kills that again and again, until it is done. Returns how often.
fn kill_stream(workspace: &Workspace, lines: &Path, dice: &mut impl FnMut(usize) -> usize) -> usize {
    for kills in 0.. {
        let mut apply = workspace.command(&["apply", "-", "--to", "sqlite:shop.db", "--create"]);
        let apply = apply.stdin(File::open(lines).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut apply = apply.spawn().unwrap();
        thread::sleep(STREAM_STEP.mul_f64(dice(1000) as f64 / 1000.0 * (kills + 1) as f64));
        let is_done = apply.try_wait().unwrap().is_some();
        apply.kill().unwrap();
        apply.wait().unwrap();
        if workspace.path("shop.db").exists() {
            check_sqlite(workspace);
        }
        if is_done {
            return kills;
        }
    }
    unreachable!("it is done some time")
}

#[test]
fn a_stream_that_is_killed_again_and_again_ends_with_the_newest_export() {
    let workspace = samples_without_history();
    expect(&workspace.run(), 0, "");
    let published = published_lines(&workspace);
    let (mut kills, mut rounds) = (0, 0);
    while kills < 100 {
        rounds += 1;
        let mut dice = dice(rounds);
        let lines = shuffled(&published, &mut dice);
        let file = workspace.write("killed.ndjson", lines.concat().as_bytes());
        kills += kill_stream(&workspace, &file, &mut dice);
        expect(&apply_to(&workspace, &lines, "sqlite:shop.db", &[]), 0, "complete");
        check_against_exports(&workspace);
        for name in ["shop.db", "shop.db-wal", "shop.db-shm"] {
            let _ = fs::remove_file(workspace.path(name));
        }
    }
    add_to_summary(&format!("{kills} kills at random moments while {rounds} streams were applied"));
}
