//! The versions of a table as a registry lists them: without their records, which can be many and long. A run with
//! nothing to do reads no more than this of versions that are done.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3Default;

use super::record::Version;
use super::status::Status;
use crate::epoch::SourceFormat;
use crate::name::natural_sort_key;
use crate::snapshot::Part;

/// The versions of a tenant's table, by their position in natural order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedVersions(BTreeMap<String, Listed>);

/// What is known of a version without its record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    status: Status,
    /// The version's [`digest`](Version::digest).
    digest: String,
}

impl ListedVersions {
    /// Adds a version at a position. One whose status is damaged is not listed, so that its record is read.
    pub(super) fn add(&mut self, place: String, status: &str, digest: Option<String>) {
        if let Some(status) = Status::from_name(status) {
            self.0.insert(place, Listed { status, digest: digest.unwrap_or_default() });
        }
    }

    /// Returns whether a version, in any spelling, is known.
    pub fn contains(&self, version: &str) -> bool {
        self.0.contains_key(&natural_sort_key(version))
    }

    /// How many versions there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many versions have this status.
    pub fn count_of(&self, status: Status) -> usize {
        self.0.values().filter(|listed| listed.status == status).count()
    }

    /// How many of them are newer than the newest that SUCCEEDED.
    pub fn count_after_newest(&self, status: Status) -> usize {
        let newest = self.0.iter().rev().find(|(_, listed)| listed.status == Status::Succeeded).map(|(place, _)| place);
        self.0.iter().filter(|(place, listed)| listed.status == status && Some(*place) > newest).count()
    }

    /// Returns whether runs are done with a version, whatever its files are.
    pub fn is_done(&self, version: &str) -> bool {
        self.done(version).is_some()
    }

    /// Returns whether runs are done with a version, and these are its parts, listed in the format that its export was
    /// registered in.
    pub fn is_done_with(&self, version: &str, format: &SourceFormat, parts: &[Part]) -> bool {
        // A version that was never read has no format of its own.
        let has = |listed: &Listed, format| listed.digest == digest(version, listed.status, format, parts);
        self.done(version).is_some_and(|listed| has(listed, Some(format)) || has(listed, None))
    }

    fn done(&self, version: &str) -> Option<&Listed> {
        self.0
            .get(&natural_sort_key(version))
            .filter(|listed| matches!(listed.status, Status::Succeeded | Status::Retired | Status::Superseded))
    }
}

impl Version {
    /// A digest of all that decides whether an export is still the registered one: its version's spelling and parts,
    /// and what was not taken for a part. It covers the status, so that one which differs from its record is noticed.
    pub(super) fn digest(&self) -> String {
        digest(&self.version, self.status, self.epoch.as_ref().map(|epoch| &epoch.source), &self.parts)
    }
}

/// XXH3-128 of texts of which none can be mistaken for two, 32 hex digits.
fn digest(version: &str, status: Status, format: Option<&SourceFormat>, parts: &[Part]) -> String {
    let mut hash = Xxh3Default::new();
    let mut add = |text: Option<&str>| {
        hash.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        hash.update(text.unwrap_or_default().as_bytes());
    };
    // A version that was never read is not one that was read without rules for its parts.
    let (parts_of, manifest) =
        format.map_or((None, None), |format| (format.parts.as_deref(), format.manifest.as_deref()));
    [Some(version), Some(status.name()), format.map(|_| ""), parts_of, manifest].into_iter().for_each(&mut add);
    for part in parts {
        add(Some(&part.name));
        add(Some(&part.size.to_string()));
        add(Some(&part.identity));
    }
    format!("{:032x}", hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::TableKey;

    fn part(name: &str, size: u64, identity: &str) -> Part {
        Part::listed(name.into(), size, identity.into())
    }

    #[test]
    fn whatever_makes_an_export_another_one_makes_its_digest_another_one() {
        let key = TableKey { tenant: "acme".into(), table: "orders".into() };
        let version = |name: &str, parts: &[Part]| Version { parts: parts.to_vec(), ..Version::new(&key, name) };
        let versions = [
            version("V1", &[]),
            version("V01", &[]),
            version("V1", &[part("a", 1, "1")]),
            version("V1", &[part("a", 11, "")]),
            version("V1", &[part("a", 1, "2")]),
            version("V1", &[part("b", 1, "1")]),
            version("V1", &[part("a", 1, "1"), part("b", 1, "1")]),
            Version { status: Status::Succeeded, ..version("V1", &[]) },
        ];
        for (index, version) in versions.iter().enumerate() {
            let same = versions.iter().position(|other| other.digest() == version.digest());
            assert_eq!(same, Some(index), "{version:?}");
        }
    }
}
