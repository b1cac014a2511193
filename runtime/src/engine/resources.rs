//! How much of the machine a delta may use.

use std::num::NonZero;
use std::path::Path;
use std::{fs, thread};

/// The share of the machine's memory that a delta may use.
const SHARE: u64 = 4;

/// The memory of a machine that does not say how much it has.
const UNKNOWN: u64 = 4 << 30;

/// Limits on what one delta uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory for data that grows with the exports, in bytes. Data that does not fit goes to temporary files.
    pub memory: u64,
    /// The number of threads that read rows and write parts. Threads that only decompress or compress are extra.
    pub threads: NonZero<usize>,
    /// The largest rewritten export, in bytes, that is read to find out whether its content changed. A larger one
    /// counts as changed.
    pub compared: u64,
}

impl Default for Limits {
    /// A thread per processor, and a quarter of the memory.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self { memory: machine_memory().unwrap_or(UNKNOWN) / SHARE, threads, compared: u64::MAX }
    }
}

/// The memory of this machine, or of the container if that may use less, in bytes; `None` if it is not known.
fn machine_memory() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo").and_then(|text| {
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
    });
    // Without a limit, these files say `max`, or a number that is larger than any memory.
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let of_container = limits.into_iter().filter_map(|path| read(path)?.trim().parse().ok());
    of_machine.into_iter().chain(of_container).min()
}

/// The part of the machine that a delta, or a piece of it, may use.
#[derive(Debug, Clone, Copy)]
pub struct Resources<'a> {
    /// The folder for temporary files. They have no names, so that nothing is left of them however the process ends.
    pub work: &'a Path,
    /// Memory and threads.
    pub limits: Limits,
}

impl Resources<'_> {
    /// The same with a fraction of the memory; `share` is from 0 to 1.
    pub fn share(self, share: f64) -> Self {
        let memory = (self.limits.memory as f64 * share) as u64;
        Self { limits: Limits { memory, ..self.limits }, ..self }
    }

    /// What each of `workers` may use, if they work at the same time.
    pub fn split(self, workers: usize) -> Self {
        let threads = NonZero::new(self.limits.threads.get() / workers).unwrap_or(NonZero::<usize>::MIN);
        Self { limits: Limits { threads, ..self.share(1.0 / workers as f64).limits }, ..self }
    }

    /// Memory in bytes.
    pub fn memory(self) -> u64 {
        self.limits.memory
    }

    /// The number of threads, at least 1.
    pub fn threads(self) -> usize {
        self.limits.threads.get()
    }
}
