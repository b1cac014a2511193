//! The first steps: discover exports, register their versions, and see which are complete.

use std::collections::BTreeSet;

use generator::source::SCHEMAS;

use super::report::Outcome;
use super::root::check_root;
use super::runner::Runner;
use crate::breakpoint::Breakpoint;
use crate::epoch::SourceFormat;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::invocation;
use crate::name::{TableKey, nearest, printable_path};
use crate::snapshot::complete::{Missing, complete, unreadable_manifest};
use crate::snapshot::discover::{Discovery, Selection, discover};
use crate::snapshot::{Folder, Part, Snapshots, has_content_of, is_stored_alike, only_parts};
use crate::store::{ListedVersions, Registered, Status, Version, same_parts};
use crate::table::{Compression, Table};
use crate::telemetry::check_stop;

/// The versions found for one tenant's table.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: TableKey,
    /// Its schema, if this program has one.
    pub(super) table: Option<&'static Table>,
    pub(super) versions: Vec<String>,
}

/// Finds the selected exports. Fails if there can be none, because the root is wrong or cannot be listed.
pub fn find_exports(exports: &dyn Snapshots, tables: &[&'static Table], selection: &Selection) -> Result<Discovery> {
    let found = discover(exports, selection)?;
    check_root(exports, tables, selection, &found)?;
    Ok(found)
}

/// Why the versions of a table without a schema wait. `next` makes a schema in the folder known to the program.
pub(crate) fn no_schema<'a>(known: impl Iterator<Item = &'a str>, table: &str, folder: &str, next: &str) -> String {
    let near = nearest(table, known);
    let rename = near.map(|near| format!(", or rename the folder if `{near}` is meant")).unwrap_or_default();
    format!("no schema: write {folder}/{table}.yaml and {next}{rename}")
}

impl Runner {
    /// One job for each tenant's table.
    pub(super) fn jobs(&self, tables: Vec<(TableKey, Vec<String>)>) -> Vec<Job> {
        let job = |(key, versions): (TableKey, Vec<String>)| Job { table: self.table(&key), key, versions };
        tables.into_iter().map(job).collect()
    }

    /// Registers every version of a job. Those that are not complete yet stay WAITING. Returns the versions whose
    /// folders cannot be read.
    pub(super) fn register(
        &self,
        job: &Job,
        table: &'static Table,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<BTreeSet<String>> {
        let mut unreadable = BTreeSet::new();
        let (key, listed, format) = (&job.key, self.registry.list(&job.key)?, SourceFormat::from_source(&table.source));
        for version in &job.versions {
            let registered = match self.is_done_with(&listed, key, version, &format) {
                Ok(true) => continue,
                Err(error) if error.kind() != ErrorKind::Export => Err(error),
                // A problem with the folder is registered, so that `status` shows it.
                _ => self.register_version(table, key, version),
            };
            match registered {
                Ok((Registered::New | Registered::Changed, Some(problem))) => {
                    outcomes.push(Outcome::unusable(key, version, problem));
                }
                Ok((Registered::Refused { first_time: true }, None)) => {
                    let refused = self.registry.version(key, version)?;
                    outcomes.extend(refused.map(|version| Outcome::refused(&version)));
                }
                Ok((Registered::Alias(other), None)) => outcomes.push(Outcome::alias(key, version, &other)),
                Ok(_) => {}
                // The version may be the baseline: nothing can be compared without its record.
                Err(error) if error.kind() == ErrorKind::Registry => return Err(error),
                Err(error) => {
                    if error.fault() == Fault::Machine {
                        unreadable.insert(version.clone());
                    }
                    outcomes.push(Outcome::unregistered(key, version, error));
                }
            }
        }
        self.report_waiting(&job.key, Some(table), outcomes)?;
        Ok(unreadable)
    }

    /// Returns whether runs are done with a version, and its files are those that were registered. Nothing else of it
    /// is read, so that old versions cost a run as little as possible.
    fn is_done_with(
        &self,
        listed: &ListedVersions,
        key: &TableKey,
        version: &str,
        format: &SourceFormat,
    ) -> Result<bool> {
        if !listed.is_done(version) {
            return Ok(false);
        }
        let listing = self.exports.folder(&key.tenant, &key.table, version).list()?;
        Ok(listed.is_done_with(version, format, &only_parts(listing, format).parts))
    }

    /// Registers the versions of a table without a schema as WAITING, so that a later program which knows the table
    /// picks them up.
    pub(super) fn register_without_schema(&self, job: &Job, outcomes: &mut Vec<Outcome>) -> Result<()> {
        let (folder, next) = match invocation::schemas() {
            Some(folder) => (printable_path(folder), "run again"),
            None => (SCHEMAS.to_owned(), "run `cargo run -p generator`"),
        };
        let reason = no_schema(self.tables.iter().map(|table| table.name), &job.key.table, &folder, next);
        let listed = self.registry.list(&job.key)?;
        for name in job.versions.iter().filter(|name| !listed.is_done(name)) {
            self.registry.register_without_schema(&job.key, name, &reason)?;
        }
        self.report_waiting(&job.key, None, outcomes)
    }

    fn report_waiting(&self, key: &TableKey, table: Option<&Table>, outcomes: &mut Vec<Outcome>) -> Result<()> {
        let reported: BTreeSet<String> = outcomes.iter().filter_map(|outcome| outcome.version.clone()).collect();
        let waiting = self.registry.with_status(key, Status::Waiting)?;
        let waiting = waiting.iter().filter(|version| !reported.contains(&version.version));
        outcomes.extend(waiting.map(
            |version| match table.and_then(|table| self.unreadable_manifest(table, version)) {
                Some(error) => Outcome::unusable(key, &version.version, error),
                None => Outcome::from_version(version),
            },
        ));
        Ok(())
    }

