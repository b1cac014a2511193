//! A million rows: the right operations, in bounded memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tests::samples::{Big, BigTable, write_big};

use crate::limits::command;
#[cfg(feature = "aws")]
use crate::stack::{Sandbox, Stack};
#[cfg(feature = "aws")]
use crate::workspace::files;
use crate::workspace::{Workspace, add_to_summary, ndjson};

/// The result of one delta of two large exports.
struct Measured {
    /// The largest resident set of the process, in bytes.
    peak: u64,
}

/// The memory limit for a process that compares two exports sorted by key, whatever their size.
const MAX_SORTED_BYTES: u64 = 32 << 20;

#[test]
fn a_million_sorted_rows_need_no_more_memory_than_a_thousand() {
    let large = delta(1_000_000, false, "1GiB");
    add_to_summary(&format!("a million sorted rows: peak {} KiB", large.peak / 1024));
    assert!(large.peak < MAX_SORTED_BYTES, "{} KiB", large.peak / 1024);
}

#[test]
fn a_million_shuffled_rows_need_less_memory_than_two_thirds_of_their_text() {
    let (small, large) = (delta(100_000, true, "1GiB"), delta(1_000_000, true, "1GiB"));
    // The difference of two sizes cancels out the constant part: buffers, the program itself.
    let per_row = large.peak.saturating_sub(small.peak) as f64 / 900_000.0;
    add_to_summary(&format!("a million shuffled rows: peak {} KiB, {per_row:.1} bytes a row", large.peak / 1024));
    // A row has 114 bytes in either export.
    assert!(per_row < 152.0, "{per_row:.1} bytes a row");
}

#[test]
fn a_million_shuffled_rows_keep_to_a_limit_that_they_reach_half_way() {
    let limited = delta(1_000_000, true, "64MiB");
    add_to_summary(&format!("a million shuffled rows in 64 MiB: peak {} KiB", limited.peak / 1024));
    assert!(limited.peak < (64 << 20) + MAX_SORTED_BYTES, "{} KiB", limited.peak / 1024);
}

#[test]
fn a_hundredth_of_the_memory_gives_the_same_operations_and_leaves_no_temporary_files() {
    // 48 bytes for each of 300,000 rows would be 14 MiB.
    let small = delta(300_000, true, "144KiB");
    add_to_summary(&format!("shuffled rows with a hundredth of the memory: peak {} KiB", small.peak / 1024));
    assert!(small.peak < MAX_SORTED_BYTES, "{} KiB", small.peak / 1024);
}

#[cfg(feature = "aws")]
#[test]
fn a_million_sorted_rows_from_s3_need_no_more_memory_than_a_hundred_thousand() {
    let (small, large) = (compare(100_000, false, "1GiB", in_s3), compare(1_000_000, false, "1GiB", in_s3));
    add_to_summary(&format!(
        "a million sorted rows from S3: peak {} KiB, and {} KiB for a tenth",
        large.peak / 1024,
        small.peak / 1024
    ));
    assert!(large.peak < small.peak + (16 << 20), "{} KiB, {} KiB", large.peak / 1024, small.peak / 1024);
}

fn delta(rows: u64, shuffle: bool, memory: &str) -> Measured {
    compare(rows, shuffle, memory, on_disk)
}

/// Two exports as arguments of the command line, and the environment in which it can read them.
struct Exports {
    arguments: [String; 2],
    environment: Vec<(&'static str, &'static str)>,
}

fn on_disk(folders: [&Path; 2]) -> Exports {
    Exports { arguments: folders.map(|folder| folder.to_str().unwrap().to_owned()), environment: Vec::new() }
}

#[cfg(feature = "aws")]
fn in_s3(folders: [&Path; 2]) -> Exports {
    let sandbox = Sandbox::new();
    let upload = |number: usize| {
        for (path, bytes) in files(folders[number]) {
            sandbox.put(&format!("big/{number}/{}", path.display()), &bytes);
        }
        format!("s3://{}/big/{number}", sandbox.bucket)
    };
    Exports { arguments: [0, 1].map(upload), environment: Stack::get().environment().to_vec() }
}

/// Makes two exports, compares them, and checks the counts and operations against what was made.
fn compare(rows: u64, shuffle: bool, memory: &str, deliver: fn([&Path; 2]) -> Exports) -> Measured {
    let workspace = Workspace::new();
    let big = Big { rows, shuffle, ..Big::new(BigTable::LedgerEntries) };
    let made = write_big(&workspace.path("big"), &big, &|_| {}).unwrap();
    fs::create_dir(workspace.path("work")).unwrap();
    let exports = deliver([&made.baseline, &made.snapshot]);
    let child = command(env!("CARGO_BIN_EXE_tidemark-under-test"))
        .args(["delta", "ledger_entries"])
        .args(exports.arguments)
        .args(["-o", "ops.ndjson", "--format", "json", "--memory", memory])
        .envs(exports.environment)
        .env("TMPDIR", workspace.path("work"))
        .current_dir(workspace.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (peak, stdout) = peak_and_output(child);
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let count = |name: &str| plan["counts"][name].as_u64().unwrap();
    assert_eq!([count("baseline_rows"), count("rows")], [made.baseline_rows, made.rows]);
    assert_eq!([count("inserted"), count("updated"), count("deleted")], [made.inserted, made.updated, made.deleted]);

    let operations = ndjson(&fs::read_to_string(workspace.path("ops.ndjson")).unwrap());
    let number_of = |op: &str| operations.iter().filter(|operation| operation["op"] == op).count() as u64;
    assert_eq!(
        [number_of("INSERT"), number_of("UPDATE"), number_of("DELETE")],
        [made.inserted, made.updated, made.deleted]
    );
    assert_eq!(fs::read_dir(workspace.path("work")).unwrap().count(), 0);
    Measured { peak }
}

/// Waits for a process, and returns its peak memory and its output.
fn peak_and_output(child: Child) -> (u64, String) {
    let status = format!("/proc/{}/status", child.id());
    let watcher = thread::spawn(move || {
        let mut peak = 0;
        while let Some(latest) = fs::read_to_string(&status).ok().as_deref().and_then(peak_of) {
            peak = peak.max(latest);
            thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    (watcher.join().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// `VmHWM` of /proc/PID/status, in bytes; `None` once the process has ended.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
