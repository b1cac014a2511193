//! The registry on AWS: a table in DynamoDB, with the same steps as the registry on one machine.
//!
//! Every step is one conditional write, or one transaction of two. A response may be lost after its write was made; the
//! same write, sent again, then fails on its own condition. So each write carries a unique token, by which it is
//! recognised.

mod by_status;
mod item;
mod parts;
mod requests;
mod scans;
mod table;
mod writes;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Update};

use super::backend::{
    BeginOutcome, BeginPublishing, Range, RegistryBackend, STRAYS, Setting, VersionWrite, WriteOutcome,
};
use super::journal::JournalEntry;
use super::lease::{Lease, lease_duration, split_owner};
use super::listed::ListedVersions;
use super::outline::Outline;
use super::record::{Extent, TableState, Version};
use super::status::Status;
use crate::aws::token;
use crate::clock;
use crate::error::Result;
use crate::name::TableKey;
use item::{Item, number, text};
use requests::{HELD, under_lease};
pub use table::{Dynamodb, OpenVersion};
use writes::failed_condition;

impl RegistryBackend for Dynamodb {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> Result<u64> {
        let item = self.item(item::key(item::SETTINGS, item::ID))?;
        Ok(item.and_then(|item| item::get_number(&item, "created")).unwrap_or_default() as u64)
    }

    fn setting(&self, setting: Setting) -> Result<Option<String>> {
        self.value(setting.name())
    }

    fn remember(&self, setting: Setting, value: &str) -> Result<()> {
        self.put_value(setting.name(), value)
    }

    fn known_strays(&self) -> Result<BTreeMap<String, String>> {
        let folder = |item: &Item| {
            let folder = item::get_text(item, "sk")?.strip_prefix(STRAYS)?;
            Some((folder.to_owned(), item::get_text(item, "value")?.to_owned()))
        };
        Ok(self.items(item::SETTINGS, STRAYS)?.iter().filter_map(folder).collect())
    }

    fn remember_strays(&self, folder: &str, record: &str) -> Result<()> {
        self.put_value(&format!("{STRAYS}{folder}"), record)
    }

    fn state(&self, key: &TableKey) -> Result<TableState> {
        let Some(item) = self.item(item::table_key(key))? else { return Ok(TableState::default()) };
        let is_live = item::get_number(&item, "expires_at").is_some_and(|at| at > clock::now_ms());
        let owner = item::get_text(&item, "owner").map(str::to_owned);
        let (owner, expired_owner) = split_owner(owner, is_live);
        Ok(TableState {
            pending: item::get_number(&item, "pending").unwrap_or_default() as u64,
            sequence: item::get_number(&item, "sequence").unwrap_or_default() as u64,
            resync: item::is_true(&item, "resync"),
            owner,
            expires_at: item::get_number(&item, "expires_at"),
            expired_owner,
        })
    }

    fn tables(&self) -> Result<Vec<TableKey>> {
        let mut tables: Vec<TableKey> = Vec::new();
        for item in self.index(item::TABLE)? {
            let key = item::get_text(&item, "pk").and_then(|pk| pk.split_once('/'));
            let (tenant, table) = key.ok_or_else(|| self.problem("its index lists an item that is not a table"))?;
            tables.push(TableKey { tenant: tenant.into(), table: table.into() });
        }
        tables.sort();
        Ok(tables)
    }

    fn versions(&self, key: &TableKey) -> Result<Vec<Version>> {
        self.read_versions(key)
    }

    fn outlines(&self, key: &TableKey) -> Result<Vec<Version>> {
        let items = self.items(&key.to_string(), item::VERSION)?;
        items.iter().map(|item| self.parse_record::<Outline>(key, item)).collect()
    }

    fn list(&self, key: &TableKey) -> Result<ListedVersions> {
        self.read_list(key)
    }

    fn with_status(&self, key: &TableKey, status: Status, range: Range<'_>) -> Result<Vec<Version>> {
        self.read_with_status(key, status, range)
    }

    fn version(&self, key: &TableKey, version: &str) -> Result<Option<Version>> {
        self.read_version(key, &item::version_key(version))
    }

