//! The report of a run, for people and for machines.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;

use super::passed_over::{PassedOver, unread_help};
use super::strays::NewStrays;
use crate::error::{Error, ErrorKind, Fault};
use crate::invocation::command;
use crate::name::{TableKey, natural_cmp};
use crate::plan::Counts;
use crate::reject::Rejects;
use crate::snapshot::discover::{Stray, Unreadable};
use crate::store::{Status, Version};

/// What happened to a version, or to a whole table.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version; `None` for the whole table.
    pub version: Option<String>,
    /// The version's status now.
    pub status: Option<Status>,
    /// Rows and operations, once it is planned.
    pub counts: Option<Counts>,
    /// What to know about it.
    pub note: Option<String>,
    /// The subject of the error in the note: a path, an export, a table; may be empty.
    #[serde(skip)]
    pub subject: String,
    /// Whether the note is about an error, rather than the reason for the status.
    #[serde(skip)]
    pub is_error: bool,
    /// What to do next.
    pub help: Option<String>,
    /// The rows that were rejected.
    pub rejects: Option<Rejects>,
    /// The statements that a database needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<String>,
    /// The version that remains the baseline if this one failed.
    pub baseline: Option<String>,
    /// Whose fault it is if it did not succeed.
    pub fault: Option<Fault>,
}

/// A tenant whose folder cannot be listed.
#[derive(Debug, Clone, Serialize)]
pub struct UnreadableTenant {
    /// The tenant.
    pub tenant: String,
    /// Why it cannot be listed.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// Whose fault it is.
    pub fault: Fault,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Sorted by tenant, table and version.
    pub outcomes: Vec<Outcome>,
    /// The tenants that could not be looked at.
    pub unreadable: Vec<UnreadableTenant>,
    /// What is among the exports without being part of one and was not reported before: the first few.
    pub strays: Vec<Stray>,
    /// How many more there are.
    pub more_strays: u64,
    /// How many versions of exports were found, new or not.
    #[serde(skip)]
    pub found: usize,
    /// How many files and folders `.tidemarkignore` hides.
    #[serde(skip)]
    pub ignored: u64,
}

impl Report {
    pub(super) fn new(
        outcomes: Vec<Outcome>,
        unreadable: Vec<Unreadable>,
        strays: NewStrays,
        found: usize,
        ignored: u64,
    ) -> Self {
        let mut outcomes = each_version_once(outcomes);
        let mut tenants = Vec::new();
        for Unreadable { tenant, table, error } in unreadable {
            match table {
                Some(table) => outcomes.push(Outcome::table_failed(&TableKey { tenant, table }, error)),
                None => tenants.push(UnreadableTenant {
                    tenant,
                    message: error.to_string(),
                    help: error.next_step().map(str::to_owned),
                    fault: error.fault(),
                }),
            }
        }
        let version = |outcome: &Outcome| outcome.version.clone().unwrap_or_default();
        outcomes.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| natural_cmp(&version(a), &version(b))));
        let more_strays = strays.count - strays.listed.len() as u64;
        Self { outcomes, unreadable: tenants, strays: strays.listed, more_strays, found, ignored }
    }

    /// The worst fault of all, for the exit status. Strays are none: they are no part of an export.
    pub fn fault(&self) -> Option<Fault> {
        let faults = self.outcomes.iter().filter_map(|outcome| outcome.fault);
        let faults: Vec<Fault> = faults.chain(self.unreadable.iter().map(|tenant| tenant.fault)).collect();
        faults.iter().find(|fault| **fault == Fault::Machine).or(faults.first()).copied()
    }
}

/// Merges the outcomes of a version that moved on within the run, such as one that was HELD and then superseded.
fn each_version_once(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let mut merged: Vec<Outcome> = Vec::with_capacity(outcomes.len());
    let mut places = HashMap::new();
    for outcome in outcomes {
        let Some(version) = outcome.version.clone() else {
            merged.push(outcome);
            continue;
        };
        match places.entry((outcome.key.clone(), version)) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(outcome);
            }
            Entry::Occupied(place) => merged[*place.get()].update(outcome),
        }
    }
    merged
}

impl Outcome {
    /// Takes over what happened to the version later in the run. What was at fault stays: the exit status reports it.
    fn update(&mut self, later: Outcome) {
        let earlier = std::mem::replace(self, later);
        self.counts = self.counts.or(earlier.counts);
        self.rejects = self.rejects.take().or(earlier.rejects);
        if self.note.is_none() {
            (self.note, self.subject, self.is_error) = (earlier.note, earlier.subject, earlier.is_error);
        }
        if self.fault.is_none() {
            self.fault = earlier.fault;
            self.help = self.help.take().or(earlier.help);
        }
    }

