//! A Lambda function that applies the operations of `orders` to a DynamoDB table. Copy it for your own tables.
//!
//! Kinesis delivers at least once, in order within a shard. The two rules of [`runtime::consumer`] make the effect
//! exactly once. With items that are written one by one, they are these:
//!
//! * An operation is applied if its `sequence` is larger than the last one applied to its key. The sequence is kept
//!   when the row is deleted, so that a late duplicate cannot bring the row back. So the operations of a version can be
//!   applied in any order, and in parallel.
//! * A version that is published in full (`reset`) replaces everything: at its END, rows with a lower sequence are
//!   dropped. Every shard gets END, and one shard can be ahead of another. A row that is dropped too early keeps its
//!   sequence, and comes back with the operation that its own shard still has to deliver. A row that arrives late is
//!   dropped at the END of its own shard. This requires that the records of a shard are processed in order:
//!   ParallelizationFactor must be one.
//!
//! Where the schema has changed, only rows that differ under the new one are sent. BEGIN says how to carry the others
//! over; every shard gets it, and the first to process it does the work. So values are kept as they are on the wire,
//! and not as the generated `Values`, which have the columns of one schema.

mod store;

use std::process::ExitCode;

use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord};
use aws_lambda_events::streams::KinesisEventResponse;
use generated::orders::{Key, TABLE};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::aws::Aws;
use runtime::consumer::Envelope;
use runtime::sink::kinesis::kpl::deaggregate;
use runtime::{Operation, Record};
use store::{Columns, MAX_CONCURRENT_WRITES, Orders};

fn main() -> ExitCode {
    runtime::telemetry::init_function_logs();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Error> {
    let table = std::env::var("APPLY_TABLE").map_err(|_| "APPLY_TABLE must name the table to apply to")?;
    let orders = Orders::new(Aws::from_environment()?.dynamodb.clone(), table);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(service_fn(|event: LambdaEvent<KinesisEvent>| apply(&orders, event.payload))))
}

/// Applies a batch of one shard, and reports the first record that could not be applied: Lambda delivers the batch
/// again from there.
async fn apply(orders: &Orders, event: KinesisEvent) -> Result<KinesisEventResponse, Error> {
    let mut batch = Batch { orders, waiting: Vec::new() };
    let mut added = Ok(());
    for record in &event.records {
        added = batch.add(record).await;
        if added.is_err() {
            break;
        }
    }
    // Records before the reported one are not delivered again, so the waiting operations are applied even after an
    // error. If that fails, the earlier record is reported instead.
    match batch.flush().await.and(added) {
        Ok(()) => Ok(KinesisEventResponse::default()),
        Err(failed) => {
            tracing::error!(number = failed.number, "{}", failed.error);
            Ok(failure(failed.number))
        }
    }
}

fn failure(number: String) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    response.add_failure(number);
    response
}

/// A record that could not be applied: its sequence number, and an error without values of rows.
struct Failed {
    number: String,
    error: String,
}

/// Collects operations until there are enough to apply.
struct Batch<'a> {
    orders: &'a Orders,
    waiting: Vec<(String, Operation<Key, Columns>)>,
}

impl Batch<'_> {
    /// Adds a Kinesis record, which can contain several records of this and other tables.
    async fn add(&mut self, record: &KinesisEventRecord) -> Result<(), Failed> {
        let number = &record.kinesis.sequence_number;
        for data in deaggregate(&record.kinesis.data) {
            let unreadable = |error: serde_json::Error| Failed {
                number: number.clone(),
                error: format!("cannot read a record of orders at column {}", error.column()),
            };
            if Envelope::from_json(&data).map_err(unreadable)?.table != TABLE.name {
                continue;
            }
            let text = String::from_utf8_lossy(&data);
            match Record::<Key, Columns>::from_json(&text).map_err(unreadable)? {
                Record::Operation(operation) => self.waiting.push((number.clone(), *operation)),
                control => self.control(number, control).await?,
            }
            if self.waiting.len() >= MAX_CONCURRENT_WRITES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Handles a control record, after applying the operations before it.
    async fn control(&mut self, number: &str, record: Record<Key, Columns>) -> Result<(), Failed> {
        self.flush().await?;
        let done = match record {
            Record::Begin(begin) if begin.reset => self.orders.begin_reset(&begin).await,
            Record::Begin(begin) => self.orders.carry_over(&begin).await,
            Record::End(end) => self.orders.end(&end).await,
            Record::Operation(_) => Ok(()),
        };
        done.map_err(|error| Failed { number: number.into(), error })
    }

    /// Applies the waiting operations in parallel.
    async fn flush(&mut self) -> Result<(), Failed> {
        let mut tasks = Vec::new();
        for (number, operation) in self.waiting.drain(..) {
            let orders = self.orders.clone();
            tasks.push((number, tokio::spawn(async move { orders.apply(operation).await })));
        }
        let mut first = Ok(());
        for (number, task) in tasks {
            let done = task.await.unwrap_or_else(|error| Err(error.to_string()));
            // Records are in order: the batch is delivered again from the first one that failed.
            first = first.and(done.map_err(|error| Failed { number, error }));
        }
        first
    }
}
