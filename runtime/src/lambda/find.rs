//! Looks through the whole bucket of exports, once a day, for versions without a record: their events were lost. And
//! removes what has expired.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Result};
use crate::lambda::deadline::Deadline;
use crate::lambda::deployment::Deployment;
use crate::lambda::expire::expire;
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
    /// The number of change sets and exports that were removed.
    expired: u32,
    /// Whether there was time for every tenant. If not, the next check begins with the others.
    complete: bool,
}

/// Registers every version without a record, and removes what has expired, tenant by tenant, beginning after the tenant
/// with which the last check ended.
pub(super) fn find(deployment: &Deployment, _: Event, deadline: Deadline) -> Result<Answer> {
    deployment.introduce()?;
    let exports = deployment.exports();
    let mut tables: BTreeMap<String, BTreeSet<TableKey>> = BTreeMap::new();
    for key in deployment.registry.tables()? {
        tables.entry(key.tenant.clone()).or_default().insert(key);
    }
    let tenants: BTreeSet<String> = tenants(&exports)?.into_iter().chain(tables.keys().cloned()).collect();
    let mut tenants: Vec<String> = tenants.into_iter().collect();
    let last = deployment.registry.setting(Setting::CheckedTenant)?.unwrap_or_default();
    let first = tenants.partition_point(|tenant| *tenant <= last);
    tenants.rotate_left(first);
    let (mut answer, mut failed) = (Answer { found: 0, expired: 0, complete: true }, Ok(()));
    for tenant in tenants {
        if !deadline.is_far() {
            answer.complete = false;
            break;
        }
        // What fails for one tenant does not keep the others from being checked.
        match check_tenant(deployment, &exports, &tenant, tables.remove(&tenant).unwrap_or_default()) {
            Ok((found, expired)) => {
                answer.found += found;
                answer.expired += expired;
            }
            Err(error) => {
                tracing::error!(tenant, help = error.next_step(), "{error}");
                failed = Err(error);
            }
        }
        deployment.registry.remember(Setting::CheckedTenant, &tenant)?;
    }
    failed.map(|()| answer)
}

/// Registers the versions of a tenant that have no record, and removes what has expired, also of tables that have
/// records but no exports. Returns how many there were.
fn check_tenant(
    deployment: &Deployment,
    exports: &dyn Snapshots,
    tenant: &str,
    known: BTreeSet<TableKey>,
) -> Result<(u32, u32)> {
    let selection = Selection { tenant: Some(tenant.into()), table: None };
    let (mut found, mut expired) = (0, 0);
    let mut tables: BTreeMap<TableKey, Vec<String>> = known.into_iter().map(|key| (key, Vec::new())).collect();
    tables.extend(discover(exports, &selection)?.tables);
    for (key, versions) in &tables {
        found += register_missing(deployment, key, versions)?;
    }
    // A table with a record that cannot be read does not keep the others from expiring.
    let mut failed = Ok(());
    for (key, versions) in &tables {
        match expire(deployment, key, versions) {
            Ok(number) => expired += number,
            Err(error) => failed = Err(error),
        }
    }
    failed.map(|()| (found, expired))
}

/// The names of tenants' folders.
fn tenants(exports: &dyn Snapshots) -> Result<Vec<String>> {
    let mut tenants = Vec::new();
    exports.list(&[], None, &mut |entry| {
        if entry.kind == EntryKind::Folder {
            tenants.push(entry.name.to_owned());
        }
    })?;
    Ok(tenants)
}

/// Registers the versions of a table that have no record. Returns how many there were.
fn register_missing(deployment: &Deployment, key: &TableKey, versions: &[String]) -> Result<u32> {
    let known = deployment.registry.list(key)?;
    let mut found = 0;
    for version in versions.iter().filter(|version| !known.contains(version)) {
        found += 1;
        tracing::warn!(tenant = key.tenant, table = key.table, version, "Found an export whose event was lost.");
        metrics::report(key, Some(version), &[("Found", "Count", 1.0)]);
        let path = (key.tenant.clone(), key.table.clone(), version.clone());
        match register_version(deployment, &path) {
            Err(error) if error.fault() == Fault::Machine => return Err(error),
            Err(error) => report_refused(&path, &error),
            Ok(()) => {}
        }
    }
    Ok(found)
}
