//! Rows that only one of two sorted exports seems to have.
//!
//! They are written as they come, although the order of the other export may break later on, and their counterparts
//! follow: with its last rows first, all rows of the baseline would be written as DELETEs before that shows. So once
//! there are many of them, the other export is read to its end, for its keys alone. If its order holds, the rows are
//! certain, however many follow; a large deletion and a new partition take no more than that. If not, the hash join
//! takes over, and little was written in vain.

use std::thread;

use super::highest_key::HighestKey;
use super::key_order::KeyOrder;
use super::reader::{ReadOptions, ReaderThread};
use super::stop::Stop;
use crate::engine::request::Side;
use crate::engine::resources::Resources;
use crate::snapshot::Export;

/// The share of a delta's memory that operations of uncertain rows may take, wherever they are kept: 32 MiB by default.
const UNCERTAIN: f64 = 1.0 / 32.0;

/// Uncertain rows may be written as long as there are so many times as many rows with a counterpart.
const MATCHED_PER_SINGLE: u64 = 8;

/// The baseline and the snapshot, and how they are read.
pub(super) type Sources<'a> = [(&'a Export, ReadOptions<'a>); 2];

/// Counts rows without a counterpart, and checks that they are certain.
pub(super) struct Singles<'a> {
    sources: Sources<'a>,
    /// How many bytes of uncertain operations may be written.
    max_bytes: u64,
    /// The number of keys that both exports have.
    matched: u64,
    /// The rows that only the baseline has, and those that only the snapshot has.
    sides: [Uncertain; 2],
}

/// The rows of one side without a counterpart.
#[derive(Default)]
struct Uncertain {
    rows: u64,
    /// The bytes of their operations.
    bytes: u64,
    /// Whether the other export is known to be in order.
    are_certain: bool,
}

impl<'a> Singles<'a> {
    pub(super) fn new(sources: Sources<'a>, resources: Resources<'_>) -> Self {
        let max_bytes = resources.share(UNCERTAIN).memory();
        Self { sources, max_bytes, matched: 0, sides: <_>::default() }
    }

    /// Adds keys that both exports have.
    #[inline]
    pub(super) fn add_matched(&mut self, keys: u64) {
        self.matched += keys;
    }

    /// Adds a row that only `side` seems to have, and whose operation has so many bytes.
    pub(super) fn add(&mut self, side: Side, bytes: usize, order: &KeyOrder) -> Result<(), Stop> {
        let (single, other) = match side {
            Side::Baseline => (&mut self.sides[0], self.sources[1]),
            Side::Snapshot => (&mut self.sides[1], self.sources[0]),
        };
        single.rows += 1;
        single.bytes += bytes as u64;
        let are_many = single.bytes > self.max_bytes && single.rows > self.matched / MATCHED_PER_SINGLE;
        if are_many && !single.are_certain {
            check_order(other, order)?;
            single.are_certain = true;
        }
        Ok(())
    }
}

/// Reads an export to its end, and checks that its keys ascend.
fn check_order((export, options): (&Export, ReadOptions<'_>), order: &KeyOrder) -> Result<(), Stop> {
    thread::scope(|scope| {
        let (reader, mut cursor) = ReaderThread::start(scope, Some(export), options);
        let mut highest = HighestKey::new(order.clone());
        while cursor.record().is_some() {
            highest.advance(cursor.key(0)?)?;
            cursor.skip(1);
        }
        drop(cursor);
        if reader.finish().is_some() { Ok(()) } else { Err(Stop::Fallback) }
    })
}
