//! Rows that changed, from the moment they are read until it is their turn: in the order in which they were read.

use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::path::PathBuf;

use tempfile::SpooledTempFile;

use crate::canonical::row::{Layout, Row};
use crate::engine::Resources;
use crate::error::{IoContext as _, Result};

/// Rows that are being collected.
#[derive(Debug)]
pub(super) struct RowSpool {
    work: PathBuf,
    spool: BufWriter<SpooledTempFile>,
    number: u64,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct SpooledRow {
    /// The place of its change.
    pub(super) change: u32,
    /// Its row hash.
    pub(super) hash: i64,
    key_length: usize,
    image: Vec<u8>,
}

impl RowSpool {
    /// None yet. What has no room in memory goes to a temporary file.
    pub(super) fn new(room: Resources<'_>) -> Self {
        let spool = tempfile::spooled_tempfile_in(room.memory() as usize, room.work);
        Self { work: room.work.into(), spool: BufWriter::new(spool), number: 0 }
    }

    /// Keeps a row.
    pub(super) fn keep(&mut self, layout: &Layout, row: &Row, change: u32) -> Result<()> {
        let mut write = || {
            self.spool.write_all(&change.to_le_bytes())?;
            self.spool.write_all(&layout.hash(row).to_le_bytes())?;
            self.spool.write_all(&(row.key().len() as u64).to_le_bytes())?;
            self.spool.write_all(&(row.image().len() as u64).to_le_bytes())?;
            self.spool.write_all(row.image())
        };
        write().at("cannot keep rows in", &self.work)?;
        self.number += 1;
        Ok(())
    }

    /// Gives them back, one after the other.
    pub(super) fn each(self, mut each: impl FnMut(&SpooledRow) -> Result<()>) -> Result<()> {
        let rewound = self.spool.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut spool| {
            spool.rewind()?;
            Ok(spool)
        });
        let mut spool = BufReader::new(rewound.at("cannot read rows back from", &self.work)?);
        let mut hit = SpooledRow::default();
        for _ in 0..self.number {
            hit.read(&mut spool).at("cannot read rows back from", &self.work)?;
            each(&hit)?;
        }
        Ok(())
    }
}

impl SpooledRow {
    /// The key columns' bytes.
    pub(super) fn key(&self) -> &[u8] {
        &self.image[..self.key_length]
    }

    /// The other columns' bytes.
    pub(super) fn values(&self) -> &[u8] {
        &self.image[self.key_length..]
    }

    fn read(&mut self, spool: &mut impl io::Read) -> io::Result<()> {
        let (mut change, mut number) = ([0; 4], [0; 8]);
        spool.read_exact(&mut change)?;
        self.change = u32::from_le_bytes(change);
        spool.read_exact(&mut number)?;
        self.hash = i64::from_le_bytes(number);
        spool.read_exact(&mut number)?;
        self.key_length = u64::from_le_bytes(number) as usize;
        spool.read_exact(&mut number)?;
        self.image.resize(u64::from_le_bytes(number) as usize, 0);
        spool.read_exact(&mut self.image)
    }
}