    fn new(key: &TableKey, version: Option<&str>) -> Self {
        Self {
            key: key.clone(),
            version: version.map(Into::into),
            status: None,
            counts: None,
            note: None,
            subject: String::new(),
            is_error: false,
            help: None,
            rejects: None,
            statements: Vec::new(),
            baseline: None,
            fault: None,
        }
    }

    fn from_error(key: &TableKey, version: Option<&str>, error: Error) -> Self {
        Self {
            note: Some(error.to_string()),
            subject: error.subject().into(),
            is_error: true,
            help: error.next_step().map(str::to_owned),
            fault: Some(error.fault()),
            rejects: error.rejects().cloned(),
            statements: error.needed_statements().to_vec(),
            ..Self::new(key, version)
        }
    }

    pub(super) fn from_version(version: &Version) -> Self {
        Self {
            status: Some(version.status),
            counts: version.plan.as_ref().map(|plan| plan.counts),
            note: version.reason.clone(),
            ..Self::new(&version.key, Some(&version.version))
        }
    }

    /// A version that was superseded. It is at fault if it was delivered in turn, or if it was never read.
    pub(super) fn superseded(version: &Version, by: &Version, passed_over: Option<PassedOver>) -> Self {
        let Version { key, version: name, .. } = version;
        let history = command(&[&"history", &key.to_string(), name]);
        let help = match passed_over {
            Some(passed_over) => Some(passed_over.help(version, by)),
            None if version.is_unread() => Some(unread_help(by)),
            None => version.finding.is_some().then(|| format!("to see what was found out about it: {history}")),
        };
        let is_at_fault = passed_over.is_some() || version.is_unread();
        Self { help, fault: is_at_fault.then_some(Fault::Input), ..Self::from_version(version) }
    }

    pub(super) fn held(version: &Version) -> Self {
        Self {
            fault: Some(Fault::Input),
            help: Some(format!("to see why it is held: {}", command(&[&"plan", &version.path()]))),
            ..Self::from_version(version)
        }
    }

    pub(super) fn failed(version: &Version, error: Error, baseline: Option<String>) -> Self {
        let retry = command(&[&"retry", &version.path()]);
        let help = match (error.kind(), error.next_step()) {
            (ErrorKind::Export, Some(step)) => format!("{step}.\n      After its schema was fixed, run: {retry}"),
            _ => format!("deliver it again, or fix the schema and run: {retry}"),
        };
        Self {
            status: Some(Status::Failed),
            baseline,
            help: Some(help),
            ..Self::from_error(&version.key, Some(&version.version), error)
        }
    }

    /// A version that keeps its status, because the error is not its own fault.
    pub(super) fn stopped(version: &Version, status: Status, error: Error) -> Self {
        Self { status: Some(status), ..Self::from_error(&version.key, Some(&version.version), error) }
    }

    /// A table that could not be processed.
    pub(super) fn table_failed(key: &TableKey, error: Error) -> Self {
        Self::from_error(key, None, error)
    }

    /// A version that could not be registered.
    pub(super) fn unregistered(key: &TableKey, version: &str, error: Error) -> Self {
        Self::from_error(key, Some(version), error)
    }

    /// A version that waits until something is removed that does not belong in an export.
    pub(super) fn unusable(key: &TableKey, version: &str, error: Error) -> Self {
        Self { status: Some(Status::Waiting), ..Self::from_error(key, Some(version), error) }
    }

    /// A version whose parts changed too late.
    pub(super) fn refused(version: &Version) -> Self {
        Self {
            status: Some(version.status),
            note: Some("its files changed after it was published; this revision is refused".into()),
            is_error: true,
            help: Some("deliver the revision as a newer version, and restore the published files".into()),
            fault: Some(Fault::Input),
            ..Self::new(&version.key, Some(&version.version))
        }
    }

    /// Another spelling of a known version.
    pub(super) fn alias(key: &TableKey, version: &str, other: &str) -> Self {
        Self {
            note: Some(format!("{other} is the same version in another spelling; this one is refused")),
            is_error: true,
            help: Some("deliver it under another version".into()),
            fault: Some(Fault::Input),
            ..Self::new(key, Some(version))
        }
    }

    /// A table whose output was another registry's.
    pub(super) fn adopted(key: &TableKey, sequence: u64) -> Self {
        Self {
            note: Some(format!(
                "its output is adopted: goes on above sequence {sequence}, with the next version in full"
            )),
            ..Self::new(key, None)
        }
    }

    /// A sink that was behind, and now holds the rows of the version that was published last.
    pub(super) fn caught_up(version: &Version, sink: &str) -> Self {
        Self {
            status: Some(version.status),
            note: Some(format!("{sink} was behind, and holds it now")),
            ..Self::new(&version.key, Some(&version.version))
        }
    }

    /// A table whose lease is held by someone else.
    pub(super) fn locked(key: &TableKey, holder: &str) -> Self {
        Self {
            note: Some(format!("{holder} is working on it, and will process its new versions as well")),
            ..Self::new(key, None)
        }
    }
}