    fn insert(&self, version: &Version) -> Result<bool> {
        let token = token();
        let mut writes = vec![self.insert_version(version, &token)?, self.list_table(version)?];
        writes.push(self.put_status(version)?);
        writes.extend(self.put_parts(version, &token)?);
        match self.transact(&writes)? {
            Ok(()) => Ok(true),
            Err(reasons) => Ok(reasons.first().is_some_and(|reason| is_ours(reason, &token))),
        }
    }

    fn write(&self, write: VersionWrite<'_>) -> Result<WriteOutcome> {
        let token = token();
        let mut writes = vec![self.put_version(write, &token)?];
        match (write.makes_runnable, write.lease) {
            (true, lease) => writes.push(self.add_pending(&write.version.key, lease)?),
            (false, Some(lease)) => writes.push(self.check_lease(lease)?),
            (false, None) => {}
        }
        let conditions = writes.len();
        writes.extend(write.entry.map(|entry| self.put_entry(entry, &token)).transpose()?);
        writes.extend(self.move_status(write)?);
        writes.extend(self.put_parts(write.version, &token)?);
        let Err(reasons) = self.transact(&writes)? else { return Ok(WriteOutcome::Done) };
        // The writes of entries and statuses have no condition.
        Ok(match &reasons[..conditions.min(reasons.len())] {
            [version, ..] if is_ours(version, &token) => WriteOutcome::Done,
            [_, lease] if failed_condition(lease) => WriteOutcome::LeaseLost,
            _ => WriteOutcome::Changed,
        })
    }

    fn begin_publishing(&self, lease: &Lease, begin: BeginPublishing<'_>) -> Result<BeginOutcome> {
        let BeginPublishing { version, from, is_reset } = begin;
        let table = self.item(item::table_key(&lease.key))?.unwrap_or_default();
        if !item::is_held(&table, lease) {
            return Ok(BeginOutcome::LeaseLost);
        }
        let requested = item::is_true(&table, "resync");
        if is_reset && !requested {
            return Ok(BeginOutcome::NoReset);
        }
        let last = item::get_number(&table, "sequence").unwrap_or_default() as u64;
        let sequence = last.max(self.created()?) + 1;
        let (token, attempt) = (token(), version.attempt);
        let version = &Version { sequence: Some(sequence), ..version.clone() };
        let put = VersionWrite { version, from, attempt, plan: None, lease: None, makes_runnable: false, entry: None };
        let mut writes = vec![self.put_version(put, &token)?, self.put_sequence(lease, sequence, requested, is_reset)?];
        writes.extend(self.move_status(put)?);
        let Err(reasons) = self.transact(&writes)? else { return Ok(BeginOutcome::Sequence(sequence)) };
        let [version_reason, table_reason, ..] = &reasons[..] else { return Ok(BeginOutcome::Changed) };
        if is_ours(version_reason, &token) {
            return Ok(BeginOutcome::Sequence(sequence));
        }
        if !failed_condition(table_reason) {
            return Ok(BeginOutcome::Changed);
        }
        match table_reason.item().is_some_and(|table| item::is_held(table, lease)) {
            false => Ok(BeginOutcome::LeaseLost),
            true if is_reset => Ok(BeginOutcome::NoReset),
            // A resync was requested or cancelled since the table was read.
            true => self.begin_publishing(lease, begin),
        }
    }

    fn set_resync(&self, requested: bool, entry: &JournalEntry) -> Result<()> {
        let update = self.request_resync(&entry.key, requested)?;
        // If the table does not exist, nothing is requested.
        self.transact(&[update, self.put_entry(entry, &token())?]).map(|_| ())
    }

    fn append(&self, entry: &JournalEntry) -> Result<()> {
        let item = item::from_entry(entry, &token());
        let call = self.aws.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        self.aws.wait(call.send()).map(|_| ()).map_err(|error| self.failed(error))
    }

    fn journal(&self, key: &TableKey) -> Result<Vec<JournalEntry>> {
        self.items(&key.to_string(), item::JOURNAL)?.iter().map(|item| self.parse_entry(key, item)).collect()
    }

