//! Old images of UPDATEs, until their new rows are read.

use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use tempfile::SpooledTempFile;

use crate::engine::resources::Resources;
use crate::error::{IoContext as _, Result};

const HASH: usize = size_of::<i64>();

/// Collects images.
#[derive(Debug)]
pub(super) struct ImageSpool {
    work: PathBuf,
    spool: BufWriter<SpooledTempFile>,
    /// Where each image begins, and where the next one will.
    offsets: Vec<u64>,
}

/// Returns the images that were collected.
#[derive(Debug)]
pub(super) struct ImageFetcher {
    work: PathBuf,
    spool: SpooledTempFile,
    offsets: Vec<u64>,
}

impl ImageSpool {
    /// An empty spool. Images that do not fit into memory go to a temporary file.
    pub(super) fn new(resources: Resources<'_>) -> Self {
        let spool = tempfile::spooled_tempfile_in(resources.memory() as usize, resources.work);
        Self { work: resources.work.into(), spool: BufWriter::new(spool), offsets: vec![0] }
    }

    /// Adds a row hash and an image, and returns the number by which they are fetched.
    pub(super) fn add(&mut self, hash: i64, image: &[u8]) -> Result<u32> {
        let number = u32::try_from(self.offsets.len() - 1)
            .map_err(|_| std::io::Error::other("more than 4 billion updates in one version"))
            .at("cannot keep old rows in", &self.work)?;
        self.spool
            .write_all(&hash.to_le_bytes())
            .and_then(|()| self.spool.write_all(image))
            .at("cannot keep old rows in", &self.work)?;
        let end = self.offsets[number as usize] + (HASH + image.len()) as u64;
        self.offsets.push(end);
        Ok(number)
    }

    /// Ends the collection.
    pub(super) fn fetcher(self) -> Result<ImageFetcher> {
        let spool = self.spool.into_inner().map_err(std::io::IntoInnerError::into_error);
        let spool = spool.at("cannot keep old rows in", &self.work)?;
        Ok(ImageFetcher { work: self.work, spool, offsets: self.offsets })
    }
}

impl ImageFetcher {
    /// Fetches an image into `image`, and returns its row hash.
    pub(super) fn fetch(&mut self, number: u32, image: &mut Vec<u8>) -> Result<i64> {
        let index = number as usize;
        let (start, end) = (self.offsets[index], self.offsets[index + 1]);
        let mut hash = [0; HASH];
        image.resize((end - start) as usize - HASH, 0);
        self.spool
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.spool.read_exact(&mut hash))
            .and_then(|()| self.spool.read_exact(image))
            .at("cannot read old rows back from", &self.work)?;
        Ok(i64::from_le_bytes(hash))
    }
}
