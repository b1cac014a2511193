//! The DynamoDB table that holds a registry: opening and reading it.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::item::{self, Item, number, text};
use crate::aws::{Aws, error_chain, token};
use crate::clock;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::store::journal::JournalEntry;
use crate::store::record::{Record, Version};
use crate::store::status::Status;

/// An open registry.
#[derive(Debug, Clone)]
pub struct Dynamodb {
    pub(super) aws: Arc<Aws>,
    pub(super) table: String,
    pub(super) id: String,
}

/// An unfinished version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenVersion {
    /// Its tenant and table.
    pub key: TableKey,
    /// Its status.
    pub status: Status,
    /// When it got that status, in milliseconds since 1970.
    pub since: i64,
}

impl Dynamodb {
    /// Opens the registry in an existing table.
    pub fn open(aws: Arc<Aws>, table: &str) -> Result<Self> {
        let mut registry = Self { aws, table: table.into(), id: String::new() };
        let item = match registry.item(item::key(item::SETTINGS, item::ID))? {
            Some(item) => item,
            None => registry.create_id()?,
        };
        let id = item::get_text(&item, "value").ok_or_else(|| registry.problem("it has no identity"))?;
        registry.id = id.to_owned();
        if item::get_number(&item, "layout").unwrap_or_default() < item::LAYOUT {
            registry.add_statuses()?;
        }
        Ok(registry)
    }

    /// Gives a new registry its identity, unless another process has just done so.
    fn create_id(&self) -> Result<Item> {
        let mut item = item::key(item::SETTINGS, item::ID);
        item.insert("value".into(), text(&token()[..16]));
        item.insert("layout".into(), number(item::LAYOUT));
        item.insert("created".into(), number(clock::now_ms().max(0)));
        let call = self.aws.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        let done = self.aws.wait(call.condition_expression("attribute_not_exists(pk)").send());
        match done {
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {}
            done => drop(done.map_err(|error| self.failed(error))?),
        }
        let item = self.item(item::key(item::SETTINGS, item::ID))?;
        item.ok_or_else(|| self.problem("it does not keep what is written to it"))
    }

    /// Lists the versions of all tables that have this status, those that have had it longest first. The index may lag
    /// behind by a moment.
    pub fn open_versions(&self, status: Status) -> Result<Vec<OpenVersion>> {
        let items = self.index(status.name())?;
        let open = |item: &Item| {
            let (tenant, table) = item::get_text(item, "pk")?.split_once('/')?;
            let since = item::get_text(item, "since")?.parse().ok()?;
            Some(OpenVersion { key: TableKey { tenant: tenant.into(), table: table.into() }, status, since })
        };
        items
            .iter()
            .map(|item| open(item).ok_or_else(|| self.problem("its index lists an item that is not a version")))
            .collect()
    }

    /// The items that the index lists under `open`.
    pub(super) fn index(&self, open: &str) -> Result<Vec<Item>> {
        let call = self.aws.dynamodb.query().table_name(&self.table).index_name("open");
        let call = call.key_condition_expression("#open = :open").expression_attribute_names("#open", "open");
        self.pages(call.expression_attribute_values(":open", text(open)))
    }

    /// The items with this partition key and this prefix of the sort key, sorted.
    pub(super) fn items(&self, pk: &str, sk: &str) -> Result<Vec<Item>> {
        let call = self.aws.dynamodb.query().table_name(&self.table).consistent_read(true);
        let call = call.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
        let values = [(":pk", pk), (":sk", sk)];
        self.pages(
            values.iter().fold(call, |call, (name, value)| call.expression_attribute_values(*name, text(*value))),
        )
    }

    /// The items on the first page of a query.
    pub(super) fn page(&self, call: QueryFluentBuilder) -> Result<Vec<Item>> {
        Ok(self.aws.wait(call.send()).map_err(|error| self.failed(error))?.items.unwrap_or_default())
    }

    /// All items of a query.
    pub(super) fn pages(&self, call: QueryFluentBuilder) -> Result<Vec<Item>> {
        let mut pages = call.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = self.aws.wait(pages.next()) {
            items.push(item.map_err(|error| self.failed(error))?);
        }
        Ok(items)
    }

    pub(super) fn item(&self, key: Item) -> Result<Option<Item>> {
        let call = self.aws.dynamodb.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        Ok(self.aws.wait(call.send()).map_err(|error| self.failed(error))?.item)
    }

    /// The value of a setting.
    pub(super) fn value(&self, name: &str) -> Result<Option<String>> {
        let item = self.item(item::key(item::SETTINGS, name))?;
        Ok(item.and_then(|item| item::get_text(&item, "value").map(str::to_owned)))
    }

    pub(super) fn put_value(&self, name: &str, value: &str) -> Result<()> {
        let mut item = item::key(item::SETTINGS, name);
        item.insert("value".into(), text(value));
        let call = self.aws.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        self.aws.wait(call.send()).map(|_| ()).map_err(|error| self.failed(error))
    }

    /// The record of a version, as it is: its parts may be apart.
    pub(super) fn parse_record<T: Record>(&self, key: &TableKey, item: &Item) -> Result<Version> {
        let place = item::get_text(item, "sk").and_then(|sk| sk.strip_prefix(item::VERSION)).unwrap_or_default();
        Version::parse::<T>(key, place, item::get_text(item, "record").unwrap_or_default())
            .map_err(|problem| self.damaged(&problem))
    }

    pub(super) fn damaged(&self, problem: &str) -> Error {
        Error::damaged_record(&self.path(), problem)
    }

    fn path(&self) -> PathBuf {
        format!("dynamodb:{}", self.table).into()
    }

    pub(super) fn parse_entry(&self, key: &TableKey, item: &Item) -> Result<JournalEntry> {
        JournalEntry::parse(key, item::get_text(item, "entry").unwrap_or_default())
            .map_err(|problem| Error::damaged_record(&self.path(), &problem))
    }

    pub(super) fn problem(&self, problem: impl std::fmt::Display) -> Error {
        Error::registry(&self.path(), problem)
    }

    /// The error of a failed call.
    pub(super) fn failed<E: ProvideErrorMetadata + StdError + Send + Sync + 'static>(&self, error: E) -> Error {
        let help = match error.code() {
            None if is_caused_by::<CredentialsError>(&error) => {
                "no usable AWS credentials were found: set AWS_PROFILE, or run `aws configure`"
            }
            None if self.aws.dynamodb.config().region().is_none() => {
                "no region is set: set AWS_REGION, or run `aws configure`"
            }
            Some("ResourceNotFoundException") => {
                "deploy the stacks (infra/deploy), or name the table that they created"
            }
            Some("AccessDeniedException" | "UnrecognizedClientException") => {
                "check the credentials, the region and the permissions for the table"
            }
            _ => "run again; nothing is lost",
        };
        self.problem(error_chain(&error).replace('\n', " ")).help(help).caused_by(error)
    }
}

/// Returns whether an error, or one of its causes, is an `E`.
fn is_caused_by<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    error.is::<E>() || error.source().is_some_and(is_caused_by::<E>)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    use super::*;

    #[test]
    fn missing_credentials_are_recognised_by_the_type_of_a_cause() {
        let failed = |cause: Box<dyn StdError + Send + Sync>| SdkError::<GetItemError, ()>::construction_failure(cause);
        assert!(is_caused_by::<CredentialsError>(&failed(CredentialsError::not_loaded_no_source().into())));
        assert!(!is_caused_by::<CredentialsError>(&failed("no credentials".into())));
    }
}
