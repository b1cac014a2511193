//! A delta to compute, and its result.

use super::resources::Resources;
use crate::canonical::row::Layout;
use crate::error::Error;
use crate::operation::{Head, SchemaChange};
use crate::plan::{Counts, Findings, Plan, Reset};
use crate::snapshot::{Export, Part};
use crate::table::Table;
use crate::telemetry::Watch;

/// A delta to compute.
#[derive(Debug, Clone, Copy)]
pub struct DeltaRequest<'a> {
    /// How the rows of the snapshot are read. A baseline with an epoch of its own is read as that epoch says.
    pub layout: &'a Layout,
    /// How the rows of the baseline are read, if neither like those of the snapshot nor as its epoch says.
    pub before: Option<&'a Layout>,
    /// The fields that every operation repeats.
    pub head: &'a Head,
    /// The two exports.
    pub inputs: Inputs<'a>,
    /// What the delta may use of the machine. Only the native engine needs it.
    pub resources: Resources<'a>,
    /// Shows progress, and stops the work.
    pub watch: &'a Watch,
}

/// The exports that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The export of the newest version that succeeded; `None` makes every row an INSERT.
    pub baseline: Option<&'a Export>,
    /// The export that is compared with it.
    pub snapshot: &'a Export,
}

impl Inputs<'_> {
    /// The compressed size of both exports, in bytes.
    pub fn size(&self) -> u64 {
        self.snapshot.size() + self.baseline.map_or(0, Export::size)
    }
}

/// The result of a delta, apart from its operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaSummary {
    /// The number of rows and operations.
    pub counts: Counts,
    /// The sum of the baseline's row hashes, once per key; 0 without a baseline.
    pub baseline_fingerprint: i128,
    /// The sum of the snapshot's row hashes, once per key.
    pub fingerprint: i128,
    /// What a person inspects before the delta is published.
    pub findings: Findings,
    /// The sum of the operations' ids, modulo 2^128.
    pub sum_of_ids: u128,
    /// The baseline's parts, with the checksums of the bytes that were read.
    pub baseline_parts: Vec<Part>,
    /// The snapshot's parts, with the checksums of the bytes that were read.
    pub snapshot_parts: Vec<Part>,
}

impl DeltaSummary {
    /// The plan that publishes this delta. Its number of parts is still 0.
    pub fn plan(&self, head: &Head, table: &Table, reset: Option<Reset>, schema_change: Option<SchemaChange>) -> Plan {
        let mut plan = Plan {
            hash: String::new(),
            previous: head.previous.clone(),
            reset,
            schema: table.schema.into(),
            drift: None,
            schema_change,
            baseline_fingerprint: self.baseline_fingerprint,
            fingerprint: self.fingerprint,
            counts: self.counts,
            findings: self.findings.clone(),
            parts: 0,
            max_operation_bytes: None,
            demands: Vec::new(),
        };
        plan.hash = plan.hash_with(&head.tenant, &head.table, &head.version, self.sum_of_ids);
        plan
    }
}

/// One of the two exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The older export.
    Baseline,
    /// The newer export.
    Snapshot,
}

impl Side {
    /// The other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Baseline => Self::Snapshot,
            Self::Snapshot => Self::Baseline,
        }
    }
}

/// Why a delta cannot be computed.
#[derive(Debug)]
pub struct DeltaError {
    /// The export that the error is about; the snapshot, if the error is about neither.
    pub side: Side,
    /// The error.
    pub error: Error,
}

impl DeltaError {
    /// An error about the baseline.
    pub fn baseline(error: Error) -> Self {
        Self { side: Side::Baseline, error }
    }

    /// An error about the snapshot, or about neither export.
    pub fn snapshot(error: Error) -> Self {
        Self { side: Side::Snapshot, error }
    }
}

impl From<DeltaError> for Error {
    fn from(failure: DeltaError) -> Self {
        failure.error
    }
}
