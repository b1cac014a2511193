//! Where the comparison stands in one export.

use std::sync::mpsc::Receiver;

use super::Stop;
use super::feed::{Fed, Spare};
use super::order::Key;
use crate::engine::native::scan::Places;
use crate::row::{Layout, Row};
use crate::snapshot::csv::{Dialect, Splitter};

/// A place in an export, and the row there once it is asked for.
pub(super) struct Cursor<'a> {
    layout: &'a Layout,
    batches: Receiver<Fed>,
    used: Spare,
    fed: Option<Fed>,
    at: usize,
    splitter: Splitter,
    row: Row,
    is_read: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(layout: &'a Layout, batches: Receiver<Fed>, used: Spare) -> Self {
        let fed = batches.recv().ok();
        let splitter = Splitter::new(Dialect::of(&layout.written));
        Self { layout, batches, used, fed, at: 0, splitter, row: Row::default(), is_read: false }
    }

    /// The keys of the first records, as many as there are at hand; fewer when one of them cannot be read.
    pub(super) fn first_keys(&mut self) -> Vec<Key> {
        let records = self.fed.as_ref().map_or(0, |fed| fed.batch.len());
        let mut keys = Vec::with_capacity(records);
        for at in 0..records {
            (self.at, self.is_read) = (at, false);
            match self.row() {
                Ok(row) => {
                    let mut key = Key::default();
                    key.set(row.key());
                    keys.push(key);
                }
                Err(_) => break,
            }
        }
        (self.at, self.is_read) = (0, false);
        keys
    }

    /// The record as it stands in the file; `None` behind the last one.
    pub(super) fn record(&self) -> Option<&[u8]> {
        self.fed.as_ref().map(|fed| fed.batch.record(self.at))
    }

    /// Which field of the record is which column.
    pub(super) fn places(&self) -> Option<&Places> {
        self.fed.as_ref().map(|fed| &*fed.places)
    }

    /// The record as a row.
    pub(super) fn row(&mut self) -> Result<&Row, Stop> {
        if self.is_read {
            return Ok(&self.row);
        }
        let Some(Fed { batch, places }) = &self.fed else { return Err(Stop::Irregular) };
        let record = self.splitter.split(batch.record(self.at), 0).map_err(|_| Stop::Irregular)?;
        if record.len() != self.layout.names.len() {
            return Err(Stop::Irregular);
        }
        let is_good = self.layout.read(|column| record.field(places.field(column)), &mut self.row, |_, _, _| {});
        self.is_read = is_good;
        if is_good { Ok(&self.row) } else { Err(Stop::Irregular) }
    }

    /// Goes to the next record.
    pub(super) fn next(&mut self) {
        self.is_read = false;
        self.at += 1;
        if self.fed.as_ref().is_some_and(|fed| self.at >= fed.batch.len()) {
            let next = self.batches.recv().ok();
            if let Some(fed) = std::mem::replace(&mut self.fed, next) {
                // When the export is read to its end, nobody takes it back.
                let _ = self.used.send(fed.batch);
            }
            self.at = 0;
        }
    }
}
