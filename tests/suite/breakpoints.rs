//! Runs that stop at a named breakpoint and are killed there, interrupted, or resumed after another run took over.

mod listings;
mod overtaken;
mod stopped_process;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use runtime::breakpoint::Breakpoint;

use crate::workspace::{CommandOutput, Workspace, add_to_summary, files};

pub(crate) use stopped_process::StoppedProcess;
use stopped_process::signal;

/// Sets the clock ahead by an hour, which is longer than any lease.
pub(crate) const ONE_HOUR_AHEAD: (&str, &str) = ("TIDEMARK_CLOCK_AHEAD_MS", "3600000");

/// Rows of `test_table` with numbered keys, all with the same value.
fn rows(keys: std::ops::RangeInclusive<u32>, value: u32) -> String {
    keys.map(|key| format!("PK{key};{value};;\n")).collect()
}

/// Exports whose run reaches every breakpoint: a first import, changes, a HELD and a FAILED version, and one after
/// them.
fn workspace() -> Workspace {
    let workspace = Workspace::new().in_memory();
    workspace.export("acme/test_table/V1", &rows(1..=200, 1));
    workspace.export("acme/test_table/V2", &(rows(1..=5, 2) + &rows(6..=199, 1)));
    workspace.export("acme/test_table/V3", &rows(1..=20, 1));
    workspace.export("acme/test_table/V4", "PK1;one;;\n");
    workspace.export("acme/test_table/V5", &(rows(1..=5, 3) + &rows(6..=201, 1)));
    workspace
}

/// What a run leaves behind: the published files, and the status of each version.
fn outcome(workspace: &Workspace) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    (workspace.output(), workspace.statuses("acme/test_table"))
}

#[test]
fn the_next_run_recovers_from_a_kill_at_every_breakpoint() {
    let undisturbed = workspace();
    assert_eq!(undisturbed.run().status, 1);
    let expected = outcome(&undisturbed);
    assert_eq!(expected.1.values().filter(|status| *status == "SUCCEEDED").count(), 3, "{:?}", expected.1);

    let mut kills = 0;
    for breakpoint in Breakpoint::ALL {
        // Stop at every visit, but only at some of the many visits to `Planning`, one for each operation.
        let visits: Vec<u32> =
            if breakpoint == Breakpoint::Planning { vec![1, 2, 100, 201, 207] } else { (1..20).collect() };
        let mut reached = 0;
        for nth in visits {
            let workspace = workspace();
            let Some(stopped) = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, nth) else { break };
            stopped.kill();
            reached += 1;
            let output = workspace.run();
            assert!(output.status < 2, "{} {nth}: {}", breakpoint.name(), output.transcript());
            assert_eq!(outcome(&workspace), expected, "killed at {}, visit {nth}", breakpoint.name());
            assert_eq!(
                temporary_files(&workspace),
                Vec::<PathBuf>::new(),
                "killed at {}, visit {nth}",
                breakpoint.name()
            );
        }
        assert!(reached > 0, "no run reaches {}", breakpoint.name());
        kills += reached;
    }
    add_to_summary(&format!("{kills} kills at {} breakpoints", Breakpoint::ALL.len()));
}

#[test]
fn the_third_run_recovers_from_two_kills() {
    let undisturbed = workspace();
    undisturbed.run();
    let expected = outcome(&undisturbed);
    for first in Breakpoint::ALL {
        for second in Breakpoint::ALL {
            let workspace = workspace();
            for breakpoint in [first, second] {
                if let Some(stopped) = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 2) {
                    stopped.kill();
                }
            }
            workspace.run();
            assert_eq!(outcome(&workspace), expected, "killed at {}, then at {}", first.name(), second.name());
        }
    }
}

/// Temporary files of a run that should have been removed.
fn temporary_files(workspace: &Workspace) -> Vec<PathBuf> {
    let mut temporary_files: Vec<PathBuf> = files(&workspace.path("out/.writing")).into_keys().collect();
    temporary_files.retain(|path| !path.ends_with("mark.json"));
    temporary_files.extend(files(&workspace.path(".tidemark/work")).into_keys());
    let aside = |path: &PathBuf| path.to_string_lossy().contains("/aside-");
    temporary_files.extend(files(&workspace.path(".tidemark/changes")).into_keys().filter(aside));
    temporary_files
}

