//! Applies published files to a sink that holds rows, without a registry; or [a stream](stream).

pub mod stream;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::change_set::{ChangeSets, Draft, inflate, read_lines};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::name::{TableKey, printable_path};
use crate::operation::{self, Begin, End};
use crate::plan::{Counts, Findings, Plan, Reset};
use crate::sink::part::{published_name, sequence_in};
use crate::sink::{Publication, PublishedFiles, PublishedFolder, PublishedVersion, Publisher, Sink};
use crate::store::{Status, Version};
use crate::table::Table;
use crate::telemetry::check_stop;

/// Which versions to apply, by their names.
#[derive(Debug, Clone, Copy, Default)]
pub struct VersionRange<'a> {
    /// The first one.
    pub from: Option<&'a str>,
    /// The last one.
    pub until: Option<&'a str>,
}

/// A version that was applied.
#[derive(Debug, Serialize)]
pub struct AppliedVersion {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version.
    pub version: String,
    /// Its sequence.
    pub sequence: u64,
    /// Its rows and operations.
    pub counts: Counts,
}

/// Applies the versions of a tenant's table that were published as `files` and that the sink does not hold yet, in the
/// order of their sequences. What comes before a version in full is left out.
pub fn apply(
    files: &dyn PublishedFiles,
    table: &'static Table,
    key: &TableKey,
    sink: &dyn Sink,
    range: VersionRange<'_>,
) -> Result<Vec<AppliedVersion>> {
    let place = || format!("{} {key}", files.display_name());
    let mark = files.mark(key)?.ok_or_else(|| {
        Error::refused(place(), "it has no mark, which says whose operations these are")
            .help("copy the hidden folder `.writing` along with the operations")
    })?;
    sink.prepare(table, &key.tenant)?;
    let table = table.for_tenant(&key.tenant);
    let held = sink.applied(key)?.sequence;
    let mut versions = Vec::new();
    for published in selected(files.published(key)?, range, &place())? {
        if published.sequence <= held {
            continue;
        }
        match read(files, key, table, &published)? {
            Some(version) => versions.push(version),
            // It is being published, and whatever follows it will come later.
            None => break,
        }
    }
    let is_full = |version: &Version| version.plan.as_ref().is_some_and(|plan| plan.previous.is_none());
    versions.drain(..versions.iter().rposition(is_full).unwrap_or_default());
    if let Some(other) = versions.iter().find(|version| has_other_schema(version, table)) {
        let problem = format!("{} was published under another schema than today's", other.version);
        return Err(Error::refused(place(), problem).help("run exports with this --sink, or publish a version in full"));
    }
    let changes = PublishedParts { files };
    let publisher = Publisher { registry: &mark.registry, fence: mark.fence };
    for version in &versions {
        let publication = Publication { table, version, changes: &changes, publisher, replaces: false };
        sink.publish(publication, &BTreeMap::new(), &mut |_, _| check_stop())?;
    }
    Ok(versions.into_iter().map(AppliedVersion::new).collect())
}

impl AppliedVersion {
    fn new(version: Version) -> Self {
        let counts = version.plan.map(|plan| plan.counts).unwrap_or_default();
        let sequence = version.sequence.unwrap_or_default();
        Self { key: version.key, version: version.version, sequence, counts }
    }
}

fn has_other_schema(version: &Version, table: &Table) -> bool {
    version.plan.as_ref().is_some_and(|plan| plan.schema != table.schema)
}

/// The versions in a range, in the order of publication.
fn selected(mut all: Vec<PublishedVersion>, range: VersionRange<'_>, place: &str) -> Result<Vec<PublishedVersion>> {
    all.sort_by_key(|published| published.sequence);
    let find = |name: &str| {
        let unknown = || Error::usage(place, format!("{} was not published there", name.escape_debug()));
        all.iter().rposition(|published| published.version == name).ok_or_else(unknown)
    };
    let from = range.from.map(find).transpose()?.unwrap_or_default();
    let until = range.until.map(find).transpose()?.map_or(all.len(), |last| last + 1);
    if from >= until && range.from.is_some() {
        return Err(
            Error::usage(place, "the first version was published after the last").help("swap --from and --until")
        );
    }
    Ok(all.drain(from..until).collect())
}

/// The beginning of a control record, or of an operation that somebody else wrote again.
#[derive(Deserialize)]
struct Line<'a> {
    op: &'a str,
    id: Option<&'a str>,
}

