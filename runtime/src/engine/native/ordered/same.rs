//! Rows that stand in both exports with the same bytes, which is what most rows are: read, typed and hashed by other
//! threads, while the comparison goes on.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use super::cursor::RowReader;
use super::feed::{Fed, Spare};
use super::order::{Key, KeyOrder};
use super::{Stop, Tally};
use crate::row::Layout;

/// How many threads there are: two keep up with two others that inflate.
const THREADS: usize = 2;

/// How many batches wait for them.
const AHEAD: usize = 4;

/// Records of one batch, in runs.
struct Job {
    fed: Arc<Fed>,
    runs: Vec<Range<usize>>,
}

/// What the threads share, and nobody else: when they are gone, so is the other end of the jobs.
struct Shared<'a> {
    layout: &'a Layout,
    order: KeyOrder,
    jobs: Mutex<Receiver<Job>>,
    used: Spare,
    is_irregular: Arc<AtomicBool>,
}

/// The threads, and what they will be given next.
pub(super) struct Same<'scope> {
    jobs: SyncSender<Job>,
    next: Option<Job>,
    threads: Vec<ScopedJoinHandle<'scope, Tally>>,
    is_irregular: Arc<AtomicBool>,
}

impl<'scope> Same<'scope> {
    /// Starts the threads. Batches that they are through with go to `used`.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        layout: &'a Layout,
        order: KeyOrder,
        used: Spare,
    ) -> Self {
        let (jobs, waiting) = sync_channel(AHEAD);
        let is_irregular = Arc::new(AtomicBool::new(false));
        let jobs_to_take = Mutex::new(waiting);
        let shared =
            Arc::new(Shared { layout, order, jobs: jobs_to_take, used, is_irregular: Arc::clone(&is_irregular) });
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

    /// What all runs come to, once they are through.
    pub(super) fn finish(mut self) -> Result<Tally, Stop> {
        let sent = self.next.take().map_or(Ok(()), |last| self.send(last));
        drop(self.jobs);
        let mut all = Tally::default();
        for thread in self.threads {
            all.merge(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        sent?;
        if self.is_irregular.load(Ordering::Relaxed) { Err(Stop::Irregular) } else { Ok(all) }
    }
}

impl Shared<'_> {
    fn work(&self) -> Tally {
        let mut reader = RowReader::new(self.layout);
        let (mut tally, mut keys) = (Tally::default(), (Key::default(), Key::default()));
        loop {
            let job = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { fed, runs }) = job else { return tally };
            let is_regular = runs.into_iter().all(|run| self.run(&fed, run, &mut reader, &mut keys, &mut tally));
            if !is_regular {
                self.is_irregular.store(true, Ordering::Relaxed);
            }
            fed.done(&self.used);
        }
    }

    /// Reads a run; false when a row of it cannot be read, or is not above the one before.
    fn run(
        &self,
        fed: &Fed,
        run: Range<usize>,
        reader: &mut RowReader<'_>,
        (last, next): &mut (Key, Key),
        tally: &mut Tally,
    ) -> bool {
        let first = run.start;
        for at in run {
            let Some(row) = reader.read(fed, at) else { return false };
            tally.add(self.layout.hash(row));
            next.set(row.key());
            if at > first && !self.order.compare(last, next).is_lt() {
                return false;
            }
            std::mem::swap(last, next);
        }
        true
    }
}
