//! Looks through the whole bucket of exports, once a day, for versions without a record: their events were lost.

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result};
use crate::lambda::deadline::Deadline;
use crate::lambda::deployment::Deployment;
use crate::lambda::metrics;
use crate::lambda::register::{register_version, report_refused};
use crate::name::TableKey;
use crate::snapshot::discover::{Selection, discover};
use crate::snapshot::{EntryKind, Snapshots};
use crate::store::Setting;

/// The event of the schedule, of which nothing is needed.
#[derive(Deserialize)]
pub(super) struct Event {}

#[derive(Serialize)]
pub(super) struct Answer {
    /// The number of versions that had no record.
    found: u32,
    /// Whether there was time for every tenant. If not, the next check begins with the others.
    complete: bool,
}

/// Registers every version without a record, tenant by tenant, beginning after the tenant with which the last check
/// ended.
pub(super) fn find(deployment: &Deployment, _: Event, deadline: Deadline) -> Result<Answer> {
    deployment.introduce()?;
    let exports = deployment.exports();
    let mut tenants = tenants(&exports)?;
    let last = deployment.registry.setting(Setting::CheckedTenant)?.unwrap_or_default();
    let first = tenants.partition_point(|tenant| *tenant <= last);
    tenants.rotate_left(first);
    let (mut answer, mut failed) = (Answer { found: 0, complete: true }, Ok(()));
    for tenant in tenants {
        if !deadline.is_far() {
            answer.complete = false;
            break;
        }
        // What fails for one tenant does not keep the others from being checked.
        match check_tenant(deployment, &exports, &tenant) {
            Ok(found) => answer.found += found,
            Err(error) => {
                tracing::error!(tenant, help = error.next_step(), "{error}");
                failed = Err(error);
            }
        }
        deployment.registry.remember(Setting::CheckedTenant, &tenant)?;
    }
    failed.map(|()| answer)
}

/// Registers the versions of a tenant that have no record. Returns how many there were.
fn check_tenant(deployment: &Deployment, exports: &dyn Snapshots, tenant: &str) -> Result<u32> {
    let selection = Selection { tenant: Some(tenant.into()), table: None };
    let mut found = 0;
    for (key, versions) in discover(exports, &selection)?.tables {
        found += register_missing(deployment, &key, versions)?;
    }
    Ok(found)
}

/// The names of tenants' folders, sorted.
fn tenants(exports: &dyn Snapshots) -> Result<Vec<String>> {
    let mut tenants = Vec::new();
    exports.list(&[], None, &mut |entry| {
        if entry.kind == EntryKind::Folder {
            tenants.push(entry.name.to_owned());
        }
    })?;
    tenants.sort();
    Ok(tenants)
}

/// Registers the versions of a table that have no record. Returns how many there were.
fn register_missing(deployment: &Deployment, key: &TableKey, versions: Vec<String>) -> Result<u32> {
    let known = deployment.registry.list(key)?;
    let mut found = 0;
    for version in versions.into_iter().filter(|version| !known.contains(version)) {
        found += 1;
        tracing::warn!(tenant = key.tenant, table = key.table, version, "Found an export whose event was lost.");
        metrics::report(key, Some(&version), &[("Found", "Count", 1.0)]);
        let path = (key.tenant.clone(), key.table.clone(), version);
        match register_version(deployment, &path) {
            Err(error) if error.fault() == Fault::Machine => return Err(error),
            Err(error) => report_refused(&path, &error),
            Ok(()) => {}
        }
    }
    Ok(found)
}
