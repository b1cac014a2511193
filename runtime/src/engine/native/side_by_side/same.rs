//! Rows that stand in both exports with the same bytes, which is what most rows are: read, typed and hashed by other
//! threads, while the comparison goes on.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use super::cursor::RowReader;
use super::feed::{Fed, Spare};
use super::keys::SeenKeys;
use super::order::{Key, KeyOrder};
use super::{Stop, Tally};
use crate::row::Layout;

/// How many threads there are: two keep up with two others that inflate.
const THREADS: usize = 2;

/// How many batches wait for them.
const AHEAD: usize = 4;

/// What is looked at beside the rows themselves.
pub(super) enum Check {
    /// That keys ascend, within each run.
    Order(KeyOrder),
    /// Nothing yet: the keys are kept, so that it can be told whether one appears twice.
    Distinct,
}

/// Records of one batch, in runs.
struct Job {
    fed: Arc<Fed>,
    runs: Vec<Range<usize>>,
}

/// What the threads share, and nobody else: when they are gone, so is the other end of the jobs.
struct Shared<'a> {
    layout: &'a Layout,
    check: Check,
    jobs: Mutex<Receiver<Job>>,
    used: Spare,
    is_irregular: Arc<AtomicBool>,
}

/// The threads, and what they will be given next.
pub(super) struct Same<'scope> {
    jobs: SyncSender<Job>,
    next: Option<Job>,
    threads: Vec<ScopedJoinHandle<'scope, (Tally, SeenKeys)>>,
    is_irregular: Arc<AtomicBool>,
}

impl<'scope> Same<'scope> {
    /// Starts the threads. Batches that they are through with go to `used`.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        layout: &'a Layout,
        check: Check,
        used: Spare,
    ) -> Self {
        let (jobs, waiting) = sync_channel(AHEAD);
        let is_irregular = Arc::new(AtomicBool::new(false));
        let jobs_to_take = Mutex::new(waiting);
        let shared =
            Arc::new(Shared { layout, check, jobs: jobs_to_take, used, is_irregular: Arc::clone(&is_irregular) });
        let threads = (0..THREADS)
            .map(|_| {
                let shared = Arc::clone(&shared);
                scope.spawn(move || shared.work())
            })
            .collect();
        Self { jobs, next: None, threads, is_irregular }
    }

    /// Takes a run of records. The order of their first and last one has been looked at; that between is looked at here.
    pub(super) fn take(&mut self, fed: &Arc<Fed>, run: Range<usize>) -> Result<(), Stop> {
        match &mut self.next {
            Some(job) if Arc::ptr_eq(&job.fed, fed) => job.runs.push(run),
            _ => {
                let job = Job { fed: Arc::clone(fed), runs: vec![run] };
                self.next.replace(job).map_or(Ok(()), |full| self.send(full))?;
            }
        }
        Ok(())
    }

    fn send(&self, job: Job) -> Result<(), Stop> {
        // Nobody is there to take it after a panic, which finishing passes on.
        let is_gone = self.jobs.send(job).is_err();
        if is_gone || self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Irregular) } else { Ok(()) }
    }

    /// What all runs come to, once they are through, and the keys that were kept.
    pub(super) fn finish(mut self) -> Result<(Tally, Vec<SeenKeys>), Stop> {
        let sent = self.next.take().map_or(Ok(()), |last| self.send(last));
        drop(self.jobs);
        let (mut all, mut seen) = (Tally::default(), Vec::new());
        for thread in self.threads {
            let (tally, keys) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.merge(tally);
            seen.push(keys);
        }
        sent?;
        if self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Irregular) } else { Ok((all, seen)) }
    }
}

impl Shared<'_> {
    fn work(&self) -> (Tally, SeenKeys) {
        let mut work = Work::default();
        let mut reader = RowReader::new(self.layout);
        loop {
            let job = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { fed, runs }) = job else { return (work.tally, work.keys) };
            let is_regular = runs.into_iter().all(|run| self.run(&fed, run, &mut reader, &mut work));
            if !is_regular {
                self.is_irregular.store(true, Ordering::Relaxed);
            }
            fed.done(&self.used);
        }
    }

    /// Reads a run; false when a row of it cannot be read, or is not above the one before.
    fn run(&self, fed: &Fed, run: Range<usize>, reader: &mut RowReader<'_>, work: &mut Work) -> bool {
        let first = run.start;
        for at in run {
            let Some(row) = reader.read(fed, at) else { return false };
            work.tally.add(self.layout.hash(row));
            match &self.check {
                Check::Distinct => work.keys.add(row),
                Check::Order(order) => {
                    work.next.set(row.key());
                    if at > first && !order.compare(&work.last, &work.next).is_lt() {
                        return false;
                    }
                    std::mem::swap(&mut work.last, &mut work.next);
                }
            }
        }
        true
    }
}

/// What one thread has in hand.
#[derive(Default)]
struct Work {
    tally: Tally,
    keys: SeenKeys,
    last: Key,
    next: Key,
}
