//! Writes the operations of a delta, and counts them.

use serde::{Deserialize, Serialize};

use super::common_values::CommonValues;
use super::request::DeltaError;
use crate::breakpoint::loses_operation;
use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::error::{Error, Result};
use crate::operation::{Encoder, Head, Kind, RowChange};
use crate::plan::{Counts, Findings};

/// How the rows of either export are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layouts<'a> {
    pub(super) before: &'a Layout,
    pub(super) after: &'a Layout,
}

/// Writes operations, and counts them.
pub(super) struct Output<'a> {
    layouts: Layouts<'a>,
    /// For each column outside the key, whether it was added after the baseline.
    added: Vec<bool>,
    encoder: Encoder<'a>,
    line: Vec<u8>,
    lines: &'a mut dyn LineSink,
    pub(super) totals: OutputTotals,
}

/// Totals over the operations that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OutputTotals {
    /// The number of operations of each kind; the other counts are 0.
    pub(super) counts: Counts,
    /// Σ hash − Σ previous_hash.
    #[serde(with = "crate::operation::as_text")]
    pub(super) difference: i128,
    /// Σ id, modulo 2^128.
    #[serde(with = "crate::operation::as_text")]
    pub(super) sum_of_ids: u128,
    /// What a person inspects before the operations are published.
    findings: Findings,
    /// What the DELETEs have in common.
    #[serde(default)]
    common: CommonValues,
}

impl<'a> Output<'a> {
    pub(super) fn new(layouts: Layouts<'a>, head: &Head, lines: &'a mut dyn LineSink) -> Self {
        Self {
            layouts,
            added: layouts.before.added(),
            encoder: Encoder::new(layouts.after, head.clone()),
            line: Vec::new(),
            lines,
            totals: OutputTotals::default(),
        }
    }

    /// Writes the DELETE of an old row: its row hash, and the row bytes of its columns outside the key.
    pub(super) fn delete(&mut self, key: &[u8], old: (i64, &[u8])) -> Result<()> {
        self.totals.counts.deleted += 1;
        self.operation(Kind::Delete, key, old, (0, &[]))
    }

    /// Writes the INSERT of a new row.
    pub(super) fn insert(&mut self, key: &[u8], new: (i64, &[u8])) -> Result<()> {
        self.totals.counts.inserted += 1;
        self.operation(Kind::Insert, key, (0, &[]), new)
    }

    /// Writes the UPDATE from an old row to a new one.
    pub(super) fn update(&mut self, key: &[u8], old: (i64, &[u8]), new: (i64, &[u8])) -> Result<()> {
        self.totals.counts.updated += 1;
        self.operation(Kind::Update, key, old, new)
    }

    /// The size of the last operation that was written, in bytes.
    pub(super) fn last_bytes(&self) -> usize {
        self.line.len()
    }

    /// Appends INSERTs that another output encoded.
    pub(super) fn append(&mut self, lines: &[u8], totals: OutputTotals) -> Result<()> {
        self.totals.merge(totals);
        self.lines.write(lines)
    }

    fn operation(&mut self, kind: Kind, key: &[u8], old: (i64, &[u8]), new: (i64, &[u8])) -> Result<()> {
        if loses_operation() {
            return Ok(());
        }
        let change = RowChange { kind, key, before: old.1, after: new.1, previous_hash: old.0, hash: new.0 };
        self.line.clear();
        let id = self.encoder.write(&change, &mut self.line);
        self.totals.sum_of_ids = self.totals.sum_of_ids.wrapping_add(id);
        self.totals.difference += i128::from(new.0) - i128::from(old.0);
        self.totals.findings.add(self.layouts.after, &self.added, &change);
        if kind == Kind::Delete {
            self.totals.common.add(self.layouts.after, key, old.1);
        }
        self.lines.write(&self.line)
    }
}

impl OutputTotals {
    /// What a person inspects before the operations are published.
    pub(super) fn findings(&self) -> Findings {
        Findings { deleted_common: self.common.printable(), ..self.findings.clone() }
    }

    /// The same without values of `pii` columns.
    pub(super) fn without_personal_values(self) -> Self {
        Self { common: self.common.without_personal_values(), ..self }
    }

    /// Adds the totals of INSERTs.
    fn merge(&mut self, other: Self) {
        self.counts.inserted += other.counts.inserted;
        self.counts.updated += other.counts.updated;
        self.counts.deleted += other.counts.deleted;
        self.difference += other.difference;
        self.sum_of_ids = self.sum_of_ids.wrapping_add(other.sum_of_ids);
        self.findings.merge(other.findings);
    }
}

/// Checks that fp(after) = fp(before) + Σ hash − Σ previous_hash. That detects bugs and broken memory: the fingerprints
/// come from every row that was read, the sums only from the operations.
pub(super) fn check_conserved(head: &Head, before: i128, after: i128, difference: i128) -> Result<(), DeltaError> {
    if before + difference == after {
        return Ok(());
    }
    let subject = format!("{}/{} {}", head.tenant, head.table, head.version);
    let problem = format!(
        "the operations lead from the baseline's fingerprint {before} to {}, but the snapshot's fingerprint is {after}",
        before + difference
    );
    let error = Error::not_conserved(subject, problem)
        .help("nothing was published; run again, and report a bug if the error comes back");
    Err(DeltaError::snapshot(error))
}
