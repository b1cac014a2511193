//! Handles new objects: registers their version, and starts the flow once the version is complete.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use generator::source::SCHEMAS;
use serde::Deserialize;

use crate::error::{Error, Fault, Result};
use crate::lambda::deadline::Deadline;
use crate::lambda::deployment::Deployment;
use crate::lambda::metrics;
use crate::name::{TableKey, is_name, is_table_name};
use crate::run::no_schema;
use crate::store::Registered;

/// The part of an S3 event that is read. Unlike in S3's own notifications, the key is not URL-encoded.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
#[derive(Deserialize)]
struct Event {
    detail: Detail,
}

#[derive(Deserialize)]
struct Detail {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// TENANT, TABLE and VERSION of an object's key.
pub(super) type VersionPath = (String, String, String);

/// Handles a batch of events, which may arrive in any order and more than once. Each version is registered once per
/// batch. If the machine is at fault or there is no time, the messages are delivered again; if the export is at fault,
/// the error is logged and counted.
pub(super) fn register(deployment: &Deployment, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse> {
    deployment.introduce()?;
    let mut answer = SqsBatchResponse::default();
    for (path, messages) in by_version(&event.records) {
        if !deadline.is_far() {
            messages.into_iter().for_each(|message| answer.add_failure(message));
            continue;
        }
        let Err(error) = register_version(deployment, &path) else { continue };
        match error.fault() {
            Fault::Input | Fault::Usage => report_refused(&path, &error),
            Fault::Machine => {
                tracing::error!(tenant = path.0, table = path.1, version = path.2, "{error}");
                messages.into_iter().for_each(|message| answer.add_failure(message));
            }
        }
    }
    Ok(answer)
}

/// Groups the ids of messages by version. Messages that belong to no version are logged and counted.
fn by_version(messages: &[SqsMessage]) -> BTreeMap<VersionPath, Vec<String>> {
    let mut by_version: BTreeMap<VersionPath, Vec<String>> = BTreeMap::new();
    for message in messages {
        let body = message.body.as_deref().unwrap_or_default();
        let key = match serde_json::from_str::<Event>(body) {
            Ok(event) => event.detail.object.key,
            Err(error) => {
                tracing::error!(%error, "Dropped a message that is not an S3 event.");
                metrics::report_total(&[("Refused", "Count", 1.0)]);
                continue;
            }
        };
        match version_path(&key) {
            Ok(Some(path)) => by_version.entry(path).or_default().extend(message.message_id.clone()),
            Ok(None) => {}
            Err(problem) => {
                tracing::warn!(
                    key = key.escape_debug().to_string(),
                    problem,
                    "Ignored an object that does not belong to an export."
                );
                metrics::report_total(&[("Refused", "Count", 1.0)]);
            }
        }
    }
    by_version
}

/// The version that an object belongs to. `None` for objects of other programs: those whose names start with `_` or
/// `.`, and the markers that a console creates for folders.
fn version_path(key: &str) -> Result<Option<VersionPath>, &'static str> {
    const EXPECTED: &str = "exports are expected at TENANT/TABLE/VERSION/FILE";
    let fields: Vec<&str> = key.split('/').collect();
    let is_ignored = |index: usize| fields.get(index).is_some_and(|field| field.starts_with(['_', '.']));
    let is_folder = fields.last().is_some_and(|last| last.is_empty());
    if is_ignored(0) || (fields.len() > 4 && is_ignored(3)) || is_folder {
        return Ok(None);
    }
    let [tenant, table, version, _] = fields[..] else { return Err(EXPECTED) };
    match [tenant, table, version].iter().all(|name| is_name(name)) {
        true if is_table_name(table) => Ok(Some((tenant.into(), table.into(), version.into()))),
        true => Err("no table can have this name"),
        false => Err(EXPECTED),
    }
}

/// Registers a version, and starts the flow if it can go on.
pub(super) fn register_version(deployment: &Deployment, (tenant, table, version): &VersionPath) -> Result<()> {
    let key = TableKey { tenant: tenant.clone(), table: table.clone() };
    let Some(table) = deployment.find_table(&key)? else { return register_without_schema(deployment, &key, version) };
    let runner = deployment.runner(table, &key, "register")?;
    let (registered, problem) = runner.register_version(table, &key, version)?;
    if let Some(problem) = problem {
        // No event announces that the wrong files were removed; the sweeper checks again.
        return Err(problem);
    }
    match registered {
        Registered::Refused { first_time: true } => {
            let problem = "other files arrived after it was published; this revision is refused";
            return Err(Error::refused(version, problem).help("deliver it as a newer version"));
        }
        Registered::Alias(other) => return Err(same_version(version, &other)),
        _ => {}
    }
    match deployment.registry.version(&key, version)? {
        // The attempt is part of the execution's name, so an event that arrives twice starts it once.
        Some(known) if known.status.is_runnable() => {
            deployment.start_execution(&key, [&known.version, &known.attempt.to_string()])
        }
        _ => Ok(()),
    }
}

/// Registers a version of a table that is not deployed. It waits until the sweeper of a later deployment picks it up,
/// and is reported once.
fn register_without_schema(deployment: &Deployment, key: &TableKey, version: &str) -> Result<()> {
    let reason = no_schema(deployment.tables.names(), &key.table, SCHEMAS, "run the generator, then deploy");
    match deployment.registry.register_without_schema(key, version, &reason)? {
        Registered::New => Err(Error::refused(version, "it waits, because its table is not deployed").help(reason)),
        Registered::Alias(other) => Err(same_version(version, &other)),
        _ => Ok(()),
    }
}

fn same_version(version: &str, other: &str) -> Error {
    let problem = format!("{other} is the same version in another spelling; this one is refused");
    Error::refused(version, problem).help("deliver it under another version name")
}

/// Reports an export that is at fault.
pub(super) fn report_refused((tenant, table, version): &VersionPath, error: &Error) {
    tracing::warn!(tenant, table, version, help = error.next_step(), "{error}");
    let key = TableKey { tenant: tenant.clone(), table: table.clone() };
    metrics::report(&key, Some(version), &[("Refused", "Count", 1.0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_the_version_in_its_key() {
        let path = version_path("acme/orders/V1/part 1.csv.gz").unwrap().unwrap();
        assert_eq!(path, ("acme".into(), "orders".into(), "V1".into()));
        assert_eq!(version_path("acme/orders/V1/_SUCCESS").unwrap().map(|path| path.2), Some("V1".into()));
    }

    #[test]
    fn foreign_objects_are_ignored_and_misplaced_objects_are_reported() {
        assert_eq!(version_path("_tidemark/athena/1/2/data"), Ok(None));
        assert_eq!(version_path("acme/orders/V1/_temporary/0/part.csv.gz"), Ok(None));
        for folder in ["acme/", "acme/orders/", "acme/orders/V1/"] {
            assert_eq!(version_path(folder), Ok(None));
        }
        for key in [
            "readme.txt",
            "acme/orders/part.csv.gz",
            "acme/orders/V1/more/part.csv.gz",
            "a b/orders/V1/x.csv.gz",
            "acme/Orders/V1/x.csv.gz",
        ] {
            assert!(version_path(key).is_err(), "{key}");
        }
    }
}
