//! The thread that inflates an export and finds its records; or the threads, where several parts are read at the same time.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use super::batch::MappedBatch;
use super::cursor::Cursor;
use crate::canonical::row::Layout;
use crate::engine::native::scan;
use crate::error::{Error, Result};
use crate::snapshot::csv::Batch;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// How many batches wait between an export's thread and the comparison: enough that neither waits for the other's
/// hiccups, little enough to stay in the cache.
const AHEAD: usize = 4;

/// How many batches of a part wait for its turn: 2 MiB.
const PART_AHEAD: usize = 16;

/// How an export is read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) layout: &'a Layout,
    pub(super) watch: &'a Watch,
    /// How many of its parts are read at the same time.
    pub(super) readers: usize,
}

/// A running thread; `None` when there is nothing to read.
pub(super) struct ReaderThread<'scope>(Option<ScopedJoinHandle<'scope, Result<Vec<Part>>>>);

impl<'scope> ReaderThread<'scope> {
    /// Begins to read an export, and gives the cursor that its records come to.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        export: Option<&'a Export>,
        reading: Reading<'a>,
    ) -> (Self, Cursor<'a>) {
        let (fed, batches) = sync_channel(AHEAD);
        let (used, spare) = channel();
        let thread = export.map(|export| {
            scope.spawn(move || {
                let source = Source { export, reading, spare: Mutex::new(spare) };
                if reading.readers < 2 || export.parts.len() < 2 { source.one_by_one(&fed) } else { source.ahead(&fed) }
            })
        });
        (Self(thread), Cursor::new(reading.layout, batches, used))
    }

    /// The parts with their checksums; `None` when one of them could not be read to its end.
    pub(super) fn finish(self) -> Option<Vec<Part>> {
        match self.0.map(ScopedJoinHandle::join) {
            None => Some(Vec::new()),
            Some(Ok(parts)) => parts.ok(),
            Some(Err(panic)) => resume_unwind(panic),
        }
    }
}

/// An export that is being read, and used batches to be filled again.
struct Source<'a> {
    export: &'a Export,
    reading: Reading<'a>,
    spare: Mutex<Receiver<Batch>>,
}

impl Source<'_> {
    fn one_by_one(&self, fed: &SyncSender<MappedBatch>) -> Result<Vec<Part>> {
        self.export.parts.iter().map(|part| self.part(part, fed)).collect()
    }

    /// Parts that are to come are begun while another is taken: as far as there is room to wait, so that what takes long
    /// before the first bytes come, as S3 does, takes long once.
    fn ahead(&self, fed: &SyncSender<MappedBatch>) -> Result<Vec<Part>> {
        thread::scope(|scope| {
            let (mut begun, mut parts) = (VecDeque::new(), Vec::new());
            let mut to_come = self.export.parts.iter();
            loop {
                while begun.len() < self.reading.readers
                    && let Some(part) = to_come.next()
                {
                    let (batch, batches) = sync_channel(PART_AHEAD);
                    begun.push_back((batches, scope.spawn(move || self.part(part, &batch))));
                }
                let Some((batches, thread)) = begun.pop_front() else { return Ok(parts) };
                for batch in batches {
                    if fed.send(batch).is_err() {
                        // Nobody wants to know any more; the other parts find that out by themselves.
                        return Ok(parts);
                    }
                }
                parts.push(thread.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
        })
    }

    /// Reads a part, as far as somebody wants its batches.
    fn part(&self, part: &Part, fed: &SyncSender<MappedBatch>) -> Result<Part> {
        let mut opened = scan::open(self.export, part, self.reading.layout)?;
        let places = Arc::new(opened.places);
        let mut rows = 0;
        loop {
            let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
            let mut batch = spare.unwrap_or_default();
            if !opened.reader.next_batch(&mut batch).map_err(|error| scan::unreadable(error, &opened.path))? {
                return scan::close(opened.reader, &opened.path, part, rows);
            }
            rows += batch.len() as u64;
            self.reading.watch.checkpoint(batch.len() as u64)?;
            // Where nobody wants them any more, nobody asks why this ends.
            fed.send(MappedBatch { batch, places: Arc::clone(&places) }).map_err(|_| Error::interrupted())?;
        }
    }
}
