//! Rows with the same bytes in both exports, as most rows are. Other threads read and hash them while the join goes on;
//! with a single thread, it happens in place.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use super::batch::{BatchPool, MappedBatch};
use super::join_output::Tally;
use super::key_order::{Key, KeyOrder};
use super::stop::Stop;
use crate::canonical::row::Layout;
use crate::engine::native::scan::RowReader;
use crate::engine::native::seen_keys::SeenKeys;
use crate::parallel::join;

/// The largest number of threads: two keep up with two others that decompress.
const MAX_THREADS: usize = 2;

/// How many jobs wait for the threads.
const JOBS_AHEAD: usize = 4;

/// How keys are checked.
#[derive(Clone)]
pub(super) enum KeyCheck {
    /// They must ascend within each run.
    Ascending(KeyOrder),
    /// They are collected, to find repeated keys at the end.
    Distinct,
}

/// Runs of records in one batch.
struct Job {
    batch: Arc<MappedBatch>,
    runs: Vec<Range<usize>>,
}

/// What the threads share. Nothing else holds it, so that the channel of jobs is closed once they have ended.
struct Shared {
    jobs: Mutex<Receiver<Job>>,
    pool: BatchPool,
    is_irregular: Arc<AtomicBool>,
}

/// The threads, and their next job.
pub(super) struct IdenticalRows<'scope> {
    jobs: SyncSender<Job>,
    next: Option<Job>,
    threads: Vec<ScopedJoinHandle<'scope, (Tally, SeenKeys)>>,
    /// Reads the rows in place, if there are no threads.
    in_place: Option<RunReader<'scope>>,
    is_irregular: Arc<AtomicBool>,
}

impl<'scope> IdenticalRows<'scope> {
    /// Starts the threads, if more than one may run. They return batches to `pool`.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: usize,
        layout: &'a Layout,
        check: KeyCheck,
        pool: BatchPool,
    ) -> Self {
        let (jobs, receiver) = sync_channel(JOBS_AHEAD);
        let is_irregular = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared { jobs: Mutex::new(receiver), pool, is_irregular: Arc::clone(&is_irregular) });
        let reader = || RunReader::new(layout, check.clone());
        let in_place = (threads < 2).then(reader);
        let threads = (0..threads.min(MAX_THREADS)).filter(|_| in_place.is_none()).map(|_| {
            let (shared, reader) = (Arc::clone(&shared), reader());
            scope.spawn(move || shared.work(reader))
        });
        Self { jobs, next: None, threads: threads.collect(), in_place, is_irregular }
    }

    /// Takes a run of records. The caller has checked the keys of the first and the last; those between are checked
    /// here.
    pub(super) fn take(&mut self, batch: &Arc<MappedBatch>, run: Range<usize>) -> Result<(), Stop> {
        if let Some(reader) = &mut self.in_place {
            return if reader.read(batch, run) { Ok(()) } else { Err(Stop::Fallback) };
        }
        match &mut self.next {
            Some(job) if Arc::ptr_eq(&job.batch, batch) => job.runs.push(run),
            _ => {
                let job = Job { batch: Arc::clone(batch), runs: vec![run] };
                self.next.replace(job).map_or(Ok(()), |complete| self.send(complete))?;
            }
        }
        Ok(())
    }

    fn send(&self, job: Job) -> Result<(), Stop> {
        // Sending fails only if the threads have panicked; `finish` passes the panic on.
        let is_closed = self.jobs.send(job).is_err();
        if is_closed || self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Fallback) } else { Ok(()) }
    }

    /// Waits for the threads. Returns the totals over all runs, and the keys that were collected.
    pub(super) fn finish(mut self) -> Result<(Tally, Vec<SeenKeys>), Stop> {
        let sent = self.next.take().map_or(Ok(()), |last| self.send(last));
        drop(self.jobs);
        let (mut all, mut seen) = (Tally::default(), Vec::new());
        if let Some(reader) = self.in_place {
            all.merge(reader.tally);
            seen.push(reader.keys);
        }
        for thread in self.threads {
            let (tally, keys) = join(thread);
            all.merge(tally);
            seen.push(keys);
        }
        sent?;
        if self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Fallback) } else { Ok((all, seen)) }
    }
}

impl Shared {
    fn work(&self, mut reader: RunReader<'_>) -> (Tally, SeenKeys) {
        loop {
            let job = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { batch, runs }) = job else { return (reader.tally, reader.keys) };
            let is_regular = runs.into_iter().all(|run| reader.read(&batch, run));
            if !is_regular {
                self.is_irregular.store(true, Ordering::Relaxed);
            }
            batch.recycle(&self.pool);
        }
    }
}

/// Reads and hashes runs of records.
struct RunReader<'a> {
    layout: &'a Layout,
    check: KeyCheck,
    reader: RowReader<'a>,
    tally: Tally,
    keys: SeenKeys,
    last: Key,
    next: Key,
}

impl<'a> RunReader<'a> {
    fn new(layout: &'a Layout, check: KeyCheck) -> Self {
        let (tally, keys) = (Tally::default(), SeenKeys::default());
        Self { layout, check, reader: RowReader::new(layout), tally, keys, last: Key::default(), next: Key::default() }
    }

    /// Reads a run. Returns false if one of its rows cannot be read, or is not above the one before it.
    fn read(&mut self, batch: &MappedBatch, run: Range<usize>) -> bool {
        let first = run.start;
        for at in run {
            let Some(row) = self.reader.read(batch.record(at), &batch.fields) else { return false };
            self.tally.add(self.layout.hash(row));
            match &self.check {
                KeyCheck::Distinct => self.keys.add(row),
                KeyCheck::Ascending(order) => {
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
