//! Many records at once.

/// Many records as they are in the file, without their line ends.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<(u32, u32)>,
}

impl Batch {
    /// The number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record at an index below [`Batch::len`].
    #[inline]
    pub fn record(&self, index: usize) -> &[u8] {
        let (from, to) = self.records[index];
        &self.bytes[from as usize..to as usize]
    }

    /// The record at an index with all bytes after it, and its length: what a `Splitter` splits.
    #[inline]
    pub fn with_following(&self, index: usize) -> (&[u8], usize) {
        let (from, to) = self.records[index];
        (&self.bytes[from as usize..], (to - from) as usize)
    }
}
