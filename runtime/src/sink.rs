//! Where operations go: [`mod@file`] on this machine, `s3` and `kinesis` on AWS; or the rows that they lead to, in a
//! `database`.

pub mod any_order;
pub(crate) mod database;
pub mod file;
#[cfg(feature = "aws")]
pub mod kinesis;
pub(crate) mod part;
#[cfg(feature = "aws")]
pub mod s3;
mod sinks;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::Compression;
use serde::{Deserialize, Serialize};

use crate::change_set::ChangeSets;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::{TableKey, printable};
use crate::operation::{Begin, End, begin_line, end_line};
use crate::plan::Demand;
use crate::snapshot::Folder;
use crate::store::{Extent, Version};
use crate::table::Table;
pub(crate) use database::refusal;
pub use sinks::Sinks;

/// A destination that operations are published to.
pub trait Sink: Debug + Send + Sync {
    /// The name under which the registry records what has been delivered.
    fn name(&self) -> String;

    /// Where operations go, for people to read.
    fn display_name(&self) -> String;

    /// The largest operation that the sink accepts, in bytes; `None` if there is no limit.
    fn max_operation_bytes(&self) -> Result<Option<usize>>;

    /// What else the sink demands of operations.
    fn demand(&self) -> Option<Demand> {
        None
    }

    /// How much a change set is compressed for the sink. One that copies its parts wants them as they will be read.
    fn compression(&self) -> Compression {
        Compression::fast()
    }

    /// Returns whether the sink can hold marks. A stream cannot: there, a new registry's versions differ from those
    /// of an older one only by their higher sequences.
    fn holds_marks(&self) -> bool;

    /// The mark of a tenant's table; `None` if it has none.
    fn mark(&self, key: &TableKey) -> Result<Option<Mark>>;

    /// Lists what was published of a tenant's table, whoever published it; nothing if the sink cannot tell.
    fn published(&self, key: &TableKey) -> Result<Vec<PublishedVersion>>;

    /// Returns whether the sink holds rows instead of the operations that lead to them.
    fn holds_rows(&self) -> bool {
        false
    }

    /// Checks, before anything of a tenant's table is planned, that the sink can take its operations. The table is that
    /// of all tenants.
    fn prepare(&self, _: &'static Table, _: &str) -> Result<()> {
        Ok(())
    }

    /// The version of a tenant's table whose rows the sink holds.
    fn applied(&self, _: &TableKey) -> Result<Applied> {
        Ok(Applied::default())
    }

    /// The rows of a tenant's table, as a folder of an export: CSV without a header, where NULL is an empty field and
    /// every value is quoted.
    fn rows(&self, _: &'static Table, key: &TableKey) -> Result<Arc<dyn Folder>> {
        Err(Error::refused(format!("{} {key}", self.display_name()), "it holds operations, not rows"))
    }

    /// What the row hashes that the sink keeps add up to: those of the rows, and what it remembers of them.
    fn kept_fingerprints(&self, _: &Table, _: &TableKey) -> Result<Vec<i128>> {
        Ok(Vec::new())
    }

    /// Replaces the mark of a tenant's table, and shuts out everybody who has published there so far. Fails if the mark
    /// is no longer the one that was `seen`: of several who adopt at once, one wins.
    fn adopt(&self, key: &TableKey, seen: Option<&Mark>, mark: &Mark) -> Result<()>;

    /// Publishes a version under its sequence: the mark, then BEGIN, every operation, END. `delivered` is how much of
    /// each part was delivered before; `on_progress` is called as more is. Publishing again is safe: it repeats the
    /// same operations.
    ///
    /// Fails with [`LeaseLost`](crate::error::ErrorKind::LeaseLost) once it sees that another run has taken over.
    fn publish(
        &self,
        publication: Publication<'_>,
        delivered: &BTreeMap<u32, Extent>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<()>;
}

/// What a sink remembers about who publishes a tenant's table into it. It is durable before anything of a version is
/// visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The registry that assigned the sequence and the fence.
    pub registry: String,
    /// The highest sequence that consumers may have seen.
    pub sequence: u64,
    /// The fence of the last publisher.
    pub fence: u64,
    /// The hash of the plan that was published under the sequence. A copy of the registry would assign the same
    /// sequence to another plan.
    #[serde(default)]
    pub plan: Option<String>,
    /// A random number that tells one adoption from another, also among copies of a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<u64>,
}

/// Larger numbers are not exact in every JSON reader: no registry assigns them.
const MAX_SEQUENCE: u64 = (1 << 53) - 1;

impl Mark {
    /// Reads a mark.
    fn parse(json: &[u8]) -> std::result::Result<Self, String> {
        let mark: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let is_plausible = mark.sequence <= MAX_SEQUENCE && mark.fence <= MAX_SEQUENCE;
        if is_plausible { Ok(mark) } else { Err(format!("no registry assigns sequence {}", mark.sequence)) }
    }

