//! Old images of UPDATEs, from the moment they are read until their new row comes by.

use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use tempfile::SpooledTempFile;

use crate::engine::Resources;
use crate::error::{IoContext as _, Result};

const HASH: usize = size_of::<i64>();

/// ImageSpool that are being kept.
#[derive(Debug)]
pub(super) struct ImageSpool {
    work: PathBuf,
    spool: BufWriter<SpooledTempFile>,
    /// Where each image begins, and where the next one will.
    offsets: Vec<u64>,
}

/// ImageSpool that are being fetched.
#[derive(Debug)]
pub(super) struct Fetcher {
    work: PathBuf,
    spool: SpooledTempFile,
    offsets: Vec<u64>,
}

impl ImageSpool {
    /// None yet. What has no room in memory goes to a temporary file.
    pub(super) fn new(room: Resources<'_>) -> Self {
        let spool = tempfile::spooled_tempfile_in(room.memory() as usize, room.work);
        Self { work: room.work.into(), spool: BufWriter::new(spool), offsets: vec![0] }
    }

    /// Keeps a row hash and an image, and gives the number to fetch them by.
    pub(super) fn keep(&mut self, hash: i64, image: &[u8]) -> Result<u32> {
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

    /// No more to keep; now they are fetched.
    pub(super) fn fetcher(self) -> Result<Fetcher> {
        let spool = self.spool.into_inner().map_err(std::io::IntoInnerError::into_error);
        let spool = spool.at("cannot keep old rows in", &self.work)?;
        Ok(Fetcher { work: self.work, spool, offsets: self.offsets })
    }
}

impl Fetcher {
    /// Puts the image into `image` and gives its row hash.
    pub(super) fn fetch(&mut self, number: u32, image: &mut Vec<u8>) -> Result<i64> {
        let place = number as usize;
        let (start, end) = (self.offsets[place], self.offsets[place + 1]);
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
