//! The baseline: what the next version is compared with.

use std::collections::BTreeMap;

use super::runner::Runner;
use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::Layout;
use crate::epoch::{Drift, Epoch, SourceFormat};
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::operation::SchemaChange;
use crate::snapshot::{Export, Folder, Part, has_content_of, is_stored_alike, only_parts};
use crate::store::{Version, same_parts};
use crate::table::{Compression, Table};

/// What a version is compared with.
pub(super) struct Baseline {
    /// The version.
    pub(super) version: Version,
    /// Its export.
    pub(super) export: Export,
    /// What changed in the schema since it was read.
    pub(super) drift: Option<Drift>,
}

impl Baseline {
    /// What BEGIN says about the schema if it has changed since.
    pub(super) fn schema_change(&self, table: &'static Table) -> Option<SchemaChange> {
        let layout = Layout::for_epoch(table, self.export.epoch.as_ref()?);
        Some(SchemaChange::new(self.drift.as_ref()?, table, &layout))
    }
}

impl Runner {
    /// The version as an export to read. Its parts must still be as recorded, and rows of its schema must be comparable
    /// with rows of today's.
    pub(super) fn baseline(&self, table: &Table, version: &Version) -> Result<Baseline> {
        let today = Epoch::from_table(table);
        let epoch = version.epoch.clone().unwrap_or_else(|| today.clone());
        let drift = epoch.drift(table, &resync_help(version))?;
        let folder = self.exports.folder(&version.key.tenant, &version.key.table, &version.version);
        let parts = check_parts(version, &*folder, &epoch.source)?;
        let export = Export { label: version.to_string(), folder, parts, epoch: drift.is_some().then_some(epoch) };
        Ok(Baseline { version: version.clone(), export, drift })
    }

    /// The layout that reads the export of a published version with today's schema and refuses values that do not fit
    /// it. `epoch` is that of the version, if it differs from today's.
    pub(super) fn layout_of(&self, table: &'static Table, version: &Version, epoch: Option<&Epoch>) -> Result<Layout> {
        let key = self.hmac_key(table, &version.key.tenant)?;
        check_key(version, key.as_ref())?;
        let layout = match epoch {
            Some(epoch) => Layout::strict_for_epoch(table, epoch),
            None => Layout::new(table),
        };
        Ok(layout.with_key(key.as_ref()))
    }
}

/// Refuses another key than that of a version's pseudonyms: every row would have others, and would be an UPDATE.
pub(super) fn check_key(version: &Version, key: Option<&HmacKey>) -> Result<()> {
    let then = version.epoch.as_ref().and_then(|epoch| epoch.hmac_key.as_deref());
    match (then, key.map(HmacKey::id)) {
        (Some(then), Some(now)) if then != now => {
            let name = &version.version;
            let problem =
                format!("key-changed: the pseudonyms of {name} have the key {then}, and the key is now {now}");
            let help = format!("set the key {then} again; or {}", resync_help(version));
            Err(Error::refused("", problem).help(help))
        }
        _ => Ok(()),
    }
}

/// Refuses a baseline whose parts are not those that were published. Returns them as they are now: they may have been
/// compressed again.
fn check_parts(version: &Version, folder: &dyn Folder, format: &SourceFormat) -> Result<Vec<Part>> {
    let listed = folder.list().map_err(|error| blame_baseline(version, error))?;
    let listed = only_parts(listed, format).parts;
    let mut unknown: BTreeMap<&str, &Part> = listed.iter().map(|part| (part.name.as_str(), part)).collect();
    let mut parts = Vec::with_capacity(version.parts.len());
    for part in &version.parts {
        let Some(other) = unknown.remove(part.name.as_str()) else {
            return Err(changed(version, format!("{} is missing", part.name)));
        };
        if !is_same_part(folder, part, other, format.compression)? {
            return Err(changed(version, format!("{} was overwritten", part.name)));
        }
        parts.push(Part { size: other.size, identity: other.identity.clone(), ..part.clone() });
    }
    match unknown.first_key_value() {
        Some((name, _)) => Err(changed(version, format!("{name} was added"))),
        None => Ok(parts),
    }
}

/// Returns whether a part is still the recorded one. If only its size or identity differs, its contents decide.
fn is_same_part(folder: &dyn Folder, part: &Part, listed: &Part, compression: Compression) -> Result<bool> {
    let is_listed = same_parts(std::slice::from_ref(part), std::slice::from_ref(listed));
    Ok(is_listed || is_stored_alike(folder, part, listed)? || has_content_of(folder, part, listed, compression)?)
}

/// The error of a baseline that is no longer what was published.
pub(super) fn changed(baseline: &Version, what: String) -> Error {
    let problem = format!("baseline-changed: the files of {} are not the published ones: {what}", baseline.version);
    Error::baseline_changed("", problem)
        .help(format!("restore the published files, then run again; or {}", resync_help(baseline)))
}

/// What to do if nothing can be compared with the baseline any more.
fn resync_help(baseline: &Version) -> String {
    format!("publish the next version in full: {}", command(&[&"resync", &baseline.key.to_string()]))
}

/// Turns an error in the baseline's files into one that does not blame the snapshot.
pub(super) fn blame_baseline(baseline: &Version, error: Error) -> Error {
    if error.fails_the_version() { changed(baseline, error.to_string()) } else { error }
}

/// The error of a baseline that is unchanged, but that today's schema cannot read.
pub(super) fn blame_schema(baseline: &Version, error: Error) -> Error {
    if !error.fails_the_version() {
        return error;
    }
    let problem = format!("schema-changed: {} cannot be read with today's schema: {error}", baseline.version);
    Error::refused("", problem).help(format!("fix the schema; or {}", resync_help(baseline)))
}
