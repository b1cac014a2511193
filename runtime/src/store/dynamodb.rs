//! The registry on AWS: a table of DynamoDB, with the very steps of the one on one machine.
//!
//! Every step is one conditional write, or one transaction of two. An answer may be lost after its write was made, and
//! the same write made again then fails on its own condition: each bears a token that nobody else has, by which it is
//! recognised.

mod item;
mod writes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};

use super::{Begin, Begun, Extent, Lease, Setting, Status, Store, TableState, Version, Write, WriteOutcome};
use super::{lease_duration, same_holder};
use crate::aws::{Aws, token, why};
use crate::clock;
use crate::error::{Error, Result};
use crate::name::TableKey;
use item::{Item, number, text};
use writes::failed_condition;

/// How many files an export may have. An item holds 400 KB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>); a file takes up to 190 bytes of it, and
/// as many again where other files came too late.
const MOST_PARTS: usize = 1_000;

/// An open registry.
#[derive(Debug, Clone)]
pub struct Dynamodb {
    aws: Arc<Aws>,
    table: String,
    id: String,
}

/// A version that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Whose it is.
    pub key: TableKey,
    /// Where it stands.
    pub status: Status,
    /// Since when it has its status, in milliseconds since 1970.
    pub since: i64,
}

impl Dynamodb {
    /// Opens the registry in a table that is there.
    pub fn open(aws: Arc<Aws>, table: &str) -> Result<Self> {
        let mut registry = Self { aws, table: table.into(), id: String::new() };
        let id = registry.value("id")?;
        registry.id = match id {
            Some(id) => id,
            None => registry.begin()?,
        };
        Ok(registry)
    }

    /// Gives a new registry its name, or finds the one that another process has just given.
    fn begin(&self) -> Result<String> {
        let mut item = item::key(item::SETTINGS, "id");
        item.insert("value".into(), text(&token()[..16]));
        let call = self.aws.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        let done = self.aws.wait(call.condition_expression("attribute_not_exists(pk)").send());
        match done {
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {}
            done => drop(done.map_err(|error| self.failed(&error))?),
        }
        self.value("id")?.ok_or_else(|| self.problem("it does not keep what was written to it"))
    }

    /// The versions of all tables that have this status, those that have had it longest first. The index may be a moment
    /// behind.
    pub fn open_versions(&self, status: Status) -> Result<Vec<Open>> {
        let items = self.index(status.name())?;
        let open = |item: &Item| {
            let (tenant, table) = item::text_of(item, "pk")?.split_once('/')?;
            let since = item::text_of(item, "since")?.parse().ok()?;
            Some(Open { key: TableKey { tenant: tenant.into(), table: table.into() }, status, since })
        };
        items
            .iter()
            .map(|item| open(item).ok_or_else(|| self.problem("its index has an item that is no version")))
            .collect()
    }

    fn index(&self, open: &str) -> Result<Vec<Item>> {
        let call = self.aws.dynamodb.query().table_name(&self.table).index_name("open");
        let call = call.key_condition_expression("#open = :open").expression_attribute_names("#open", "open");
        self.pages(call.expression_attribute_values(":open", text(open)))
    }

    /// The items of one key whose sort keys begin like this, in their order.
    fn items(&self, pk: &str, sk: &str) -> Result<Vec<Item>> {
        let call = self.aws.dynamodb.query().table_name(&self.table).consistent_read(true);
        let call = call.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
        let values = [(":pk", pk), (":sk", sk)];
        self.pages(
            values.iter().fold(call, |call, (name, value)| call.expression_attribute_values(*name, text(*value))),
        )
    }

    fn pages(&self, call: aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder) -> Result<Vec<Item>> {
        let mut pages = call.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = self.aws.wait(pages.next()) {
            items.push(item.map_err(|error| self.failed(&error))?);
        }
        Ok(items)
    }

    fn item(&self, key: Item) -> Result<Option<Item>> {
        let call = self.aws.dynamodb.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        Ok(self.aws.wait(call.send()).map_err(|error| self.failed(&error))?.item)
    }

    fn value(&self, name: &str) -> Result<Option<String>> {
        let item = self.item(item::key(item::SETTINGS, name))?;
        Ok(item.and_then(|item| item::text_of(&item, "value").map(str::to_owned)))
    }

