//! Time limits: a test or a process that hangs ends with its name, and a suite that is killed leaves no process behind.
//!
//! Every process that a test starts with [`command`] is in one process group. Its leader waits for the end of a pipe
//! that only this process holds, however this process ends, and then kills the group. A thread looks at the ages of
//! tests and processes, which the kernel knows. Servers that many tests share are in a group of their own: it ends in
//! the same way, and has no time limit.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::waiting::wait_until;
use crate::workspace::Workspace;

/// How long a test may take, in seconds. `TIDEMARK_TEST_SECONDS` overrides it.
const TEST_SECONDS: u64 = 1_800;

/// How long a process that a test starts may take, in seconds. `TIDEMARK_PROCESS_SECONDS` overrides it.
const PROCESS_SECONDS: u64 = 1_200;

/// The unit of times in `/proc`, as the kernel shows them to every program (proc_pid_stat(5), USER_HZ).
const TICKS_PER_SECOND: u64 = 100;

/// The leader of the process group, with the pipe that it reads.
static LEADER: OnceLock<Child> = OnceLock::new();

/// The same of the group of servers that many tests share, which no limit ends.
static SERVERS: OnceLock<Child> = OnceLock::new();

/// A command whose process ends with this one at the latest.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.process_group(leader().id() as i32);
    command
}

/// Lets a server last as long as this process, and no longer.
pub(crate) fn without_limit(command: &mut Command) -> &mut Command {
    command.process_group(SERVERS.get_or_init(start_leader).id() as i32)
}

/// Begins to watch the time limits. Whatever many tests do first calls this.
pub(crate) fn start() {
    leader();
}

fn leader() -> &'static Child {
    LEADER.get_or_init(|| {
        let leader = start_leader();
        let group = leader.id();
        thread::spawn(move || watch(group));
        leader
    })
}

fn start_leader() -> Child {
    let mut leader = Command::new("sh");
    leader.args(["-c", "read end; kill -9 0"]).process_group(0);
    leader.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn watch(group: u32) {
    let seconds = |name: &str| std::env::var(name).ok().and_then(|seconds| seconds.parse().ok());
    let max_test = seconds("TIDEMARK_TEST_SECONDS").unwrap_or(TEST_SECONDS);
    let max_process = seconds("TIDEMARK_PROCESS_SECONDS").unwrap_or(PROCESS_SECONDS);
    loop {
        thread::sleep(Duration::from_secs(1));
        for process in stats("/proc").filter(|stat| stat.group == group && stat.id != group) {
            if process.age > max_process {
                eprintln!("killed {} ({}): it ran for {max_process} s", process.name, process.id);
                let _ = Command::new("kill").args(["-9", &process.id.to_string()]).status();
            }
        }
        // The harness names the thread of a test after the test, with `::` between modules.
        let late: Vec<String> = stats("/proc/self/task")
            .filter(|thread| thread.name.contains(':') && thread.age > max_test)
            .map(|thread| full_names(&thread.name))
            .collect();
        if !late.is_empty() {
            eprintln!("no end after {max_test} s: {}", late.join(", "));
            std::process::abort();
        }
    }
}

/// The tests whose thread may have this name, of which the kernel keeps 15 bytes.
fn full_names(name: &str) -> String {
    let listed = std::env::current_exe().and_then(|suite| Command::new(suite).arg("--list").output());
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let names: Vec<&str> = tests.filter(|test| test.starts_with(name)).collect();
    if names.is_empty() { name.to_owned() } else { names.join(" or ") }
}

/// A process, or a thread of this one.
struct Stat {
    id: u32,
    name: String,
    group: u32,
    /// How long it has been running, in seconds.
    age: u64,
}

/// The processes or threads in a folder of the kernel's. Those that end meanwhile are skipped.
fn stats(folder: &str) -> impl Iterator<Item = Stat> {
    let uptime = fs::read_to_string("/proc/uptime").ok();
    let uptime = uptime.and_then(|text| text.split('.').next()?.parse::<u64>().ok()).unwrap_or_default();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(move |entry| parse(&fs::read_to_string(entry.path().join("stat")).ok()?, uptime))
}

/// Parses `ID (NAME) STATE PARENT GROUP …`; the 22nd field is the start, in ticks since the machine's.
fn parse(stat: &str, uptime: u64) -> Option<Stat> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let started = fields.get(19)?.parse::<u64>().ok()? / TICKS_PER_SECOND;
    let (id, group) = (id.parse().ok()?, fields.get(2)?.parse().ok()?);
    Some(Stat { id, name: name.into(), group, age: uptime.saturating_sub(started) })
}

/// This suite, to run one of the ignored tests below.
fn suite(test: &str) -> Command {
    let mut suite = command(std::env::current_exe().unwrap());
    suite.args(["--ignored", "--exact", "--nocapture", &format!("limits::{test}")]);
    suite
}

fn is_alive(process: &str) -> bool {
    Path::new("/proc").join(process).exists()
}

#[test]
#[ignore = "it hangs, to be stopped by another test"]
fn hangs() {
    start();
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn a_test_that_hangs_fails_with_its_name() {
    let mut suite = suite("hangs");
    let Output { status, stderr, .. } = suite.env("TIDEMARK_TEST_SECONDS", "1").output().unwrap();
    assert!(!status.success());
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains("no end after 1 s: ") && stderr.contains("limits::hangs"), "{stderr}");
}

#[test]
#[ignore = "it waits for a process that hangs"]
fn waits() {
    let server = without_limit(command("sleep").arg("5")).status();
    assert_eq!(server.unwrap().code(), Some(0), "a server was killed");
    let status = command("sleep").arg("600").status().unwrap();
    assert_eq!(status.code(), None, "it was not killed");
}

#[test]
fn a_process_that_hangs_is_killed() {
    let output = suite("waits").env("TIDEMARK_PROCESS_SECONDS", "1").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("killed sleep ("), "{stderr}");
}

#[test]
#[ignore = "it starts processes and hangs, to be killed by another test"]
fn starts_processes() {
    let folder = std::env::var("FOLDER").unwrap();
    let mut child = command("sleep");
    child.arg("600");
    let mut grandchild = command("sh");
    grandchild.args(["-c", "sleep 600 & echo $! > grandchild; wait"]).current_dir(&folder);
    let server = without_limit(command("sleep").arg("600")).spawn().unwrap();
    let processes = [child.spawn().unwrap(), grandchild.spawn().unwrap(), server];
    let ids: Vec<String> = processes.iter().map(|process| process.id().to_string()).collect();
    fs::write(Path::new(&folder).join("children"), ids.join("\n") + "\n").unwrap();
    for mut process in processes {
        process.wait().unwrap();
    }
}

#[test]
fn a_suite_that_is_killed_leaves_no_process_behind() {
    let workspace = Workspace::new();
    let mut suite = suite("starts_processes").env("FOLDER", workspace.path("")).spawn().unwrap();
    let read = |name: &str| fs::read_to_string(workspace.path(name)).unwrap_or_default();
    wait_until("all of them have started", || read("children").ends_with('\n') && read("grandchild").ends_with('\n'));
    let processes = read("children") + &read("grandchild");
    assert_eq!(processes.lines().filter(|process| is_alive(process)).count(), 4);
    suite.kill().unwrap();
    suite.wait().unwrap();
    wait_until("all of them have ended", || !processes.lines().any(is_alive));
}
