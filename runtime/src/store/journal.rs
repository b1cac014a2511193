//! The journal of a table: who decided what, when and why, and what runs found out about versions that they did not
//! publish. Entries are only ever added, each together with the change that it describes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Version;
use crate::clock;
use crate::name::TableKey;

/// Who decides, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The person or program that decides.
    pub by: String,
    /// The reason, if one is given.
    pub because: Option<String>,
}

/// What a journal entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A HELD version may be published as planned.
    Approve,
    /// A HELD version is not published.
    Reject,
    /// A FAILED version is processed again.
    Retry,
    /// The next version is published in full.
    Resync,
    /// The next version is compared after all.
    CancelResync,
    /// A version is published again.
    Replay,
    /// Change sets are removed.
    Gc,
    /// An output that another registry wrote to is taken over.
    Adopt,
    /// A published version no longer counts as the newest.
    Retire,
    /// The registry continues after it was restored or lost.
    Recover,
    /// What consumers hold is repaired.
    Repair,
    /// A run found that a version breaks a guard.
    Hold,
    /// A run found that a version's export is at fault.
    Fail,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who decided; `run` for what a run found out.
    pub by: String,
    /// The reason that was given.
    pub because: Option<String>,
    /// What was decided or found out.
    pub action: Action,
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version, unless the entry is about the whole table.
    pub version: Option<String>,
    /// What else is worth knowing later; the fields depend on the action.
    pub details: Value,
}

/// Who an entry is by if no person decided.
const RUN: &str = "run";

impl Decision {
    /// An entry for this decision about a version, or about the whole table.
    pub fn entry(&self, action: Action, key: &TableKey, version: Option<&str>, details: Value) -> JournalEntry {
        JournalEntry {
            at: clock::now_ms(),
            by: self.by.clone(),
            because: self.because.clone(),
            action,
            key: key.clone(),
            version: version.map(Into::into),
            details,
        }
    }
}

impl Action {
    /// Returns whether a person decided, rather than a run.
    pub fn is_decision(self) -> bool {
        !matches!(self, Action::Hold | Action::Fail)
    }

    /// The name in JSON and in listings.
    pub fn name(self) -> &'static str {
        match self {
            Action::Approve => "approve",
            Action::Reject => "reject",
            Action::Retry => "retry",
            Action::Resync => "resync",
            Action::CancelResync => "cancel-resync",
            Action::Replay => "replay",
            Action::Gc => "gc",
            Action::Adopt => "adopt",
            Action::Retire => "retire",
            Action::Recover => "recover",
            Action::Repair => "repair",
            Action::Hold => "hold",
            Action::Fail => "fail",
        }
    }
}

impl JournalEntry {
    /// Parses an entry of a table's journal. Fails with what is wrong with it.
    pub(super) fn parse(key: &TableKey, entry: &str) -> Result<Self, String> {
        serde_json::from_str(entry).map_err(|error| format!("an entry of the journal of {key} is damaged: {error}"))
    }

    /// An entry for what a run found out about a version.
    pub(crate) fn finding(action: Action, key: &TableKey, version: &str, details: Value) -> Self {
        Decision { by: RUN.into(), because: None }.entry(action, key, Some(version), details)
    }
}

/// Groups the entries of a table by the version they are about. Those about the table belong to the version that was
/// the last one registered by then.
pub fn by_version(versions: &[Version], journal: Vec<JournalEntry>) -> BTreeMap<String, Vec<JournalEntry>> {
    let mut groups: BTreeMap<String, Vec<JournalEntry>> = BTreeMap::new();
    for entry in journal {
        let known = versions.iter().filter(|version| version.registered_at <= entry.at);
        let last = known.max_by_key(|version| version.registered_at).or(versions.first());
        let version = entry.version.clone().or(last.map(|version| version.version.clone()));
        groups.entry(version.unwrap_or_default()).or_default().push(entry);
    }
    groups
}
