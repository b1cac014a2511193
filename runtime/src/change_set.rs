//! A change set: all operations from a baseline to a snapshot, durable before any of them is published.
//!
//! It is a folder of gzip NDJSON parts, [on this machine](local) or in S3, whose lines are the operations as they will be
//! published but for their sequence, which is 0 until the version begins to be published. Its plan says what it leads from
//! and to, and how much it does; the plan's hash names it.

pub mod local;
#[cfg(feature = "aws")]
pub mod s3;
mod writer;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::engine::Found;
use crate::epoch::Drift;
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::row::write_text;
use crate::store::{TableKey, Version};
use crate::table::Table;
pub use writer::{Lines, Writer};

/// Where change sets lie.
pub trait ChangeSets: Debug + Send + Sync {
    /// The place, as the registry remembers it and people read it.
    fn root(&self) -> Result<String>;

    /// Begins one for a version, or goes on with the draft of this name. The fence of the lease it is made under is in its
    /// name, so that a run which lost its lease and does not know it yet can do no harm.
    fn draft(&self, version: &Version, fence: u64, begun: Option<&str>) -> Result<Arc<dyn Draft>>;

    /// Whether every part that the version's plan has is there.
    fn is_whole(&self, version: &Version) -> Result<bool>;

    /// Whether anything is left of what the version's record names.
    fn is_there(&self, version: &Version) -> Result<bool>;

    /// Opens a part as it lies there.
    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>>;

    /// What errors call a version's change set, or one of its parts.
    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf;

    /// Removes what was planned for the version, or begun to be, under this fence or a lower one, but for what its record
    /// names. That it fails is no reason to stop.
    fn remove_leftovers(&self, version: &Version, fence: u64);
}

/// A change set that is being written, and that nobody knows of yet.
pub trait Draft: Debug + Send + Sync {
    /// What names it while it is one.
    fn name(&self) -> String;

    /// Writes a part from its blocks, until there are no more, and makes it durable.
    fn write(&self, part: u32, blocks: &mut dyn Iterator<Item = Vec<u8>>) -> Result<()>;

    /// Makes it empty.
    fn clear(&self) -> Result<()>;

    /// Makes it last, and gives the name by which a version's record names it.
    fn finish(&self, hash: &str) -> Result<String>;

    /// It is wanted no more. That it cannot be removed is no reason to stop.
    fn abandon(&self);
}

/// Inflates a part of a change set.
pub fn inflate(file: impl Read) -> impl BufRead {
    BufReader::with_capacity(256 << 10, MultiGzDecoder::new(BufReader::new(file)))
}

/// Gives each line of a part to `each`, line feed included.
pub fn read_part(
    changes: &dyn ChangeSets,
    version: &Version,
    part: u32,
    each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    read_lines(inflate(changes.open(version, part)?), &changes.path(version, Some(part)), each)
}

/// How many rows a delta saw, and what it found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of the baseline, once per key.
    pub baseline_rows: u64,
    /// Rows of the snapshot, once per key.
    pub rows: u64,
    /// Keys that only the snapshot has.
    pub inserted: u64,
    /// Keys that both have, with different rows.
    pub updated: u64,
    /// Keys that only the baseline has.
    pub deleted: u64,
    /// Rows of the snapshot that repeat another row in every column.
    pub duplicates: u64,
}

/// How many operations of a kind are kept as samples.
pub const SAMPLES: usize = 5;

/// What a person looks at in a plan. Values of `pii` columns are masked before they come here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How the exports were compared.
    #[serde(default)]
    pub comparison: Comparison,
    /// UPDATEs in nothing but columns that the baseline is older than; the others are what follows.
    pub backfilled: u64,
    /// In how many UPDATEs each column changed.
    pub changed: BTreeMap<String, u64>,
    /// In how many of them the old value is one that today's type cannot read.
    pub unreadable: BTreeMap<String, u64>,
    /// Keys of the first INSERTs.
    pub inserts: Vec<String>,
    /// The first UPDATEs.
    pub updates: Vec<UpdateSample>,
    /// Keys of the first DELETEs.
    pub deletes: Vec<String>,
    /// How the deleted keys lie in the baseline, when they lie in one block.
    pub deleted_block: Option<Block>,
    /// What Athena was asked for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

/// A statement on Athena.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Athena's name for it.
    pub id: String,
    /// Bytes that were read, and paid for.
    pub bytes: u64,
    /// Milliseconds in the engine.
    pub millis: u64,
}

