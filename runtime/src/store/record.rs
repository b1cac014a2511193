//! The records of a registry: one per version, and one per table.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::status::Status;
use crate::clock;
use crate::epoch::Epoch;
use crate::name::{TableKey, name_at, natural_sort_key};
use crate::plan::Plan;
use crate::snapshot::Part;

/// The record of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The version, spelled like its folder.
    pub version: String,
    /// Its status.
    pub status: Status,
    /// Why it has this status, where that needs explaining.
    pub reason: Option<String>,
    /// Grows with every write that makes the version runnable.
    pub attempt: u32,
    /// What a run found out when it did not publish these parts; stays when the status changes.
    #[serde(default)]
    pub finding: Option<Finding>,
    /// Whether these parts were HELD before under another plan, so that their current plan needs an approval.
    #[serde(default)]
    pub was_held: bool,
    /// The registered parts; once they have been read, with checksums.
    pub parts: Vec<Part>,
    /// Parts that were refused because they arrived after publishing had begun.
    pub refused_parts: Option<Vec<Part>>,
    /// The plan; or the last one of these parts, if they have to be planned again.
    pub plan: Option<Plan>,
    /// The folder of the change set, once planned. Each planning creates a new one, so that a run which lost its lease
    /// cannot damage its successor's.
    pub changes: Option<String>,
    /// The hash of the plan that was approved while the version was HELD.
    #[serde(default)]
    pub approved: Option<String>,
    /// The schema and source format that its export was read with, once planned.
    pub epoch: Option<Epoch>,
    /// Where its operations went, once all of them are delivered.
    pub progress: Option<Progress>,
    /// Its sequence, once publishing has begun.
    pub sequence: Option<u64>,
    /// When it was first seen, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub registered_at: i64,
    /// When this record was last written, in milliseconds since 1970.
    #[serde(with = "crate::clock::iso")]
    pub updated_at: i64,
    /// When all its operations were published, in milliseconds since 1970.
    #[serde(default, with = "crate::clock::iso_option")]
    pub published_at: Option<i64>,
}

/// What the record of a version is read as.
pub(super) trait Record: DeserializeOwned + Into<Version> {}

impl<T: DeserializeOwned + Into<Version>> Record for T {}

/// What a run found out about a version that it did not publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// HELD or FAILED; or the status that it kept, because it could not be read.
    pub status: Status,
    /// The guards that broke, or the error.
    pub reason: String,
}

/// Where operations went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The sink's name.
    pub sink: String,
    /// The number of parts.
    pub parts: u32,
    /// The names of the other sinks, if there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

impl Progress {
    /// The names of all sinks.
    pub fn sinks(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.sink).chain(&self.also).map(String::as_str)
    }
}

/// How much of a part of a change set has been delivered while its version is PUBLISHING.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// This many lines, from the first on.
    Lines(u64),
    /// All of it.
    Whole,
}

/// The record of a tenant's table, apart from its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableState {
    /// How many writes have made one of its versions runnable. It only grows.
    pub pending: u64,
    /// The last sequence that was assigned; 0 before the first.
    pub sequence: u64,
    /// Whether its oldest runnable version is to be published in full.
    pub resync: bool,
    /// Who holds its lease, unless it is free or expired.
    pub owner: Option<String>,
    /// When its lease expires, or has expired, in milliseconds since 1970; `None` if it is free.
    pub expires_at: Option<i64>,
    /// Who held its lease until it expired, without releasing it.
    pub expired_owner: Option<String>,
}

impl Version {
    /// A version that is REGISTERED now, without parts.
    pub(crate) fn new(key: &TableKey, version: &str) -> Self {
        let now = clock::now_ms();
        Self {
            key: key.clone(),
            version: version.into(),
            status: Status::Registered,
            reason: None,
            attempt: 1,
            parts: Vec::new(),
            refused_parts: None,
            plan: None,
            changes: None,
            approved: None,
            epoch: None,
            progress: None,
            sequence: None,
            finding: None,
            was_held: false,
            registered_at: now,
            updated_at: now,
            published_at: None,
        }
    }

