//! The items of a registry's table.
//!
//! | pk | sk | contents |
//! |---|---|---|
//! | `TENANT/TABLE` | `table` | a table: `pending`, `sequence`, `resync`; the lease: `fence`, `owner`, `expires_at` |
//! | `TENANT/TABLE` | `version#PLACE` | a version: `status`, `attempt`, `plan`; its `record`, as JSON; `apart` |
//! | `TENANT/TABLE` | `parts#PLACE` | the `parts` of a version that is done, as JSON, and the `token` of its record |
//! | `TENANT/TABLE` | `status#STATUS#PLACE` | a version by its status: the `digest` of its parts, unless it is old |
//! | `TENANT/TABLE` | `delivery#PLACE#SEQUENCE#SINK#PART` | a delivered part: `lines`, absent if it is complete |
//! | `TENANT/TABLE` | `journal#TIME#TOKEN` | an `entry` of the journal, as JSON; TIME in milliseconds, 15 digits |
//! | `settings` | `id` | the registry's identity: `value`, `created`, `recovered`; `layout`, absent in the first |
//! | `settings` | name | `value` |
//! | `scans` | `TABLE#DATE` | how many bytes Athena read of a table on a day: `scanned` |
//!
//! PLACE is the version's position in natural order. The index `open` lists what may need attention: tables under
//! `table`, and unfinished versions under their status, each with the time `since` when it got that status.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use xxhash_rust::xxh3::xxh3_64;

use crate::name::{TableKey, natural_sort_key};
use crate::store::journal::JournalEntry;
use crate::store::lease::Lease;
use crate::store::record::{Extent, Version};
use crate::store::status::Status;

/// An item, or a part of one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The sort key of a table.
pub(super) const TABLE: &str = "table";

/// The prefix of the sort keys of versions.
pub(super) const VERSION: &str = "version#";

/// The prefix of the sort keys of parts that are apart from their version's record.
pub(super) const PARTS: &str = "parts#";

/// The prefix of the sort keys of journal entries.
pub(super) const JOURNAL: &str = "journal#";

/// The partition key of settings.
pub(super) const SETTINGS: &str = "settings";

/// The partition key of what Athena reads.
pub(super) const SCANS: &str = "scans";

/// The sort key of the registry's identity.
pub(super) const ID: &str = "id";

/// The version of the layout of these items. The first one lacked `status#STATUS#PLACE`.
pub(super) const LAYOUT: i64 = 2;

/// The prefix of the sort keys of versions by their status.
pub(super) const STATUS: &str = "status#";

/// How long DynamoDB keeps delivery records, in seconds: far longer than a version is PUBLISHING. They are removed to
/// save space; nothing depends on when.
const DELIVERY_TTL: i64 = 30 * 24 * 3600;

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The key of an item.
pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    Item::from([("pk".into(), text(pk)), ("sk".into(), text(sk))])
}

/// The key of a table's item.
pub(super) fn table_key(table: &TableKey) -> Item {
    key(table.to_string(), TABLE)
}

/// The sort key of a version.
pub(super) fn version_key(version: &str) -> String {
    format!("{VERSION}{}", natural_sort_key(version))
}

/// The prefix of the sort keys of versions that have a status.
pub(super) fn status_prefix(status: Status) -> String {
    format!("{STATUS}{}#", status.name())
}

/// The key of the item that lists a version under a status.
pub(super) fn status_key(version: &Version, status: Status) -> Item {
    let place = natural_sort_key(&version.version);
    key(version.key.to_string(), format!("{}{place}", status_prefix(status)))
}

/// A version as the item that lists it under its status.
pub(super) fn from_status(version: &Version) -> Item {
    let mut item = status_key(version, version.status);
    item.insert("digest".into(), text(version.digest()));
    item
}

/// A version as an item. `token` identifies the write.
pub(super) fn from_version(version: &Version, token: &str) -> Item {
    let mut item = key(version.key.to_string(), version_key(&version.version));
    let is_apart = are_parts_apart(version);
    let without_parts = is_apart.then(|| Version { parts: Vec::new(), ..version.clone() });
    let record = serde_json::to_string(without_parts.as_ref().unwrap_or(version));
    let record = record.expect("a record has string keys only");
    if is_apart {
        item.insert("apart".into(), AttributeValue::Bool(true));
    }
    item.extend([
        ("status".into(), text(version.status.name())),
        ("attempt".into(), number(version.attempt)),
        ("record".into(), text(record)),
        ("token".into(), text(token)),
    ]);
    if let Some(plan) = &version.plan {
        item.insert("plan".into(), text(&plan.hash));
    }
    if is_open(version.status) {
        item.insert("open".into(), text(version.status.name()));
        item.insert("since".into(), text(format!("{:015}", version.updated_at)));
    }
    item
}

/// Returns whether a version's parts are an item of their own. Runs read the records of versions that are done by the
/// thousand, and the parts of none but the baseline's.
pub(super) fn are_parts_apart(version: &Version) -> bool {
    !is_open(version.status) && !version.parts.is_empty()
}

/// The parts of a version as an item of their own. `token` identifies the write, which is that of the record.
pub(super) fn from_parts(version: &Version, token: &str) -> Item {
    let mut item = key(version.key.to_string(), format!("{PARTS}{}", natural_sort_key(&version.version)));
    let parts = serde_json::to_string(&version.parts).expect("a part has string keys only");
    item.insert("parts".into(), text(parts));
    item.insert("token".into(), text(token));
    item
}

/// An entry of the journal as an item. `token` makes its key unique, and the same write, sent again, the same item.
pub(super) fn from_entry(entry: &JournalEntry, token: &str) -> Item {
    let mut item = key(entry.key.to_string(), format!("{JOURNAL}{:015}#{token}", entry.at));
    let json = serde_json::to_string(entry).expect("an entry has string keys only");
    item.insert("entry".into(), text(json));
    item
}

/// Returns whether a version may need attention. The others are not in the index.
fn is_open(status: Status) -> bool {
    use Status::{Failed, Rejected, Retired, Succeeded, Superseded};
    !matches!(status, Succeeded | Retired | Superseded | Failed | Rejected)
}

/// The prefix of the sort keys of a version's deliveries to a sink.
pub(super) fn deliveries_key(version: &Version, sink: &str) -> String {
    let (place, sequence) = (natural_sort_key(&version.version), version.sequence.unwrap_or_default());
    format!("delivery#{place}#{sequence}#{:016x}#", xxh3_64(sink.as_bytes()))
}

/// How much of a part is delivered, as an item.
pub(super) fn from_delivery(version: &Version, sink: &str, part: u32, extent: Extent, now_ms: i64) -> Item {
    let mut item = key(version.key.to_string(), format!("{}{part}", deliveries_key(version, sink)));
    item.insert("ttl".into(), number(now_ms / 1000 + DELIVERY_TTL));
    if let Extent::Lines(lines) = extent {
        item.insert("lines".into(), number(lines));
    }
    item
}

pub(super) fn get_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn get_number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn is_true(item: &Item, name: &str) -> bool {
    item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
}

/// Returns whether a table's item says that the lease is held.
pub(super) fn is_held(item: &Item, lease: &Lease) -> bool {
    get_number(item, "fence") == Some(lease.fence as i64) && get_text(item, "owner") == Some(&lease.owner)
}
