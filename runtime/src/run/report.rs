//! What a run did, for people and for machines.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Fault};
use crate::name::TableKey;
use crate::name::natural_cmp;
use crate::plan::Counts;
use crate::reject::Rejects;
use crate::store::{Status, Version};

/// What happened to a version, or to a table when it could not be worked on.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Whose it is.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version; none when the whole table is meant.
    pub version: Option<String>,
    /// Where the version stands now.
    pub status: Option<Status>,
    /// Rows and operations, where it was published.
    pub counts: Option<Counts>,
    /// What to know about it.
    pub note: Option<String>,
    /// What to do next.
    pub help: Option<String>,
    /// The rows that were refused.
    pub rejects: Option<Rejects>,
    /// The version that stays the baseline of a version that failed.
    pub baseline: Option<String>,
    /// Whose fault it is that it did not succeed.
    pub fault: Option<Fault>,
}

/// Something among the exports that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// Where it lies.
    #[serde(serialize_with = "crate::name::serialize_path")]
    pub path: PathBuf,
    /// Why it cannot.
    pub problem: String,
    /// What to do next.
    pub help: Option<String>,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// By tenant, table and version.
    pub outcomes: Vec<Outcome>,
    /// What was left where it lies.
    pub strays: Vec<Stray>,
    /// How many versions of exports were found, new or not.
    #[serde(skip)]
    pub found: usize,
}

impl Report {
    pub(super) fn new(mut outcomes: Vec<Outcome>, strays: Vec<Stray>, found: usize) -> Self {
        let version = |outcome: &Outcome| outcome.version.clone().unwrap_or_default();
        outcomes.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| natural_cmp(&version(a), &version(b))));
        Self { outcomes, strays, found }
    }

    /// The worst fault of all, for the exit status.
    pub fn fault(&self) -> Option<Fault> {
        let mut faults = self.outcomes.iter().filter_map(|outcome| outcome.fault);
        let of_strays = if self.strays.is_empty() { None } else { Some(Fault::Input) };
        match faults.clone().find(|fault| *fault == Fault::Machine) {
            None => faults.next().or(of_strays),
            machine => machine,
        }
    }
}

impl Outcome {
    fn new(key: &TableKey, version: Option<&str>) -> Self {
        Self {
            key: key.clone(),
            version: version.map(Into::into),
            status: None,
            counts: None,
            note: None,
            help: None,
            rejects: None,
            baseline: None,
            fault: None,
        }
    }

    pub(super) fn of_version(version: &Version) -> Self {
        Self {
            status: Some(version.status),
            counts: version.plan.as_ref().map(|plan| plan.counts),
            note: version.reason.clone(),
            ..Self::new(&version.key, Some(&version.version))
        }
    }

    pub(super) fn of_held(version: &Version) -> Self {
        Self {
            fault: Some(Fault::Input),
            help: Some(format!("to see why it is held: cargo tidemark plan {}", version.path())),
            ..Self::of_version(version)
        }
    }

    pub(super) fn of_failure(version: &Version, error: Error, baseline: Option<String>) -> Self {
        let retry = format!("cargo tidemark retry {}", version.path());
        let help = match (error.kind(), error.next_step()) {
            (ErrorKind::Export, Some(step)) => format!("{step}.\n      When the schema was mended, run: {retry}"),
            _ => format!("deliver it again, or mend the schema and run: {retry}"),
        };
        Self {
            status: Some(Status::Failed),
            baseline,
            help: Some(help),
            ..Self::of_error(&version.key, Some(&version.version), error)
        }
    }

    /// A version that stands where it stood, because of an error that is not its own.
    pub(super) fn of_stopped(version: &Version, status: Status, error: Error) -> Self {
        Self { status: Some(status), ..Self::of_error(&version.key, Some(&version.version), error) }
    }

    pub(super) fn of_table(key: &TableKey, error: Error) -> Self {
        Self::of_error(key, None, error)
    }

    pub(super) fn of_unregistered(key: &TableKey, version: &str, error: Error) -> Self {
        Self::of_error(key, Some(version), error)
    }

    fn of_error(key: &TableKey, version: Option<&str>, error: Error) -> Self {
        Self {
            note: Some(error.to_string()),
            help: error.next_step().map(str::to_owned),
            fault: Some(error.fault()),
            rejects: error.rejects().cloned(),
            ..Self::new(key, version)
        }
    }

    pub(super) fn of_revision(key: &TableKey, version: &str) -> Self {
        Self {
            status: Some(Status::Succeeded),
            note: Some("other files came after it was published; this revision is refused".into()),
            help: Some("deliver it as a newer version, and put back the files that were published".into()),
            fault: Some(Fault::Input),
            ..Self::new(key, Some(version))
        }
    }

    pub(super) fn of_alias(key: &TableKey, version: &str, other: &str) -> Self {
        Self {
            note: Some(format!("{other} is the same version in another spelling; this one is refused")),
            help: Some("deliver it under a version of its own".into()),
            fault: Some(Fault::Input),
            ..Self::new(key, Some(version))
        }
    }

    pub(super) fn of_locked(key: &TableKey, holder: &str) -> Self {
        Self { note: Some(format!("{holder} is working on it, and will do what is new")), ..Self::new(key, None) }
    }
}
