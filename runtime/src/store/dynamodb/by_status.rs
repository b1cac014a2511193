//! Finding versions by their status, however many others there are. Each version has an item whose sort key begins with
//! its status. It is written together with the version, so it is never behind, as an index would be.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};

use super::item::{self, number, text};
use super::table::Dynamodb;
use crate::error::Result;
use crate::name::{TableKey, natural_sort_key};
use crate::store::backend::{Range, RegistryBackend as _, VersionWrite};
use crate::store::listed::ListedVersions;
use crate::store::record::Version;
use crate::store::status::Status;

/// Sorts after every character of a position.
const LAST: char = '~';

impl Dynamodb {
    /// Lists the versions that have a status.
    pub(super) fn read_with_status(&self, key: &TableKey, status: Status, range: Range<'_>) -> Result<Vec<Version>> {
        let mut versions = Vec::new();
        for place in self.positions(key, status, range)? {
            let version = self.read_version(key, &format!("{}{place}", item::VERSION))?;
            versions.push(version.ok_or_else(|| self.problem("it lists a version that does not exist"))?);
        }
        // What has changed since it was listed has another status now.
        versions.retain(|version| version.status == status);
        Ok(versions)
    }

    /// The positions of versions that have a status, in natural order.
    fn positions(&self, key: &TableKey, status: Status, range: Range<'_>) -> Result<Vec<String>> {
        let prefix = item::status_prefix(status);
        let (bound, limit, is_forward) = match range {
            Range::All => (None, None, true),
            Range::Oldest => (None, Some(1), true),
            Range::Newest => (None, Some(1), false),
            // The ends of a range belong to it, so there may be one too many.
            Range::NewestBefore(version) => (Some(natural_sort_key(version)), Some(2), false),
            Range::After(version) => (Some(natural_sort_key(version)), None, true),
        };
        let at = |place: &str| format!("{prefix}{place}");
        let (from, to) = match (&bound, range) {
            (Some(bound), Range::After(_)) => (at(bound), at(&LAST.to_string())),
            (Some(bound), _) => (at(""), at(bound)),
            (None, _) => (at(""), at(&LAST.to_string())),
        };
        let call = self.aws.dynamodb.query().table_name(&self.table).consistent_read(true);
        let call = call
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(key.to_string()))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .scan_index_forward(is_forward);
        let items = match limit {
            Some(limit) => self.page(call.limit(limit))?,
            None => self.pages(call)?,
        };
        let positions =
            items.iter().filter_map(|item| item::get_text(item, "sk")?.strip_prefix(&prefix).map(Into::into));
        let mut positions: Vec<String> = positions.filter(|place| Some(place) != bound.as_ref()).collect();
        if !matches!(range, Range::All | Range::After(_)) {
            positions.truncate(1);
        }
        Ok(positions)
    }

    /// Lists a version under its status.
    pub(super) fn put_status(&self, version: &Version) -> Result<TransactWriteItem> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item::from_status(version)));
        Ok(TransactWriteItem::builder().put(put.build().map_err(|error| self.problem(error))?).build())
    }

    /// Lists a version under its new status instead of the one that it has now, with the digest of its present parts.
    pub(super) fn move_status(&self, write: VersionWrite<'_>) -> Result<Vec<TransactWriteItem>> {
        let VersionWrite { version, from, .. } = write;
        if version.status == from {
            return Ok(vec![self.put_status(version)?]);
        }
        let delete = Delete::builder().table_name(&self.table).set_key(Some(item::status_key(version, from)));
        let delete = delete.build().map_err(|error| self.problem(error))?;
        Ok(vec![TransactWriteItem::builder().delete(delete).build(), self.put_status(version)?])
    }

    /// The versions as they are listed under their statuses. Those that an earlier release registered have no digest,
    /// so their records are read.
    pub(super) fn read_list(&self, key: &TableKey) -> Result<ListedVersions> {
        let mut listed = ListedVersions::default();
        for item in self.items(&key.to_string(), item::STATUS)? {
            let place = item::get_text(&item, "sk").and_then(|sk| sk.strip_prefix(item::STATUS)?.split_once('#'));
            let (status, place) = place.ok_or_else(|| self.problem("it lists a version without a status"))?;
            listed.add(place.into(), status, item::get_text(&item, "digest").map(Into::into));
        }
        Ok(listed)
    }

    /// Lists all versions of a registry with the first layout, which did not list them. May be repeated.
    pub(super) fn add_statuses(&self) -> Result<()> {
        for key in self.tables()? {
            for version in self.versions(&key)? {
                let call = self.aws.dynamodb.put_item().table_name(&self.table);
                let call = call.set_item(Some(item::from_status(&version)));
                self.aws.wait(call.send()).map_err(|error| self.failed(error))?;
            }
        }
        let update = Update::builder().set_key(Some(item::key(item::SETTINGS, item::ID)));
        let update = update.update_expression("SET layout = :layout");
        self.update(update.expression_attribute_values(":layout", number(item::LAYOUT))).map(|_| ())
    }
}
