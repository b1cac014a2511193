//! A million rows: the right operations, in little memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tests::samples::{Big, BigTable, write_big};

use crate::stack::{Account, Stack};
use crate::world::{World, files, ndjson, tell};

/// What one delta of two large exports came to.
struct Delta {
    /// The largest resident set of the process, in bytes.
    peak: u64,
}

/// What a process may take that compares two exports whose keys ascend, of whatever size.
const IN_ORDER: u64 = 32 << 20;

#[test]
fn a_million_sorted_rows_need_no_more_memory_than_a_thousand() {
    let large = delta(1_000_000, false, "1GiB");
    tell(&format!("in order: peak {} KiB", large.peak / 1024));
    assert!(large.peak < IN_ORDER, "{} KiB", large.peak / 1024);
}

#[test]
fn a_million_shuffled_rows_need_less_than_64_bytes_of_memory_each() {
    let (small, large) = (delta(100_000, true, "1GiB"), delta(1_000_000, true, "1GiB"));
    // The difference of two sizes leaves out what does not grow: buffers, the program itself.
    let per_row = large.peak.saturating_sub(small.peak) as f64 / 900_000.0;
    tell(&format!("shuffled: peak {} KiB, {per_row:.1} bytes a row", large.peak / 1024));
    assert!(per_row < 64.0, "{per_row:.1} bytes a row");
}

#[test]
fn a_hundredth_of_the_memory_gives_the_same_operations_and_leaves_no_temporary_files() {
    // 48 bytes for each of 300,000 rows would be 14 MiB.
    let small = delta(300_000, true, "144KiB");
    tell(&format!("shuffled, with a hundredth of the memory: peak {} KiB", small.peak / 1024));
    assert!(small.peak < IN_ORDER, "{} KiB", small.peak / 1024);
}

#[test]
fn a_million_sorted_rows_from_s3_need_no_more_memory_than_a_hundred_thousand() {
    let (small, large) = (compare(100_000, false, "1GiB", true), compare(1_000_000, false, "1GiB", true));
    tell(&format!("from S3, in order: peak {} KiB, and {} KiB for a tenth", large.peak / 1024, small.peak / 1024));
    assert!(large.peak < small.peak + (16 << 20), "{} KiB, {} KiB", large.peak / 1024, small.peak / 1024);
}

fn delta(rows: u64, shuffle: bool, memory: &str) -> Delta {
    compare(rows, shuffle, memory, false)
}

/// Makes two exports, compares them, and holds what was found against what was made.
fn compare(rows: u64, shuffle: bool, memory: &str, is_in_s3: bool) -> Delta {
    let world = World::new();
    let big = Big { rows, shuffle, ..Big::of(BigTable::LedgerEntries) };
    let made = write_big(&world.path("big"), &big, &|_| {}).unwrap();
    fs::create_dir(world.path("work")).unwrap();
    let mut places = [&made.baseline, &made.snapshot].map(|folder| folder.to_str().unwrap().to_owned());
    let account = is_in_s3.then(Account::new);
    if let Some(account) = &account {
        for (place, name) in places.iter_mut().zip(["before", "after"]) {
            for (path, bytes) in files(Path::new(&*place)) {
                account.put(&format!("big/{name}/{}", path.display()), &bytes);
            }
            *place = format!("s3://{}/big/{name}", account.bucket);
        }
    }
    let environment = account.iter().flat_map(|_| Stack::get().environment().to_vec());
    let child = Command::new(env!("CARGO_BIN_EXE_tidemark-under-test"))
        .args(["delta", "ledger_entries"])
        .args(places)
        .args(["-o", "ops.ndjson", "--format", "json", "--memory", memory])
        .envs(environment)
        .env("TMPDIR", world.path("work"))
        .current_dir(world.path(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (peak, stdout) = watch(child);
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let count = |name: &str| plan["counts"][name].as_u64().unwrap();
    assert_eq!([count("baseline_rows"), count("rows")], [made.baseline_rows, made.rows]);
    assert_eq!([count("inserted"), count("updated"), count("deleted")], [made.inserted, made.updated, made.deleted]);

    let operations = ndjson(&fs::read_to_string(world.path("ops.ndjson")).unwrap());
    let of = |op: &str| operations.iter().filter(|operation| operation["op"] == op).count() as u64;
    assert_eq!([of("INSERT"), of("UPDATE"), of("DELETE")], [made.inserted, made.updated, made.deleted]);
    assert_eq!(fs::read_dir(world.path("work")).unwrap().count(), 0);
    Delta { peak }
}

/// Waits for a process, looking at its peak memory meanwhile.
fn watch(child: Child) -> (u64, String) {
    let status = format!("/proc/{}/status", child.id());
    let watcher = thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = fs::read_to_string(&status).ok().as_deref().and_then(peak_of) {
            peak = peak.max(now);
            thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    (watcher.join().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// `VmHWM` of /proc/PID/status, in bytes; nothing once the process has ended.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
