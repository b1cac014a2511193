//! The baseline: what the next version is compared with.

use super::Runner;
use crate::error::{Error, IoContext as _, Result};
use crate::snapshot::part::checksum;
use crate::snapshot::{Export, local};
use crate::store::{Status, Version, same_parts};
use crate::table::Table;

impl Runner {
    /// The newest version before this one that succeeded, as an export to read; `None` on the first import. Its parts
    /// must still be what the registry recorded, and its schema today's.
    pub(super) fn baseline(&self, table: &Table, version: &Version) -> Result<Option<(Version, Export)>> {
        let versions = self.store.versions(&version.key)?;
        let older = versions.iter().take_while(|other| other.version != version.version);
        let Some(baseline) = older.filter(|older| older.status == Status::Succeeded).last() else { return Ok(None) };
        check_schema(table, baseline)?;
        let folder = self.exports.folder(&version.key.tenant, &version.key.table, &baseline.version);
        let found = local::list(&folder).map_err(|error| of_baseline(baseline, error))?.parts;
        for part in &baseline.parts {
            let path = folder.join(&part.name);
            let Some(found) = found.iter().find(|found| found.name == part.name) else {
                return Err(changed(baseline, format!("{} is gone", part.name)));
            };
            let is_same = same_parts(std::slice::from_ref(part), std::slice::from_ref(found))
                || (part.size == found.size && part.checksum == Some(checksum(&path).at("cannot read", &path)?));
            if !is_same {
                return Err(changed(baseline, format!("{} was written again", part.name)));
            }
        }
        if let Some(other) = found.iter().find(|found| !baseline.parts.iter().any(|part| part.name == found.name)) {
            return Err(changed(baseline, format!("{} came later", other.name)));
        }
        let label = baseline.to_string();
        Ok(Some((baseline.clone(), Export { label, folder, parts: baseline.parts.clone() })))
    }
}

/// The baseline is no longer what was published from it.
pub(super) fn changed(baseline: &Version, what: String) -> Error {
    let problem =
        format!("baseline-changed: the files of {} are not those that were published: {what}", baseline.version);
    Error::baseline_changed("", problem).help("put back the files that were published, then run again")
}

/// What is wrong with the baseline's files is not the snapshot's fault.
pub(super) fn of_baseline(baseline: &Version, error: Error) -> Error {
    if error.fails_the_version() { changed(baseline, error.to_string()) } else { error }
}

/// Comparing across schemas would take one side's values for the other's.
fn check_schema(table: &Table, baseline: &Version) -> Result<()> {
    match &baseline.plan {
        Some(plan) if plan.schema != table.schema => {
            let problem = format!(
                "the schema changed: {} was published with {}, and it is now {}",
                baseline.version, plan.schema, table.schema
            );
            Err(Error::refused("", problem).help("put the schema back, or start anew with another --state and --out"))
        }
        _ => Ok(()),
    }
}