    fn version_of(&self, item: &Item) -> Result<Version> {
        let record = item::text_of(item, "record").ok_or_else(|| self.problem("a version has no record"))?;
        serde_json::from_str(record)
            .map_err(|error| self.problem(format!("a version's record cannot be read: {error}")))
    }

    /// That a version has room in its item, also once its parts have checksums and others came too late. Asked of what is
    /// registered: what is on its way already must end.
    fn has_room(&self, version: &Version) -> Result<()> {
        let is_registered = matches!(version.status, Status::Waiting | Status::Registered);
        let parts = if is_registered { version.parts.len() } else { 0 };
        let parts = parts.max(version.refused_parts.as_ref().map_or(0, Vec::len));
        if parts <= MOST_PARTS {
            return Ok(());
        }
        let problem = format!("its export has {parts} files, and the registry on AWS holds {MOST_PARTS}");
        Err(Error::refused(version.to_string(), problem).help("deliver it in fewer files"))
    }

    fn put_version(&self, write: Write<'_>, token: &str) -> Result<TransactWriteItem> {
        self.has_room(write.version)?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item::of_version(write.version, token)));
        let put = put
            .condition_expression(match write.plan {
                Some(_) => "#status = :from AND attempt = :attempt AND #plan = :plan",
                None => "#status = :from AND attempt = :attempt",
            })
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":from", text(write.from.name()))
            .expression_attribute_values(":attempt", number(write.attempt));
        let put = match write.plan {
            Some(plan) => {
                put.expression_attribute_names("#plan", "plan").expression_attribute_values(":plan", text(plan))
            }
            None => put,
        };
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = put.build().map_err(|error| self.problem(error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// That the lease is still held.
    fn check(&self, lease: &Lease) -> Result<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(item::table_key(&lease.key)))
            .condition_expression(HELD)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":fence", number(lease.fence))
            .expression_attribute_values(":owner", text(&lease.owner))
            .build();
        Ok(TransactWriteItem::builder().condition_check(check.map_err(|error| self.problem(error))?).build())
    }

    /// One more write that makes a version runnable, under the lease if one is needed.
    fn wake(&self, key: &TableKey, lease: Option<&Lease>) -> Result<TransactWriteItem> {
        let update = Update::builder().table_name(&self.table).set_key(Some(item::table_key(key)));
        let update = update.update_expression("ADD pending :one").expression_attribute_values(":one", number(1));
        let update = lease.into_iter().fold(update, |update, lease| held(update, lease).condition_expression(HELD));
        Ok(TransactWriteItem::builder().update(update.build().map_err(|error| self.problem(error))?).build())
    }

    fn problem(&self, problem: impl std::fmt::Display) -> Error {
        Error::registry(Path::new(&format!("dynamodb:{}", self.table)), problem)
    }

    fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(&self, error: &E) -> Error {
        let words = why(error);
        let help = match error.code() {
            None if words.contains("credentials") => {
                "no credentials were found that AWS takes: set AWS_PROFILE, or run `aws configure`"
            }
            None if words.contains("region") => "no region is chosen: set AWS_REGION, or run `aws configure`",
            Some("ResourceNotFoundException") => "deploy the stacks (infra/deploy), or name the table that they made",
            Some("AccessDeniedException" | "UnrecognizedClientException") => {
                "look at the credentials, the region and the right to use the table"
            }
            _ => "run again; nothing is lost",
        };
        self.problem(words.replace('\n', " ")).help(help)
    }
}

/// What is so of a table while a lease is held.
const HELD: &str = "fence = :fence AND #owner = :owner";

fn held(update: UpdateBuilder, lease: &Lease) -> UpdateBuilder {
    update
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":fence", number(lease.fence))
        .expression_attribute_values(":owner", text(&lease.owner))
}

/// Whether a write was refused because it had been made before.
fn is_ours(reason: &CancellationReason, token: &str) -> bool {
    reason.item().is_some_and(|item| item::text_of(item, "token") == Some(token))
}

impl Store for Dynamodb {
    fn id(&self) -> &str {
        &self.id
    }

    fn setting(&self, setting: Setting) -> Result<Option<String>> {
        self.value(setting.name())
    }

    fn remember(&self, setting: Setting, value: &str) -> Result<()> {
        let mut item = item::key(item::SETTINGS, setting.name());
        item.insert("value".into(), text(value));
        let call = self.aws.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        self.aws.wait(call.send()).map(|_| ()).map_err(|error| self.failed(&error))
    }