    fn adopt(&self, lease: &Lease, sequence: u64, entry: &JournalEntry) -> Result<bool> {
        // Only the holder of the lease changes the sequence, so it is still this one if the lease is held.
        let sequence = self.state(&lease.key)?.sequence.max(sequence);
        Ok(self.transact(&[self.raise_sequence(lease, sequence)?, self.put_entry(entry, &token())?])?.is_ok())
    }

    fn raise(&self, floor: u64) -> Result<()> {
        let update = Update::builder().set_key(Some(item::key(item::SETTINGS, item::ID)));
        let update = update
            .update_expression("SET created = :created, recovered = :yes")
            .expression_attribute_values(":created", number(self.created()?.max(floor)))
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        self.update(update).map(|_| ())
    }

    fn raise_table(&self, floor: u64, entry: &JournalEntry) -> Result<()> {
        loop {
            let table = self.item(item::table_key(&entry.key))?.unwrap_or_default();
            let fence = item::get_number(&table, "fence").unwrap_or_default() as u64;
            let update = self.raise_fence(&entry.key, fence, fence.max(floor))?;
            // Unless another process has taken the lease since.
            if self.transact(&[update, self.put_entry(entry, &token())?])?.is_ok() {
                return Ok(());
            }
        }
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
            // No owner has an empty name.
            .expression_attribute_values(":gone", text(gone.unwrap_or_default()));
        let item = match self.update(update)? {
            Ok(item) => item,
            Err(item) if item::get_text(&item, "token") == Some(&token) => item,
            Err(_) => return Ok(None),
        };
        let fence = item::get_number(&item, "fence").ok_or_else(|| self.problem("a table has no fence"))?;
        Ok(Some(Lease { key: key.clone(), owner: owner.into(), fence: fence as u64 }))
    }

    fn renew(&self, lease: &Lease) -> Result<bool> {
        let until = clock::now_ms() + lease_duration().as_millis() as i64;
        let update = lease_update(lease)
            .update_expression("SET expires_at = :until")
            .condition_expression(HELD)
            .expression_attribute_values(":until", number(until));
        Ok(self.update(update)?.is_ok())
    }

    fn release(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let update = lease_update(lease).update_expression("REMOVE #owner, expires_at");
        let update = match pending {
            Some(pending) => update
                .condition_expression("fence = :fence AND #owner = :owner AND pending = :pending")
                .expression_attribute_values(":pending", number(pending)),
            None => update.condition_expression(HELD),
        };
        Ok(match self.update(update)? {
            Ok(_) => true,
            Err(item) => !item::is_held(&item, lease),
        })
    }

    fn delivered(&self, version: &Version, sink: &str) -> Result<BTreeMap<u32, Extent>> {
        let prefix = item::deliveries_key(version, sink);
        let mut delivered = BTreeMap::new();
        for item in self.items(&version.key.to_string(), &prefix)? {
            let part = item::get_text(&item, "sk").and_then(|sk| sk.strip_prefix(&prefix)?.parse().ok());
            let part = part.ok_or_else(|| self.problem("a delivery has no part"))?;
            let lines = item::get_number(&item, "lines");
            delivered.insert(part, lines.map_or(Extent::Whole, |lines| Extent::Lines(lines as u64)));
        }
        Ok(delivered)
    }

    fn record_delivery(&self, lease: &Lease, version: &Version, sink: &str, part: u32, extent: Extent) -> Result<bool> {
        let put = self.put_delivery(version, sink, part, extent, clock::now_ms())?;
        Ok(self.transact(&[put, self.check_lease(lease)?])?.is_ok())
    }
}

/// An update of the leased table's item.
fn lease_update(lease: &Lease) -> UpdateBuilder {
    under_lease(Update::builder().set_key(Some(item::table_key(&lease.key))), lease)
}

/// Returns whether a write was refused because the same write had succeeded before.
fn is_ours(reason: &CancellationReason, token: &str) -> bool {
    reason.item().is_some_and(|item| item::get_text(item, "token") == Some(token))
}
