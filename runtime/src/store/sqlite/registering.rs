//! Taking note of a version: new, as it was, delivered again, or a revision that comes too late.

use rusqlite::params;

use super::{Sqlite, add_pending, replace, to_json};
use crate::clock;
use crate::error::Result;
use crate::name::natural_place;
use crate::snapshot::Part;
use crate::store::{Registered, Status, TableKey, Version, same_parts};

impl Sqlite {
    /// Takes note of a version and of its parts, or of what it waits for. `same_bytes` tells whether parts that differ
    /// in their identity alone are still the same, by their checksums.
    pub fn register(
        &self,
        key: &TableKey,
        version: &str,
        parts: Result<Vec<Part>, (Vec<Part>, String)>,
        same_bytes: impl Fn(&[Part], &[Part]) -> Result<bool>,
    ) -> Result<Registered> {
        let (parts, waits_for) = match parts {
            Ok(parts) => (parts, None),
            Err((parts, waits_for)) => (parts, Some(format!("waits for {waits_for}"))),
        };
        let Some(known) = self.version_at(key, &natural_place(version))? else {
            return self.insert(key, version, parts, waits_for);
        };
        if known.version != version {
            return Ok(Registered::Twin(known.version));
        }
        let is_out = matches!(known.status, Status::Succeeded | Status::Publishing);
        // What a manifest says of rows no longer matters once they are out.
        let same_rows = is_out || known.parts.iter().map(|part| part.rows).eq(parts.iter().map(|part| part.rows));
        let is_same = if same_parts(&known.parts, &parts) {
            same_rows
        } else if same_rows && same_bytes(&known.parts, &parts)? {
            self.keep_identities(&known, &parts)?;
            true
        } else {
            false
        };
        match known.status {
            Status::Waiting if is_same && known.reason == waits_for => Ok(Registered::Same),
            Status::Waiting => self.start_anew(known, parts, waits_for),
            _ if is_same => Ok(Registered::Same),
            _ if is_out => self.refuse(known, parts),
            Status::Superseded => Ok(Registered::Same),
            _ => self.start_anew(known, parts, waits_for),
        }
    }

    /// The same bytes were written again: their new identities spare the next run from reading them.
    fn keep_identities(&self, known: &Version, parts: &[Part]) -> Result<()> {
        let mut touched = known.clone();
        for (part, found) in touched.parts.iter_mut().zip(parts) {
            part.identity.clone_from(&found.identity);
        }
        self.write(|transaction| replace(transaction, &touched, known.status, known.attempt)).map(|_| ())
    }

    fn insert(&self, key: &TableKey, version: &str, parts: Vec<Part>, waits_for: Option<String>) -> Result<Registered> {
        let now = clock::now_ms();
        let status = if waits_for.is_some() { Status::Waiting } else { Status::Registered };
        let record = Version {
            key: key.clone(),
            version: version.into(),
            status,
            reason: waits_for,
            attempt: 1,
            parts,
            refused_parts: None,
            plan: None,
            changes: None,
            approved: None,
            epoch: None,
            progress: None,
            sequence: None,
            registered_at: now,
            updated_at: now,
        };
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO tables (tenant, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![key.tenant, key.table],
            )?;
            // Another process may have been quicker; then there is nothing left to do.
            let inserted = transaction.execute(
                "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                params![key.tenant, key.table, natural_place(version), status.name(), to_json(&record)],
            )?;
            if inserted > 0 && status.is_runnable() {
                add_pending(transaction, key)?;
            }
            Ok(if inserted > 0 { Registered::New } else { Registered::Same })
        })
    }

    fn start_anew(&self, known: Version, parts: Vec<Part>, waits_for: Option<String>) -> Result<Registered> {
        let status = if waits_for.is_some() { Status::Waiting } else { Status::Registered };
        let changed = Version {
            reason: waits_for,
            attempt: known.attempt + 1,
            parts,
            updated_at: clock::now_ms(),
            ..known.clone().unplanned(status)
        };
        let done = self.write(|transaction| {
            let done = replace(transaction, &changed, known.status, known.attempt)?;
            if done && status.is_runnable() {
                add_pending(transaction, &known.key)?;
            }
            Ok(done)
        })?;
        Ok(if done { Registered::Changed } else { Registered::Same })
    }

    fn refuse(&self, known: Version, parts: Vec<Part>) -> Result<Registered> {
        let first_time = known.refused_parts.as_ref().is_none_or(|refused| !same_parts(refused, &parts));
        if first_time {
            let (status, attempt) = (known.status, known.attempt);
            let changed = Version { refused_parts: Some(parts), updated_at: clock::now_ms(), ..known };
            self.write(|transaction| replace(transaction, &changed, status, attempt))?;
        }
        Ok(Registered::Refused { first_time })
    }
}
