//! Checks an export against the registry.

use crate::canonical::row::Layout;
use crate::engine::Resources;
use crate::engine::native::{self, Summary};
use crate::error::{Error, Fault, Result};
use crate::inspect::verify::verdict::Verdict;
use crate::run::Runner;
use crate::snapshot::{Export, Folder, Part, checksum};
use crate::store::Version;
use crate::table::Table;
use crate::telemetry::Watch;

/// Checks the export of a version that succeeded: the checksums of its parts, and, if it was read with the current
/// schema, its row count and fingerprint. `table` is `None` if there is no schema any more.
pub fn export(runner: &Runner, table: Option<&'static Table>, version: &Version, watch: &Watch) -> Result<Verdict> {
    let folder = runner.exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let listed = match folder.list() {
        Ok(listing) => listing.parts,
        Err(error) => return different(error),
    };
    if !version.parts.iter().any(|known| listed.iter().any(|part| part.name == known.name)) {
        return Ok(Verdict::Gone);
    }
    if let Some(problem) = listing_difference(&version.parts, &listed) {
        return Ok(Verdict::Different(problem));
    }
    let table = table.filter(|table| version.plan.as_ref().is_some_and(|plan| plan.schema == table.schema));
    let Some(table) = table else { return same_bytes(&*folder, &version.parts) };
    // The parts as listed; they are compared with the registry's below.
    let export = Export { label: version.to_string(), folder, parts: listed, epoch: None };
    let work = std::env::temp_dir();
    let resources = Resources { work: &work, limits: runner.limits };
    match native::summarise(&export, &Layout::new(table), resources, watch) {
        Ok(summary) => Ok(compare(&summary, version)),
        Err(error) => different(error),
    }
}

/// A file that is itself unreadable is different; a fault of the machine is an error.
fn different(error: Error) -> Result<Verdict> {
    if error.fault() == Fault::Input { Ok(Verdict::Different(error.to_string())) } else { Err(error) }
}

/// Compares names and sizes.
fn listing_difference(known: &[Part], listed: &[Part]) -> Option<String> {
    for part in known {
        match listed.iter().find(|listed| listed.name == part.name) {
            None => return Some(format!("{} is gone", part.name)),
            Some(listed) if listed.size != part.size => {
                return Some(format!("{} has {} bytes instead of {}", part.name, listed.size, part.size));
            }
            Some(_) => {}
        }
    }
    let added = listed.iter().find(|listed| !known.iter().any(|part| part.name == listed.name))?;
    Some(format!("{} was added later", added.name))
}

fn same_bytes(folder: &dyn Folder, parts: &[Part]) -> Result<Verdict> {
    for part in parts {
        let actual = checksum(folder, &part.name)?;
        if let Some(problem) = checksum_difference(part, Some(&actual)) {
            return Ok(Verdict::Different(problem));
        }
    }
    Ok(Verdict::SameBytes)
}

fn checksum_difference(known: &Part, actual: Option<&String>) -> Option<String> {
    let is_different = known.checksum.is_some() && known.checksum.as_ref() != actual;
    is_different.then(|| format!("{} has a different checksum", known.name))
}

fn compare(summary: &Summary, version: &Version) -> Verdict {
    for known in &version.parts {
        let actual = summary.parts.iter().find(|part| part.name == known.name).and_then(|part| part.checksum.as_ref());
        if let Some(problem) = checksum_difference(known, actual) {
            return Verdict::Different(problem);
        }
    }
    let Some(plan) = &version.plan else { return Verdict::SameBytes };
    if summary.rows != plan.counts.rows {
        return Verdict::Different(format!("it has {} rows, but the registry says {}", summary.rows, plan.counts.rows));
    }
    if summary.fingerprint != plan.fingerprint {
        let (actual, known) = (summary.fingerprint, plan.fingerprint);
        return Verdict::Different(format!("its fingerprint is {actual}, but the registry says {known}"));
    }
    Verdict::Same
}
