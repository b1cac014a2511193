//! The baseline: what the next version is compared with.

use super::Runner;
use crate::epoch::{Drift, Epoch};
use crate::error::{Error, Result};
use crate::snapshot::{Export, checksum};
use crate::store::{Status, Version, same_parts};
use crate::table::Table;

/// What a version is compared with.
pub(super) struct Baseline {
    /// The version.
    pub(super) version: Version,
    /// Its export.
    pub(super) export: Export,
    /// What changed in the schema since it was read.
    pub(super) drift: Option<Drift>,
}

/// The newest of the versions that succeeded, unless a resync asks that nothing be compared with it.
pub(super) fn newest(versions: &[Version]) -> Option<&Version> {
    versions.iter().rev().find(|version| version.status == Status::Succeeded)
}

impl Runner {
    /// The version as an export to read. Its parts must still be what the registry recorded, and its schema must be one
    /// whose rows can be compared with today's.
    pub(super) fn baseline(&self, table: &Table, version: &Version) -> Result<Baseline> {
        let today = Epoch::from_table(table);
        let epoch = version.epoch.clone().unwrap_or_else(|| today.clone());
        let drift = epoch.drift(table, &resync_help(version))?;
        let folder = self.exports.folder(&version.key.tenant, &version.key.table, &version.version);
        let found = folder.list().map_err(|error| of_baseline(version, error))?.parts;
        for part in &version.parts {
            let Some(found) = found.iter().find(|found| found.name == part.name) else {
                return Err(changed(version, format!("{} is gone", part.name)));
            };
            let is_same = same_parts(std::slice::from_ref(part), std::slice::from_ref(found))
                || (part.size == found.size
                    && part.checksum.is_some()
                    && part.checksum == Some(checksum(&*folder, &part.name)?));
            if !is_same {
                return Err(changed(version, format!("{} was written again", part.name)));
            }
        }
        if let Some(other) = found.iter().find(|found| !version.parts.iter().any(|part| part.name == found.name)) {
            return Err(changed(version, format!("{} came later", other.name)));
        }
        let export = Export {
            label: version.to_string(),
            folder,
            parts: version.parts.clone(),
            epoch: drift.is_some().then_some(epoch),
        };
        Ok(Baseline { version: version.clone(), export, drift })
    }
}

/// The baseline is no longer what was published from it.
pub(super) fn changed(baseline: &Version, what: String) -> Error {
    let problem =
        format!("baseline-changed: the files of {} are not those that were published: {what}", baseline.version);
    Error::baseline_changed("", problem)
        .help(format!("put back the files that were published, then run again; or {}", resync_help(baseline)))
}

/// The way on when nothing can be compared with the baseline any more.
fn resync_help(baseline: &Version) -> String {
    format!("publish the next version whole: cargo tidemark resync {}", baseline.key)
}

/// What is wrong with the baseline's files is not the snapshot's fault.
pub(super) fn of_baseline(baseline: &Version, error: Error) -> Error {
    if error.fails_the_version() { changed(baseline, error.to_string()) } else { error }
}

/// What is wrong with a baseline whose bytes are those that were published, but which today's schema reads.
pub(super) fn of_other_epoch(baseline: &Version, error: Error) -> Error {
    if !error.fails_the_version() {
        return error;
    }
    let problem = format!("schema-changed: {} cannot be read with today's schema: {error}", baseline.version);
    Error::refused("", problem).help(format!("mend the schema; or {}", resync_help(baseline)))
}
