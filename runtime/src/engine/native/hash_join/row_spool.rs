//! Changed rows of the snapshot, in the order in which they were read, until the old rows are read.

use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::path::PathBuf;

use tempfile::SpooledTempFile;

use crate::canonical::row::{Layout, Row};
use crate::engine::resources::Resources;
use crate::error::{IoContext as _, Result};

/// Collects rows.
#[derive(Debug)]
pub(super) struct RowSpool {
    work: PathBuf,
    spool: BufWriter<SpooledTempFile>,
    /// How many rows were added.
    rows: u64,
}

/// One of the rows.
#[derive(Debug, Default)]
pub(super) struct SpooledRow {
    /// The index of its change.
    pub(super) change: u32,
    /// Its row hash.
    pub(super) hash: i64,
    key_length: usize,
    image: Vec<u8>,
}

impl RowSpool {
    /// An empty spool. Rows that do not fit into memory go to a temporary file.
    pub(super) fn new(resources: Resources<'_>) -> Self {
        let spool = tempfile::spooled_tempfile_in(resources.memory() as usize, resources.work);
        Self { work: resources.work.into(), spool: BufWriter::new(spool), rows: 0 }
    }

    /// Adds a row. `change` is the index of its change.
    pub(super) fn add(&mut self, layout: &Layout, row: &Row, change: u32) -> Result<()> {
        let mut write = || {
            self.spool.write_all(&change.to_le_bytes())?;
            self.spool.write_all(&layout.hash(row).to_le_bytes())?;
            self.spool.write_all(&(row.key().len() as u64).to_le_bytes())?;
            self.spool.write_all(&(row.image().len() as u64).to_le_bytes())?;
            self.spool.write_all(row.image())
        };
        write().at("cannot keep rows in", &self.work)?;
        self.rows += 1;
        Ok(())
    }

    /// Ends the collection, and gives each row to `visit` in the order in which they were added.
    pub(super) fn for_each(self, mut visit: impl FnMut(&SpooledRow) -> Result<()>) -> Result<()> {
        let rewound = self.spool.into_inner().map_err(io::IntoInnerError::into_error).and_then(|mut spool| {
            spool.rewind()?;
            Ok(spool)
        });
        let mut spool = BufReader::new(rewound.at("cannot read rows back from", &self.work)?);
        let mut row = SpooledRow::default();
        for _ in 0..self.rows {
            row.read(&mut spool).at("cannot read rows back from", &self.work)?;
            visit(&row)?;
        }
        Ok(())
    }
}

impl SpooledRow {
    /// The row bytes of the key columns.
    pub(super) fn key(&self) -> &[u8] {
        &self.image[..self.key_length]
    }

    /// The row bytes of the other columns.
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
