//! Processes that are killed, and processes that race: in the end, the published files are those of one undisturbed
//! run.

use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::limits::command;
use crate::workspace::{Workspace, add_to_summary};

/// How many kills to reach; `TIDEMARK_KILLS` overrides it.
const KILLS: usize = 100;

/// How much longer each attempt may take than the one before. A whole run takes a few of these.
const STEP: Duration = Duration::from_millis(50);

#[test]
fn a_hundred_random_kills_leave_the_same_files_as_an_undisturbed_run() {
    let wanted = std::env::var("TIDEMARK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let undisturbed = workspace();
    assert_eq!(undisturbed.run().status, 0);
    let expected = undisturbed.output();
    assert!(expected.len() > 30);

    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let (mut kills, mut workspaces) = (0, 0);
    while kills < wanted {
        let workspace = workspace();
        workspaces += 1;
        // Each attempt gets further than the one before, so that every step is hit and one attempt reaches the end.
        for attempt in 1.. {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let share = (dice % 1000) as f64 / 1000.0;
            let delay = STEP.mul_f64(share * f64::from(attempt));
            if !killed_after(&workspace, delay) {
                break;
            }
            kills += 1;
        }
        let output = workspace.run();
        assert_eq!(output.status, 0, "{}", output.transcript());
        assert_eq!(workspace.output(), expected);
    }
    add_to_summary(&format!("{kills} kills at random moments in {workspaces} workspaces"));
}

/// Runs a command while another program holds the lock of the registry for a while.
fn while_locked<T>(workspace: &Workspace, run: impl FnOnce() -> T) -> T {
    let other = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(1500));
            other.execute_batch("ROLLBACK").unwrap();
        });
        run()
    })
}

#[test]
fn a_run_that_waits_for_another_writer_says_so_on_a_terminal_and_in_the_log() {
    const WAITING: &str = "waiting for another program that is writing to the registry .tidemark/registry.sqlite";
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;a;\n");
    let undisturbed = workspace.run();
    assert!(undisturbed.status == 0 && !undisturbed.stderr.contains("waiting"), "{}", undisturbed.transcript());
    workspace.export("acme/test_table/V2", "PK1;2;a;\n");
    let logged = while_locked(&workspace, || workspace.tidemark_with_env(&["run", "exports"], &[("RUST_LOG", "info")]));
    assert_eq!((logged.status, logged.stderr.matches(WAITING).count()), (0, 1), "{}", logged.transcript());
    workspace.export("acme/test_table/V3", "PK1;3;a;\n");
    let mut terminal = command("script");
    let program = env!("CARGO_BIN_EXE_tidemark-under-test");
    terminal.args(["-qec", &format!("{program} run exports"), "/dev/null"]).current_dir(workspace.path(""));
    let shown = while_locked(&workspace, || terminal.output().unwrap());
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success() && text.matches(WAITING).count() == 1, "{text}");
}

#[test]
fn fifty_processes_racing_for_one_table_publish_every_version_once() {
    const RACERS: usize = 50;
    let workspace = Workspace::new();
    for version in 1..=5 {
        workspace
            .export(&format!("acme/test_table/V{version}"), &format!("PK0;{version};;\nPK{version};{version};a;\n"));
    }
    let start = || {
        let mut run = command(env!("CARGO_BIN_EXE_tidemark-under-test"));
        run.args(["run", "exports"]).current_dir(workspace.path(""));
        run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let racers: Vec<_> = (0..RACERS).map(|_| start()).collect();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let sequences: Vec<_> = (1..=5)
        .map(|version| workspace.published(&format!("acme/test_table/V{version}"))[0]["sequence"].clone())
        .collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let is_free = "SELECT owner IS NULL AND sequence = value + 5 FROM tables, settings WHERE settings.name = 'created'";
    assert!(registry.query_row(is_free, [], |row| row.get::<_, bool>(0)).unwrap());
}

/// Starts a run and kills it after a delay. Returns false if the run had ended before.
fn killed_after(workspace: &Workspace, delay: Duration) -> bool {
    let mut run = command(env!("CARGO_BIN_EXE_tidemark-under-test"))
        .args(["run", "exports"])
        .current_dir(workspace.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(delay);
    let is_done = run.try_wait().unwrap().is_some();
    run.kill().unwrap();
    run.wait().unwrap();
    !is_done
}

/// A workspace with the sample exports.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports/.");
    let copied = command("cp").arg("-r").args([samples, workspace.path("exports")]).status().unwrap();
    assert!(copied.success());
    workspace
}