    /// Parses the record of a table's version, which is stored at a position in natural order. Fails with what is wrong
    /// with it, and with which one. Reads only the fields of `T`.
    pub(super) fn parse<T: Record>(key: &TableKey, place: &str, record: &str) -> Result<Self, String> {
        let damaged = |problem: String| format!("the record of {key} {} is damaged: {problem}", name_of(place, record));
        let version: T = serde_json::from_str(record).map_err(|error| damaged(error.to_string()))?;
        let version: Self = version.into();
        if version.key != *key || natural_sort_key(&version.version) != place {
            return Err(damaged(format!("it is that of {version}")));
        }
        Ok(version)
    }

    /// Fails if the record has another status than the one under which it is found.
    pub(super) fn stored_under(self, status: &str) -> Result<Self, String> {
        match self.status.name() == status {
            true => Ok(self),
            false => {
                let found = status.escape_debug();
                Err(format!(
                    "the record of {self} is damaged: it is {}, but found by the status `{found}`",
                    self.status
                ))
            }
        }
    }

    /// `TENANT/TABLE/VERSION`, as users type it and as the folders of the exports are named.
    pub fn path(&self) -> String {
        format!("{}/{}", self.key, self.version)
    }

    /// The version before it is planned again. What was found out about it stays.
    pub fn unplanned(self, status: Status) -> Self {
        let was_held = self.was_held || self.status == Status::Held || self.is_found(Status::Held);
        Self { status, was_held, reason: None, changes: None, approved: None, epoch: None, progress: None, ..self }
    }

    /// The version as `status` because of what a run found out.
    pub fn with_finding(self, status: Status, reason: String) -> Self {
        let finding = Some(Finding { status, reason: reason.clone() });
        Self { status, finding, reason: Some(reason), ..self }
    }

    /// Returns whether a run could not read it, and no later one has.
    pub fn is_unread(&self) -> bool {
        self.finding.as_ref().is_some_and(|finding| finding.status.is_runnable())
    }

    /// Returns whether this is what a run found out last.
    fn is_found(&self, status: Status) -> bool {
        self.finding.as_ref().is_some_and(|finding| finding.status == status)
    }

    /// When all its operations were published, in milliseconds since 1970; `None` if they are not.
    pub fn publication(&self) -> Option<i64> {
        // Older records do not say; nothing but a refused revision was written into them later.
        self.status.is_published().then(|| self.published_at.unwrap_or(self.updated_at))
    }

    /// Returns whether its current plan is the one that was approved.
    pub fn is_approved(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| self.approved.as_ref() == Some(&plan.hash))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.version)
    }
}

/// The newest version that SUCCEEDED: older ones are superseded. Versions are in natural order.
pub fn newest(versions: &[Version]) -> Option<&Version> {
    versions.iter().rev().find(|version| version.status == Status::Succeeded)
}

/// The version that consumers hold, with which the next one is compared: the last one that was published, even if its
/// name no longer counts.
pub fn baseline<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Option<&'a Version> {
    let published = versions.into_iter().filter(|version| version.status.is_published());
    published.max_by_key(|version| version.sequence)
}

/// The name of a version whose record is damaged: as the record spells it, or else without leading zeros.
fn name_of(place: &str, record: &str) -> String {
    let (_, rest) = record.split_once(r#""version":""#).unwrap_or_default();
    match rest.split_once('"') {
        Some((name, _)) if natural_sort_key(name) == place => name.into(),
        _ => name_at(place),
    }
}

/// Returns whether two lists hold the same parts, by name, size and identity.
pub fn same_parts(a: &[Part], b: &[Part]) -> bool {
    let is_same = |(a, b): (&Part, &Part)| a.size == b.size && a.identity == b.identity && a.name == b.name;
    a.len() == b.len() && a.iter().zip(b).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_record_is_named_as_well_as_possible() {
        let key = TableKey { tenant: "acme".into(), table: "orders".into() };
        let place = natural_sort_key("20260101_V0007");
        for (record, name) in [
            (r#"{"tenant":"acme","table":"orders","version":"20260101_V0007","status":"#, "20260101_V0007"),
            (r#"{"tenant":"acme","table":"orders","version":"20260101_V0008","status":"#, "20260101_V7"),
            (r#"{"tenant":"acme"}"#, "20260101_V7"),
            ("", "20260101_V7"),
        ] {
            let problem = Version::parse::<Version>(&key, &place, record).unwrap_err();
            assert!(problem.starts_with(&format!("the record of acme/orders {name} is damaged: ")), "{problem}");
        }
    }
}
