//! Stores rows as items: partition key `tenant`, sort key `key`, a typed attribute for each column, and `sequence`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::AttributeValue::{self, Bool, N, Null, S};
use generated::orders::{Key, Values};
use runtime::operation::{Begin, End};
use runtime::{Change, Operation};
use tokio::task::JoinSet;

type Item = HashMap<String, AttributeValue>;

/// The sort key of the item that stores a tenant's last version published in full. It cannot be the key of a row.
const RESET: &str = "reset";

/// The maximum number of concurrent writes.
pub(crate) const MAX_CONCURRENT_WRITES: usize = 64;

/// The DynamoDB table of the orders.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    client: Client,
    table: String,
}

impl Orders {
    pub(crate) fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Applies an operation, unless its key already has this or a later one.
    pub(crate) async fn apply(&self, operation: Operation<Key, Values>) -> Result<(), String> {
        let mut item = key(&operation.tenant, &row_key(&operation.key)?);
        item.insert("sequence".into(), N(operation.sequence.to_string()));
        match operation.change {
            Change::Insert { after, .. } | Change::Update { after, .. } => {
                item.extend(attributes(operation.key, after))
            }
            // The row is deleted, its sequence is kept.
            Change::Delete { .. } => drop(item.insert("deleted".into(), Bool(true))),
        }
        let call = self.client.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let call = call.condition_expression("attribute_not_exists(#sequence) OR #sequence < :sequence");
        let call = call.expression_attribute_names("#sequence", "sequence");
        ignore_failed_condition(call.expression_attribute_values(":sequence", item["sequence"].clone()).send().await)
    }

    /// Stores that this version is published in full.
    pub(crate) async fn begin_reset(&self, begin: &Begin) -> Result<(), String> {
        let mut item = key(&begin.tenant, RESET);
        item.insert("sequence".into(), N(begin.sequence.to_string()));
        let call = self.client.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let call = call.condition_expression("attribute_not_exists(#sequence) OR #sequence < :sequence");
        let call = call.expression_attribute_names("#sequence", "sequence");
        ignore_failed_condition(call.expression_attribute_values(":sequence", item["sequence"].clone()).send().await)
    }

    /// At the end of a version published in full, drops the rows that it does not have.
    pub(crate) async fn end(&self, end: &End) -> Result<(), String> {
        let call = self.client.get_item().table_name(&self.table).consistent_read(true);
        let reset = call.set_key(Some(key(&end.tenant, RESET))).send().await.map_err(|error| describe(&error))?.item;
        let sequence = N(end.sequence.to_string());
        if reset.is_none_or(|reset| reset.get("sequence") != Some(&sequence)) {
            return Ok(());
        }
        let call = self.client.query().table_name(&self.table).consistent_read(true);
        let call = call.key_condition_expression("tenant = :tenant AND begins_with(#key, :rows)");
        let call = call.filter_expression("#sequence < :sequence AND attribute_not_exists(deleted)");
        let call = call.expression_attribute_names("#key", "key").expression_attribute_names("#sequence", "sequence");
        let call = call.expression_attribute_values(":tenant", S(end.tenant.clone()));
        // The keys of rows are JSON lists.
        let call =
            call.expression_attribute_values(":rows", S("[".into())).expression_attribute_values(":sequence", sequence);
        let mut rows = call.into_paginator().items().send();
        let mut drops = JoinSet::new();
        while let Some(row) = rows.next().await {
            let (orders, row) = (self.clone(), row.map_err(|error| describe(&error))?);
            drops.spawn(async move { orders.drop_row(row).await });
            if drops.len() >= MAX_CONCURRENT_WRITES {
                finish_one(&mut drops).await?;
            }
        }
        while !drops.is_empty() {
            finish_one(&mut drops).await?;
        }
        Ok(())
    }

    /// Drops a row that has not changed since it was read. Its sequence is kept.
    async fn drop_row(&self, row: Item) -> Result<(), String> {
        let sequence = row["sequence"].clone();
        let mut item: Item =
            row.into_iter().filter(|(name, _)| ["tenant", "key", "sequence"].contains(&name.as_str())).collect();
        item.insert("deleted".into(), Bool(true));
        let call = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let call =
            call.condition_expression("#sequence = :sequence").expression_attribute_names("#sequence", "sequence");
        ignore_failed_condition(call.expression_attribute_values(":sequence", sequence).send().await)
    }
}

async fn finish_one(drops: &mut JoinSet<Result<(), String>>) -> Result<(), String> {
    drops.join_next().await.unwrap_or(Ok(Ok(()))).unwrap_or_else(|error| Err(error.to_string()))
}

fn key(tenant: &str, key: &str) -> Item {
    Item::from([("tenant".into(), S(tenant.into())), ("key".into(), S(key.into()))])
}

/// A row's key as one text: `["eu-west",17]`.
fn row_key(key: &Key) -> Result<String, String> {
    serde_json::to_string(&(&key.region, key.order_id)).map_err(|error| error.to_string())
}

/// The attributes of a row. NULL is stored, so that it differs from a missing attribute.
fn attributes(key: Key, values: Values) -> Item {
    let text = |text: Option<String>| text.map_or(Null(true), S);
    Item::from([
        ("region".into(), S(key.region)),
        ("order_id".into(), N(key.order_id.to_string())),
        ("customer_email".into(), text(values.customer_email)),
        ("status".into(), S(values.status)),
        ("amount".into(), values.amount.map_or(Null(true), |amount| N(amount.to_string()))),
        ("note".into(), text(values.note)),
        ("updated_at".into(), S(values.updated_at.to_string())),
        ("exported_by".into(), text(values.exported_by)),
    ])
}

/// A failed condition is not an error: it means that the write is outdated.
fn ignore_failed_condition<T, E>(done: Result<T, aws_sdk_dynamodb::error::SdkError<E>>) -> Result<(), String>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match done {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
        Err(error) => Err(describe(&error)),
    }
}

fn describe<E: std::error::Error + 'static>(error: &E) -> String {
    DisplayErrorContext(error).to_string()
}
