//! The versions of a table with the entries of its journal.

use serde::Serialize;
use serde_json::Value;

use crate::cli::output::time;
use crate::clock::iso_time;
use crate::error::Result;
use crate::name::printable;
use crate::store::{Action, JournalEntry, Registry, Status, Version, by_version};

/// A version, and what the journal says about it.
#[derive(Debug, Serialize)]
pub(super) struct VersionHistory {
    #[serde(flatten)]
    pub(super) version: Version,
    /// The decisions of people about it.
    decisions: Vec<Entry>,
    /// Why runs did not publish it.
    findings: Vec<Entry>,
}

/// An entry of the journal.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "EntryJson")]
pub(super) struct Entry(JournalEntry);

/// An entry as JSON, without the tenant and the table of its version.
#[derive(Serialize)]
struct EntryJson {
    at: String,
    by: String,
    because: Option<String>,
    action: Action,
    version: Option<String>,
    details: Value,
}

/// Versions of one table with their entries.
pub(super) fn with_journal(registry: &Registry, versions: Vec<Version>) -> Result<Vec<VersionHistory>> {
    let Some(key) = versions.first().map(|version| version.key.clone()) else { return Ok(Vec::new()) };
    let mut entries = by_version(&versions, registry.journal(&key)?);
    let with_entries = |version: Version| {
        let (decisions, findings) =
            entries.remove(&version.version).unwrap_or_default().into_iter().map(Entry).partition(Entry::is_decision);
        VersionHistory { version, decisions, findings }
    };
    Ok(versions.into_iter().map(with_entries).collect())
}

impl VersionHistory {
    /// All entries, the oldest first.
    pub(super) fn entries(&self) -> Vec<&Entry> {
        self.sorted(&self.findings)
    }

    /// The entries that say more than the version's line, the oldest first: what was found out last is the reason for
    /// some statuses.
    pub(super) fn further_entries(&self) -> Vec<&Entry> {
        match (self.version.status, self.findings.split_last()) {
            (Status::Held | Status::Failed | Status::Rejected, Some((_, findings))) => self.sorted(findings),
            _ => self.entries(),
        }
    }

    fn sorted<'a>(&'a self, findings: &'a [Entry]) -> Vec<&'a Entry> {
        let mut entries: Vec<&Entry> = findings.iter().chain(&self.decisions).collect();
        entries.sort_by_key(|entry| entry.0.at);
        entries
    }
}

impl From<Entry> for EntryJson {
    fn from(Entry(entry): Entry) -> Self {
        let JournalEntry { at, by, because, action, version, details, .. } = entry;
        Self { at: iso_time(at), by, because, action, version, details }
    }
}

impl Entry {
    fn is_decision(&self) -> bool {
        self.0.action.is_decision()
    }

    /// Why a run did not publish the version.
    fn reason(&self) -> Option<&str> {
        self.0.details["reason"].as_str()
    }

    pub(super) fn details(&self) -> &Value {
        &self.0.details
    }

    /// `2026-01-04 07:31:02Z  approve by alice: the shop moved`.
    pub(super) fn text(&self) -> String {
        let JournalEntry { at, by, because, action, .. } = &self.0;
        let why = match action.is_decision() {
            true => because.as_deref(),
            false => self.reason(),
        };
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        printable(&format!("{}  {} by {by}{why}", time(*at), action.name()))
    }
}
