//! A plan: what publishing a version would do, in numbers and samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::row_bytes::hash_texts;
use crate::epoch::Drift;
use crate::name::TableKey;
use crate::operation::SchemaChange;

/// The rows of a delta, and its operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The number of rows of the baseline, each key counted once.
    pub baseline_rows: u64,
    /// The number of rows of the snapshot, each key counted once.
    pub rows: u64,
    /// The number of keys that only the snapshot has.
    pub inserted: u64,
    /// The number of keys that both have, with different rows.
    pub updated: u64,
    /// The number of keys that only the baseline has.
    pub deleted: u64,
    /// The number of rows of the snapshot that repeat another row in every column.
    pub duplicates: u64,
}

/// The maximum number of samples of each kind of operation.
pub const SAMPLES: usize = 5;

/// What a reviewer needs to know about a plan. Values of `pii` columns are masked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How the exports were compared.
    #[serde(default)]
    pub comparison: Comparison,
    /// The number of UPDATEs only in columns that the baseline is older than; they are no samples.
    pub backfilled: u64,
    /// The number of UPDATEs in which each column changed, whether others changed as well or not.
    pub changed: BTreeMap<String, u64>,
    /// The number of them in which today's type cannot read the old value.
    pub unreadable: BTreeMap<String, u64>,
    /// The first INSERTs.
    pub inserts: Vec<RowSample>,
    /// The first UPDATEs.
    pub updates: Vec<UpdateSample>,
    /// The first DELETEs.
    pub deletes: Vec<RowSample>,
    /// The columns that have the same value in all deleted rows, with that value.
    #[serde(default)]
    pub deleted_common: Vec<(String, String)>,
    /// The longest block of deleted rows in the baseline; `None` if there are no deleted rows, or if Athena, which does
    /// not know the order of rows, has compared the exports.
    pub deleted_block: Option<Block>,
    /// The query on Athena, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

/// A query on Athena.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The query's id.
    pub id: String,
    /// The bytes it scanned, which are paid for.
    pub bytes: u64,
    /// The time it ran, in milliseconds.
    pub millis: u64,
}

/// How two exports were compared, which depends on the order of their rows. The operations do not depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Keys ascend in both: a merge join in one pass, in constant memory.
    Ascending,
    /// Most rows come in the same order in both, but not in that of their keys: a merge join in one pass, 8 bytes for
    /// each row.
    Aligned,
    /// Any order: a hash join in two passes, 24 bytes for each row of both exports.
    #[default]
    AnyOrder,
    /// A query on Athena.
    Athena,
}

/// A sample of the INSERTs or DELETEs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredSample")]
pub struct RowSample {
    /// The row's key.
    pub key: String,
    /// The names and values of its first columns outside the key.
    pub values: Vec<(String, String)>,
    /// The number of other columns.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

/// A sample as a registry has it; an earlier release stored nothing but the key.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredSample {
    Key(String),
    Row {
        key: String,
        values: Vec<(String, String)>,
        #[serde(default)]
        more: usize,
    },
}

impl From<StoredSample> for RowSample {
    fn from(stored: StoredSample) -> Self {
        match stored {
            StoredSample::Key(key) => Self { key, values: Vec::new(), more: 0 },
            StoredSample::Row { key, values, more } => Self { key, values, more },
        }
    }
}

/// A sample of the UPDATEs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSample {
    /// The row's key.
    pub key: String,
    /// The name, the old and the new value of the first changed columns.
    pub changes: Vec<(String, String, String)>,
    /// The number of other changed columns.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Deleted rows that follow each other in the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// How many rows it has; 0 in a plan of an earlier release, where it had all of them.
    #[serde(default)]
    pub rows: u64,
    /// The last key before the block; `None` if the baseline starts with it.
    pub after: Option<String>,
    /// Whether the baseline ends with the block, as with an export that was cut off.
    pub at_the_end: bool,
}

/// The version that a version published in full replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The newest version that succeeded; `None` on the first import.
    pub version: Option<String>,
    /// The number of its rows.
    pub rows: u64,
}

/// The summary of a change set.
///
/// Its hash is XXH3-128 over tenant, table, previous, version, reset, both fingerprints, the schema's hash, the counts
/// (rows, inserted, updated, deleted) and the sum of the operations' ids, each as `length:text`; and, if the schema
/// changed, what BEGIN says about that, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Identifies the plan, 32 hex digits: plans with equal hashes publish equal operations.
    pub hash: String,
    /// The version it was compared with.
    pub previous: Option<String>,
    /// The version it replaces, if it is published in full because of a resync.
    pub reset: Option<Reset>,
    /// The schema's hash.
    pub schema: String,
    /// What changed in the schema since the baseline; `None` if nothing did.
    pub drift: Option<Drift>,
    /// The same for consumers, as BEGIN has it; `None` also in a plan of a release whose BEGIN did not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_change: Option<SchemaChange>,
    /// The sum of the baseline's row hashes.
    #[serde(with = "crate::operation::as_text")]
    pub baseline_fingerprint: i128,
    /// The sum of the snapshot's row hashes.
    #[serde(with = "crate::operation::as_text")]
    pub fingerprint: i128,
    /// The numbers of rows and operations.
    pub counts: Counts,
    /// What to review before it is published.
    pub findings: Findings,
    /// The number of parts of the change set.
    pub parts: u32,
    /// The maximum size of an operation that the sink accepted when this was planned, in bytes; `None` if any. A sink
    /// that accepts less needs another plan.
    #[serde(default, rename = "most", skip_serializing_if = "Option::is_none")]
    pub max_operation_bytes: Option<usize>,
    /// What the sinks demanded of operations when this was planned. A sink with another demand needs another plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<Demand>,
}

/// What a sink demands of operations, in addition to their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// No NUL in a text, and no key that is too large for an index of PostgreSQL.
    Postgres,
}

impl Plan {
    /// Returns whether this is the plan of a version whose operations' ids have this sum, modulo 2^128.
    pub(crate) fn matches(&self, key: &TableKey, version: &str, sum_of_ids: u128) -> bool {
        self.hash == self.hash_with(&key.tenant, &key.table, version, sum_of_ids)
    }

    /// Returns whether sinks that accept operations of up to `limit` bytes, with these demands, accept every operation
    /// of the plan.
    pub(crate) fn fits(&self, limit: Option<usize>, demands: &[Demand]) -> bool {
        let is_small = limit.is_none_or(|limit| self.max_operation_bytes.is_some_and(|planned| planned <= limit));
        is_small && demands.iter().all(|demand| self.demands.contains(demand))
    }

    pub(crate) fn hash_with(&self, tenant: &str, table: &str, version: &str, sum_of_ids: u128) -> String {
        let counts = &self.counts;
        let json = |change| serde_json::to_string(change).expect("a schema change has string keys only");
        let change = self.schema_change.as_ref().map(json);
        let texts = [
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
        ];
        hash_texts(&texts.into_iter().chain(change.as_deref()).collect::<Vec<_>>())
    }
}
