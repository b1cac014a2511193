//! Conditional writes, repeated until they succeed or are refused by their condition.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::item::Item;
use super::table::Dynamodb;
use crate::error::Result;

/// How often a transaction is tried that conflicts with another one on the same item. A conflict takes milliseconds,
/// and a table has few writers at once: as many as publish its parts in parallel.
const TRIES: u32 = 12;

/// The longest pause before another try.
const MAX_PAUSE: Duration = Duration::from_millis(1500);

impl Dynamodb {
    /// Makes all of the writes, or none. Returns the reasons, one for each write, if a condition fails.
    pub(super) fn transact(&self, writes: &[TransactWriteItem]) -> Result<Result<(), Vec<CancellationReason>>> {
        let mut tries = 0;
        loop {
            let call = self.aws.dynamodb.transact_write_items().set_transact_items(Some(writes.to_vec()));
            let error = match self.aws.wait(call.send()) {
                Ok(_) => return Ok(Ok(())),
                Err(error) => error,
            };
            if let Some(reasons) = refusal(&error) {
                return Ok(Err(reasons.to_vec()));
            }
            tries += 1;
            if tries == TRIES || !is_transient(&error) {
                return Err(self.failed(error));
            }
            self.aws.rest(MAX_PAUSE.min(Duration::from_millis(20 << tries)));
        }
    }

    /// Updates a table's item, and returns it; or returns the item on which the condition failed.
    pub(super) fn update(&self, update: UpdateBuilder) -> Result<Result<Item, Item>> {
        let update = update.table_name(&self.table).build().map_err(|error| self.problem(error))?;
        let call = self.aws.dynamodb.update_item().table_name(&self.table).set_key(Some(update.key));
        let mut tries = 0;
        let call = call
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        loop {
            let error = match self.aws.wait(call.clone().send()) {
                Ok(done) => return Ok(Ok(done.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    return Ok(Err(failed.item.clone().unwrap_or_default()));
                }
                // A transaction holds the item, such as one that records a delivery. The SDK does not try again.
                Some(UpdateItemError::TransactionConflictException(_)) if tries + 1 < TRIES => tries += 1,
                _ => return Err(self.failed(error)),
            }
            self.aws.rest(MAX_PAUSE.min(Duration::from_millis(20 << tries)));
        }
    }
}

/// The reasons of a refused transaction, if one of them is a failed condition: another try would fail as well.
fn refusal(error: &SdkError<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            let reasons = cancelled.cancellation_reasons();
            reasons.iter().any(failed_condition).then_some(reasons)
        }
        _ => None,
    }
}

/// Returns whether a failed transaction may succeed when tried again, because another one held an item.
fn is_transient(error: &SdkError<TransactWriteItemsError>) -> bool {
    use TransactWriteItemsError::{TransactionCanceledException, TransactionInProgressException};
    let transient = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    match error.as_service_error() {
        Some(TransactionCanceledException(cancelled)) => {
            let mut codes = cancelled.cancellation_reasons().iter().filter_map(CancellationReason::code);
            codes.any(|code| transient.contains(&code))
        }
        Some(TransactionInProgressException(_)) => true,
        _ => false,
    }
}

pub(super) fn failed_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}
