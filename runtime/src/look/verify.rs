//! Whether the files of a version, and what was published of it, are still what the registry says.

use std::fs;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::change_set::{Plan, part_name};
use crate::engine::native;
use crate::epoch::Epoch;
use crate::error::{Error, IoContext as _, Result};
use crate::operation::{Begin, End};
use crate::row::Layout;
use crate::snapshot::local::Local;
use crate::snapshot::part::checksum;
use crate::snapshot::{Export, Part};
use crate::store::Version;
use crate::table::Table;
use crate::telemetry::Watch;

/// What a look at files came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "problem", rename_all = "kebab-case")]
pub enum Verdict {
    /// They are what the registry says.
    Same,
    /// Their bytes are; their rows were read with another schema than today's, so no fingerprint was computed.
    SameBytes,
    /// They are not there any more.
    Gone,
    /// They are something else.
    Different(String),
}

/// Holds the export of a version that succeeded against the registry: checksums, rows and fingerprint.
pub fn export(exports: &Local, table: &'static Table, version: &Version, watch: &Watch) -> Result<Verdict> {
    let folder = exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let found = match exports.list(&version.key.tenant, &version.key.table, &version.version) {
        Ok(listing) => listing.parts,
        Err(error) => return different(error),
    };
    if found.is_empty() {
        return Ok(Verdict::Gone);
    }
    for part in &version.parts {
        watch.breathe(0)?;
        if let Some(problem) = differs(&folder, part, &found)? {
            return Ok(Verdict::Different(problem));
        }
    }
    if let Some(other) = found.iter().find(|found| !version.parts.iter().any(|part| part.name == found.name)) {
        return Ok(Verdict::Different(format!("{} came later", other.name)));
    }
    let Some(plan) = &version.plan else { return Ok(Verdict::SameBytes) };
    if plan.schema != table.schema || version.epoch.as_ref().is_some_and(|epoch| *epoch != Epoch::of(table)) {
        return Ok(Verdict::SameBytes);
    }
    let export = Export { label: version.to_string(), folder, parts: version.parts.clone(), epoch: None };
    match native::summarise(&export, &Layout::new(table), watch) {
        Err(error) => different(error),
        Ok(summary) if (summary.rows, summary.fingerprint) == (plan.counts.rows, plan.fingerprint) => Ok(Verdict::Same),
        Ok(summary) => Ok(Verdict::Different(format!(
            "{} rows with fingerprint {}, where the registry has {} with {}",
            summary.rows, summary.fingerprint, plan.counts.rows, plan.fingerprint
        ))),
    }
}

/// A file that cannot be read for its own sake is different; anything else is the machine's fault.
fn different(error: Error) -> Result<Verdict> {
    if error.fails_the_version() { Ok(Verdict::Different(error.to_string())) } else { Err(error) }
}

fn differs(folder: &Path, part: &Part, found: &[Part]) -> Result<Option<String>> {
    let Some(found) = found.iter().find(|found| found.name == part.name) else {
        return Ok(Some(format!("{} is gone", part.name)));
    };
    if found.size != part.size {
        return Ok(Some(format!("{} has {} bytes, where it had {}", part.name, found.size, part.size)));
    }
    let path = folder.join(&part.name);
    let is_same = part.checksum.as_ref().is_none_or(|known| checksum(&path).is_ok_and(|found| found == *known));
    Ok((!is_same).then(|| format!("{} has another checksum", part.name)))
}

/// Holds what was published of a version against the registry: its frame, its counts, the ids, and that the operations
/// lead from one fingerprint to the other. `folder` is OUT/TENANT/TABLE/VERSION.
pub fn published(folder: &Path, version: &Version, watch: &Watch) -> Result<Verdict> {
    let Some(plan) = &version.plan else { return Ok(Verdict::Gone) };
    if !folder.is_dir() {
        return Ok(Verdict::Gone);
    }
    let mut fold = Fold::default();
    let parts = plan.parts.max(1);
    for part in 0..parts {
        watch.breathe(0)?;
        let name = part_name(part);
        let path = folder.join(&name);
        if !path.exists() {
            return Ok(Verdict::Different(format!("{name} is gone, of {parts}")));
        }
        let compressed = fs::read(&path).at("cannot read", &path)?;
        if let Err(problem) = fold.part(&compressed) {
            return Ok(Verdict::Different(format!("{name}{problem}")));
        }
    }
    Ok(fold.judge(version, plan).map_or(Verdict::Same, Verdict::Different))
}

