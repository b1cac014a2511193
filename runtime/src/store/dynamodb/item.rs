//! What stands in the items of a registry.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `TENANT/TABLE` | `table` | the table: `pending`, `sequence`, `resync`, and its lease: `fence`, `owner`, `expires_at` |
//! | `TENANT/TABLE` | `version#PLACE` | a version: `status`, `attempt`, `plan`, and its `record` as JSON |
//! | `TENANT/TABLE` | `delivery#PLACE#SEQUENCE#SINK#PART` | how far a part is out: `lines`, none where all of it is |
//! | `settings` | name | `value` |
//!
//! The index `open` lists what somebody may have to look after: tables as `table`, versions that are not done by their
//! status, each with the moment `since` when it came to it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use xxhash_rust::xxh3::xxh3_64;

use crate::name::TableKey;
use crate::name::natural_place;
use crate::store::{Extent, Status, Version};

/// An item, or a part of one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The sort key of a table.
pub(super) const TABLE: &str = "table";

/// How the sort keys of versions begin.
pub(super) const VERSION: &str = "version#";

/// The partition key of what is kept for commands.
pub(super) const SETTINGS: &str = "settings";

/// How long DynamoDB keeps how far parts are out, in seconds: far longer than a version is PUBLISHING. It is removed to
/// save room, and nothing depends on when.
const KEPT: i64 = 30 * 24 * 3600;

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
pub(super) fn table_key(key_of: &TableKey) -> Item {
    key(key_of.to_string(), TABLE)
}

/// The sort key of a version.
pub(super) fn version_key(version: &str) -> String {
    format!("{VERSION}{}", natural_place(version))
}

/// A version as its item. `token` tells who wrote it.
pub(super) fn of_version(version: &Version, token: &str) -> Item {
    let mut item = key(version.key.to_string(), version_key(&version.version));
    let record = serde_json::to_string(version).expect("a record has string keys only");
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

/// Whether somebody may have to look after a version: one that is done leaves the index.
fn is_open(status: Status) -> bool {
    !matches!(status, Status::Succeeded | Status::Superseded | Status::Failed | Status::Rejected)
}

/// How the sort keys of a version's deliveries at a sink begin.
pub(super) fn deliveries_key(version: &Version, sink: &str) -> String {
    let (place, sequence) = (natural_place(&version.version), version.sequence.unwrap_or_default());
    format!("delivery#{place}#{sequence}#{:016x}#", xxh3_64(sink.as_bytes()))
}

/// How far a part is out, as its item.
pub(super) fn of_delivery(version: &Version, sink: &str, part: u32, extent: Extent, now_ms: i64) -> Item {
    let mut item = key(version.key.to_string(), format!("{}{part}", deliveries_key(version, sink)));
    item.insert("ttl".into(), number(now_ms / 1000 + KEPT));
    if let Extent::Lines(lines) = extent {
        item.insert("lines".into(), number(lines));
    }
    item
}

pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(super) fn number_of(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn is_true(item: &Item, name: &str) -> bool {
    item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
}
