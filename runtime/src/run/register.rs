//! The first steps: discover exports, register their versions, and see which are complete.

use super::report::{Outcome, Stray};
use super::runner::Runner;
use crate::error::{Error, Result};
use crate::name::{TableKey, nearest};
use crate::snapshot::complete::{Missing, complete};
use crate::snapshot::{Folder, Part, has_content_of};
use crate::store::{ListedParts, Registered, Status, Version};
use crate::table::{Compression, Table};

/// The versions found for one tenant's table.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: TableKey,
    pub(super) table: &'static Table,
    pub(super) versions: Vec<String>,
}

impl Runner {
    /// Lists one job for each selected tenant's table, and what is among the exports without being one.
    pub(super) fn discover(&self, select: impl Fn(&str, &str) -> bool) -> Result<(Vec<Job>, Vec<Stray>)> {
        let discovery = self.exports.discover(&select)?;
        let mut strays: Vec<Stray> =
            discovery.strays.into_iter().map(|(path, problem, help)| Stray { path, problem, help }).collect();
        let mut jobs: Vec<Job> = Vec::new();
        for (tenant, table, version) in discovery.versions {
            let key = TableKey { tenant, table };
            if let Some(job) = jobs.last_mut().filter(|job| job.key == key) {
                job.versions.push(version);
                continue;
            }
            match self.table(&key.table) {
                Some(table) => jobs.push(Job { key, table, versions: vec![version] }),
                None => {
                    let stray = self.unknown_table(&key);
                    if !strays.contains(&stray) {
                        strays.push(stray);
                    }
                }
            }
        }
        Ok((jobs, strays))
    }

    fn unknown_table(&self, key: &TableKey) -> Stray {
        let known: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
        Stray {
            path: self.exports.path(&key.tenant, &key.table),
            problem: format!("unknown table `{}`", key.table),
            help: Some(match nearest(&key.table, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "write schemas/{}.yaml and run: cargo run -p generator; known tables: {}",
                    key.table,
                    known.join(", ")
                ),
            }),
        }
    }

    /// Registers every version of a job. Those that are not complete yet stay WAITING.
    pub(super) fn register(&self, job: &Job, outcomes: &mut Vec<Outcome>) -> Result<()> {
        for version in &job.versions {
            match self.register_version(job.table, &job.key, version) {
                Ok(Registered::Refused { first_time: true }) => outcomes.push(Outcome::refused(&job.key, version)),
                Ok(Registered::Alias(other)) => outcomes.push(Outcome::alias(&job.key, version, &other)),
                Ok(_) => {}
                Err(error) => outcomes.push(Outcome::unregistered(&job.key, version, error)),
            }
        }
        let waiting = self.registry.with_status(&job.key, Status::Waiting)?;
        outcomes.extend(waiting.iter().map(Outcome::from_version));
        Ok(())
    }

    pub(crate) fn register_version(&self, table: &Table, key: &TableKey, version: &str) -> Result<Registered> {
        // Read before the parts are listed, so that an old listing never overwrites a newer one.
        let known = self.registry.version(key, version)?;
        let parts = self.parts(table, key, version)?;
        let folder = self.exports.folder(&key.tenant, &key.table, version);
        let epoch = known.as_ref().and_then(|known| known.epoch.as_ref());
        let compression = epoch.map_or(table.source.compression, |epoch| epoch.source.compression);
        let same_content = |known: &[Part], listed: &[Part]| self.same_content(&*folder, known, listed, compression);
        self.registry.register_over(known.clone(), key, version, parts, same_content)
    }

    /// Registers a version whose folder holds something that does not belong in an export. It waits until that is gone.
    pub(crate) fn register_unusable(&self, key: &TableKey, version: &str, problem: &Error) -> Result<Registered> {
        let help = problem.next_step().map(|help| format!(" ({help})")).unwrap_or_default();
        let waits_for = format!("a correction: {problem}{help}");
        self.registry.register(key, version, Err((Vec::new(), waits_for)), |_, _| Ok(false))
    }

    /// Returns whether overwritten parts have the same contents as before, even if they were compressed again. Reads
    /// them to find out, unless they exceed the limit; then they count as different.
    fn same_content(
        &self,
        folder: &dyn Folder,
        known: &[Part],
        listed: &[Part],
        compression: Compression,
    ) -> Result<bool> {
        let is_alike = |(known, listed): (&Part, &Part)| {
            let may_be_compressed_again = known.content.is_some();
            let may_have_same_bytes = known.size == listed.size && known.checksum.is_some();
            known.name == listed.name && (may_be_compressed_again || may_have_same_bytes)
        };
        let size: u64 = listed.iter().map(|part| part.size).sum();
        if known.len() != listed.len() || !known.iter().zip(listed).all(is_alike) || size > self.limits.compared {
            return Ok(false);
        }
        for (known, listed) in known.iter().zip(listed) {
            if !has_content_of(folder, known, listed, compression)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lists the parts of a version, and what is missing.
    fn parts(&self, table: &Table, key: &TableKey, version: &str) -> Result<ListedParts> {
        let folder = self.exports.folder(&key.tenant, &key.table, version);
        let listing = folder.list()?;
        let read_sidecar = |name: &str| folder.read_sidecar(name);
        Ok(complete(table.source.complete, &listing, read_sidecar).map_err(|Missing(what)| (listing.parts, what)))
    }

    /// Checks a version's export once more before it is read or published. Returns whether it is still as registered;
    /// if not, it is now registered as it is.
    pub(super) fn is_unchanged(&self, table: &Table, version: &Version) -> Result<bool> {
        match self.register_version(table, &version.key, &version.version)? {
            Registered::Same => Ok(true),
            Registered::New | Registered::Changed | Registered::Refused { .. } | Registered::Alias(_) => Ok(false),
        }
    }
}
