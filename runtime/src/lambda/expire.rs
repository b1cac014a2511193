//! Removes what is no longer needed, once a day: change sets, and exports if the deployment says so. A lifecycle rule
//! of the bucket would count from the day on which an object was written, and remove what a HELD version is waiting
//! for. The registry knows what is needed, however old it is.

use std::collections::BTreeMap;

use serde_json::json;

use crate::aws::s3::{self, S3Uri};
use crate::breakpoint::env_override;
use crate::clock;
use crate::error::Result;
use crate::lambda::deployment::Deployment;
use crate::name::TableKey;
use crate::store::{Action, Decision, Status, Version};

/// A day in milliseconds.
const DAY: u64 = 86_400_000;

/// The time before which something is this many days old.
fn days_ago(now: i64, days: u64) -> i64 {
    let age = env_override("TIDEMARK_DAY", DAY).saturating_mul(days);
    now.saturating_sub_unsigned(age)
}

/// Removes what is no longer needed of a tenant's table, which has these exports. Returns how many change sets and
/// exports that were.
pub(super) fn expire(deployment: &Deployment, key: &TableKey, exports: &[String]) -> Result<u32> {
    let now = clock::now_ms();
    let changes = old_changes(deployment, key, now)?;
    let exports = old_exports(deployment, key, exports, now)?;
    if changes.is_empty() && exports.is_empty() {
        return Ok(0);
    }
    let decision = Decision { by: "find".into(), because: None };
    let details = json!({ "removed": changes.len(), "exports": exports });
    deployment.registry.append(&decision.entry(Action::Gc, key, None, details))?;
    let count = changes.len() + exports.len();
    let exports = exports.iter().map(|version| deployment.exports_of(key).join(version).join(""));
    for folder in changes.into_iter().chain(exports) {
        s3::remove(&deployment.aws, &folder)?;
        tracing::info!(folder = folder.uri(), "Removed what is no longer needed.");
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The change sets of a table that are not needed any more, as prefixes.
fn old_changes(deployment: &Deployment, key: &TableKey, now: i64) -> Result<Vec<S3Uri>> {
    let home = deployment.changes_of(key);
    let latest = days_ago(now, deployment.change_set_days);
    let mut old = Vec::new();
    for ((version, name), written) in change_sets(deployment, &home)? {
        // A record is read only of what is old.
        if written <= latest
            && !needs_changes(deployment.registry.version(key, &version)?.as_ref(), &version, &name, latest)
        {
            old.push(home.join(&version).join(&name).join(""));
        }
    }
    Ok(old)
}

/// When the last object of each change set was written, by its version and its name.
fn change_sets(deployment: &Deployment, home: &S3Uri) -> Result<BTreeMap<(String, String), i64>> {
    let prefix = home.join("");
    let mut written: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (object, at) in s3::times(&deployment.aws, &prefix)? {
        let mut path = object.strip_prefix(&prefix.key).unwrap_or_default().split('/');
        if let (Some(version), Some(name), Some(_)) = (path.next(), path.next(), path.next()) {
            let last = written.entry((version.into(), name.into())).or_default();
            *last = at.max(*last);
        }
    }
    Ok(written)
}

/// Returns whether a change set is needed: by a version that is not finished, or for a replay of one that was published
/// after `latest`, in milliseconds since 1970.
fn needs_changes(record: Option<&Version>, version: &str, name: &str, latest: i64) -> bool {
    let named = record.filter(|record| record.version == version && record.changes.as_deref() == Some(name));
    named.is_some_and(|record| match record.status {
        Status::Superseded | Status::Failed | Status::Rejected => false,
        _ => record.publication().is_none_or(|published| published > latest),
    })
}

/// The exports of a table that no version will be compared with any more, if exports expire.
fn old_exports(deployment: &Deployment, key: &TableKey, exports: &[String], now: i64) -> Result<Vec<String>> {
    if deployment.export_days == 0 {
        return Ok(Vec::new());
    }
    let latest = days_ago(now, deployment.export_days);
    let baseline = deployment.registry.last_published(key)?;
    let mut old = Vec::new();
    for version in exports {
        let record = deployment.registry.version(key, version)?.filter(|record| record.version == *version);
        let is_baseline = baseline.as_ref().is_some_and(|baseline| baseline.version == *version);
        if !is_baseline && record.is_some_and(|record| is_released(&record, latest)) {
            old.push(version.clone());
        }
    }
    Ok(old)
}

/// Returns whether runs are done with a version, and have been since `latest`, in milliseconds since 1970.
fn is_released(record: &Version, latest: i64) -> bool {
    let is_done = matches!(record.status, Status::Succeeded | Status::Retired | Status::Superseded | Status::Rejected);
    is_done && record.publication().unwrap_or(record.updated_at).max(record.updated_at) <= latest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(status: Status, at: i64) -> Version {
        let key = TableKey { tenant: "acme".into(), table: "orders".into() };
        let changes = Some("c-1".into());
        Version { status, changes, updated_at: at, published_at: Some(at), ..Version::new(&key, "V1") }
    }

    #[test]
    fn a_change_set_is_needed_until_its_version_is_done_and_then_for_some_days() {
        use Status::{Failed, Held, Planned, Publishing, Rejected, Retired, Succeeded, Superseded};
        let is_needed = |status, name, latest| needs_changes(Some(&version(status, 10)), "V1", name, latest);
        for open in [Planned, Held, Publishing] {
            assert!(is_needed(open, "c-1", i64::MAX), "{open}");
            assert!(!is_needed(open, "c-0", i64::MAX), "{open}: an earlier plan's");
        }
        for published in [Succeeded, Retired] {
            assert_eq!((is_needed(published, "c-1", 9), is_needed(published, "c-1", 10)), (true, false));
        }
        for done in [Superseded, Failed, Rejected] {
            assert!(!is_needed(done, "c-1", 9), "{done}");
        }
        assert!(!needs_changes(None, "V1", "c-1", 9), "no record names it");
    }

    #[test]
    fn an_export_is_released_once_runs_have_been_done_with_it_for_some_days() {
        use Status::{
            Failed, Held, Planned, Publishing, Registered, Rejected, Retired, Succeeded, Superseded, Waiting,
        };
        for done in [Succeeded, Retired, Superseded, Rejected] {
            assert!(is_released(&version(done, 10), 10) && !is_released(&version(done, 10), 9), "{done}");
        }
        for open in [Waiting, Registered, Planned, Held, Publishing, Failed] {
            assert!(!is_released(&version(open, 10), i64::MAX), "{open}");
        }
    }
}
