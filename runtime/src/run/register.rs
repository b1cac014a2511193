//! The first steps: find exports, take note of their versions, see which are complete.

use super::{Job, Outcome, Runner, Stray};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::name::nearest;
use crate::snapshot::complete::{Missing, complete};
use crate::snapshot::{Folder, Part, checksum};
use crate::store::{Registered, Status, Version};
use crate::table::Table;

/// The parts of a complete export, or those that are there and what is missing.
type Parts = std::result::Result<Vec<Part>, (Vec<Part>, String)>;

impl Runner {
    /// One job for each tenant's table, and what lies among the exports without being one.
    pub(super) fn discover(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<(Vec<Job>, Vec<Stray>)> {
        let found = self.exports.discover(&wanted)?;
        let mut strays: Vec<Stray> =
            found.strays.into_iter().map(|(path, problem, help)| Stray { path, problem, help }).collect();
        let mut jobs: Vec<Job> = Vec::new();
        for (tenant, table, version) in found.versions {
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

    fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().copied().find(|table| table.name == name)
    }

    fn unknown_table(&self, key: &TableKey) -> Stray {
        let known: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
        Stray {
            path: self.exports.path(&key.tenant, &key.table),
            problem: format!("unknown table `{}`", key.table),
            help: Some(match nearest(&key.table, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "write schemas/{}.yaml and run: cargo run -p generator; known are {}",
                    key.table,
                    known.join(", ")
                ),
            }),
        }
    }

    /// Takes note of every version that was found.
    pub(super) fn register(&self, job: &Job, outcomes: &mut Vec<Outcome>) -> Result<()> {
        for version in &job.versions {
            let registered = self.register_version(job.table, &job.key, version);
            match registered {
                Ok(Registered::Refused { first_time: true }) => outcomes.push(Outcome::of_revision(&job.key, version)),
                Ok(Registered::Alias(other)) => outcomes.push(Outcome::of_alias(&job.key, version, &other)),
                Ok(_) => {}
                Err(error) => outcomes.push(Outcome::of_unregistered(&job.key, version, error)),
            }
        }
        let waiting = self.store.versions(&job.key)?.into_iter().filter(|version| version.status == Status::Waiting);
        outcomes.extend(waiting.map(|version| Outcome::of_version(&version)));
        Ok(())
    }

    pub(crate) fn register_version(&self, table: &Table, key: &TableKey, version: &str) -> Result<Registered> {
        // Read before the parts are listed, so that an old listing is never written over a newer one.
        let known = self.store.version(key, version)?;
        let parts = self.parts(table, key, version)?;
        let folder = self.exports.folder(&key.tenant, &key.table, version);
        self.store.register_over(known, key, version, parts, |known, found| self.same_bytes(&*folder, known, found))
    }

    /// Takes note of a version whose folder holds what no export holds: it waits until that is moved away.
    pub(crate) fn register_unusable(&self, key: &TableKey, version: &str, problem: &Error) -> Result<Registered> {
        let help = problem.next_step().map(|help| format!(" ({help})")).unwrap_or_default();
        let waits_for = format!("what is wrong with it to be put right: {problem}{help}");
        self.store.register(key, version, Err((Vec::new(), waits_for)), |_, _| Ok(false))
    }

    /// Whether parts that were written again are what they were. They are read for that, as far as the limit allows; what is
    /// not known to be the same is not.
    fn same_bytes(&self, folder: &dyn Folder, known: &[Part], found: &[Part]) -> Result<bool> {
        let is_alike = |(known, found): (&Part, &Part)| {
            known.name == found.name && known.size == found.size && known.checksum.is_some()
        };
        let size: u64 = known.iter().map(|part| part.size).sum();
        if known.len() != found.len() || !known.iter().zip(found).all(is_alike) || size > self.limits.compared {
            return Ok(false);
        }
        for part in known {
            if part.checksum != Some(checksum(folder, &part.name)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The parts of a version as they lie there.
    pub(super) fn parts(&self, table: &Table, key: &TableKey, version: &str) -> Result<Parts> {
        let folder = self.exports.folder(&key.tenant, &key.table, version);
        let listing = folder.list()?;
        let read_sidecar = |name: &str| folder.read_sidecar(name);
        Ok(complete(table.source.complete, &listing, read_sidecar).map_err(|Missing(what)| (listing.parts, what)))
    }

    /// SecondPass at a version's export once more before it is read. When it is not what was registered, it is registered
    /// anew.
    pub(super) fn is_still_there(&self, table: &Table, version: &Version) -> Result<bool> {
        match self.register_version(table, &version.key, &version.version)? {
            Registered::Same => Ok(true),
            Registered::New | Registered::Changed | Registered::Refused { .. } | Registered::Alias(_) => Ok(false),
        }
    }
}
