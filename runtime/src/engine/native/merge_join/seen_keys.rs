//! Whether a key appears twice, told by eight bytes a row.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::canonical::row::Row;

/// The first bits of a hash that name its partition: partitions are sorted one by one, in the cache.
const PARTITION_BITS: u32 = 8;
const PARTITIONS: usize = 1 << PARTITION_BITS;

/// How many hashes stand together: a list that grows without end would hold up to twice of what is in it.
const CHUNK: usize = 1024;

/// What is kept of a row, in bytes.
pub(super) const BYTES: u64 = size_of::<u64>() as u64;

/// Half of the XXH3-128 of each key. Ten million different keys share one in one of 400,000 exports; then the engine that
/// compares whole hashes has the work.
#[derive(Debug)]
pub(super) struct SeenKeys(Vec<Vec<Vec<u64>>>);

impl Default for SeenKeys {
    fn default() -> Self {
        Self(vec![Vec::new(); PARTITIONS])
    }
}

impl SeenKeys {
    /// Takes the key of a row.
    #[inline]
    pub(super) fn add(&mut self, row: &Row) {
        self.add_hash(row.key_hash());
    }

    /// Takes a key by its hash.
    #[inline]
    pub(super) fn add_hash(&mut self, hash: u128) {
        let hash = hash as u64;
        let partition = &mut self.0[(hash >> (u64::BITS - PARTITION_BITS)) as usize];
        match partition.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(hash),
            _ => partition.push(vec![hash]),
        }
    }

    /// Whether none of all these is there twice.
    pub(super) fn are_distinct(all: Vec<Self>) -> bool {
        let (next, is_twice) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut hashes = Vec::new();
            loop {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                if partition >= PARTITIONS || is_twice.load(Ordering::Relaxed) {
                    return;
                }
                hashes.clear();
                all.iter().flat_map(|keys| &keys.0[partition]).for_each(|chunk| hashes.extend_from_slice(chunk));
                hashes.sort_unstable();
                if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
                    is_twice.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
        !is_twice.into_inner()
    }
}