/// Reads a version's control records and ids; `None` if it is not complete.
fn read(
    files: &dyn PublishedFiles,
    key: &TableKey,
    table: &Table,
    published: &PublishedVersion,
) -> Result<Option<Version>> {
    let folder = files.folder(&format!("{key}/{}", published.version));
    let parts = folder.names()?.iter().filter(|name| sequence_in(name) == Some(published.sequence)).count() as u32;
    let (mut begin, mut end, mut sum_of_ids) = (None, None, 0u128);
    for part in 0..parts {
        let name = published_name(published.sequence, part);
        let path = folder.path(&name);
        let damaged = || Error::refused(printable_path(&path), "a line is not an operation").help("restore the file");
        read_lines(inflate(folder.open(&name)?), &path, |text| {
            if let Some(id) = operation::id(text) {
                sum_of_ids = sum_of_ids.wrapping_add(id);
                return Ok(());
            }
            let line: Line<'_> = serde_json::from_slice(text).map_err(|_| damaged())?;
            match line.op {
                "BEGIN" => begin = Some(serde_json::from_slice::<Begin>(text).map_err(|_| damaged())?),
                "END" => end = Some(serde_json::from_slice::<End>(text).map_err(|_| damaged())?),
                _ => {
                    let id = line.id.and_then(|id| u128::from_str_radix(id, 16).ok()).ok_or_else(damaged)?;
                    sum_of_ids = sum_of_ids.wrapping_add(id);
                }
            }
            Ok(())
        })?;
    }
    let version = |(begin, end)| version(key, table, published, plan(key, &begin, &end, (sum_of_ids, parts)));
    Ok(begin.zip(end).map(version))
}

/// The plan that was published.
fn plan(key: &TableKey, begin: &Begin, end: &End, (sum_of_ids, parts): (u128, u32)) -> Plan {
    let baseline_rows = end.rows + end.deleted - end.inserted;
    let mut plan = Plan {
        hash: String::new(),
        previous: begin.previous.clone(),
        reset: begin.reset.then(Reset::default),
        schema: begin.schema.split_once('@').map_or_else(String::new, |(_, hash)| hash.to_owned()),
        drift: None,
        schema_change: begin.schema_change.clone(),
        baseline_fingerprint: begin.fingerprint,
        fingerprint: end.fingerprint,
        counts: Counts {
            baseline_rows,
            rows: end.rows,
            inserted: end.inserted,
            updated: end.updated,
            deleted: end.deleted,
            duplicates: 0,
        },
        findings: Findings::default(),
        parts,
        max_operation_bytes: None,
        demands: Vec::new(),
    };
    plan.hash = plan.hash_with(&key.tenant, &key.table, &begin.version, sum_of_ids);
    plan
}

/// The record that a registry would have.
fn version(key: &TableKey, table: &Table, published: &PublishedVersion, plan: Plan) -> Version {
    Version {
        status: Status::Succeeded,
        plan: Some(plan),
        epoch: Some(Epoch::from_table(table)),
        sequence: Some(published.sequence),
        ..Version::new(key, &published.version)
    }
}

/// Published parts as a change set.
#[derive(Debug)]
struct PublishedParts<'a> {
    files: &'a dyn PublishedFiles,
}

impl PublishedParts<'_> {
    fn folder(&self, version: &Version) -> Box<dyn PublishedFolder> {
        self.files.folder(&version.path())
    }
}

impl ChangeSets for PublishedParts<'_> {
    fn root(&self) -> Result<String> {
        Ok(self.files.name())
    }

    fn draft(&self, version: &Version, _: u64, _: Option<&str>) -> Result<Arc<dyn Draft>> {
        Err(Error::refused(version.to_string(), "what was published is not written again"))
    }

    fn is_complete(&self, version: &Version) -> Result<bool> {
        self.exists(version)
    }

    fn exists(&self, version: &Version) -> Result<bool> {
        Ok(!self.folder(version).names()?.is_empty())
    }

    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>> {
        self.folder(version).open(&published_name(version.sequence.unwrap_or_default(), part))
    }

    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf {
        let name = part.map(|part| published_name(version.sequence.unwrap_or_default(), part));
        self.folder(version).path(&name.unwrap_or_default())
    }

    fn remove_obsolete(&self, _: &Version, _: u64) {}
}
