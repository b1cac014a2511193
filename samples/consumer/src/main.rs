//! A Lambda function that applies the operations of `orders` to a table of DynamoDB. Copy it for a table of your own.
//!
//! Kinesis delivers at least once, and shard by shard in order. Two rules make the effect exactly once:
//!
//! * An operation is applied when its `sequence` is larger than the last one applied to its key. The number stays when the
//!   row goes, so that a late repeat cannot bring it back. With that, operations of a version may be applied in any order, and
//!   in parallel.
//! * A version that is published whole (`reset`) replaces everything: at its END, rows whose number is lower are dropped.
//!   END comes to every shard, and one shard may be ahead of another; a row that is dropped too early keeps its number, and
//!   comes back with the operation that its own shard still has for it. A row that came too late goes with the END of its own
//!   shard. For that a shard's records must be taken in their order: no ParallelizationFactor above one.

mod store;

use std::process::ExitCode;

use aws_lambda_events::kinesis::{KinesisEvent, KinesisEventRecord};
use aws_lambda_events::streams::KinesisEventResponse;
use generated::orders::{Key, TABLE, Values};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use runtime::aws::Aws;
use runtime::sink::kinesis::client::client::client::kpl::deaggregate;
use runtime::{Operation, Record};
use store::{AT_ONCE, Orders};

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

/// Applies a batch of one shard. Told is the first record that could not be applied: the batch comes again from there on.
async fn apply(orders: &Orders, event: KinesisEvent) -> Result<KinesisEventResponse, Error> {
    let mut batch = Batch { orders, waiting: Vec::new() };
    let mut taken = Ok(());
    for record in &event.records {
        taken = batch.take(record).await;
        if taken.is_err() {
            break;
        }
    }
    // What stands in front of the record that is told does not come again: what still waits is applied, or told itself.
    match batch.flush().await.and(taken) {
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

/// What could not be applied, by the number of its record. No value is told.
struct Failed {
    number: String,
    error: String,
}

/// Operations that wait until there are enough of them.
struct Batch<'a> {
    orders: &'a Orders,
    waiting: Vec<(String, Operation<Key, Values>)>,
}

impl Batch<'_> {
    /// Takes a record of Kinesis, in which there may be several of ours, and some of other tables.
    async fn take(&mut self, record: &KinesisEventRecord) -> Result<(), Failed> {
        let number = &record.kinesis.sequence_number;
        for data in deaggregate(&record.kinesis.data) {
            let unreadable = |error: serde_json::Error| Failed {
                number: number.clone(),
                error: format!("a record cannot be read as one of orders, at column {}", error.column()),
            };
            let text = String::from_utf8_lossy(&data);
            if table_of(&text).map_err(unreadable)? != TABLE.name {
                continue;
            }
            match Record::<Key, Values>::from_json(&text).map_err(unreadable)? {
                Record::Operation(operation) => self.waiting.push((number.clone(), *operation)),
                control => self.control(number, control).await?,
            }
            if self.waiting.len() >= AT_ONCE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// What stands in front of a control record is applied before it.
    async fn control(&mut self, number: &str, record: Record<Key, Values>) -> Result<(), Failed> {
        self.flush().await?;
        let done = match record {
            Record::Begin(begin) if begin.reset => self.orders.begin_reset(&begin).await,
            Record::End(end) => self.orders.end(&end).await,
            _ => Ok(()),
        };
        done.map_err(|error| Failed { number: number.into(), error })
    }

    /// Applies what waits, all at once.
    async fn flush(&mut self) -> Result<(), Failed> {
        let mut tasks = Vec::new();
        for (number, operation) in self.waiting.drain(..) {
            let orders = self.orders.clone();
            tasks.push((number, tokio::spawn(async move { orders.apply(operation).await })));
        }
        let mut first = Ok(());
        for (number, task) in tasks {
            let done = task.await.unwrap_or_else(|error| Err(error.to_string()));
            // The records are in order: the first that failed is where the batch comes again.
            first = first.and(done.map_err(|error| Failed { number, error }));
        }
        first
    }
}

/// The table that a record is about.
fn table_of(text: &str) -> serde_json::Result<String> {
    let record: serde_json::Value = serde_json::from_str(text)?;
    Ok(record["table"].as_str().unwrap_or_default().to_owned())
}