    /// The error of a version whose manifest is there and cannot be read. It waits like one whose manifest has not come
    /// yet, but somebody has to do something.
    fn unreadable_manifest(&self, table: &Table, version: &Version) -> Option<Error> {
        let folder = self.exports.folder(&version.key.tenant, &version.key.table, &version.version);
        let (name, error) = unreadable_manifest(table.source.complete, |name| folder.read_sidecar(name))?;
        let problem = format!("the manifest cannot be read: {error}");
        Some(Error::export(&folder.path(name), problem).help("make it readable; its version waits until then"))
    }

    /// Registers a version as its export is now. One whose folder holds something that does not belong in an export
    /// waits until that is gone; then the problem is returned, too.
    ///
    /// Several processes may register the same version, each with what it saw of the export as it arrived. The record
    /// is read before the parts are listed, and written only if it is still the same; otherwise the parts are listed
    /// again. So an older listing never overwrites a newer one, and the newest is never lost.
    pub(crate) fn register_version(
        &self,
        table: &Table,
        key: &TableKey,
        version: &str,
    ) -> Result<(Registered, Option<Error>)> {
        loop {
            check_stop()?;
            let known = self.registry.version(key, version)?;
            let (registered, problem) = match self.register_over(known.clone(), table, key, version) {
                Err(error) if error.kind() == ErrorKind::Export => {
                    (self.register_unusable(known, key, version, &error)?, Some(error))
                }
                registered => (registered?, None),
            };
            if registered != Registered::Outdated {
                return Ok((registered, problem));
            }
        }
    }

    /// Registers a version as its export is now, over the record that is known of it.
    fn register_over(
        &self,
        known: Option<Version>,
        table: &Table,
        key: &TableKey,
        version: &str,
    ) -> Result<Registered> {
        let folder = self.exports.folder(&key.tenant, &key.table, version);
        let epoch = known.as_ref().and_then(|known| known.epoch.as_ref());
        let format = epoch.map_or_else(|| SourceFormat::from_source(&table.source), |epoch| epoch.source.clone());
        let listing = folder.list();
        Breakpoint::PartsListed.reached();
        let listing = only_parts(listing?, &format);
        // Whether something is missing does not matter any more, and a manifest can be long.
        let is_as_published = |known: &Version| {
            known.status.is_published() && known.version == version && same_parts(&known.parts, &listing.parts)
        };
        if known.as_ref().is_some_and(is_as_published) {
            return Ok(Registered::Same);
        }
        let read_sidecar = |name: &str| folder.read_sidecar(name);
        let complete = complete(table.source.complete, &listing, read_sidecar);
        let parts = complete.map_err(|Missing(what)| (listing.parts, what));
        let same_content =
            |known: &[Part], listed: &[Part]| self.same_content(&*folder, known, listed, format.compression);
        self.registry.register_over(known, key, version, parts, same_content)
    }

    fn register_unusable(
        &self,
        known: Option<Version>,
        key: &TableKey,
        version: &str,
        problem: &Error,
    ) -> Result<Registered> {
        let help = problem.next_step().map(|help| format!(" ({help})")).unwrap_or_default();
        let reason = format!("waits for a correction: {problem}{help}");
        self.registry.register_waiting(known, key, version, reason)
    }

    /// Returns whether overwritten parts have the same contents as before, even if they were compressed again. Where
    /// S3's checksums do not say so, reads them to find out, unless they exceed the limit; then they count as
    /// different.
    fn same_content(
        &self,
        folder: &dyn Folder,
        known: &[Part],
        listed: &[Part],
        compression: Compression,
    ) -> Result<bool> {
        let is_alike = |(known, listed): (&Part, &Part)| {
            let may_be_compressed_again = known.content.is_some();
            let may_have_same_bytes = known.size == listed.size && (known.checksum.is_some() || known.stored.is_some());
            known.name == listed.name && (may_be_compressed_again || may_have_same_bytes)
        };
        if known.len() != listed.len() || !known.iter().zip(listed).all(is_alike) {
            return Ok(false);
        }
        let mut unsure = Vec::new();
        for (known, listed) in known.iter().zip(listed) {
            if !is_stored_alike(folder, known, listed)? {
                unsure.push((known, listed));
            }
        }
        if unsure.iter().map(|(_, listed)| listed.size).sum::<u64>() > self.limits.compared {
            return Ok(false);
        }
        for (known, listed) in unsure {
            if !has_content_of(folder, known, listed, compression)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Checks a version's export once more before it is read or published. Returns whether it is still as registered;
    /// if not, it is now registered as it is.
    pub(super) fn is_unchanged(&self, table: &Table, version: &Version) -> Result<bool> {
        let registered = self.register_version(table, &version.key, &version.version)?;
        Ok(matches!(registered, (Registered::Same, None)))
    }

    /// Returns whether the export of a version cannot be read, so that only this version has to wait: its folder cannot
    /// be listed, or one of its parts cannot be opened.
    pub(super) fn is_unreadable(&self, version: &Version) -> bool {
        let folder = self.exports.folder(&version.key.tenant, &version.key.table, &version.version);
        let is_fault = |error: Error| error.fault() == Fault::Machine;
        match folder.list() {
            Err(error) => is_fault(error),
            Ok(_) => version.parts.iter().any(|part| folder.open(&part.name).err().is_some_and(is_fault)),
        }
    }
}
