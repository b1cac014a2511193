//! The writes of a step, each with its condition.

use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::item::{self, number, text};
use super::table::Dynamodb;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::snapshot::Part;
use crate::store::backend::VersionWrite;
use crate::store::journal::JournalEntry;
use crate::store::lease::Lease;
use crate::store::record::{Extent, Version};
use crate::store::status::Status;

/// The size of an item, in bytes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const MAX_ITEM: usize = 400 << 10;

/// What is left of an item for everything but its parts: the plan with its samples, the epoch, reasons.
const OTHER_BYTES: usize = 80 << 10;

/// What is added to a part once it has been read, in bytes: two digests of 32 digits, with their names.
const DIGESTS: usize = 100;

/// The condition that a lease is held.
pub(super) const HELD: &str = "fence = :fence AND #owner = :owner";

/// Adds the values of [`HELD`].
pub(super) fn under_lease(update: UpdateBuilder, lease: &Lease) -> UpdateBuilder {
    update
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":fence", number(lease.fence))
        .expression_attribute_values(":owner", text(&lease.owner))
}

impl Dynamodb {
    /// Refuses a version whose parts do not fit into an item, counting the digests that will be added. Only a version
    /// that is registered is checked, and one whose files came too late: any other has to be finished.
    fn check_size(&self, version: &Version) -> Result<()> {
        let is_registered = matches!(version.status, Status::Waiting | Status::Registered);
        if !is_registered && version.refused_parts.is_none() {
            return Ok(());
        }
        let late = version.refused_parts.as_deref().unwrap_or_default();
        let (bytes, max) = (listed_bytes(&version.parts) + listed_bytes(late), MAX_ITEM - OTHER_BYTES);
        if bytes <= max {
            return Ok(());
        }
        let parts = version.parts.len() + late.len();
        let problem =
            format!("the list of its {parts} files takes {bytes} bytes, but the registry on AWS takes at most {max}");
        Err(Error::refused(version.to_string(), problem).help("deliver it in fewer files, or give them shorter names"))
    }

