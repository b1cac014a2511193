//! Reports exports that should have arrived and did not, as `status --check` does.

use std::sync::PoisonError;

use crate::error::Result;
use crate::inspect::overdue::{Overdue, deadline_of, find_overdue, never_delivered};
use crate::lambda::deadline::Deadline;
use crate::lambda::deployment::Deployment;
use crate::lambda::metrics;
use crate::name::TableKey;
use crate::table::Table;

/// Reports the overdue export of every tenant's table. A table that cannot be read does not hide the others.
pub(super) fn report_overdue(deployment: &Deployment, now: i64, deadline: Deadline) -> Result<()> {
    let mut failed = Ok(());
    let mut tables = Vec::new();
    for name in deployment.tables.names() {
        match deployment.tables.find(name) {
            Ok(table) => tables.extend(table.filter(|table| table.expect.is_some())),
            Err(error) => failed = Err(error),
        }
    }
    if tables.is_empty() {
        return failed;
    }
    let mut keys = deployment.registry.tables()?;
    keys.extend(never_delivered(&tables, &keys));
    for key in keys {
        if !deadline.is_far() {
            tracing::warn!("There was no time to look for every overdue export; the next sweep looks again.");
            break;
        }
        match overdue(deployment, &tables, &key, now) {
            Ok(overdue) => overdue.iter().for_each(|overdue| metrics::overdue(&key, overdue)),
            Err(error) => failed = Err(error),
        }
    }
    failed
}

/// What is overdue of a tenant's table. Once an export has come by a deadline, the registry is not asked again until
/// the next deadline: there are sweeps all day, and many versions of many tables.
fn overdue(deployment: &Deployment, tables: &[&'static Table], key: &TableKey, now: i64) -> Result<Option<Overdue>> {
    let Some(last) = deadline_of(tables, key, now) else { return Ok(None) };
    let kept = || deployment.kept_deadlines.lock().unwrap_or_else(PoisonError::into_inner);
    if kept().get(key) == Some(&last) {
        return Ok(None);
    }
    let overdue = find_overdue(tables, key, &deployment.registry.outlines(key)?, now);
    if overdue.is_none() {
        kept().insert(key.clone(), last);
    }
    Ok(overdue)
}