/// The inode and modification time of each file, which change when it is rewritten.
fn file_identities(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let identity = |path: PathBuf| {
        let metadata = fs::metadata(folder.join(&path)).unwrap();
        (path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    };
    files(folder).into_keys().map(identity).collect()
}

/// The record of every version, as the registry stores it.
fn records(workspace: &Workspace) -> Vec<String> {
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let mut statement = registry.prepare("SELECT record FROM versions ORDER BY tenant, name, place").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_stalled_writer_changes_nothing_after_losing_its_lease() {
    let mut resumed = 0;
    for breakpoint in Breakpoint::ALL {
        for nth in [1, 2, 3] {
            let workspace = workspace();
            let Some(stalled) = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, nth) else { break };
            // An hour later the lease has expired, and another run does all the work.
            let output = workspace.tidemark_with_env(&["run", "exports"], &[ONE_HOUR_AHEAD]);
            assert!(output.status < 2, "{} {nth}: {}", breakpoint.name(), output.transcript());
            let (published, registry) = (file_identities(&workspace.path("out")), records(&workspace));
            assert_eq!(workspace.statuses("acme/test_table")["V5"], "SUCCEEDED");

            let CommandOutput { status, stderr, .. } = stalled.resume();
            assert_eq!(
                file_identities(&workspace.path("out")),
                published,
                "resumed at {} {nth}: {stderr}",
                breakpoint.name()
            );
            assert_eq!(records(&workspace), registry, "resumed at {} {nth}: {stderr}", breakpoint.name());
            // Either all the work was already done, or it reports that another run took over.
            assert!(status < 2 || stderr.contains("took over"), "resumed at {} {nth}: {stderr}", breakpoint.name());
            assert_eq!(workspace.run().status, 0);
            resumed += 1;
        }
    }
    add_to_summary(&format!("{resumed} stalled writers resumed after losing their lease"));
}

#[test]
fn a_stalled_writer_does_no_harm_while_its_successor_works() {
    let undisturbed = workspace();
    undisturbed.run();
    let expected = outcome(&undisturbed);
    for breakpoint in Breakpoint::ALL {
        for reached in [Breakpoint::Planning, Breakpoint::ChangesDurable, Breakpoint::Claimed, Breakpoint::PartWritten]
        {
            let workspace = workspace();
            let Some(stalled) = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1) else { continue };
            let Some(successor) =
                StoppedProcess::start_with(&workspace, &["run", "exports"], reached, 1, &[ONE_HOUR_AHEAD])
            else {
                continue;
            };
            stalled.resume();
            let CommandOutput { status, stderr, .. } = successor.resume();
            assert!(status < 2, "stalled at {}, successor at {}: {stderr}", breakpoint.name(), reached.name());
            workspace.run();
            assert_eq!(
                outcome(&workspace),
                expected,
                "stalled at {}, successor at {}",
                breakpoint.name(),
                reached.name()
            );
        }
    }
}

#[test]
fn clock_jumps_never_change_the_outcome() {
    let undisturbed = workspace();
    undisturbed.run();
    let expected = outcome(&undisturbed);
    // Ten years ahead, and back before 1970, in either order: the expiry of a lease means nothing to the next run.
    for jumps in [["315576000000", "0"], ["0", "315576000000"], ["-1900000000000", "0"], ["0", "-1900000000000"]] {
        for breakpoint in [Breakpoint::Locked, Breakpoint::Planned, Breakpoint::PartWritten, Breakpoint::Published] {
            let workspace = workspace();
            let [first, second] = jumps.map(|ahead| [("TIDEMARK_CLOCK_AHEAD_MS", ahead)]);
            let stopped = StoppedProcess::start_with(&workspace, &["run", "exports"], breakpoint, 1, &first).unwrap();
            // While it is alive, a run with another clock either takes over or exits at once; both are correct.
            let output = workspace.tidemark_with_env(&["run", "exports"], &second);
            assert!(output.status < 2, "{}", output.transcript());
            stopped.kill();
            let output = workspace.tidemark_with_env(&["run", "exports"], &second);
            assert!(output.status < 2, "{}", output.transcript());
            assert_eq!(outcome(&workspace), expected, "{jumps:?} at {}", breakpoint.name());
        }
    }
}

#[test]
fn a_resumed_run_does_not_rewrite_published_parts() {
    let workspace = Workspace::new();
    // Enough operations for more than one part.
    workspace.export("acme/test_table/V1", &rows(1..=300_000, 1));
    StoppedProcess::start(&workspace, &["run", "exports"], Breakpoint::PartRecorded, 1).unwrap().kill();
    let folder = workspace.path("out/acme/test_table/V1");
    let first = file_identities(&folder);
    assert_eq!(first.len(), 1);
    assert_eq!(workspace.run().status, 0);
    let all = file_identities(&folder);
    assert!(all.len() > 1);
    assert!(first.iter().all(|(path, identity)| all[path] == *identity));
    assert_eq!(workspace.published("acme/test_table/V1").len(), 300_002);

    // A part that was removed in the meantime is written again.
    let other = Workspace::new();
    other.export("acme/test_table/V1", &rows(1..=300_000, 1));
    StoppedProcess::start(&other, &["run", "exports"], Breakpoint::PartRecorded, 1).unwrap().kill();
    fs::remove_file(&other.parts("acme/test_table/V1")[0]).unwrap();
    assert_eq!(other.run().status, 0);
    assert_eq!(other.output(), workspace.output());
}