    /// Adds a version that does not exist yet.
    pub(super) fn insert_version(&self, version: &Version, token: &str) -> Result<TransactWriteItem> {
        self.check_size(version)?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item::from_version(version, token)));
        let put = put.condition_expression("attribute_not_exists(pk)");
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.put(put)
    }

    /// Overwrites a version's record if it is as expected.
    pub(super) fn put_version(&self, write: VersionWrite<'_>, token: &str) -> Result<TransactWriteItem> {
        self.check_size(write.version)?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item::from_version(write.version, token)));
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
        self.put(put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    /// Writes the parts of a version that are apart from its record.
    pub(super) fn put_parts(&self, version: &Version, token: &str) -> Result<Option<TransactWriteItem>> {
        let item = item::are_parts_apart(version).then(|| item::from_parts(version, token));
        item.map(|item| self.put(Put::builder().table_name(&self.table).set_item(Some(item)))).transpose()
    }

    /// Writes how much of a part is delivered.
    pub(super) fn put_delivery(
        &self,
        version: &Version,
        sink: &str,
        part: u32,
        extent: Extent,
        now_ms: i64,
    ) -> Result<TransactWriteItem> {
        let item = item::from_delivery(version, sink, part, extent, now_ms);
        self.put(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    /// Adds an entry to the journal.
    pub(super) fn put_entry(&self, entry: &JournalEntry, token: &str) -> Result<TransactWriteItem> {
        self.put(Put::builder().table_name(&self.table).set_item(Some(item::from_entry(entry, token))))
    }

    /// Requests a resync of a table, or withdraws the request, and adds one to `pending`. A resync that is requested
    /// twice, because an answer was lost, is requested once.
    pub(super) fn request_resync(&self, key: &TableKey, requested: bool) -> Result<TransactWriteItem> {
        let update = Update::builder().set_key(Some(item::table_key(key)));
        self.update_table(
            update
                .update_expression("SET resync = :wanted ADD pending :one")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":wanted", AttributeValue::Bool(requested))
                .expression_attribute_values(":one", number(1)),
        )
    }

    fn put(&self, put: PutBuilder) -> Result<TransactWriteItem> {
        Ok(TransactWriteItem::builder().put(put.build().map_err(|error| self.problem(error))?).build())
    }

    /// Lists a version's table in the index. Adds one to `pending` if the version is runnable.
    pub(super) fn list_table(&self, version: &Version) -> Result<TransactWriteItem> {
        // A recovered registry may have lost a table that consumers know.
        let id = self.item(item::key(item::SETTINGS, item::ID))?.unwrap_or_default();
        let resync = AttributeValue::Bool(item::is_true(&id, "recovered"));
        let update = Update::builder()
            .set_key(Some(item::table_key(&version.key)))
            .update_expression(
                "SET #open = :table, since = :key, resync = if_not_exists(resync, :resync) ADD pending :pending",
            )
            .expression_attribute_values(":resync", resync)
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":table", text(item::TABLE))
            .expression_attribute_values(":key", text(version.key.to_string()))
            .expression_attribute_values(":pending", number(u8::from(version.status.is_runnable())));
        self.update_table(update)
    }

    /// Adds one to `pending`, under the lease if one is needed.
    pub(super) fn add_pending(&self, key: &TableKey, lease: Option<&Lease>) -> Result<TransactWriteItem> {
        let update = Update::builder().set_key(Some(item::table_key(key)));
        let update = update.update_expression("ADD pending :one").expression_attribute_values(":one", number(1));
        self.update_table(match lease {
            Some(lease) => under_lease(update, lease).condition_expression(HELD),
            None => update,
        })
    }

    /// Records the table's last sequence, and clears the resync request if `is_reset`. Only the holder of the lease
    /// changes the sequence, but a resync may be requested or cancelled at any time: `requested` must still be so.
    pub(super) fn put_sequence(
        &self,
        lease: &Lease,
        sequence: u64,
        requested: bool,
        is_reset: bool,
    ) -> Result<TransactWriteItem> {
        let update = Update::builder().set_key(Some(item::table_key(&lease.key)));
        let update = under_lease(update, lease)
            .update_expression("SET #sequence = :sequence, resync = :left")
            .condition_expression(match is_reset {
                true => "fence = :fence AND #owner = :owner AND resync = :wanted",
                false => "fence = :fence AND #owner = :owner AND (attribute_not_exists(resync) OR resync = :wanted)",
            })
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":sequence", number(sequence))
            .expression_attribute_values(":wanted", AttributeValue::Bool(requested))
            .expression_attribute_values(":left", AttributeValue::Bool(requested && !is_reset));
        self.update_table(update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    /// Records the table's last sequence, and requests a resync.
    pub(super) fn raise_sequence(&self, lease: &Lease, sequence: u64) -> Result<TransactWriteItem> {
        let update = under_lease(Update::builder().set_key(Some(item::table_key(&lease.key))), lease);
        self.update_table(
            update
                .update_expression("SET #sequence = :sequence, resync = :wanted ADD pending :one")
                .condition_expression(HELD)
                .expression_attribute_names("#sequence", "sequence")
                .expression_attribute_values(":sequence", number(sequence))
                .expression_attribute_values(":wanted", AttributeValue::Bool(true))
                .expression_attribute_values(":one", number(1)),
        )
    }

    /// Raises the table's fence if it is still `from`, ends the lease, and requests a resync.
    pub(super) fn raise_fence(&self, key: &TableKey, from: u64, to: u64) -> Result<TransactWriteItem> {
        self.update_table(
            Update::builder()
                .set_key(Some(item::table_key(key)))
                .update_expression("SET fence = :to, resync = :wanted REMOVE #owner, expires_at ADD pending :one")
                .condition_expression("attribute_not_exists(fence) OR fence = :from")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":to", number(to))
                .expression_attribute_values(":from", number(from))
                .expression_attribute_values(":wanted", AttributeValue::Bool(true))
                .expression_attribute_values(":one", number(1)),
        )
    }

    fn update_table(&self, update: UpdateBuilder) -> Result<TransactWriteItem> {
        let update = update.table_name(&self.table).build().map_err(|error| self.problem(error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Checks that the lease is still held.
    pub(super) fn check_lease(&self, lease: &Lease) -> Result<TransactWriteItem> {
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
}

/// What parts take in an item once they have been read, in bytes.
fn listed_bytes(parts: &[Part]) -> usize {
    let unread = |part: &Part| Part { checksum: None, content: None, ..part.clone() };
    let bytes = |part: &Part| serde_json::to_string(&unread(part)).expect("a part has string keys only").len() + 1;
    parts.iter().map(|part| bytes(part) + DIGESTS).sum()
}
