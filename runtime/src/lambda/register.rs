//! An object has come: its version is registered, and the flow started once it is complete.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde::Deserialize;

use super::{Deadline, metrics};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::lambda::deployment::Deployment;
use crate::name::TableKey;
use crate::name::is_name;
use crate::store::Registered;

/// Of an event of S3, what is read of it. Its keys are not encoded, unlike those of S3's own notifications.
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

/// A version that something has come for: TENANT, TABLE and VERSION of the key.
type Place = (String, String, String);

/// Takes events as they come, in any order and more than once; a version is looked at once for all events of a batch.
/// What the machine is at fault for, or has no time for, is delivered again; what the export is at fault for is told, and counted.
pub(super) fn register(account: &Deployment, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse> {
    account.introduce()?;
    let mut answer = SqsBatchResponse::default();
    for (place, messages) in by_place(&event.records) {
        if !deadline.is_far() {
            messages.into_iter().for_each(|message| answer.add_failure(message));
            continue;
        }
        let Err(error) = register_version(account, &place) else { continue };
        match error.fault() {
            Fault::Input => refused(&place, &error),
            Fault::Machine => {
                tracing::error!(tenant = place.0, table = place.1, version = place.2, "{error}");
                messages.into_iter().for_each(|message| answer.add_failure(message));
            }
        }
    }
    Ok(answer)
}

/// Messages by the version that they are about. What is about none is told.
fn by_place(messages: &[SqsMessage]) -> BTreeMap<Place, Vec<String>> {
    let mut by_place: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for message in messages {
        let body = message.body.as_deref().unwrap_or_default();
        let key = match serde_json::from_str::<Event>(body) {
            Ok(event) => event.detail.object.key,
            Err(error) => {
                tracing::error!(%error, "A message is no event of S3, and is dropped.");
                metrics::of_all(&[("Refused", "Count", 1.0)]);
                continue;
            }
        };
        match place_of(&key) {
            Ok(Some(place)) => by_place.entry(place).or_default().extend(message.message_id.clone()),
            Ok(None) => {}
            Err(problem) => {
                tracing::warn!(key = key.escape_debug().to_string(), problem, "An object is no part of an export.");
                metrics::of_all(&[("Refused", "Count", 1.0)]);
            }
        }
    }
    by_place
}

/// The version that an object belongs to: none where it is nobody's, as what begins with `_` or `.` and what a console makes
/// for a folder.
fn place_of(key: &str) -> Result<Option<Place>, &'static str> {
    const EXPECTED: &str = "exports lie at TENANT/TABLE/VERSION/FILE";
    let fields: Vec<&str> = key.split('/').collect();
    let is_nobodys = |place: usize| fields.get(place).is_some_and(|field| field.starts_with(['_', '.']));
    let is_folder = fields.last().is_some_and(|last| last.is_empty());
    if is_nobodys(0) || (fields.len() > 4 && is_nobodys(3)) || is_folder {
        return Ok(None);
    }
    let [tenant, table, version, _] = fields[..] else { return Err(EXPECTED) };
    match [tenant, table, version].iter().all(|name| is_name(name)) {
        true => Ok(Some((tenant.into(), table.into(), version.into()))),
        false => Err(EXPECTED),
    }
}

fn register_version(account: &Deployment, (tenant, table, version): &Place) -> Result<()> {
    let table = account.table(table)?;
    let key = TableKey { tenant: tenant.clone(), table: table.name.into() };
    let runner = account.runner(table)?;
    let registered = match runner.register_version(table, &key, version) {
        Err(error) if error.kind() == ErrorKind::Export => {
            // Nothing tells when what is wrong is moved away: the sweeper looks again.
            runner.register_unusable(&key, version, &error)?;
            return Err(error);
        }
        registered => registered?,
    };
    match registered {
        Registered::Refused { first_time: true } => {
            let problem = "other files came after it was published; this revision is refused";
            return Err(Error::refused(version, problem).help("deliver it as a newer version"));
        }
        Registered::Alias(other) => {
            let problem = format!("{other} is the same version in another spelling; this one is refused");
            return Err(Error::refused(version, problem).help("deliver it under a version of its own"));
        }
        _ => {}
    }
    let registry = &account.registry;
    match registry.version(&key, version)? {
        // The name is that of what is to be done: an event that comes twice starts it once.
        Some(known) if known.status.is_runnable() => account.start(&key, [&known.version, &known.attempt.to_string()]),
        _ => Ok(()),
    }
}

fn refused((tenant, table, version): &Place, error: &Error) {
    tracing::warn!(tenant, table, version, help = error.next_step(), "{error}");
    let key = TableKey { tenant: tenant.clone(), table: table.clone() };
    metrics::of_version(&key, Some(version), &[("Refused", "Count", 1.0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_the_version_in_its_key() {
        let place = place_of("acme/orders/V1/part 1.csv.gz").unwrap().unwrap();
        assert_eq!(place, ("acme".into(), "orders".into(), "V1".into()));
        assert_eq!(place_of("acme/orders/V1/_SUCCESS").unwrap().map(|place| place.2), Some("V1".into()));
    }

    #[test]
    fn what_is_nobodys_is_left_and_what_lies_elsewhere_is_told() {
        assert_eq!(place_of("_tidemark/athena/1/2/data"), Ok(None));
        assert_eq!(place_of("acme/orders/V1/_temporary/0/part.csv.gz"), Ok(None));
        for folder in ["acme/", "acme/orders/", "acme/orders/V1/"] {
            assert_eq!(place_of(folder), Ok(None));
        }
        for key in
            ["readme.txt", "acme/orders/part.csv.gz", "acme/orders/V1/more/part.csv.gz", "a b/orders/V1/x.csv.gz"]
        {
            assert!(place_of(key).is_err(), "{key}");
        }
    }
}
