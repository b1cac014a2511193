//! Queries that nobody waits for: what is kept of a query between the functions that poll it.

use serde::{Deserialize, Serialize};

use super::unloaded::Totals;

/// A query that runs on Athena.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryExecution {
    /// Athena's id of the execution.
    pub id: String,
    /// Identifies the query: a hash of everything that it depends on. Its output is below a key of this name.
    pub token: String,
    /// How many attempts failed before this one.
    pub attempt: u32,
    /// How far its output was read; `None` until the query has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Box<ReadPosition>>,
}

/// How far the output of a query was read, if one function had no time for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadPosition {
    /// The number of files that were read.
    pub files: usize,
    /// The totals over these files.
    pub totals: Totals,
    /// The draft change set that the operations were written to; whoever writes it fills this in, and `parts` too.
    pub draft: String,
    /// The number of parts that the draft has so far.
    pub parts: u32,
}

/// How a delta is computed without waiting for Athena.
#[derive(Debug, Clone, Copy)]
pub struct Poll<'a> {
    /// Identifies the run. Starting the same query in the same run twice starts it once.
    pub run: &'a str,
    /// The query that an earlier call started; `None` on the first call.
    pub execution: Option<&'a QueryExecution>,
    /// How many bytes of the query's output this call reads, uncompressed; it stops after the file that reaches the
    /// limit, and earlier if its time is up. A call that is repeated reads the same files again.
    pub max_bytes: u64,
}

impl<'a> Poll<'a> {
    /// How far earlier calls read the output of the query.
    pub fn reading(self) -> Option<&'a ReadPosition> {
        self.execution?.reading.as_deref()
    }
}

/// Work that depends on a delta which may still be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaProgress<T> {
    /// The work is done; this is its result.
    Finished(T),
    /// The query still runs, or its output is not read to the end. Poll it again.
    Running(QueryExecution),
}
