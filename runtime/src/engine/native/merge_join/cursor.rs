//! Where the comparison stands in one export.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::Stop;
use super::batch::{BatchPool, MappedBatch};
use super::key_order::Key;
use crate::canonical::row::{Layout, Row};
use crate::snapshot::csv::{Dialect, Splitter};

/// A place in an export, and the row there once it is asked for.
pub(super) struct Cursor<'a> {
    batches: Receiver<MappedBatch>,
    used: BatchPool,
    fed: Option<Arc<MappedBatch>>,
    at: usize,
    reader: RowReader<'a>,
    is_read: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(layout: &'a Layout, batches: Receiver<MappedBatch>, used: BatchPool) -> Self {
        let fed = batches.recv().ok().map(Arc::new);
        Self { batches, used, fed, at: 0, reader: RowReader::new(layout), is_read: false }
    }

    /// Where batches go that nobody needs any more.
    pub(super) fn used(&self) -> BatchPool {
        self.used.clone()
    }

    /// The keys of the first records, as many as there are at hand; fewer when one of them cannot be read.
    pub(super) fn first_keys(&mut self) -> Vec<Key> {
        let Some(fed) = &self.fed else { return Vec::new() };
        let key_of = |at| self.reader.read_key(fed, at).map(Key::of);
        (0..fed.batch.len()).map_while(key_of).collect()
    }

    /// The record as it stands in the file; `None` behind the last one.
    #[inline]
    pub(super) fn record(&self) -> Option<&[u8]> {
        self.fed.as_ref().map(|fed| fed.batch.record(self.at))
    }

    /// The record as a row.
    pub(super) fn row(&mut self) -> Result<&Row, Stop> {
        let Some(fed) = &self.fed else { return Err(Stop::Fallback) };
        if !self.is_read {
            self.reader.read(fed, self.at).ok_or(Stop::Fallback)?;
            self.is_read = true;
        }
        Ok(&self.reader.row)
    }

    /// The batch, and where in it the cursor stands.
    pub(super) fn place(&self) -> Option<(&Arc<MappedBatch>, usize)> {
        self.fed.as_ref().map(|fed| (fed, self.at))
    }

    /// The key of the record so many ahead in this batch.
    pub(super) fn key(&mut self, ahead: usize) -> Result<&[u8], Stop> {
        let Some(fed) = &self.fed else { return Err(Stop::Fallback) };
        self.is_read = false;
        self.reader.read_key(fed, self.at + ahead).ok_or(Stop::Fallback)
    }

    /// Goes on by so many records of this batch; whether it is behind its last one is what is returned.
    #[inline]
    pub(super) fn skip(&mut self, records: usize) -> bool {
        self.is_read = false;
        self.at += records;
        let is_through = self.fed.as_ref().is_some_and(|fed| self.at >= fed.batch.len());
        if is_through {
            self.next_batch();
        }
        is_through
    }

    fn next_batch(&mut self) {
        let next = self.batches.recv().ok().map(Arc::new);
        if let Some(fed) = std::mem::replace(&mut self.fed, next) {
            fed.done(&self.used);
        }
        self.at = 0;
    }
}

/// Reads records as rows.
pub(super) struct RowReader<'a> {
    layout: &'a Layout,
    splitter: Splitter,
    row: Row,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self { layout, splitter: Splitter::new(Dialect::from_format(&layout.format)), row: Row::default() }
    }

    /// The record at a place of a batch; `None` when it cannot be read.
    #[inline]
    pub(super) fn read(&mut self, fed: &MappedBatch, at: usize) -> Option<&Row> {
        let (bytes, length) = fed.batch.with_following(at);
        let record = self.splitter.split(bytes, length, 0).ok()?;
        let is_good = record.len() == self.layout.names.len()
            && self.layout.read(|column| record.field(fed.places.field(column)), &mut self.row, |_, _, _| {});
        is_good.then_some(&self.row)
    }

    /// The same for the row bytes of its key alone.
    pub(super) fn read_key(&mut self, fed: &MappedBatch, at: usize) -> Option<&[u8]> {
        let (bytes, length) = fed.batch.with_following(at);
        let record = self.splitter.split(bytes, length, 0).ok()?;
        let is_good = record.len() == self.layout.names.len()
            && self.layout.read_key(|column| record.field(fed.places.field(column)), &mut self.row);
        is_good.then_some(self.row.key())
    }
}
