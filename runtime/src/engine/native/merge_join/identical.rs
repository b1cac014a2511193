//! Rows that stand in both exports with the same bytes, which is what most rows are: read, typed and hashed by other
//! threads, while the comparison goes on; or here, where there is but one.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use super::batch::{BatchPool, MappedBatch};
use super::cursor::RowReader;
use super::key_order::{Key, KeyOrder};
use super::seen_keys::SeenKeys;
use super::{Stop, Tally};
use crate::canonical::row::Layout;

/// How many threads there are at most: two keep up with two others that inflate.
const THREADS: usize = 2;

/// How many batches wait for them.
const AHEAD: usize = 4;

/// What is looked at beside the rows themselves.
#[derive(Clone)]
pub(super) enum Check {
    /// That keys ascend, within each run.
    Order(KeyOrder),
    /// Nothing yet: the keys are kept, so that it can be told whether one appears twice.
    Distinct,
}

/// Records of one batch, in runs.
struct Job {
    fed: Arc<MappedBatch>,
    runs: Vec<Range<usize>>,
}

/// What the threads share, and nobody else: when they are gone, so is the other end of the jobs.
struct Shared {
    jobs: Mutex<Receiver<Job>>,
    used: BatchPool,
    is_irregular: Arc<AtomicBool>,
}

/// The threads, and what they will be given next.
pub(super) struct Same<'scope> {
    jobs: SyncSender<Job>,
    next: Option<Job>,
    threads: Vec<ScopedJoinHandle<'scope, (Tally, SeenKeys)>>,
    /// What does it here, where there is no other thread.
    here: Option<Work<'scope>>,
    is_irregular: Arc<AtomicBool>,
}

impl<'scope> Same<'scope> {
    /// Starts the threads, if more than one may run. Batches that they are through with go to `used`.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
        layout: &'a Layout,
        check: Check,
        used: BatchPool,
    ) -> Self {
        let (jobs, waiting) = sync_channel(AHEAD);
        let is_irregular = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared { jobs: Mutex::new(waiting), used, is_irregular: Arc::clone(&is_irregular) });
        let work = || Work::new(layout, check.clone());
        let here = (threads < 2).then(work);
        let threads = (0..threads.min(THREADS)).filter(|_| here.is_none()).map(|_| {
            let (shared, work) = (Arc::clone(&shared), work());
            scope.spawn(move || shared.work(work))
        });
        Self { jobs, next: None, threads: threads.collect(), here, is_irregular }
    }

    /// Takes a run of records. The order of their first and last one has been looked at; that between is looked at here.
    pub(super) fn take(&mut self, fed: &Arc<MappedBatch>, run: Range<usize>) -> Result<(), Stop> {
        if let Some(work) = &mut self.here {
            return if work.run(fed, run) { Ok(()) } else { Err(Stop::Fallback) };
        }
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
        if is_gone || self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Fallback) } else { Ok(()) }
    }

    /// What all runs come to, once they are through, and the keys that were kept.
    pub(super) fn finish(mut self) -> Result<(Tally, Vec<SeenKeys>), Stop> {
        let sent = self.next.take().map_or(Ok(()), |last| self.send(last));
        drop(self.jobs);
        let (mut all, mut seen) = (Tally::default(), Vec::new());
        if let Some(here) = self.here {
            all.merge(here.tally);
            seen.push(here.keys);
        }
        for thread in self.threads {
            let (tally, keys) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.merge(tally);
            seen.push(keys);
        }
        sent?;
        if self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Fallback) } else { Ok((all, seen)) }
    }
}

impl Shared {
    fn work(&self, mut work: Work<'_>) -> (Tally, SeenKeys) {
        loop {
            let job = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { fed, runs }) = job else { return (work.tally, work.keys) };
            let is_regular = runs.into_iter().all(|run| work.run(&fed, run));
            if !is_regular {
                self.is_irregular.store(true, Ordering::Relaxed);
            }
            fed.done(&self.used);
        }
    }
}

/// What one thread has in hand.
struct Work<'a> {
    layout: &'a Layout,
    check: Check,
    reader: RowReader<'a>,
    tally: Tally,
    keys: SeenKeys,
    last: Key,
    next: Key,
}

impl<'a> Work<'a> {
    fn new(layout: &'a Layout, check: Check) -> Self {
        let (tally, keys) = (Tally::default(), SeenKeys::default());
        Self { layout, check, reader: RowReader::new(layout), tally, keys, last: Key::default(), next: Key::default() }
    }

    /// Reads a run; false when a row of it cannot be read, or is not above the one before.
    fn run(&mut self, fed: &MappedBatch, run: Range<usize>) -> bool {
        let first = run.start;
        for at in run {
            let Some(row) = self.reader.read(fed, at) else { return false };
            self.tally.add(self.layout.hash(row));
            match &self.check {
                Check::Distinct => self.keys.add(row),
                Check::Order(order) => {
                    self.next.set(row.key());
                    if at > first && !order.compare(&self.last, &self.next).is_lt() {
                        return false;
                    }
                    std::mem::swap(&mut self.last, &mut self.next);
                }
            }
        }
        true
    }
}
