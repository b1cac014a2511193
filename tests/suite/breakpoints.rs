//! A run that is stopped at a named place: killed there, left there while another one takes over, interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use runtime::breakpoint::Breakpoint;

use crate::world::{World, files, tell};

/// An hour: longer than any lease.
pub(crate) const LATER: (&str, &str) = ("TIDEMARK_CLOCK_AHEAD_MS", "3600000");

/// A process that stopped itself, to be killed or to go on.
pub(crate) struct Stopped(Child);

impl Stopped {
    /// Starts a command and waits until it stops at a place for the `nth` time; `None` when it ends before.
    pub(crate) fn start(world: &World, arguments: &[&str], place: Breakpoint, nth: u32) -> Option<Self> {
        Self::start_with(world, arguments, place, nth, &[])
    }

    pub(crate) fn start_with(
        world: &World,
        arguments: &[&str],
        place: Breakpoint,
        nth: u32,
        environment: &[(&str, &str)],
    ) -> Option<Self> {
        let mut child = world
            .command(arguments)
            .env("TIDEMARK_BREAK", format!("{}:{nth}", place.name()))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        loop {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            if state_of(&child) == Some('T') {
                return Some(Self(child));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, name: &str) {
        signal(&self.0, name);
    }

    /// Kills it as the kernel would for want of memory: nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Lets it go on to its end, and gives its exit status and what it said on stderr.
    pub(crate) fn go_on(self) -> (i32, String) {
        self.signal("CONT");
        let output = self.0.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The state of a process in `/proc/PID/stat`: `T` is stopped by a signal (proc_pid_stat(5)).
fn state_of(child: &Child) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Rows of `test_table`, keys as numbers.
fn rows(keys: std::ops::RangeInclusive<u32>, value: u32) -> String {
    keys.map(|key| format!("PK{key};{value};;\n")).collect()
}

/// A world that comes by every place: a first import, changes, a version that is held, a failed one, and one behind.
fn world() -> World {
    let world = World::new().in_memory();
    world.export("acme/test_table/V1", &rows(1..=200, 1));
    world.export("acme/test_table/V2", &(rows(1..=5, 2) + &rows(6..=199, 1)));
    world.export("acme/test_table/V3", &rows(1..=20, 1));
    world.export("acme/test_table/V4", "PK1;one;;\n");
    world.export("acme/test_table/V5", &(rows(1..=5, 3) + &rows(6..=201, 1)));
    world
}

/// Everything that outlives a run: what is published, and what the registry says of each version.
fn outcome(world: &World) -> (BTreeMap<PathBuf, Vec<u8>>, BTreeMap<String, String>) {
    (files(&world.path("out")), world.statuses("acme/test_table"))
}

#[test]
fn the_next_run_recovers_from_a_kill_at_every_breakpoint() {
    let undisturbed = world();
    assert_eq!(undisturbed.run().status, 1);
    let expected = outcome(&undisturbed);
    assert_eq!(expected.1.values().filter(|status| *status == "SUCCEEDED").count(), 3, "{:?}", expected.1);

    let mut kills = 0;
    for place in Breakpoint::ALL {
        // Every time that a run comes by the place; of the many operations, the first few and some later ones.
        let times: Vec<u32> = if place == Breakpoint::Planning { vec![1, 2, 100, 201, 207] } else { (1..20).collect() };
        let mut reached = 0;
        for nth in times {
            let world = world();
            let Some(stopped) = Stopped::start(&world, &["run", "exports"], place, nth) else { break };
            stopped.kill();
            reached += 1;
            let said = world.run();
            assert!(said.status < 2, "{} {nth}: {}", place.name(), said.transcript());
            assert_eq!(outcome(&world), expected, "killed at {} for the {nth}. time", place.name());
            assert_eq!(leftovers(&world), Vec::<PathBuf>::new(), "killed at {} for the {nth}. time", place.name());
        }
        assert!(reached > 0, "no run comes by {}", place.name());
        kills += reached;
    }
    tell(&format!("killed at {} places, {kills} times in all", Breakpoint::ALL.len()));
}

#[test]
fn the_third_run_recovers_from_two_kills() {
    let undisturbed = world();
    undisturbed.run();
    let expected = outcome(&undisturbed);
    for first in Breakpoint::ALL {
        for second in Breakpoint::ALL {
            let world = world();
            for place in [first, second] {
                if let Some(stopped) = Stopped::start(&world, &["run", "exports"], place, 2) {
                    stopped.kill();
                }
            }
            world.run();
            assert_eq!(outcome(&world), expected, "killed at {}, then at {}", first.name(), second.name());
        }
    }
}

/// Files that a run made for itself and that nobody needs any more.
fn leftovers(world: &World) -> Vec<PathBuf> {
    let mut left: Vec<PathBuf> = files(&world.path("out/.writing")).into_keys().collect();
    left.extend(files(&world.path(".tidemark/work")).into_keys());
    let aside = |path: &PathBuf| path.to_string_lossy().contains("/aside-");
    left.extend(files(&world.path(".tidemark/changes")).into_keys().filter(aside));
    left
}

/// Each file with what would show that it was written again: its inode and its time.
fn untouched(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let of = |path: PathBuf| {
        let metadata = fs::metadata(folder.join(&path)).unwrap();
        (path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    };
    files(folder).into_keys().map(of).collect()
}

/// Every version's record, to the letter.
fn records(world: &World) -> Vec<String> {
    let registry = rusqlite::Connection::open(world.path(".tidemark/registry.sqlite")).unwrap();
    let mut statement = registry.prepare("SELECT record FROM versions ORDER BY tenant, name, place").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_stalled_writer_changes_nothing_after_losing_its_lease() {
    let mut woken = 0;
    for place in Breakpoint::ALL {
        for nth in [1, 2, 3] {
            let world = world();
            let Some(stalled) = Stopped::start(&world, &["run", "exports"], place, nth) else { break };
            // An hour later its lease has expired, and another run does everything there is to do.
            let said = world.tidemark_with(&["run", "exports"], &[LATER]);
            assert!(said.status < 2, "{} {nth}: {}", place.name(), said.transcript());
            let (published, registry) = (untouched(&world.path("out")), records(&world));
            assert_eq!(world.statuses("acme/test_table")["V5"], "SUCCEEDED");

            let (status, stderr) = stalled.go_on();
            assert_eq!(untouched(&world.path("out")), published, "woken at {} {nth}: {stderr}", place.name());
            assert_eq!(records(&world), registry, "woken at {} {nth}: {stderr}", place.name());
            // It either had nothing to say any more, or says that it was taken over.
            assert!(status < 2 || stderr.contains("took over"), "woken at {} {nth}: {stderr}", place.name());
            assert_eq!(world.run().status, 0);
            woken += 1;
        }
    }
    tell(&format!("{woken} stalled writers woke"));
}

#[test]
fn a_stalled_writer_does_no_harm_while_its_successor_works() {
    let undisturbed = world();
    undisturbed.run();
    let expected = outcome(&undisturbed);
    for place in Breakpoint::ALL {
        for then in [Breakpoint::Planning, Breakpoint::ChangesDurable, Breakpoint::Claimed, Breakpoint::PartWritten] {
            let world = world();
            let Some(stalled) = Stopped::start(&world, &["run", "exports"], place, 1) else { continue };
            let Some(successor) = Stopped::start_with(&world, &["run", "exports"], then, 1, &[LATER]) else { continue };
            stalled.go_on();
            let (status, stderr) = successor.go_on();
            assert!(status < 2, "stalled at {}, successor at {}: {stderr}", place.name(), then.name());
            world.run();
            assert_eq!(outcome(&world), expected, "stalled at {}, successor at {}", place.name(), then.name());
        }
    }
}

#[test]
fn clock_jumps_never_change_the_outcome() {
    let undisturbed = world();
    undisturbed.run();
    let expected = outcome(&undisturbed);
    // Years ahead, years back (before 1970), and back again: the holder's expiry means nothing to the next one.
    for jumps in [["315576000000", "0"], ["0", "315576000000"], ["-1900000000000", "0"], ["0", "-1900000000000"]] {
        for place in [Breakpoint::Locked, Breakpoint::Planned, Breakpoint::PartWritten, Breakpoint::Published] {
            let world = world();
            let [first, second] = jumps.map(|ahead| [("TIDEMARK_CLOCK_AHEAD_MS", ahead)]);
            let stopped = Stopped::start_with(&world, &["run", "exports"], place, 1, &first).unwrap();
            // While it lives, a run with another clock takes over or leaves at once; both are right.
            let said = world.tidemark_with(&["run", "exports"], &second);
            assert!(said.status < 2, "{}", said.transcript());
            stopped.kill();
            let said = world.tidemark_with(&["run", "exports"], &second);
            assert!(said.status < 2, "{}", said.transcript());
            assert_eq!(outcome(&world), expected, "{jumps:?} at {}", place.name());
        }
    }
}

#[test]
fn a_resumed_run_does_not_rewrite_published_parts() {
    let world = World::new();
    // More than a part of operations.
    world.export("acme/test_table/V1", &rows(1..=300_000, 1));
    Stopped::start(&world, &["run", "exports"], Breakpoint::PartRecorded, 1).unwrap().kill();
    let folder = world.path("out/acme/test_table/V1");
    let first = untouched(&folder);
    assert_eq!(first.len(), 1);
    assert_eq!(world.run().status, 0);
    let all = untouched(&folder);
    assert!(all.len() > 1);
    assert!(first.iter().all(|(path, seen)| all[path] == *seen));
    assert_eq!(world.published("acme/test_table/V1").len(), 300_002);

    // A part that somebody took away meanwhile is written again.
    let other = World::new();
    other.export("acme/test_table/V1", &rows(1..=300_000, 1));
    Stopped::start(&other, &["run", "exports"], Breakpoint::PartRecorded, 1).unwrap().kill();
    fs::remove_file(other.path("out/acme/test_table/V1/part-00000.ndjson.gz")).unwrap();
    assert_eq!(other.run().status, 0);
    assert_eq!(files(&other.path("out")), files(&world.path("out")));
}

#[test]
fn ctrl_c_stops_cleanly_and_explains_how_to_resume() {
    let world = World::new();
    for version in 1..=150 {
        world.export(&format!("acme/test_table/V{version}"), &rows(1..=200, version));
    }
    let stopped = Stopped::start(&world, &["run", "exports"], Breakpoint::Succeeded, 1).unwrap();
    stopped.signal("INT");
    let (status, stderr) = stopped.go_on();
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains("stopping after this step; press Ctrl-C again to stop at once"), "{stderr}");
    assert!(stderr.contains("run the same command again; it goes on where it stopped"), "{stderr}");
    // Nothing is half done, and the lease is free without waiting for anything.
    let statuses = world.statuses("acme/test_table");
    assert!(statuses.values().any(|status| status == "REGISTERED"), "{statuses:?}");
    let registry = rusqlite::Connection::open(world.path(".tidemark/registry.sqlite")).unwrap();
    assert!(registry.query_row("SELECT owner IS NULL FROM tables", [], |row| row.get::<_, bool>(0)).unwrap());
    world.run();
    assert!(world.statuses("acme/test_table").values().all(|status| status == "SUCCEEDED" || status == "HELD"));
}

#[test]
fn a_second_ctrl_c_stops_immediately() {
    let world = World::new();
    let part = world.export("acme/test_table/V1", &rows(1..=300_000, 1));
    // Nobody reads its stdout: it waits for ever in the middle of a write.
    let mut delta = world
        .command(&["delta", "test_table", "none", &part.to_string_lossy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    delta.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    signal(&delta, "INT");
    let mut stderr = BufReader::new(delta.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("press Ctrl-C again") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
    }
    assert!(delta.try_wait().unwrap().is_none());
    signal(&delta, "INT");
    assert_eq!(delta.wait().unwrap().code(), Some(130));
}

#[test]
fn the_next_run_publishes_an_approved_plan_after_a_kill() {
    let held = || {
        let world = World::new();
        world.export("acme/test_table/V1", &rows(1..=200, 1));
        world.export("acme/test_table/V2", &rows(1..=20, 1));
        assert_eq!(world.run().status, 1);
        let said = world.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]);
        let version: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        (world, version["plan"]["hash"].as_str().unwrap().to_owned())
    };
    let (undisturbed, hash) = held();
    assert_eq!(undisturbed.tidemark(&["approve", "acme/test_table/V2", &hash]).status, 0);
    let expected = outcome(&undisturbed);
    let mut kills = 0;
    for place in Breakpoint::ALL {
        let (world, hash) = held();
        let Some(stopped) = Stopped::start(&world, &["approve", "acme/test_table/V2", &hash], place, 1) else {
            continue;
        };
        stopped.kill();
        assert_eq!(world.run().status, 0);
        assert_eq!(outcome(&world), expected, "killed at {}", place.name());
        kills += 1;
    }
    assert!(kills >= 9, "{kills}");
}

#[test]
fn the_next_replay_recovers_from_a_killed_one() {
    let world = world();
    world.run();
    let expected = outcome(&world);
    for place in [Breakpoint::Locked, Breakpoint::Claimed, Breakpoint::PartWritten, Breakpoint::PartPublished] {
        Stopped::start(&world, &["replay", "acme/test_table/V2"], place, 1).unwrap().kill();
        assert_eq!(world.tidemark(&["replay", "acme/test_table/V2"]).status, 0);
        assert_eq!(outcome(&world), expected, "killed at {}", place.name());
    }
}

#[test]
fn a_run_processes_versions_that_arrive_while_it_runs() {
    for place in [Breakpoint::Locked, Breakpoint::Planned, Breakpoint::Published, Breakpoint::Succeeded] {
        let world = World::new();
        world.export("acme/test_table/V1", &rows(1..=200, 1));
        let holder = Stopped::start(&world, &["run", "exports"], place, 1).unwrap();
        world.export("acme/test_table/V2", &rows(1..=201, 1));
        // The second run takes note of it, finds the lock taken, and leaves at once.
        let said = world.run();
        assert_eq!(said.status, 0, "{}", said.transcript());
        assert!(said.stdout.contains("is working on it, and will do what is new"), "{}", said.stdout);
        assert_eq!(world.statuses("acme/test_table")["V2"], "REGISTERED");
        assert_eq!(holder.go_on().0, 0);
        assert_eq!(world.statuses("acme/test_table")["V2"], "SUCCEEDED", "at {}", place.name());
    }
}

#[test]
fn a_lease_is_renewed_while_its_holder_works() {
    let world = World::new();
    world.export("acme/test_table/V1", &rows(1..=300_000, 1));
    let mut holder = world
        .command(&["run", "exports"])
        .env("TIDEMARK_LEASE_MS", "200")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut expiries = std::collections::BTreeSet::new();
    while holder.try_wait().unwrap().is_none() {
        expiries.extend(expiry(&world));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(holder.wait().unwrap().success());
    assert!(expiries.len() > 1, "{expiries:?}");
}

/// When the lease of a world's only table expires, as soon as somebody has it.
fn expiry(world: &World) -> Option<i64> {
    let path = world.path(".tidemark/registry.sqlite");
    let registry = path.exists().then(|| rusqlite::Connection::open(path).unwrap())?;
    registry.query_row("SELECT expires_at FROM tables", [], |row| row.get(0)).ok()
}
