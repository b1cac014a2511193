//! The thread that inflates an export and finds its records.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::cursor::Cursor;
use crate::engine::native::scan::{self, Places};
use crate::error::Result;
use crate::row::Layout;
use crate::snapshot::csv::Batch;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// How many batches wait between an export's thread and the comparison: enough that neither waits for the other's
/// hiccups, little enough to stay in the cache.
const AHEAD: usize = 4;

/// Records of one part, and which field of them is which column.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) batch: Batch,
    pub(super) places: Arc<Places>,
}

impl Fed {
    /// Gives the memory back once nobody else looks at it.
    pub(super) fn done(self: Arc<Self>, used: &Spare) {
        if let Some(fed) = Arc::into_inner(self) {
            // When the export is read to its end, nobody takes it.
            let _ = used.send(fed.batch);
        }
    }

    /// How many records, from these places on, have the same bytes in both, up to where one of the two ends.
    pub(super) fn same(&self, at: usize, other: &Self, other_at: usize) -> usize {
        let most = (self.batch.len() - at).min(other.batch.len() - other_at);
        (0..most).position(|i| self.batch.record(at + i) != other.batch.record(other_at + i)).unwrap_or(most)
    }
}

/// A running thread; `None` when there is nothing to read.
pub(super) struct Feed<'scope>(Option<ScopedJoinHandle<'scope, Result<Vec<Part>>>>);

impl<'scope> Feed<'scope> {
    /// Begins to read an export, and gives the cursor that its records come to.
    pub(super) fn start<'a: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        export: Option<&'a Export>,
        layout: &'a Layout,
        watch: &'a Watch,
    ) -> (Self, Cursor<'a>) {
        let (fed, batches) = sync_channel(AHEAD);
        let (used, spare) = channel();
        let thread = export.map(|export| scope.spawn(move || read(export, layout, watch, &fed, &spare)));
        (Self(thread), Cursor::new(layout, batches, used))
    }

    /// The parts with their checksums; `None` when one of them could not be read to its end.
    pub(super) fn finish(self) -> Option<Vec<Part>> {
        match self.0.map(ScopedJoinHandle::join) {
            None => Some(Vec::new()),
            Some(Ok(parts)) => parts.ok(),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

fn read(
    export: &Export,
    layout: &Layout,
    watch: &Watch,
    fed: &SyncSender<Fed>,
    spare: &Receiver<Batch>,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for part in &export.parts {
        let mut opened = scan::open(export, part, layout)?;
        let places = Arc::new(opened.places);
        let mut rows = 0;
        loop {
            let mut batch = spare.try_recv().unwrap_or_default();
            if !opened.reader.next_batch(&mut batch).map_err(|error| scan::unreadable(error, &opened.path))? {
                break;
            }
            rows += batch.len() as u64;
            watch.breathe(batch.len() as u64)?;
            if fed.send(Fed { batch, places: Arc::clone(&places) }).is_err() {
                // Nobody wants to know any more.
                return Ok(parts);
            }
        }
        parts.push(scan::close(opened.reader, &opened.path, part, rows)?);
    }
    Ok(parts)
}

/// Where used batches go back to.
pub(super) type Spare = Sender<Batch>;
