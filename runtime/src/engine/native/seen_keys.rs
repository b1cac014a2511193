//! Detects repeated keys with eight bytes per row.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::canonical::row::Row;

/// The leading bits of a hash that select its partition. Each partition is sorted alone, so that it fits into the
/// cache.
const PARTITION_BITS: u32 = 8;
const PARTITIONS: usize = 1 << PARTITION_BITS;

/// The number of hashes per chunk. Chunks waste less memory than one growing list, which may be half empty.
const CHUNK: usize = 1024;

/// The memory per row, in bytes.
pub(in crate::engine::native) const BYTES: u64 = size_of::<u64>() as u64;

/// The lower half of the XXH3-128 of each key, by partition. Among ten million different keys, two have the same half
/// in one of 400,000 exports. The hash join, which compares the whole hashes, then takes over.
#[derive(Debug)]
pub(in crate::engine::native) struct SeenKeys(Vec<Vec<Vec<u64>>>);

/// Keys that can be looked up.
#[derive(Debug, Default)]
pub(in crate::engine::native) struct SortedKeys(Vec<Vec<u64>>);

impl SortedKeys {
    /// Returns whether a key with this hash is among them.
    pub(in crate::engine::native) fn contains(&self, hash: u128) -> bool {
        let hash = hash as u64;
        let partition = self.0.get((hash >> (u64::BITS - PARTITION_BITS)) as usize);
        partition.is_some_and(|hashes| hashes.binary_search(&hash).is_ok())
    }
}

impl Default for SeenKeys {
    fn default() -> Self {
        Self(vec![Vec::new(); PARTITIONS])
    }
}

impl SeenKeys {
    /// Adds the key of a row.
    #[inline]
    pub(in crate::engine::native) fn add(&mut self, row: &Row) {
        self.add_hash(row.key_hash());
    }

    /// Adds a key by its hash.
    #[inline]
    pub(in crate::engine::native) fn add_hash(&mut self, hash: u128) {
        let hash = hash as u64;
        let partition = &mut self.0[(hash >> (u64::BITS - PARTITION_BITS)) as usize];
        match partition.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(hash),
            _ => partition.push(vec![hash]),
        }
    }

    /// All keys of all sets, to be looked up.
    pub(in crate::engine::native) fn sorted(all: Vec<Self>) -> SortedKeys {
        let sorted = (0..PARTITIONS).map(|partition| {
            let mut hashes: Vec<u64> = all.iter().flat_map(|keys| &keys.0[partition]).flatten().copied().collect();
            hashes.sort_unstable();
            hashes
        });
        SortedKeys(sorted.collect())
    }

    /// Returns whether all keys of all sets are different.
    pub(in crate::engine::native) fn are_distinct(all: Vec<Self>) -> bool {
        let (next, is_repeated) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut hashes = Vec::new();
            loop {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                if partition >= PARTITIONS || is_repeated.load(Ordering::Relaxed) {
                    return;
                }
                hashes.clear();
                all.iter().flat_map(|keys| &keys.0[partition]).for_each(|chunk| hashes.extend_from_slice(chunk));
                hashes.sort_unstable();
                if hashes.windows(2).any(|pair| pair[0] == pair[1]) {
                    is_repeated.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
        !is_repeated.into_inner()
    }
}