#[test]
fn ctrl_c_stops_cleanly_and_explains_how_to_resume() {
    let workspace = Workspace::new();
    for version in 1..=150 {
        workspace.export(&format!("acme/test_table/V{version}"), &rows(1..=200, version));
    }
    let stopped = StoppedProcess::start(&workspace, &["run", "exports"], Breakpoint::Succeeded, 1).unwrap();
    stopped.signal("INT");
    let CommandOutput { status, stderr, .. } = stopped.resume();
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains("stopping after this step; press Ctrl-C again to stop at once"), "{stderr}");
    assert!(stderr.contains("run the same command again; it resumes where it stopped"), "{stderr}");
    // Nothing is half done, and the lease has been released.
    let statuses = workspace.statuses("acme/test_table");
    assert!(statuses.values().any(|status| status == "REGISTERED"), "{statuses:?}");
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    assert!(registry.query_row("SELECT owner IS NULL FROM tables", [], |row| row.get::<_, bool>(0)).unwrap());
    workspace.run();
    assert!(workspace.statuses("acme/test_table").values().all(|status| status == "SUCCEEDED" || status == "HELD"));
}

#[test]
fn a_second_ctrl_c_stops_immediately() {
    let workspace = Workspace::new();
    let part = workspace.export("acme/test_table/V1", &rows(1..=300_000, 1));
    // Nobody reads its stdout, so it blocks forever in the middle of a write.
    let mut delta = workspace
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
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(1..=200, 1));
        workspace.export("acme/test_table/V2", &rows(1..=20, 1));
        assert_eq!(workspace.run().status, 1);
        let output = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]);
        let version: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        (workspace, version["plan"]["hash"].as_str().unwrap().to_owned())
    };
    let (undisturbed, hash) = held();
    assert_eq!(undisturbed.tidemark(&["approve", "acme/test_table/V2", &hash]).status, 0);
    let expected = outcome(&undisturbed);
    let mut kills = 0;
    for breakpoint in Breakpoint::ALL {
        let (workspace, hash) = held();
        let Some(stopped) = StoppedProcess::start(&workspace, &["approve", "acme/test_table/V2", &hash], breakpoint, 1)
        else {
            continue;
        };
        stopped.kill();
        assert_eq!(workspace.run().status, 0);
        assert_eq!(outcome(&workspace), expected, "killed at {}", breakpoint.name());
        kills += 1;
    }
    assert!(kills >= 9, "{kills}");
}

#[test]
fn the_next_replay_recovers_from_a_killed_one() {
    let workspace = workspace();
    workspace.run();
    let expected = outcome(&workspace);
    for breakpoint in [Breakpoint::Locked, Breakpoint::Claimed, Breakpoint::PartWritten, Breakpoint::PartPublished] {
        StoppedProcess::start(&workspace, &["replay", "acme/test_table/V2"], breakpoint, 1).unwrap().kill();
        assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V2"]).status, 0);
        assert_eq!(outcome(&workspace), expected, "killed at {}", breakpoint.name());
    }
}

#[test]
fn a_run_processes_versions_that_arrive_while_it_runs() {
    // The second time that the holder has read what there is to do, there is nothing.
    for (breakpoint, nth) in [
        (Breakpoint::Locked, 1),
        (Breakpoint::Listed, 1),
        (Breakpoint::Planned, 1),
        (Breakpoint::Published, 1),
        (Breakpoint::Succeeded, 1),
        (Breakpoint::Listed, 2),
    ] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(1..=200, 1));
        let holder = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, nth).unwrap();
        workspace.export("acme/test_table/V2", &rows(1..=201, 1));
        // The second run registers it, finds the lock taken, and exits at once.
        let output = workspace.run();
        assert_eq!(output.status, 0, "{}", output.transcript());
        assert!(
            output.stdout.contains("is working on it, and will process its new versions as well"),
            "{}",
            output.stdout
        );
        assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
        assert_eq!(holder.resume().status, 0);
        assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUCCEEDED", "at {}", breakpoint.name());
    }
}

#[test]
fn a_lease_is_renewed_while_its_holder_works() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(1..=300_000, 1));
    let mut holder = workspace
        .command(&["run", "exports"])
        .env("TIDEMARK_LEASE_MS", "200")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut expiries = std::collections::BTreeSet::new();
    while holder.try_wait().unwrap().is_none() {
        expiries.extend(lease_expiry(&workspace));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(holder.wait().unwrap().success());
    assert!(expiries.len() > 1, "{expiries:?}");
}

/// When the lease of the only table expires; `None` until it has been taken.
fn lease_expiry(workspace: &Workspace) -> Option<i64> {
    let path = workspace.path(".tidemark/registry.sqlite");
    let registry = path.exists().then(|| rusqlite::Connection::open(path).unwrap())?;
    registry.query_row("SELECT expires_at FROM tables", [], |row| row.get(0)).ok()
}
