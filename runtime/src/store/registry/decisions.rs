//! What people decide about versions and tables. Each decision is in the journal.

use serde_json::json;

use super::Registry;
use crate::clock;
use crate::error::Result;
use crate::name::TableKey;
use crate::store::backend::{VersionWrite, WriteOutcome};
use crate::store::journal::{Action, Decision, JournalEntry};
use crate::store::record::Version;
use crate::store::status::Status;

impl Registry {
    /// The journal of a tenant's table, the oldest entry first.
    pub fn journal(&self, key: &TableKey) -> Result<Vec<JournalEntry>> {
        self.0.journal(key)
    }

    /// Adds an entry to the journal, for a decision that changes nothing else in the registry.
    pub fn append(&self, entry: &JournalEntry) -> Result<()> {
        self.0.append(entry)
    }

    /// Requests that the table's oldest runnable version be published in full, or withdraws that request.
    pub fn set_resync(&self, key: &TableKey, requested: bool, decision: &Decision) -> Result<()> {
        let action = if requested { Action::Resync } else { Action::CancelResync };
        self.0.set_resync(requested, &decision.entry(action, key, None, json!({})))
    }

    /// Makes a FAILED version runnable again. Returns whether it was FAILED.
    pub fn retry(&self, version: &Version, decision: &Decision) -> Result<bool> {
        let again = Version {
            status: Status::Registered,
            reason: None,
            attempt: version.attempt + 1,
            query: None,
            updated_at: clock::now_ms(),
            ..version.clone()
        };
        let entry = decision.about(Action::Retry, version);
        let write = VersionWrite { from: Status::Failed, makes_runnable: true, ..VersionWrite::over(version, &again) };
        self.decide(write, &entry)
    }

    /// Approves a HELD version for publishing as planned. Returns false if it is no longer as `version` says. Counts as
    /// another attempt, so that nobody who read the record before can overwrite the approval.
    pub fn approve(&self, version: &Version, decision: &Decision) -> Result<bool> {
        let approved = Version {
            attempt: version.attempt + 1,
            approved: version.plan.as_ref().map(|plan| plan.hash.clone()),
            updated_at: clock::now_ms(),
            ..version.clone()
        };
        let entry = decision.about(Action::Approve, version);
        self.decide(VersionWrite { makes_runnable: true, ..reviewed(version, &approved) }, &entry)
    }

    /// Rejects a HELD or WAITING version. Returns false if it is no longer as `version` says.
    pub fn reject(&self, version: &Version, decision: &Decision) -> Result<bool> {
        let rejected =
            Version { status: Status::Rejected, approved: None, updated_at: clock::now_ms(), ..version.clone() };
        let write = match version.status {
            Status::Waiting => VersionWrite::over(version, &rejected),
            _ => reviewed(version, &rejected),
        };
        self.decide(write, &decision.about(Action::Reject, version))
    }

    /// Retires a version that SUCCEEDED: its name no longer counts, and what it superseded can be processed. Returns
    /// false if it is no longer as `version` says.
    pub fn retire(&self, version: &Version, decision: &Decision) -> Result<bool> {
        let retired = Version { status: Status::Retired, updated_at: clock::now_ms(), ..version.clone() };
        let write =
            VersionWrite { from: Status::Succeeded, makes_runnable: true, ..VersionWrite::over(version, &retired) };
        self.decide(write, &decision.about(Action::Retire, version))
    }

    /// Writes a decision and its entry. Returns whether the version was still as expected.
    fn decide(&self, write: VersionWrite<'_>, entry: &JournalEntry) -> Result<bool> {
        Ok(self.0.write(VersionWrite { entry: Some(entry), ..write })? == WriteOutcome::Done)
    }
}

impl Decision {
    /// An entry for this decision about a version, with what it was based on.
    fn about(&self, action: Action, version: &Version) -> JournalEntry {
        let plan = version.plan.as_ref().map(|plan| &plan.hash);
        let details = json!({ "status": version.status, "reason": version.reason, "plan": plan });
        self.entry(action, &version.key, Some(&version.version), details)
    }
}

/// A write about a HELD version, on condition that its plan is still the one that was reviewed.
fn reviewed<'a>(known: &'a Version, version: &'a Version) -> VersionWrite<'a> {
    let plan = known.plan.as_ref().map(|plan| plan.hash.as_str());
    VersionWrite { from: Status::Held, plan, ..VersionWrite::over(known, version) }
}
