//! Stores rows as items: partition key `tenant`, sort key `key`, a typed attribute for each column, `sequence`, and
//! `carried`: the sequence of the version to whose schema the row was carried over last.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::AttributeValue::{self, Bool, N, Null, S};
use generated::orders::{Key, TABLE};
use runtime::operation::{Begin, End, SchemaChange};
use runtime::table::Type;
use runtime::{Change, Operation};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

type Item = HashMap<String, AttributeValue>;

/// The columns of a row outside its key, as they are on the wire.
pub(crate) type Columns = Map<String, Value>;

/// The attributes of an item that are not columns outside the key.
const OTHER_ATTRIBUTES: [&str; 6] = ["tenant", "key", "sequence", "carried", "region", "order_id"];

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
    pub(crate) async fn apply(&self, operation: Operation<Key, Columns>) -> Result<(), String> {
        let mut item = key(&operation.tenant, &row_key(&operation.key)?);
        item.insert("sequence".into(), N(operation.sequence.to_string()));
        match operation.change {
            Change::Insert { after, .. } | Change::Update { after, .. } => {
                item.insert("region".into(), S(operation.key.region));
                item.insert("order_id".into(), N(operation.key.order_id.to_string()));
                item.extend(attributes(after));
            }
            // The row is deleted, its sequence is kept.
            Change::Delete { .. } => drop(item.insert("deleted".into(), Bool(true))),
        }
        self.put_newer(item).await
    }

    /// Stores that this version is published in full.
    pub(crate) async fn begin_reset(&self, begin: &Begin) -> Result<(), String> {
        let mut item = key(&begin.tenant, RESET);
        item.insert("sequence".into(), N(begin.sequence.to_string()));
        self.put_newer(item).await
    }

    /// If the schema changed, carries the rows that are not sent again over to it.
    pub(crate) async fn carry_over(&self, begin: &Begin) -> Result<(), String> {
        let Some(change) = &begin.schema_change else { return Ok(()) };
        let (change, sequence) = (change.clone(), N(begin.sequence.to_string()));
        let filter = "#sequence < :sequence AND (attribute_not_exists(carried) OR carried < :sequence) \
                      AND attribute_not_exists(deleted)";
        self.for_each_row(&begin.tenant, filter, sequence.clone(), move |orders, row| {
            let (carried, sequence) = (carried_over(row.clone(), &change), sequence.clone());
            async move { orders.put_carried(&row, carried, sequence).await }
        })
        .await
    }

    /// At the end of a version published in full, drops the rows that it does not have.
    pub(crate) async fn end(&self, end: &End) -> Result<(), String> {
        let call = self.client.get_item().table_name(&self.table).consistent_read(true);
        let reset = call.set_key(Some(key(&end.tenant, RESET))).send().await.map_err(|error| describe(&error))?.item;
        let sequence = N(end.sequence.to_string());
        if reset.is_none_or(|reset| reset.get("sequence") != Some(&sequence)) {
            return Ok(());
        }
        let filter = "#sequence < :sequence AND attribute_not_exists(deleted)";
        self.for_each_row(&end.tenant, filter, sequence, |orders, row| async move { orders.drop_row(row).await }).await
    }

    /// Calls `change` with each row of a tenant that `filter` selects, with several at once.
    async fn for_each_row<F>(
        &self,
        tenant: &str,
        filter: &str,
        sequence: AttributeValue,
        change: impl Fn(Self, Item) -> F,
    ) -> Result<(), String>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let call = self.client.query().table_name(&self.table).consistent_read(true);
        // The keys of rows are JSON lists.
        let call = call.key_condition_expression("tenant = :tenant AND begins_with(#key, :rows)");
        let call = call.filter_expression(filter);
        let call = call.expression_attribute_names("#key", "key").expression_attribute_names("#sequence", "sequence");
        let call = call.expression_attribute_values(":tenant", S(tenant.into()));
        let call =
            call.expression_attribute_values(":rows", S("[".into())).expression_attribute_values(":sequence", sequence);
        let mut rows = call.into_paginator().items().send();
        let mut changes = JoinSet::new();
        while let Some(row) = rows.next().await {
            changes.spawn(change(self.clone(), row.map_err(|error| describe(&error))?));
            if changes.len() >= MAX_CONCURRENT_WRITES {
                finish_one(&mut changes).await?;
            }
        }
        while !changes.is_empty() {
            finish_one(&mut changes).await?;
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

    /// Writes a row that was carried over, if it has not changed since it was read, nor was carried further.
    async fn put_carried(&self, row: &Item, mut carried: Item, sequence: AttributeValue) -> Result<(), String> {
        carried.insert("carried".into(), sequence.clone());
        let call = self.client.put_item().table_name(&self.table).set_item(Some(carried));
        let call = call
            .condition_expression("#sequence = :sequence AND (attribute_not_exists(carried) OR carried < :carried)");
        let call = call.expression_attribute_names("#sequence", "sequence");
        let call = call.expression_attribute_values(":sequence", row["sequence"].clone());
        ignore_failed_condition(call.expression_attribute_values(":carried", sequence).send().await)
    }

    /// Writes an item, unless it already has this or a later sequence.
    async fn put_newer(&self, item: Item) -> Result<(), String> {
        let call = self.client.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let call = call.condition_expression("attribute_not_exists(#sequence) OR #sequence < :sequence");
        let call = call.expression_attribute_names("#sequence", "sequence");
        ignore_failed_condition(call.expression_attribute_values(":sequence", item["sequence"].clone()).send().await)
    }
}

