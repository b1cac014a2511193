//! What computes the delta of two exports.
//!
//! [`native`] does it in this process, [`athena`] on many machines; [`Engines`] says which. Every engine gives the same
//! operations, counts and fingerprints.

pub mod athena;
mod choice;
mod findings;
pub mod native;
mod output;

use std::num::NonZero;
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::operation::Head;
use crate::plan::Reset;
use crate::plan::{Counts, Findings, Plan};
use crate::snapshot::{Export, Part};
use crate::table::Table;
pub use choice::{Choice, Engines, NATIVE_BYTES};

/// What a delta is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The export of the newest version that succeeded; `None` without one.
    pub baseline: Option<&'a Export>,
    /// The export that is compared with it.
    pub snapshot: &'a Export,
}

impl Inputs<'_> {
    /// The size of both, compressed, in bytes.
    pub fn size(&self) -> u64 {
        self.snapshot.size() + self.baseline.map_or(0, Export::size)
    }
}

/// What a delta may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes of memory what grows with the exports may take. What has no room goes to temporary files.
    pub memory: u64,
    /// How many threads read rows, and write parts; those that only inflate, or compress what is written, come on top.
    pub threads: NonZero<usize>,
    /// How many bytes are read to see whether an export that was written again is the same; a larger one counts as another.
    pub compared: u64,
}

impl Default for Limits {
    /// What 10 million rows of two exports in any order need twice over, and a thread for each processor.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        Self { memory: 1 << 30, threads, compared: u64::MAX }
    }
}

/// Where a delta has room while it is computed.
#[derive(Debug, Clone, Copy)]
pub struct Resources<'a> {
    /// A folder for temporary files, which have no name and are gone afterwards whatever happens.
    pub work: &'a Path,
    /// How much room.
    pub limits: Limits,
}

impl Resources<'_> {
    /// A share of the memory, from 0 to 1.
    pub fn share(self, share: f64) -> Self {
        let memory = (self.limits.memory as f64 * share) as u64;
        Self { limits: Limits { memory, ..self.limits }, ..self }
    }

    /// The part of each of so many that work at the same time.
    pub fn split(self, into: usize) -> Self {
        let threads = NonZero::new(self.limits.threads.get() / into).unwrap_or(NonZero::<usize>::MIN);
        Self { limits: Limits { threads, ..self.share(1.0 / into as f64).limits }, ..self }
    }

    /// How many bytes of memory there are.
    pub fn memory(self) -> u64 {
        self.limits.memory
    }

    /// How many threads there are.
    pub fn threads(self) -> usize {
        self.limits.threads.get()
    }
}

/// What a delta found, beside its operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaSummary {
    /// Rows and operations.
    pub counts: Counts,
    /// Sum of the baseline's row hashes, once per key; 0 without one.
    pub baseline_fingerprint: i128,
    /// Sum of the snapshot's row hashes, once per key.
    pub fingerprint: i128,
    /// What a person looks at before it is published.
    pub findings: Findings,
    /// Sum of the operations' ids, modulo 2^128.
    pub sum_of_ids: u128,
    /// The baseline's parts, with their checksums as they were read.
    pub baseline_parts: Vec<Part>,
    /// The snapshot's parts, with their checksums as they were read.
    pub snapshot_parts: Vec<Part>,
}

impl DeltaSummary {
    /// The plan that publishes this delta; its parts are not counted yet.
    pub fn plan(&self, head: &Head, table: &Table, reset: Option<Reset>) -> Plan {
        let mut plan = Plan {
            hash: String::new(),
            previous: head.previous.clone(),
            reset,
            schema: table.schema.into(),
            drift: None,
            baseline_fingerprint: self.baseline_fingerprint,
            fingerprint: self.fingerprint,
            counts: self.counts,
            findings: self.findings.clone(),
            parts: 0,
            max_operation_bytes: None,
        };
        plan.hash = plan.hash_with(&head.tenant, &head.table, &head.version, self.sum_of_ids);
        plan
    }
}

/// A statement that runs on Athena while nobody waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryExecution {
    /// Athena's name for it.
    pub id: String,
    /// What names it by all that it was made from.
    pub token: String,
    /// How many before it failed.
    pub attempt: u32,
    /// How far what it left was read; nothing before it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Box<Reading>>,
}

/// What was read of what a statement left, where one turn was too short for all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// How many of its files.
    pub files: usize,
    /// What was found in them, beside operations.
    pub totals: athena::Totals,
    /// The change set that the operations went into, by whoever writes it, and how many parts it has by now.
    pub draft: String,
    /// See `draft`.
    pub parts: u32,
}

/// How a delta is waited for that another service computes.
#[derive(Debug, Clone, Copy)]
pub enum WaitMode<'a> {
    /// Here, until it is there.
    Here,
    /// Not at all: it is begun, or looked at once.
    InTurns {
        /// What names the run: the same turn of the same run begins the same.
        run: &'a str,
        /// What was begun.
        begun: Option<&'a QueryExecution>,
        /// After how many bytes of what it left the rest is for the next turn; it is sooner when time is short. Files are read
        /// whole. A turn that is made twice writes over what it wrote.
        most: u64,
    },
}

impl<'a> WaitMode<'a> {
    /// How far the turns before this one read.
    pub fn reading(self) -> Option<&'a Reading> {
        match self {
            WaitMode::Here => None,
            WaitMode::InTurns { begun, .. } => begun?.reading.as_deref(),
        }
    }
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaProgress {
    /// The delta.
    Finished(Box<DeltaSummary>),
    /// It is still computed.
    Running(QueryExecution),
}

/// Which of the two exports an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The older one.
    Baseline,
    /// The newer one.
    Snapshot,
}

/// A delta that could not be computed.
#[derive(Debug)]
pub struct Failed {
    /// The export at fault, if it is one's fault.
    pub side: Side,
    /// Why.
    pub error: Error,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}
