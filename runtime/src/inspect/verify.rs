//! Whether the files of a version that succeeded, and what was published of it, are still what the registry says.

mod published;

use serde::Serialize;

use crate::canonical::row::Layout;
use crate::engine::Resources;
use crate::engine::native::{self, Summary};
use crate::error::{Error, Fault, Result};
use crate::run::Runner;
use crate::snapshot::{Export, Folder, Part, checksum};
use crate::store::Version;
use crate::table::Table;
use crate::telemetry::Watch;
pub use published::published;

/// What a look at files came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "problem", rename_all = "kebab-case")]
pub enum Verdict {
    /// They are what the registry says.
    Same,
    /// Their bytes are. Their rows were read by another schema than today's, so that no fingerprint was computed.
    SameBytes,
    /// None of them is there any more.
    Gone,
    /// They are something else, or some of them are missing.
    Different(String),
}

/// Holds the export of a version that succeeded against the registry: the checksums of its parts; and its rows and
/// their fingerprint, if they were read by today's schema. `table` is `None` where there is no schema any more.
pub fn export(
    runner: &Runner,
    table: Option<&'static Table>,
    version: &Version,
    rows_watch: &Watch,
) -> Result<Verdict> {
    let folder = runner.exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let listed = match folder.list() {
        Ok(listing) => listing.parts,
        Err(error) => return different(error),
    };
    if !version.parts.iter().any(|known| listed.iter().any(|part| part.name == known.name)) {
        return Ok(Verdict::Gone);
    }
    if let Some(problem) = other_files(&version.parts, &listed) {
        return Ok(Verdict::Different(problem));
    }
    let table = table.filter(|table| version.plan.as_ref().is_some_and(|plan| plan.schema == table.schema));
    let Some(table) = table else { return same_bytes(&*folder, &version.parts) };
    // Of the parts as they lie there; what the registry knows of them is compared below.
    let export = Export { label: version.to_string(), folder, parts: listed, epoch: None };
    let work = std::env::temp_dir();
    let room = Resources { work: &work, limits: runner.limits };
    match native::summarise(&export, &Layout::new(table), room, rows_watch) {
        Ok(summary) => Ok(judge(&summary, version)),
        Err(error) => different(error),
    }
}

/// A file that cannot be read for its own sake is another one; anything else is the machine's fault.
fn different(error: Error) -> Result<Verdict> {
    if error.fault() == Fault::Input { Ok(Verdict::Different(error.to_string())) } else { Err(error) }
}

/// What can be seen without reading any of them.
fn other_files(known: &[Part], listed: &[Part]) -> Option<String> {
    for part in known {
        match listed.iter().find(|found| found.name == part.name) {
            None => return Some(format!("{} is gone", part.name)),
            Some(found) if found.size != part.size => {
                return Some(format!("{} has {} bytes, where it had {}", part.name, found.size, part.size));
            }
            Some(_) => {}
        }
    }
    let other = listed.iter().find(|found| !known.iter().any(|part| part.name == found.name))?;
    Some(format!("{} came later", other.name))
}

fn same_bytes(folder: &dyn Folder, parts: &[Part]) -> Result<Verdict> {
    for part in parts {
        let found = checksum(folder, &part.name)?;
        if let Some(problem) = other_checksum(part, Some(&found)) {
            return Ok(Verdict::Different(problem));
        }
    }
    Ok(Verdict::SameBytes)
}

fn other_checksum(known: &Part, found: Option<&String>) -> Option<String> {
    let is_other = known.checksum.is_some() && known.checksum.as_ref() != found;
    is_other.then(|| format!("{} has another checksum", known.name))
}

fn judge(summary: &Summary, version: &Version) -> Verdict {
    for known in &version.parts {
        let found = summary.parts.iter().find(|part| part.name == known.name).and_then(|part| part.checksum.as_ref());
        if let Some(problem) = other_checksum(known, found) {
            return Verdict::Different(problem);
        }
    }
    let Some(plan) = &version.plan else { return Verdict::SameBytes };
    if summary.rows != plan.counts.rows {
        return Verdict::Different(format!(
            "it has {} rows, where the registry says {}",
            summary.rows, plan.counts.rows
        ));
    }
    if summary.fingerprint != plan.fingerprint {
        let (found, known) = (summary.fingerprint, plan.fingerprint);
        return Verdict::Different(format!("its fingerprint is {found}, where the registry says {known}"));
    }
    Verdict::Same
}
