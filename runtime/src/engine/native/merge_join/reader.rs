//! The thread that decompresses an export and finds its records. It starts more threads where several parts are read at
//! the same time.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use super::batch::MappedBatch;
use super::cursor::Cursor;
use crate::canonical::row::Layout;
use crate::engine::native::scan;
use crate::error::{Error, Result};
use crate::parallel::join;
use crate::snapshot::csv::Batch;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// How many batches wait between an export's thread and the join: enough to absorb short delays on either side, few
/// enough to stay in the cache.
const BATCHES_AHEAD: usize = 4;

/// How many batches of a part wait until the parts before it are done: 2 MiB.
const PART_BATCHES_AHEAD: usize = 16;

/// How an export is read.
#[derive(Clone, Copy)]
pub(super) struct ReadOptions<'a> {
    pub(super) layout: &'a Layout,
    pub(super) watch: &'a Watch,
    /// How many parts are read at the same time.
    pub(super) readers: usize,
}

/// The thread that reads an export; `None` if there is no export.
pub(super) struct ReaderThread<'scope>(Option<ScopedJoinHandle<'scope, Result<Vec<Part>>>>);

impl<'scope> ReaderThread<'scope> {
    /// Starts to read an export, and returns the cursor that receives its records.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        export: Option<&'a Export>,
        options: ReadOptions<'a>,
    ) -> (Self, Cursor<'a>) {
        let (sender, batches) = sync_channel(BATCHES_AHEAD);
        let (pool, used) = channel();
        let thread = export.map(|export| {
            scope.spawn(move || {
                let source = Source { export, options, used: Mutex::new(used) };
                let is_sequential = options.readers < 2 || export.parts.len() < 2;
                if is_sequential { source.read_in_sequence(&sender) } else { source.read_ahead(&sender) }
            })
        });
        (Self(thread), Cursor::new(options.layout, batches, pool))
    }

    /// The parts with their checksums; `None` if one of them could not be read to its end.
    pub(super) fn finish(self) -> Option<Vec<Part>> {
        match self.0 {
            None => Some(Vec::new()),
            Some(thread) => join(thread).ok(),
        }
    }
}

/// An export that is being read.
struct Source<'a> {
    export: &'a Export,
    options: ReadOptions<'a>,
    /// Used batches, to be filled again.
    used: Mutex<Receiver<Batch>>,
}

impl Source<'_> {
    fn read_in_sequence(&self, batches: &SyncSender<MappedBatch>) -> Result<Vec<Part>> {
        self.export.parts.iter().map(|part| self.read_part(part, batches)).collect()
    }

    /// Reads the next parts while one is passed on, so that the delay before the first bytes of a part, which is long
    /// on S3, occurs only once.
    fn read_ahead(&self, batches: &SyncSender<MappedBatch>) -> Result<Vec<Part>> {
        thread::scope(|scope| {
            let (mut started, mut parts) = (VecDeque::new(), Vec::new());
            let mut waiting = self.export.parts.iter();
            loop {
                while started.len() < self.options.readers
                    && let Some(part) = waiting.next()
                {
                    let (sender, batches_of_part) = sync_channel(PART_BATCHES_AHEAD);
                    started.push_back((batches_of_part, scope.spawn(move || self.read_part(part, &sender))));
                }
                let Some((batches_of_part, thread)) = started.pop_front() else { return Ok(parts) };
                for batch in batches_of_part {
                    if batches.send(batch).is_err() {
                        // The join has ended. The other threads end when they find their channels closed.
                        return Ok(parts);
                    }
                }
                parts.push(join(thread)?);
            }
        })
    }

    /// Reads a part, until its end or until nothing receives its batches any more.
    fn read_part(&self, part: &Part, batches: &SyncSender<MappedBatch>) -> Result<Part> {
        let mut open = scan::open(self.export, part, self.options.layout)?;
        let fields = Arc::new(open.fields);
        let mut rows = 0;
        loop {
            let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
            let mut records = used.unwrap_or_default();
            if !open.reader.next_batch(&mut records).map_err(|error| scan::unreadable(error, &open.path))? {
                return scan::close(open.reader, &open.path, part, rows);
            }
            rows += records.len() as u64;
            self.options.watch.checkpoint(records.len() as u64)?;
            // The error is not shown to anybody: the join has ended for another reason.
            batches.send(MappedBatch { records, fields: Arc::clone(&fields) }).map_err(|_| Error::interrupted())?;
        }
    }
}
