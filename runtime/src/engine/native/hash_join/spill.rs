//! Entries that do not fit into memory. They are in a temporary file without a name, which ends with the process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::entry::{Entry, KeyHash, PARTITIONS};
use crate::error::{IoContext as _, Result};

/// The bytes of an entry.
const WIDTH: usize = size_of::<Entry>();

/// A file of entries. Each partition is a number of chunks.
#[derive(Debug)]
pub(super) struct Spill {
    work: PathBuf,
    file: File,
    end: u64,
    /// For each partition, the offsets and lengths of its chunks, in bytes.
    chunks: Vec<Vec<(u64, usize)>>,
    buffer: Vec<u8>,
}

impl Spill {
    /// An empty file in the folder `work`.
    pub(super) fn new(work: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(work).at("cannot create a temporary file in", work)?;
        let chunks = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Ok(Self { work: work.into(), file, end: 0, chunks, buffer: Vec::new() })
    }

    /// Moves entries to a partition; `entries` is empty afterwards.
    pub(super) fn write(&mut self, partition: usize, entries: &mut Vec<Entry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        for entry in entries.drain(..) {
            let words = [entry.key.0, entry.key.1, entry.row.cast_unsigned()];
            words.iter().for_each(|word| self.buffer.extend_from_slice(&word.to_le_bytes()));
        }
        self.file.write_all_at(&self.buffer, self.end).at("cannot write to a temporary file in", &self.work)?;
        self.chunks[partition].push((self.end, self.buffer.len()));
        self.end += self.buffer.len() as u64;
        Ok(())
    }

    /// Appends the entries of a partition to `entries`, once.
    pub(super) fn read(&mut self, partition: usize, entries: &mut Vec<Entry>) -> Result<()> {
        for (start, length) in std::mem::take(&mut self.chunks[partition]) {
            self.buffer.resize(length, 0);
            self.file.read_exact_at(&mut self.buffer, start).at("cannot read from a temporary file in", &self.work)?;
            entries.extend(self.buffer.chunks_exact(WIDTH).map(|bytes| {
                let (words, _) = bytes.as_chunks::<8>();
                let word = |at: usize| u64::from_le_bytes(words[at]);
                Entry { key: KeyHash(word(0), word(1)), row: word(2).cast_signed() }
            }));
        }
        Ok(())
    }
}
