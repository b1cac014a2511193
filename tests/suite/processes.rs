//! Processes that are killed, and processes that race: what is published at the end is what one undisturbed run
//! publishes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::world::{World, files, tell};

/// How many kills there must have been; `TIDEMARK_KILLS` asks for more.
const KILLS: usize = 100;

/// By how much longer an attempt may take than the one before it. A whole run takes a few of these.
const STEP: Duration = Duration::from_millis(50);

#[test]
fn a_hundred_random_kills_leave_the_same_files_as_an_undisturbed_run() {
    let wanted = std::env::var("TIDEMARK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let undisturbed = world();
    assert_eq!(undisturbed.run().status, 0);
    let expected = files(&undisturbed.path("out"));
    assert!(expected.len() > 30);

    let mut dice = 0x9e37_79b9_7f4a_7c15u64;
    let (mut kills, mut worlds) = (0, 0);
    while kills < wanted {
        let world = world();
        worlds += 1;
        // Each attempt gets further than the one before, so that every step is hit and the end is reached.
        for attempt in 1.. {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let share = (dice % 1000) as f64 / 1000.0;
            let patience = STEP.mul_f64(share * f64::from(attempt));
            if !killed_after(&world, patience) {
                break;
            }
            kills += 1;
        }
        let said = world.run();
        assert_eq!(said.status, 0, "{}", said.transcript());
        assert_eq!(files(&world.path("out")), expected);
    }
    tell(&format!("{kills} kills in {worlds} worlds"));
}

#[test]
fn fifty_processes_racing_for_one_table_publish_every_version_once() {
    const RACERS: usize = 50;
    let world = World::new();
    for version in 1..=5 {
        world.export(&format!("acme/test_table/V{version}"), &format!("PK0;{version};;\nPK{version};{version};a;\n"));
    }
    let start = || {
        let mut run = Command::new(env!("CARGO_BIN_EXE_tidemark-under-test"));
        run.args(["run", "exports"]).current_dir(world.path(""));
        run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let racers: Vec<_> = (0..RACERS).map(|_| start()).collect();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let sequences: Vec<_> =
        (1..=5).map(|version| world.published(&format!("acme/test_table/V{version}"))[0]["sequence"].clone()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    let registry = rusqlite::Connection::open(world.path(".tidemark/registry.sqlite")).unwrap();
    let free = "SELECT owner IS NULL AND sequence = 5 FROM tables";
    assert!(registry.query_row(free, [], |row| row.get::<_, bool>(0)).unwrap());
}

/// Starts a run and kills it after a while; false when it was done before.
fn killed_after(world: &World, patience: Duration) -> bool {
    let mut run = Command::new(env!("CARGO_BIN_EXE_tidemark-under-test"))
        .args(["run", "exports"])
        .current_dir(world.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(patience);
    let is_done = run.try_wait().unwrap().is_some();
    run.kill().unwrap();
    run.wait().unwrap();
    !is_done
}

/// A world with the samples in it.
fn world() -> World {
    let world = World::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports/.");
    let copied = Command::new("cp").arg("-r").args([samples, world.path("exports")]).status().unwrap();
    assert!(copied.success());
    world
}
