//! A row in canonical bytes.

use xxhash_rust::xxh3::xxh3_128;
use xxhash_rust::xxh64::xxh64;

use crate::canonical::row_bytes::RowBytes;

/// A row in canonical bytes.
#[derive(Debug, Default, Clone)]
pub struct Row {
    pub(super) image: RowBytes,
    pub(super) key_length: usize,
    pub(super) compared: Vec<u8>,
    /// A buffer for one text.
    pub(super) text: Vec<u8>,
}

impl Row {
    /// The key columns' bytes.
    pub(crate) fn key(&self) -> &[u8] {
        &self.image()[..self.key_length]
    }

    /// The other columns' bytes.
    pub(crate) fn values(&self) -> &[u8] {
        &self.image()[self.key_length..]
    }

    /// The whole row's bytes.
    pub fn image(&self) -> &[u8] {
        self.image.as_slice()
    }

    /// XXH3-128 of the key's bytes. With 64 bits, two keys of a large table could have the same hash.
    pub fn key_hash(&self) -> u128 {
        xxh3_128(self.key())
    }

    /// XXH64 of the whole image, which differs between rows that differ only in columns that are not compared.
    pub(crate) fn image_hash(&self) -> u64 {
        xxh64(self.image(), 0)
    }
}
