//! Registering: what the record of a version says of its export.

use super::Registry;
use crate::clock;
use crate::error::Result;
use crate::name::TableKey;
use crate::snapshot::Part;
use crate::store::backend::{VersionWrite, WriteOutcome};
use crate::store::record::{Version, same_parts};
use crate::store::status::Status;

/// The outcome of registering a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// The version is new.
    New,
    /// Nothing changed.
    Same,
    /// Its parts changed before any of it was published; it starts over.
    Changed,
    /// Its parts changed too late; the version stays as it is.
    Refused {
        /// These parts were not refused before.
        first_time: bool,
    },
    /// The version is registered under this other spelling.
    Alias(String),
    /// Another process has written the record since it was read. Which of the two listings is newer is unknown, so the
    /// parts have to be listed again.
    Outdated,
}

/// The parts of a complete export; or those that have arrived, and what the version is waiting for.
pub type ListedParts = Result<Vec<Part>, (Vec<Part>, String)>;

impl Registry {
    /// Registers a version that cannot be compared, with the reason, over the record that was read before its folder.
    pub fn register_waiting(
        &self,
        known: Option<Version>,
        key: &TableKey,
        version: &str,
        reason: String,
    ) -> Result<Registered> {
        self.register_as(known, key, version, (Vec::new(), Some(reason)), |_, _| Ok(false))
    }

    /// Registers a version of a table without a schema as WAITING. One that was registered by a program which knew the
    /// table stays as it is.
    pub fn register_without_schema(&self, key: &TableKey, version: &str, reason: &str) -> Result<Registered> {
        let known = self.version(key, version)?;
        if known.as_ref().is_some_and(|known| known.status != Status::Waiting) {
            return Ok(Registered::Same);
        }
        self.register_as(known, key, version, (Vec::new(), Some(reason.into())), |_, _| Ok(false))
    }

    /// Registers a version over the record that was read before its parts were listed. If the record has changed since,
    /// it stays, and [`Registered::Outdated`] is returned. `same_content` returns whether parts with the same names and
    /// another size or identity still have the same contents.
    pub fn register_over(
        &self,
        known: Option<Version>,
        key: &TableKey,
        version: &str,
        parts: ListedParts,
        same_content: impl Fn(&[Part], &[Part]) -> Result<bool>,
    ) -> Result<Registered> {
        let parts = match parts {
            Ok(parts) => (parts, None),
            Err((parts, waits_for)) => (parts, Some(format!("waits for {waits_for}"))),
        };
        self.register_as(known, key, version, parts, same_content)
    }

    /// Registers a version with its parts; with a reason to wait, as WAITING.
    fn register_as(
        &self,
        known: Option<Version>,
        key: &TableKey,
        version: &str,
        (parts, reason): (Vec<Part>, Option<String>),
        same_content: impl Fn(&[Part], &[Part]) -> Result<bool>,
    ) -> Result<Registered> {
        let Some(known) = known else {
            let is_new = self.0.insert(&new_version(key, version, parts, reason))?;
            return Ok(if is_new { Registered::New } else { Registered::Outdated });
        };
        if known.version != version {
            return Ok(Registered::Alias(known.version));
        }
        if known.refused_parts.as_ref().is_some_and(|refused| same_parts(refused, &parts)) {
            return Ok(Registered::Refused { first_time: false });
        }
        let Some(is_same) = self.has_same_parts(&known, &parts, same_content)? else {
            return Ok(Registered::Outdated);
        };
        match known.status {
            Status::Waiting if is_same && known.reason == reason => Ok(Registered::Same),
            Status::Waiting => self.start_over(known, parts, reason),
            _ if is_same => Ok(Registered::Same),
            Status::Succeeded | Status::Retired | Status::Publishing => self.refuse(known, parts),
            Status::Superseded => Ok(Registered::Same),
            _ => self.start_over(known, parts, reason),
        }
    }

    /// Returns whether a version still has the parts that were registered; `None` if its record has changed meanwhile.
    fn has_same_parts(
        &self,
        known: &Version,
        parts: &[Part],
        same_content: impl Fn(&[Part], &[Part]) -> Result<bool>,
    ) -> Result<Option<bool>> {
        // The row counts of a manifest no longer matter once the rows are published.
        let is_published = known.status.is_published() || known.status == Status::Publishing;
        let same_rows = is_published || known.parts.iter().map(|part| part.rows).eq(parts.iter().map(|part| part.rows));
        if same_parts(&known.parts, parts) {
            return Ok(Some(same_rows));
        }
        if !same_rows || !same_content(&known.parts, parts)? {
            return Ok(Some(false));
        }
        Ok(self.update_identities(known, parts)?.then_some(true))
    }

    /// Records the new identities of parts that were rewritten with the same contents, so that the next run need not
    /// read them. Returns whether the record was still as known.
    fn update_identities(&self, known: &Version, parts: &[Part]) -> Result<bool> {
        let mut updated = known.clone();
        for (part, listed) in updated.parts.iter_mut().zip(parts) {
            part.identity.clone_from(&listed.identity);
            part.size = listed.size;
            // The bytes of a compressed part may be others, with the same contents.
            part.checksum = part.checksum.take().filter(|_| part.content.is_none());
        }
        Ok(self.0.write(VersionWrite::over(known, &updated))? == WriteOutcome::Done)
    }

    fn start_over(&self, known: Version, parts: Vec<Part>, reason: Option<String>) -> Result<Registered> {
        let status = if reason.is_some() { Status::Waiting } else { Status::Registered };
        let changed = Version {
            reason,
            attempt: known.attempt + 1,
            parts,
            // These are about other parts. The journal keeps them.
            plan: None,
            finding: None,
            was_held: false,
            query: None,
            updated_at: clock::now_ms(),
            ..known.clone().unplanned(status)
        };
        let write = VersionWrite { makes_runnable: status.is_runnable(), ..VersionWrite::over(&known, &changed) };
        Ok(if self.0.write(write)? == WriteOutcome::Done { Registered::Changed } else { Registered::Outdated })
    }

    fn refuse(&self, known: Version, parts: Vec<Part>) -> Result<Registered> {
        let first_time = known.refused_parts.as_ref().is_none_or(|refused| !same_parts(refused, &parts));
        if first_time {
            let changed = Version { refused_parts: Some(parts), ..known.clone() };
            if self.0.write(VersionWrite::over(&known, &changed))? != WriteOutcome::Done {
                return Ok(Registered::Outdated);
            }
        }
        Ok(Registered::Refused { first_time })
    }
}

fn new_version(key: &TableKey, version: &str, parts: Vec<Part>, reason: Option<String>) -> Version {
    let status = if reason.is_some() { Status::Waiting } else { Status::Registered };
    Version { status, reason, parts, ..Version::new(key, version) }
}