    fn state(&self, key: &TableKey) -> Result<TableState> {
        let Some(item) = self.item(item::table_key(key))? else { return Ok(TableState::default()) };
        let is_live = item::number_of(&item, "expires_at").is_some_and(|at| at > clock::now_ms());
        Ok(TableState {
            pending: item::number_of(&item, "pending").unwrap_or_default() as u64,
            resync: item::is_true(&item, "resync"),
            owner: item::text_of(&item, "owner").filter(|_| is_live).map(str::to_owned),
        })
    }

    fn tables(&self) -> Result<Vec<TableKey>> {
        let mut tables: Vec<TableKey> = Vec::new();
        for item in self.index(item::TABLE)? {
            let key = item::text_of(&item, "pk").and_then(|pk| pk.split_once('/'));
            let (tenant, table) = key.ok_or_else(|| self.problem("its index has an item that is no table"))?;
            tables.push(TableKey { tenant: tenant.into(), table: table.into() });
        }
        tables.sort();
        Ok(tables)
    }

    fn versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.items(&key.to_string(), item::VERSION)?.iter().map(|item| self.version_of(item)).collect()
    }

    fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>> {
        let item = self.item(item::key(key.to_string(), item::version_key(version)))?;
        item.map(|item| self.version_of(&item)).transpose()
    }

    fn insert(&self, version: &Version) -> Result<bool> {
        self.has_room(version)?;
        let token = token();
        let put = Put::builder().table_name(&self.table).set_item(Some(item::of_version(version, &token)));
        let put = put.condition_expression("attribute_not_exists(pk)");
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let table = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item::table_key(&version.key)))
            .update_expression("SET #open = :table, since = :key ADD pending :pending")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":table", text(item::TABLE))
            .expression_attribute_values(":key", text(version.key.to_string()))
            .expression_attribute_values(":pending", number(u8::from(version.status.is_runnable())));
        let put = put.build().map_err(|error| self.problem(error))?;
        let table = table.build().map_err(|error| self.problem(error))?;
        let writes =
            [TransactWriteItem::builder().put(put).build(), TransactWriteItem::builder().update(table).build()];
        match self.transact(&writes)? {
            Ok(()) => Ok(true),
            Err(reasons) => Ok(reasons.first().is_some_and(|reason| is_ours(reason, &token))),
        }
    }

    fn write(&self, write: Write<'_>) -> Result<WriteOutcome> {
        let token = token();
        let mut writes = vec![self.put_version(write, &token)?];
        match (write.is_wake, write.lease) {
            (true, lease) => writes.push(self.wake(&write.version.key, lease)?),
            (false, Some(lease)) => writes.push(self.check(lease)?),
            (false, None) => {}
        }
        let Err(reasons) = self.transact(&writes)? else { return Ok(WriteOutcome::Done) };
        Ok(match &reasons[..] {
            [version, ..] if is_ours(version, &token) => WriteOutcome::Done,
            [_, lease] if failed_condition(lease) => WriteOutcome::LeaseLost,
            _ => WriteOutcome::Changed,
        })
    }

    fn begin_publishing(&self, lease: &Lease, begin: Begin<'_>) -> Result<Begun> {
        let Begin { version, from, is_reset } = begin;
        let Some(table) = self.item(item::table_key(&lease.key))? else { return Ok(Begun::LeaseLost) };
        if !same_holder(lease, item::number_of(&table, "fence"), item::text_of(&table, "owner")) {
            return Ok(Begun::LeaseLost);
        }
        let wanted = item::is_true(&table, "resync");
        if is_reset && !wanted {
            return Ok(Begun::NoReset);
        }
        let last = item::number_of(&table, "sequence").unwrap_or_default();
        let begun = Version { sequence: Some(last as u64 + 1), ..version.clone() };
        let token = token();
        let put = Write { version: &begun, from, attempt: version.attempt, plan: None, lease: None, is_wake: false };
        let update = Update::builder().table_name(&self.table).set_key(Some(item::table_key(&lease.key)));
        // Nobody but the holder of the lease counts on; but a wish to publish the next version whole may come or go.
        let update = held(update, lease)
            .update_expression("SET #sequence = :next, resync = :left")
            .condition_expression(match is_reset {
                true => "fence = :fence AND #owner = :owner AND resync = :wanted",
                false => "fence = :fence AND #owner = :owner AND (attribute_not_exists(resync) OR resync = :wanted)",
            })
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":next", number(last + 1))
            .expression_attribute_values(":wanted", AttributeValue::Bool(wanted))
            .expression_attribute_values(":left", AttributeValue::Bool(wanted && !is_reset))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = update.build().map_err(|error| self.problem(error))?;
        let writes = [self.put_version(put, &token)?, TransactWriteItem::builder().update(update).build()];
        let Err(reasons) = self.transact(&writes)? else { return Ok(Begun::Sequence(last as u64 + 1)) };
        let [of_version, of_table] = &reasons[..] else { return Ok(Begun::Changed) };
        if is_ours(of_version, &token) {
            return Ok(Begun::Sequence(last as u64 + 1));
        }
        if !failed_condition(of_table) {
            return Ok(Begun::Changed);
        }
        let table = of_table.item().cloned().unwrap_or_default();
        match same_holder(lease, item::number_of(&table, "fence"), item::text_of(&table, "owner")) {
            false => Ok(Begun::LeaseLost),
            true if is_reset => Ok(Begun::NoReset),
            // The wish came or went since it was looked at.
            true => self.begin_publishing(lease, begin),
        }
    }

    fn set_resync(&self, key: &TableKey, wanted: bool) -> Result<()> {
        let update = Update::builder().set_key(Some(item::table_key(key)));
        let update = update
            .update_expression("SET resync = :wanted ADD pending :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":wanted", AttributeValue::Bool(wanted))
            .expression_attribute_values(":one", number(1));
        self.update(update).map(|_| ())
    }

    fn acquire(&self, key: &TableKey, owner: &str, gone: Option<&str>) -> Result<Option<Lease>> {
        let (now, token) = (clock::now_ms(), token());
        let update = Update::builder().set_key(Some(item::table_key(key)));
        let update = update
            .update_expression("SET #owner = :owner, expires_at = :until, #token = :token ADD fence :one")
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(#owner) OR expires_at <= :now OR #owner = :gone)",
            )
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", number(now + lease_duration().as_millis() as i64))
            .expression_attribute_values(":token", text(&token))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":now", number(now))
            // No owner has no name.
            .expression_attribute_values(":gone", text(gone.unwrap_or_default()));
        let item = match self.update(update)? {
            Ok(item) => item,
            Err(item) if item::text_of(&item, "token") == Some(&token) => item,
            Err(_) => return Ok(None),
        };
        let fence = item::number_of(&item, "fence").ok_or_else(|| self.problem("a table has no fence"))?;
        Ok(Some(Lease { key: key.clone(), owner: owner.into(), fence: fence as u64 }))
    }

    fn renew(&self, lease: &Lease) -> Result<bool> {
        let until = clock::now_ms() + lease_duration().as_millis() as i64;
        let update = held(Update::builder().set_key(Some(item::table_key(&lease.key))), lease);
        let update = update
            .update_expression("SET expires_at = :until")
            .condition_expression(HELD)
            .expression_attribute_values(":until", number(until));
        Ok(self.update(update)?.is_ok())
    }

    fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let update = held(Update::builder().set_key(Some(item::table_key(&lease.key))), lease);
        let update = update.update_expression("REMOVE #owner, expires_at");
        let update = match pending {
            Some(pending) => update
                .condition_expression("fence = :fence AND #owner = :owner AND pending = :pending")
                .expression_attribute_values(":pending", number(pending)),
            None => update.condition_expression(HELD),
        };
        Ok(match self.update(update)? {
            Ok(_) => true,
            Err(item) => !same_holder(lease, item::number_of(&item, "fence"), item::text_of(&item, "owner")),
        })
    }

    fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>> {
        let prefix = item::deliveries_key(version, sink);
        let mut delivered = BTreeMap::new();
        for item in self.items(&version.key.to_string(), &prefix)? {
            let part = item::text_of(&item, "sk").and_then(|sk| sk.strip_prefix(&prefix)?.parse().ok());
            let part = part.ok_or_else(|| self.problem("a delivery has no part"))?;
            let lines = item::number_of(&item, "lines");
            delivered.insert(part, lines.map_or(Extent::Whole, |lines| Extent::Lines(lines as u64)));
        }
        Ok(delivered)
    }

    fn deliver(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<bool> {
        let item = item::of_delivery(version, sink, part, extent, clock::now_ms());
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = put.build().map_err(|error| self.problem(error))?;
        let writes = [TransactWriteItem::builder().put(put).build(), self.check(lease)?];
        Ok(self.transact(&writes)?.is_ok())
    }
}