/// What was seen of a published version.
#[derive(Debug, Default)]
struct Fold {
    begin: Option<Begin>,
    end: Option<End>,
    inserted: u64,
    updated: u64,
    deleted: u64,
    difference: i128,
    sum_of_ids: u128,
}

/// Of an operation, what is held against the registry.
#[derive(Deserialize)]
struct Line<'a> {
    op: &'a str,
    id: Option<&'a str>,
    sequence: u64,
    hash: Option<&'a str>,
    previous_hash: Option<&'a str>,
}

impl Fold {
    /// Takes a part. The problem begins with its place: `:line: what`, or `: what`.
    fn part(&mut self, compressed: &[u8]) -> Result<(), String> {
        use std::io::BufRead as _;
        let mut lines = std::io::BufReader::new(MultiGzDecoder::new(compressed));
        let mut line = String::new();
        for number in 1u64.. {
            line.clear();
            match lines.read_line(&mut line) {
                Err(error) => return Err(format!(":{number}: it is damaged ({error})")),
                Ok(0) => return Ok(()),
                Ok(_) => self.line(&line).map_err(|problem| format!(":{number}: {problem}"))?,
            }
        }
        Ok(())
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        let read = |error: serde_json::Error| format!("it is no record ({error})");
        let line: Line<'_> = serde_json::from_str(text).map_err(read)?;
        if self.end.is_some() {
            return Err("a record stands behind END".into());
        }
        if self.begin.is_none() && line.op != "BEGIN" {
            return Err("a record stands in front of BEGIN".into());
        }
        match line.op {
            "BEGIN" => self.begin = Some(serde_json::from_str(text).map_err(read)?),
            "END" => self.end = Some(serde_json::from_str(text).map_err(read)?),
            _ => self.operation(&line)?,
        }
        Ok(())
    }

    fn operation(&mut self, line: &Line<'_>) -> Result<(), String> {
        match line.op {
            "INSERT" => self.inserted += 1,
            "UPDATE" => self.updated += 1,
            "DELETE" => self.deleted += 1,
            other => return Err(format!("`{}` is no operation", other.escape_debug())),
        }
        if self.begin.as_ref().is_some_and(|begin| begin.sequence != line.sequence) {
            return Err(format!("its sequence is {}", line.sequence));
        }
        let hash =
            |text: Option<&str>| text.map_or(Ok(0), str::parse::<i128>).map_err(|_| "its hash is none".to_owned());
        self.difference += hash(line.hash)? - hash(line.previous_hash)?;
        let id = line.id.and_then(|id| u128::from_str_radix(id, 16).ok()).ok_or("its id is none")?;
        self.sum_of_ids = self.sum_of_ids.wrapping_add(id);
        Ok(())
    }

    /// What is wrong with the whole.
    fn judge(&self, version: &Version, plan: &Plan) -> Option<String> {
        let (Some(begin), Some(end)) = (&self.begin, &self.end) else { return Some("its END is missing".into()) };
        let found = [self.inserted, self.updated, self.deleted];
        let counts = &plan.counts;
        let wanted = [counts.inserted, counts.updated, counts.deleted];
        if found != wanted {
            let words = |[i, u, d]: [u64; 3]| format!("{i} INSERTs, {u} UPDATEs and {d} DELETEs");
            return Some(format!("{}, where the plan has {}", words(found), words(wanted)));
        }
        if Some(begin.sequence) != version.sequence || Some(end.sequence) != version.sequence {
            return Some(format!("it has sequence {}, where the registry has {:?}", begin.sequence, version.sequence));
        }
        if (begin.fingerprint, end.fingerprint) != (plan.baseline_fingerprint, plan.fingerprint) {
            return Some("its fingerprints are not those of the plan".into());
        }
        if begin.fingerprint + self.difference != end.fingerprint {
            return Some("its operations do not lead from one fingerprint to the other".into());
        }
        let is_planned = plan.names(&version.key, &version.version, self.sum_of_ids);
        (!is_planned).then(|| "its ids are not those of the plan".into())
    }
}
