//! How much of the machine a delta may use.

use std::num::NonZero;
use std::path::Path;
use std::thread;

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
    /// A thread per processor, and twice the memory that two exports of 10 million rows each need in any order.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self { memory: 1 << 30, threads, compared: u64::MAX }
    }
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
