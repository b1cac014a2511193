//! Batches of records, on their way from the thread that reads them to the comparison and back to be filled again.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::engine::native::scan::FieldMap;
use crate::snapshot::csv::Batch;

/// Records of one part, and which field of them is which column.
#[derive(Debug)]
pub(super) struct MappedBatch {
    pub(super) batch: Batch,
    pub(super) places: Arc<FieldMap>,
}

impl MappedBatch {
    /// Gives the memory back once nobody else looks at it.
    pub(super) fn done(self: Arc<Self>, used: &BatchPool) {
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

/// Where used batches go back to.
pub(super) type BatchPool = Sender<Batch>;
