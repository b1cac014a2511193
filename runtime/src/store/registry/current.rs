//! Finding versions by their status, so that what is next costs the same however long a table's history is.

use super::Registry;
use crate::error::Result;
use crate::name::{TableKey, natural_cmp};
use crate::store::backend::Range;
use crate::store::listed::ListedVersions;
use crate::store::record::{Version, baseline};
use crate::store::status::Status;

impl Registry {
    /// Lists the versions of a tenant's table without reading their records.
    pub fn list(&self, key: &TableKey) -> Result<ListedVersions> {
        self.0.list(key)
    }

    /// Lists the versions of a tenant's table that have a status, in natural order.
    pub fn with_status(&self, key: &TableKey, status: Status) -> Result<Vec<Version>> {
        self.0.with_status(key, status, Range::All)
    }

    /// Lists the published versions with which a version may be compared, in natural order: the newest that SUCCEEDED
    /// before it, and all that are RETIRED, whose names do not count.
    pub fn published_before(&self, key: &TableKey, version: &str) -> Result<Vec<Version>> {
        let mut published = self.0.with_status(key, Status::Succeeded, Range::NewestBefore(version))?;
        published.extend(self.with_status(key, Status::Retired)?);
        published.sort_by(|a, b| natural_cmp(&a.version, &b.version));
        Ok(published)
    }

    /// The version that was published last: consumers hold it, and the next version is compared with it.
    pub fn last_published(&self, key: &TableKey) -> Result<Option<Version>> {
        let mut published = self.0.with_status(key, Status::Succeeded, Range::Newest)?;
        published.extend(self.with_status(key, Status::Retired)?);
        Ok(baseline(&published).cloned())
    }

    /// Lists the versions that decide what a table's next step is, in natural order. These are few, however long the
    /// history is:
    /// * all that are PUBLISHING, HELD or RETIRED;
    /// * the oldest that is REGISTERED and the oldest that is PLANNED, and the newest that SUCCEEDED before these;
    /// * the newest that SUCCEEDED, and all that were SUPERSEDED although they are newer.
    pub fn current_versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        let read = |status: Status, range: Range<'_>| self.0.with_status(key, status, range);
        let mut current = read(Status::Registered, Range::Oldest)?;
        current.extend(read(Status::Planned, Range::Oldest)?);
        let oldest = current.iter().map(|version| version.version.clone()).min_by(|a, b| natural_cmp(a, b));
        if let Some(oldest) = oldest {
            current.extend(read(Status::Succeeded, Range::NewestBefore(&oldest))?);
        }
        let newest = read(Status::Succeeded, Range::Newest)?;
        let after = newest.first().map_or(Range::All, |newest| Range::After(&newest.version));
        current.extend(read(Status::Superseded, after)?);
        for status in [Status::Publishing, Status::Held, Status::Retired] {
            current.extend(read(status, Range::All)?);
        }
        current.extend(newest);
        current.sort_by(|a, b| natural_cmp(&a.version, &b.version));
        current.dedup_by(|a, b| a.version == b.version);
        Ok(current)
    }
}