async fn finish_one(changes: &mut JoinSet<Result<(), String>>) -> Result<(), String> {
    changes.join_next().await.unwrap_or(Ok(Ok(()))).unwrap_or_else(|error| Err(error.to_string()))
}

fn key(tenant: &str, key: &str) -> Item {
    Item::from([("tenant".into(), S(tenant.into())), ("key".into(), S(key.into()))])
}

/// A row's key as one text: `["eu-west",17]`.
fn row_key(key: &Key) -> Result<String, String> {
    serde_json::to_string(&(&key.region, key.order_id)).map_err(|error| error.to_string())
}

/// The attributes of columns. NULL is stored, so that it differs from a missing attribute.
fn attributes(columns: Columns) -> impl Iterator<Item = (String, AttributeValue)> {
    let attribute = |name: &str, value| match value {
        Value::Null => Null(true),
        Value::Bool(word) => Bool(word),
        Value::Number(number) => N(number.to_string()),
        Value::String(decimal) if is_decimal(name) => N(decimal),
        Value::String(text) => S(text),
        Value::Array(_) | Value::Object(_) => unreachable!("no column has a list or an object"),
    };
    columns.into_iter().map(move |(name, value)| (name.clone(), attribute(&name, value)))
}

/// The value of a column, from its attribute.
fn value(name: &str, attribute: AttributeValue) -> Value {
    match attribute {
        Bool(word) => Value::Bool(word),
        N(decimal) if is_decimal(name) => Value::String(decimal),
        N(number) => number.parse().map_or(Value::Null, Value::Number),
        S(text) => Value::String(text),
        _ => Value::Null,
    }
}

/// Returns whether a column is a decimal, which operations write as a text, and items as a number.
fn is_decimal(name: &str) -> bool {
    TABLE.column(name).is_some_and(|column| matches!(column.ty, Type::Decimal { .. }))
}

/// A row under a changed schema.
fn carried_over(row: Item, change: &SchemaChange) -> Item {
    let (mut item, columns): (Item, Item) =
        row.into_iter().partition(|(name, _)| OTHER_ATTRIBUTES.contains(&name.as_str()));
    let mut columns: Columns =
        columns.into_iter().map(|(name, attribute)| (name.clone(), value(&name, attribute))).collect();
    change.carry_over(&mut columns);
    item.extend(attributes(columns));
    item
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
