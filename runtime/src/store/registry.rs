//! What is done with a registry, wherever it is kept: register a version, let somebody decide about one, move one on
//! under a lease. A status moves only along the edges of [`Status::can_become`].

use super::{
    Begin, Begun, Extent, Lease, Registered, Setting, Status, Store, Version, Write, WriteOutcome, lost, owner,
    same_parts,
};
use crate::clock;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::snapshot::Part;

impl dyn Store + '_ {
    /// Takes note of a version and of its parts, or of what it waits for. `same_bytes` tells whether parts that differ
    /// in their identity alone are still the same, by their checksums.
    pub fn register(
        &self,
        key: &TableKey,
        version: &str,
        parts: Result<Vec<Part>, (Vec<Part>, String)>,
        same_bytes: impl Fn(&[Part], &[Part]) -> Result<bool>,
    ) -> Result<Registered> {
        let known = self.version(key, version)?;
        self.register_over(known, key, version, parts, same_bytes)
    }

    /// The same over what was known before anybody looked at the parts: where more has become known since, that is newer than
    /// what was seen, and stays.
    pub fn register_over(
        &self,
        known: Option<Version>,
        key: &TableKey,
        version: &str,
        parts: Result<Vec<Part>, (Vec<Part>, String)>,
        same_bytes: impl Fn(&[Part], &[Part]) -> Result<bool>,
    ) -> Result<Registered> {
        let (parts, waits_for) = match parts {
            Ok(parts) => (parts, None),
            Err((parts, waits_for)) => (parts, Some(format!("waits for {waits_for}"))),
        };
        let Some(known) = known else {
            let is_new = self.insert(&new(key, version, parts, waits_for))?;
            // Another process may have been quicker; then there is nothing left to do.
            return Ok(if is_new { Registered::New } else { Registered::Same });
        };
        if known.version != version {
            return Ok(Registered::Alias(known.version));
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
        self.write(over(known, &touched)).map(|_| ())
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
        let written = self.write(Write { is_wake: status.is_runnable(), ..over(&known, &changed) })?;
        Ok(if written == WriteOutcome::Done { Registered::Changed } else { Registered::Same })
    }

    fn refuse(&self, known: Version, parts: Vec<Part>) -> Result<Registered> {
        let first_time = known.refused_parts.as_ref().is_none_or(|refused| !same_parts(refused, &parts));
        if first_time {
            let changed = Version { refused_parts: Some(parts), updated_at: clock::now_ms(), ..known.clone() };
            self.write(over(&known, &changed))?;
        }
        Ok(Registered::Refused { first_time })
    }

    /// The root of the exports that was last remembered.
    pub fn root(&self) -> Result<Option<String>> {
        self.setting(Setting::Exports)
    }

    /// Whether the table's oldest runnable version is to be published whole.
    pub fn resync(&self, key: &TableKey) -> Result<bool> {
        Ok(self.state(key)?.resync)
    }

    /// How many writes have made a version of the table runnable. It only grows.
    pub fn pending(&self, key: &TableKey) -> Result<u64> {
        Ok(self.state(key)?.pending)
    }

    /// Who holds the table's lease, unless it is free or expired.
    pub fn holder(&self, key: &TableKey) -> Result<Option<String>> {
        let holder = self.state(key)?.owner;
        Ok(holder.filter(|holder| !owner::is_gone(holder)).map(|holder| owner::shown(&holder)))
    }

    /// Takes the table's lease for this process, if it is free or expired, or if its holder has ended without giving it
    /// back.
    pub fn lock(&self, key: &TableKey) -> Result<Option<Lease>> {
        let gone = self.state(key)?.owner.filter(|holder| owner::is_gone(holder));
        self.acquire(key, &owner::current(), gone.as_deref())
    }

    /// Makes a FAILED version runnable again. Whether it was FAILED is what is returned.
    pub fn retry(&self, version: &Version) -> Result<bool> {
        let again = Version {
            status: Status::Registered,
            reason: None,
            attempt: version.attempt + 1,
            updated_at: clock::now_ms(),
            ..version.clone()
        };
        let write = Write { from: Status::Failed, is_wake: true, ..over(version, &again) };
        Ok(self.write(write)? == WriteOutcome::Done)
    }

    /// Lets a HELD version be published as it is planned. False when it is no longer as `version` says. It is another
    /// attempt: whoever read the record before cannot write it back without the approval.
    pub fn approve(&self, version: &Version) -> Result<bool> {
        let approved = Version {
            attempt: version.attempt + 1,
            approved: version.plan.as_ref().map(|plan| plan.hash.clone()),
            updated_at: clock::now_ms(),
            ..version.clone()
        };
        Ok(self.write(Write { is_wake: true, ..decided(version, &approved) })? == WriteOutcome::Done)
    }

    /// Ends a HELD version. False when it is no longer as `version` says.
    pub fn reject(&self, version: &Version) -> Result<bool> {
        let rejected =
            Version { status: Status::Rejected, approved: None, updated_at: clock::now_ms(), ..version.clone() };
        Ok(self.write(decided(version, &rejected))? == WriteOutcome::Done)
    }

    /// Moves a version on: writes `version`, which must still stand at `from`, under the lease.
    pub fn advance(&self, lease: &Lease, from: Status, version: &Version) -> Result<()> {
        assert!(from.can_become(version.status), "{from} cannot become {}", version.status);
        let version = Version { updated_at: clock::now_ms(), ..version.clone() };
        let write = Write { from, lease: Some(lease), ..over(&version, &version) };
        match self.write(write)? {
            WriteOutcome::Done => Ok(()),
            WriteOutcome::Changed => Err(changed_meanwhile(&version)),
            WriteOutcome::LeaseLost => Err(lost(lease, &version)),
        }
    }

    /// Moves a PLANNED or an approved HELD version to PUBLISHING, and assigns it the table's next sequence.
    pub fn publishing(&self, lease: &Lease, version: &Version) -> Result<Version> {
        let begun = Version { status: Status::Publishing, updated_at: clock::now_ms(), ..version.clone() };
        let is_reset = version.plan.as_ref().is_some_and(|plan| plan.reset.is_some());
        match self.begin_publishing(lease, Begin { version: &begun, from: version.status, is_reset })? {
            Begun::Sequence(sequence) => Ok(Version { sequence: Some(sequence), ..begun }),
            Begun::Changed => Err(changed_meanwhile(version)),
            Begun::LeaseLost => Err(lost(lease, version)),
            Begun::NoReset => Err(resync_taken_back(version)),
        }
    }

    /// Ends a version that came too late: `by` succeeded before.
    pub fn supersede(&self, lease: &Lease, version: Version, by: &str) -> Result<Version> {
        let from = version.status;
        let reason = Some(format!("{by} succeeded before it came"));
        let superseded = Version { reason, ..version.unplanned(Status::Superseded) };
        self.advance(lease, from, &superseded)?;
        Ok(superseded)
    }

    /// Notes how far a part is out, under the lease.
    pub fn note_delivery(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<()> {
        if self.deliver(lease, version, sink, part, extent)? { Ok(()) } else { Err(lost(lease, version)) }
    }
}

fn new(key: &TableKey, version: &str, parts: Vec<Part>, waits_for: Option<String>) -> Version {
    let now = clock::now_ms();
    Version {
        key: key.clone(),
        version: version.into(),
        status: if waits_for.is_some() { Status::Waiting } else { Status::Registered },
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
    }
}

/// A write over a version as it was read.
fn over<'a>(known: &Version, version: &'a Version) -> Write<'a> {
    Write { version, from: known.status, attempt: known.attempt, plan: None, lease: None, is_wake: false }
}

/// A decision about a version that is HELD: what was looked at must be what is there.
fn decided<'a>(known: &'a Version, version: &'a Version) -> Write<'a> {
    let plan = known.plan.as_ref().map(|plan| plan.hash.as_str());
    Write { from: Status::Held, plan, ..over(known, version) }
}

fn changed_meanwhile(version: &Version) -> Error {
    Error::overtaken(version.to_string(), "its export was delivered again while it was compared")
        .help("run again; the new delivery is registered")
}

fn resync_taken_back(version: &Version) -> Error {
    Error::overtaken(version.to_string(), "its resync was taken back while it was planned").help("run again")
}
