//! A plan: what publishing a version would do, in numbers and samples, before anything is published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::canonical::row_bytes::write_text;
use crate::epoch::Drift;
use crate::name::TableKey;

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
    #[serde(default, alias = "most", skip_serializing_if = "Option::is_none")]
    pub max_operation_bytes: Option<usize>,
}

impl Plan {
    /// Whether this is the plan of a version whose operations' ids have this sum, modulo 2^128.
    pub fn names(&self, key: &TableKey, version: &str, sum_of_ids: u128) -> bool {
        self.hash == self.hash_with(&key.tenant, &key.table, version, sum_of_ids)
    }

    /// Returns whether a sink that takes operations of up to `limit` bytes takes every operation of the plan.
    pub fn fits(&self, limit: Option<usize>) -> bool {
        limit.is_none_or(|limit| self.max_operation_bytes.is_some_and(|planned| planned <= limit))
    }

    pub(crate) fn hash_with(&self, tenant: &str, table: &str, version: &str, sum_of_ids: u128) -> String {
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