    /// The mark of a publisher who is about to publish a version; `known` is the one that is there. Fails with the
    /// identity of the other registry if the version may not be published there.
    fn raised(known: Option<&Self>, publisher: Publisher<'_>, version: &Version) -> std::result::Result<Self, String> {
        let own = Self {
            registry: publisher.registry.into(),
            sequence: version.sequence.unwrap_or_default(),
            fence: publisher.fence,
            plan: version.plan.as_ref().map(|plan| plan.hash.clone()),
            adoption: None,
        };
        match known {
            Some(known) if known.registry != own.registry => Err(known.registry.clone()),
            Some(known) if known.sequence > own.sequence => Ok(Self { fence: own.fence, ..known.clone() }),
            Some(Self { sequence, plan: Some(plan), .. })
                if *sequence == own.sequence && Some(plan) != own.plan.as_ref() =>
            {
                Err(format!("{}, in another copy", own.registry))
            }
            _ => Ok(own),
        }
    }
}

/// A folder of published parts, to be read again.
pub trait PublishedFolder {
    /// The names in it; none if it does not exist.
    fn names(&self) -> Result<Vec<String>>;

    /// Opens a part.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Where a part is, for errors.
    fn path(&self, name: &str) -> PathBuf;
}

/// A sink whose operations are files, to be read again.
pub trait PublishedFiles: Sink {
    /// The names of the folders directly below one: of tenants, or of a tenant's tables.
    fn folders(&self, below: &str) -> Result<Vec<String>>;

    /// The parts of a version, by its path TENANT/TABLE/VERSION.
    fn folder(&self, version: &str) -> Box<dyn PublishedFolder>;
}

/// A version that was published into a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedVersion {
    /// The version.
    pub version: String,
    /// Its sequence.
    pub sequence: u64,
    /// Whether an earlier release published it, which left no mark.
    pub is_unmarked: bool,
}

/// The version whose rows a sink holds; the default if there is none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Its sequence; 0 if there is none.
    pub sequence: u64,
    /// Its name.
    pub version: Option<String>,
    /// The hash of the schema that it was read with.
    pub schema: Option<String>,
}

/// The error of a publisher that finds another registry's mark. `output` is where the table's mark is.
fn foreign_mark(output: &str, registry: &str) -> Error {
    Error::refused(output, format!("another registry ({}) has begun to publish there", printable(registry)))
        .help("use one registry for an output; to go on with this one, run exports with --adopt")
}

/// The error of a mark that cannot be read. `path` is where it is.
fn damaged_mark(path: &str, problem: &str) -> Error {
    let adopt = command(&[&"run", &"DIR", &"--adopt"]);
    Error::refused(path, format!("the mark cannot be read: {problem}")).help(format!(
        "remove it, then go on above everything that was published, with the next version in full: {adopt}"
    ))
}

/// The error of somebody who adopts an output that has changed since it was looked at.
fn adopted_meanwhile(output: &str) -> Error {
    Error::refused(output, "somebody else has adopted it, or published there, in the meantime; nothing was published")
        .help("use one registry for an output; if it is to be this one, run with --adopt again")
}

/// Called with how much of a part has been delivered.
pub type OnProgress<'a> = dyn FnMut(u32, Extent) -> Result<()> + 'a;

/// A version to publish.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Its table.
    pub table: &'a Table,
    /// Its record, with a plan and a sequence.
    pub version: &'a Version,
    /// Where its change set is.
    pub changes: &'a dyn ChangeSets,
    /// Who publishes it.
    pub publisher: Publisher<'a>,
    /// Whether a sink that holds rows replaces them, even if it holds this version.
    pub replaces: bool,
}

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub struct Publisher<'a> {
    /// The registry that issued the fence. Fences of different registries cannot be compared.
    pub registry: &'a str,
    /// The fence of the lease that is held.
    pub fence: u64,
}

/// The control records of a version, as lines.
#[derive(Debug)]
pub struct Frame {
    /// The line before the operations.
    pub begin: Vec<u8>,
    /// The line after them.
    pub end: Vec<u8>,
    /// The sequence of every line.
    pub sequence: u64,
    /// The number of parts that hold the operations.
    pub parts: u32,
}

impl Frame {
    /// The frame of a version that is being published.
    pub fn new(table: &Table, version: &Version) -> Self {
        let plan = version.plan.as_ref().expect("a version that is published was planned");
        let (begin, end) = control_records(table.name, version).expect("a version that is published has a sequence");
        let sequence = begin.sequence;
        Self { begin: begin_line(&begin), end: end_line(&end), sequence, parts: plan.parts }
    }
}

/// The control records that frame a version; `None` until publishing has begun.
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
        schema_change: plan.schema_change.clone(),
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