/// How two exports were compared, which their order decides. The operations do not depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Keys ascend in both: one look, and no memory to speak of.
    Ascending,
    /// Both list most rows in the same order, which is none of their keys: one look, eight bytes a row.
    Aligned,
    /// In any order: two looks, 24 bytes for each row of both.
    #[default]
    AnyOrder,
    /// By a statement on Athena.
    Athena,
}

/// One UPDATE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSample {
    /// The key.
    pub key: String,
    /// Column, old value and new value of what changed, as far as there is room.
    pub changes: Vec<(String, String, String)>,
    /// In how many other columns it changed as well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Deleted keys that all stand behind one another in the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The last key in front of the block; none when the baseline begins with it.
    pub after: Option<String>,
    /// Whether the baseline ends with it, as it does when an export is cut off.
    pub at_the_end: bool,
}

/// What a version that is published whole replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The newest version that succeeded; none on the first import.
    pub version: Option<String>,
    /// Its rows.
    pub rows: u64,
}

/// A change set in short.
///
/// Its hash is XXH3-128 over tenant, table, previous, version, reset, both fingerprints, the schema's hash, the counts
/// (rows, inserted, updated, deleted) and the sum of the operations' ids, each as `length:text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What names the plan: equal plans publish equal operations. 32 hex digits.
    pub hash: String,
    /// The version it was compared with.
    pub previous: Option<String>,
    /// What it is to replace, when it is published whole because somebody asked for a resync.
    pub reset: Option<Reset>,
    /// The schema's hash.
    pub schema: String,
    /// What changed in the schema since the baseline was read; `None` when nothing did.
    pub drift: Option<Drift>,
    /// Sum of the baseline's row hashes.
    #[serde(with = "crate::operation::as_text")]
    pub baseline_fingerprint: i128,
    /// Sum of the snapshot's row hashes.
    #[serde(with = "crate::operation::as_text")]
    pub fingerprint: i128,
    /// Rows and operations.
    pub counts: Counts,
    /// What to look at before it is published.
    pub findings: Findings,
    /// In how many parts the operations stand.
    pub parts: u32,
    /// The largest operation that the sink took when it was planned, in bytes; none where any will do. One that takes less
    /// needs another plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
}

impl Plan {
    /// The plan of what an engine found; its parts are not counted yet.
    pub fn new(head: &Head, table: &Table, found: &Found, reset: Option<Reset>) -> Self {
        let mut plan = Self {
            hash: String::new(),
            previous: head.previous.clone(),
            reset,
            schema: table.schema.into(),
            drift: None,
            baseline_fingerprint: found.baseline_fingerprint,
            fingerprint: found.fingerprint,
            counts: found.counts,
            findings: found.findings.clone(),
            parts: 0,
            most: None,
        };
        plan.hash = plan.hash_of(&head.tenant, &head.table, &head.version, found.sum_of_ids);
        plan
    }

    /// Whether this is the plan of a version whose operations' ids have this sum, modulo 2^128.
    pub fn names(&self, key: &TableKey, version: &str, sum_of_ids: u128) -> bool {
        self.hash == self.hash_of(&key.tenant, &key.table, version, sum_of_ids)
    }

    /// Whether a sink that takes operations of up to `most` bytes takes all of it.
    pub fn fits(&self, most: Option<usize>) -> bool {
        most.is_none_or(|most| self.most.is_some_and(|planned| planned <= most))
    }

    fn hash_of(&self, tenant: &str, table: &str, version: &str, sum_of_ids: u128) -> String {
        let counts = &self.counts;
        let mut bytes = Vec::new();
        for text in [
            tenant,
            table,
            self.previous.as_deref().unwrap_or_default(),
            version,
            if self.reset.is_some() { "true" } else { "false" },
            &self.baseline_fingerprint.to_string(),
            &self.fingerprint.to_string(),
            &self.schema,
            &counts.rows.to_string(),
            &counts.inserted.to_string(),
            &counts.updated.to_string(),
            &counts.deleted.to_string(),
            &format!("{sum_of_ids:032x}"),
        ] {
            write_text(text.as_bytes(), &mut bytes);
        }
        format!("{:032x}", xxh3_128(&bytes))
    }
}

/// Gives each line to `each`, line feed included. `path` is what an error calls the file.
pub fn read_lines(mut lines: impl BufRead, path: &Path, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|error| Error::of_reading(error, path))? == 0 {
            return Ok(());
        }
        each(&line)?;
    }
}

/// The name of a part, in a change set and where it is published.
pub fn part_name(part: u32) -> String {
    format!("part-{part:05}.ndjson.gz")
}

/// The fence in the name of a change set: `HASH-FENCE`, or `aside-FENCE` while it is written.
fn fence_of(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}
