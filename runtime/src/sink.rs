//! Where operations go: [`mod@file`] on this machine, `kinesis` on AWS.

pub mod file;
#[cfg(feature = "aws")]
pub mod kinesis;

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::change_set::ChangeSets;
use crate::error::Result;
use crate::operation::{Begin, End, begin_line, end_line};
use crate::store::{Extent, Version};
use crate::table::Table;

/// A place that operations are published to.
pub trait Sink: Debug + Send + Sync {
    /// What the registry calls it when it remembers how far a version is out.
    fn name(&self) -> String;

    /// Where operations go, as people read it.
    fn shown(&self) -> String;

    /// How many bytes one operation may have; `None` where there is no limit.
    fn largest_operation(&self) -> Result<Option<usize>>;

    /// Publishes a version under the sequence that it has: BEGIN, every operation, END. `out` is how far its parts were out
    /// before; `told` hears how far they are. It may all be done again: whatever was out is the same then.
    ///
    /// Fails with [`LeaseLost`](crate::error::ErrorKind::LeaseLost) once it sees that another writer has taken over.
    fn publish(
        &self,
        publication: Publication<'_>,
        out: &BTreeMap<u32, Extent>,
        told: &mut OnProgress<'_>,
    ) -> Result<()>;
}

/// Hears that a part is out so far.
pub type OnProgress<'a> = dyn FnMut(u32, Extent) -> Result<()> + 'a;

/// A version that is published.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Its table.
    pub table: &'a Table,
    /// Its record, which has a plan and a sequence.
    pub version: &'a Version,
    /// Where its change set is.
    pub changes: &'a dyn ChangeSets,
    /// Who publishes it.
    pub writer: Writer<'a>,
}

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The registry that gave the fence: those of two registries cannot be compared.
    pub registry: &'a str,
    /// The fence of the lease that it publishes under.
    pub fence: u64,
}

/// The control records of a version, as lines.
#[derive(Debug)]
pub struct Frame {
    /// In front of its operations.
    pub begin: Vec<u8>,
    /// Behind them.
    pub end: Vec<u8>,
    /// What every line of it bears.
    pub sequence: u64,
    /// In how many parts its operations stand.
    pub parts: u32,
}

impl Frame {
    /// The frame of a version that is published.
    pub fn of(table: &Table, version: &Version) -> Self {
        let plan = version.plan.as_ref().expect("a version that is published was planned");
        let (begin, end) = control_records(table.name, version).expect("a version that is published has a sequence");
        let sequence = begin.sequence;
        Self { begin: begin_line(&begin), end: end_line(&end), sequence, parts: plan.parts }
    }
}

/// The control records that frame a version; `None` before its operations are on their way.
pub(crate) fn control_records(table: &str, version: &Version) -> Option<(Begin, End)> {
    let (plan, sequence) = (version.plan.as_ref()?, version.sequence?);
    let begin = Begin {
        tenant: version.key.tenant.clone(),
        table: version.key.table.clone(),
        sequence,
        version: version.version.clone(),
        previous: plan.previous.clone(),
        schema: format!("{table}@{}", plan.schema),
        fingerprint: plan.baseline_fingerprint,
        reset: plan.reset.is_some(),
    };
    let end = End {
        tenant: begin.tenant.clone(),
        table: begin.table.clone(),
        sequence,
        version: begin.version.clone(),
        previous: begin.previous.clone(),
        schema: begin.schema.clone(),
        fingerprint: plan.fingerprint,
        rows: plan.counts.rows,
        inserted: plan.counts.inserted,
        updated: plan.counts.updated,
        deleted: plan.counts.deleted,
    };
    Some((begin, end))
}
