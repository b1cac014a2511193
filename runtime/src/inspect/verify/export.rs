//! Checks an export against the registry.

use crate::canonical::pseudonym::HmacKey;
use crate::engine::Resources;
use crate::engine::native::{self, Summary};
use crate::error::Result;
use crate::inspect::verify::verdict::Verdict;
use crate::run::Runner;
use crate::snapshot::{Export, Folder, Part, has_content_of, only_parts};
use crate::store::Version;
use crate::table::{Compression, Table};
use crate::telemetry::Watch;
use crate::wording::plural;

/// Checks the export of a version that succeeded: the checksums of its parts, and, if it was read with the current
/// schema, its row count and fingerprint. `table` is `None` if there is no schema any more.
pub fn export(runner: &Runner, table: Option<&'static Table>, version: &Version, watch: &Watch) -> Result<Verdict> {
    Verdict::from_check(check(runner, table, version, watch))
}

fn check(runner: &Runner, table: Option<&'static Table>, version: &Version, watch: &Watch) -> Result<Verdict> {
    let folder = runner.exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let listing = folder.list()?;
    let listed = match &version.epoch {
        Some(epoch) => only_parts(listing, &epoch.source).parts,
        None => listing.parts,
    };
    if !version.parts.iter().any(|known| listed.iter().any(|part| part.name == known.name)) {
        return Ok(Verdict::Gone);
    }
    let compression = version.epoch.as_ref().map_or(Compression::None, |epoch| epoch.source.compression);
    if let Some(problem) = listing_difference(&version.parts, &listed) {
        return Ok(Verdict::Different(problem));
    }
    let table = table.filter(|table| version.plan.as_ref().is_some_and(|plan| plan.schema == table.schema));
    let Some(table) = table else { return same_content(&*folder, &version.parts, compression) };
    let layout = runner.layout(table, &version.key.tenant)?;
    if version.epoch.as_ref().is_some_and(|epoch| epoch.hmac_key.as_deref() != layout.key().map(HmacKey::id)) {
        return same_content(&*folder, &version.parts, compression);
    }
    // The parts as listed; they are compared with the registry's below.
    let export = Export { label: version.to_string(), folder, parts: listed, epoch: None };
    let work = std::env::temp_dir();
    let resources = Resources { work: &work, limits: runner.limits };
    native::summarise(&export, &layout, resources, watch).map(|summary| compare(&summary, version))
}

/// Compares names and sizes.
fn listing_difference(known: &[Part], listed: &[Part]) -> Option<String> {
    for part in known {
        match listed.iter().find(|listed| listed.name == part.name) {
            None => return Some(format!("{} is gone", part.name)),
            Some(listed) if listed.size != part.size => {
                return Some(format!("{} has {} instead of {}", part.name, plural(listed.size, "byte"), part.size));
            }
            Some(_) => {}
        }
    }
    let added = listed.iter().find(|listed| !known.iter().any(|part| part.name == listed.name))?;
    Some(format!("{} was added later", added.name))
}

fn same_content(folder: &dyn Folder, parts: &[Part], compression: Compression) -> Result<Verdict> {
    for part in parts.iter().filter(|part| part.checksum.is_some() || part.content.is_some()) {
        // While the registry knows the bytes, no others will do.
        let known = match part.checksum {
            Some(_) => &Part { content: None, ..part.clone() },
            None => part,
        };
        if !has_content_of(folder, known, part, compression)? {
            return Ok(Verdict::Different(other_checksum(part)));
        }
    }
    Ok(Verdict::SameBytes)
}

fn other_checksum(part: &Part) -> String {
    format!("{} has a different checksum", part.name)
}

/// Returns whether a part was read with other bytes than the registry knows; or with other contents, if it does not
/// know the bytes, because the part was compressed again.
fn is_different(known: &Part, read: &Part) -> bool {
    match known.checksum {
        Some(_) => known.checksum != read.checksum,
        None => known.has_other_content(read),
    }
}

fn compare(summary: &Summary, version: &Version) -> Verdict {
    for known in &version.parts {
        let actual = summary.parts.iter().find(|part| part.name == known.name);
        if actual.is_none_or(|actual| is_different(known, actual)) {
            return Verdict::Different(other_checksum(known));
        }
    }
    let Some(plan) = &version.plan else { return Verdict::SameBytes };
    if summary.rows != plan.counts.rows {
        return Verdict::Different(format!(
            "it has {}, but the registry says {}",
            plural(summary.rows, "row"),
            plan.counts.rows
        ));
    }
    if summary.fingerprint != plan.fingerprint {
        let (actual, known) = (summary.fingerprint, plan.fingerprint);
        return Verdict::Different(format!("its fingerprint is {actual}, but the registry says {known}"));
    }
    Verdict::Same
}
