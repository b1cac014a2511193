//! The position of a merge join in one export.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::batch::{BatchPool, MappedBatch};
use super::key_order::Key;
use super::stop::Stop;
use crate::canonical::row::{Layout, Row};
use crate::engine::native::scan::RowReader;

/// A position in an export, and the row there once it is asked for.
pub(super) struct Cursor<'a> {
    batches: Receiver<MappedBatch>,
    pool: BatchPool,
    /// The current batch; `None` at the end.
    batch: Option<Arc<MappedBatch>>,
    at: usize,
    reader: RowReader<'a>,
    /// Whether the reader's row is the one at this position.
    is_read: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(layout: &'a Layout, batches: Receiver<MappedBatch>, pool: BatchPool) -> Self {
        let batch = batches.recv().ok().map(Arc::new);
        Self { batches, pool, batch, at: 0, reader: RowReader::new(layout), is_read: false }
    }

    /// The pool that takes the batches of this export back.
    pub(super) fn pool(&self) -> BatchPool {
        self.pool.clone()
    }

    /// The keys of the records in the first batch, up to the first that cannot be read.
    pub(super) fn first_keys(&mut self) -> Vec<Key> {
        let Some(batch) = &self.batch else { return Vec::new() };
        let key_at = |at| self.reader.read_key(batch.record(at), &batch.fields).map(Key::new);
        (0..batch.records.len()).map_while(key_at).collect()
    }

    /// The record as it is in the file; `None` at the end.
    #[inline]
    pub(super) fn record(&self) -> Option<&[u8]> {
        self.batch.as_ref().map(|batch| batch.records.record(self.at))
    }

    /// The record as a row.
    pub(super) fn row(&mut self) -> Result<&Row, Stop> {
        let Some(batch) = &self.batch else { return Err(Stop::Fallback) };
        if !self.is_read {
            self.reader.read(batch.record(self.at), &batch.fields).ok_or(Stop::Fallback)?;
            self.is_read = true;
        }
        Ok(self.reader.row())
    }

    /// The batch, and the position in it.
    pub(super) fn position(&self) -> Option<(&Arc<MappedBatch>, usize)> {
        self.batch.as_ref().map(|batch| (batch, self.at))
    }

    /// The key of the record so many records ahead in this batch.
    pub(super) fn key(&mut self, ahead: usize) -> Result<&[u8], Stop> {
        let Some(batch) = &self.batch else { return Err(Stop::Fallback) };
        self.is_read = false;
        self.reader.read_key(batch.record(self.at + ahead), &batch.fields).ok_or(Stop::Fallback)
    }

    /// Skips so many records of this batch. Returns whether that ended the batch.
    #[inline]
    pub(super) fn skip(&mut self, records: usize) -> bool {
        self.is_read = false;
        self.at += records;
        let is_through = self.batch.as_ref().is_some_and(|batch| self.at >= batch.records.len());
        if is_through {
            self.next_batch();
        }
        is_through
    }

    fn next_batch(&mut self) {
        let next = self.batches.recv().ok().map(Arc::new);
        if let Some(batch) = std::mem::replace(&mut self.batch, next) {
            batch.recycle(&self.pool);
        }
        self.at = 0;
    }
}
