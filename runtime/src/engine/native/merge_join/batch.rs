//! Batches of records, which go from the thread that reads them to the join, and back to be filled again.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crate::engine::native::scan::{FieldMap, RecordBytes};
use crate::snapshot::csv::Batch;

/// Records of one part, and which of their fields is which column.
#[derive(Debug)]
pub(super) struct MappedBatch {
    pub(super) records: Batch,
    pub(super) fields: Arc<FieldMap>,
}

impl MappedBatch {
    /// The record at an index, to be read as a row.
    #[inline]
    pub(super) fn record(&self, at: usize) -> RecordBytes<'_> {
        self.records.with_following(at)
    }

    /// Gives the memory back to be filled again, unless another thread still uses the batch.
    pub(super) fn recycle(self: Arc<Self>, pool: &BatchPool) {
        if let Some(batch) = Arc::into_inner(self) {
            // Nothing receives it once the export is read to its end.
            let _ = pool.send(batch.records);
        }
    }

    /// The number of records that have the same bytes in both batches, from these positions on.
    pub(super) fn identical_records(&self, at: usize, other: &Self, other_at: usize) -> usize {
        let max = (self.records.len() - at).min(other.records.len() - other_at);
        (0..max).position(|i| self.records.record(at + i) != other.records.record(other_at + i)).unwrap_or(max)
    }
}

/// Takes used batches, which are filled again.
pub(super) type BatchPool = Sender<Batch>;
