//! Puts records on a Kinesis stream: aggregated, each to the shard of its key, as fast as the shards accept them.
//!
//! Lines are sent in rounds. A round is sent until every record in it is acknowledged, and only records that failed are
//! sent again. So acknowledged lines never have a gap, and only one round is in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, RecordDistributionStrategy, StreamDescriptionSummary, StreamStatus,
};

use super::batch::{Entry, Packing, Record, batches};
use super::pace::Pace;
pub use super::put::Sent;
use super::put::{Put, PutError, is_throttling};
use super::shards::Shards;
use super::stream_name::StreamName;
use crate::aws::Aws;
use crate::error::{Error, Result};

/// The largest record of a stream that does not set another limit, in KiB; a limit is never below this.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateMaxRecordSize.html>
const RECORD_KIB: usize = 1024;

/// How many calls are made at once. Each holds up to five megabytes.
const CALLS_AT_ONCE: usize = 4;

/// How many tries in a row may make no progress: with pauses of up to five seconds, about five minutes.
const TRIES: u32 = 120;

/// The first pause before another try, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// An open stream.
#[derive(Debug)]
pub struct Kinesis {
    aws: Arc<Aws>,
    stream: StreamName,
    aggregate: bool,
    /// The largest record in bytes, including its partition key.
    max_record_bytes: usize,
    shards: Mutex<Arc<Shards>>,
    pace: Mutex<Pace>,
}

impl Kinesis {
    /// Opens a stream by its name or its ARN. With `aggregate`, several operations go into one record.
    pub fn open(aws: Arc<Aws>, stream: &str, aggregate: bool) -> Result<Self> {
        let stream = StreamName::new(stream);
        let call = aws.kinesis.describe_stream_summary();
        let call = call.set_stream_name(stream.name.clone()).set_stream_arn(stream.arn.clone());
        let summary = aws.wait(call.send()).map_err(|error| stream.failed("cannot describe", error))?;
        let summary = summary.stream_description_summary;
        check_usable(&stream, summary.as_ref())?;
        let kib = summary.and_then(|summary| summary.max_record_size_in_kib());
        let kib = kib.and_then(|kib| usize::try_from(kib).ok()).unwrap_or(RECORD_KIB);
        let max_record_bytes = kib.max(RECORD_KIB) * 1024;
        let shards = Mutex::new(Arc::new(Shards::list(&aws, &stream)?));
        Ok(Self { aws, stream, aggregate, max_record_bytes, shards, pace: Mutex::default() })
    }

    /// The largest operation that fits into a record, in bytes.
    pub fn max_operation_bytes(&self) -> usize {
        self.packing().max_operation_bytes()
    }

    /// Sends a control record to every open shard, until each has acknowledged it.
    pub fn control(&self, line: &[u8]) -> Result<()> {
        let data = line.trim_ascii_end();
        let mut tries = 0;
        loop {
            let shards = self.shards();
            let mut left: Vec<Entry> =
                (0..shards.all().len()).map(|shard| Entry::control(shard, data.to_vec())).collect();
            let mut sent = Sent::default();
            while !left.is_empty() {
                let before = left.len();
                left = self.put(&shards, left, &mut sent)?.left;
                tries = if left.len() < before { 0 } else { tries + 1 };
                self.pause(tries, left.len())?;
            }
            // The children of a shard that was split meanwhile have not received the record.
            let now = self.list_again()?;
            if *now == *shards {
                return Ok(());
            }
        }
    }

    /// Sends lines, each an operation with or without its line feed, until `next` returns `None` or `go_on` returns
    /// false. `acknowledged` is called after each round with the number of acknowledged lines. An acknowledged line may
    /// be sent again.
    pub fn send(
        &self,
        next: &mut dyn FnMut() -> Result<Option<Vec<u8>>>,
        acknowledged: &mut dyn FnMut(u64) -> Result<()>,
        go_on: &dyn Fn() -> Result<bool>,
    ) -> Result<Sent> {
        let mut sent = Sent::default();
        while !sent.is_end {
            if !go_on()? {
                return Ok(sent);
            }
            let (records, is_end) = self.round(next)?;
            let lines = records.len() as u64;
            let throttled = sent.throttled;
            if !self.send_round(records, &mut sent, go_on)? {
                return Ok(sent);
            }
            self.paced(|pace| pace.learn(sent.throttled > throttled));
            sent.lines += lines;
            sent.is_end = is_end;
            if lines > 0 {
                acknowledged(sent.lines)?;
            }
        }
        Ok(sent)
    }

    /// The lines of the next round, and whether they are the last.
    fn round(&self, next: &mut dyn FnMut() -> Result<Option<Vec<u8>>>) -> Result<(Vec<Record>, bool)> {
        let max_bytes = self.paced(|pace| pace.round());
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < max_bytes {
            let Some(line) = next()? else { return Ok((records, true)) };
            let record = Record::from_line(line)?;
            if record.data.len() > self.max_operation_bytes() {
                return Err(self.too_large(&record));
            }
            bytes += record.data.len();
            records.push(record);
        }
        Ok((records, false))
    }

    /// Sends records until all are acknowledged. Returns false if `go_on` did so first.
    fn send_round(&self, records: Vec<Record>, sent: &mut Sent, go_on: &dyn Fn() -> Result<bool>) -> Result<bool> {
        let packing = self.packing();
        let mut shards = self.shards();
        let mut left = packing.entries(records, &shards);
        let mut tries = 0;
        while !left.is_empty() {
            let before = left.len();
            let put = self.put(&shards, left, sent)?;
            left = put.left;
            if !put.strayed.is_empty() {
                // The shards have changed, and a consumer ignores whatever in a record belongs to another shard.
                shards = self.list_again()?;
                let again = left.into_iter().flat_map(|entry| entry.records).chain(put.strayed).collect();
                left = packing.entries(again, &shards);
            }
            tries = if left.len() < before { 0 } else { tries + 1 };
            if !left.is_empty() && !go_on()? {
                return Ok(false);
            }
            self.pause(tries, left.len())?;
        }
        Ok(true)
    }

    /// Puts entries on the stream once, and returns what is left of them.
    fn put(&self, shards: &Shards, entries: Vec<Entry>, sent: &mut Sent) -> Result<Put> {
        let mut put = Put::default();
        let mut batches = batches(entries).into_iter();
        loop {
            let now: Vec<Vec<Entry>> = batches.by_ref().take(CALLS_AT_ONCE).collect();
            if now.is_empty() {
                return Ok(put);
            }
            let calls = now.iter().map(|batch| self.call(shards, batch));
            let calls: Vec<_> = calls.collect::<Result<_>>()?;
            for (batch, result) in now.into_iter().zip(self.aws.all(calls)) {
                sent.calls += 1;
                match result {
                    Ok(output) => put.add(batch, &output, shards, sent),
                    Err(error) if is_throttling(&error) => {
                        sent.throttled += batch.len() as u64;
                        put.left.extend(batch);
                    }
                    Err(error) => return Err(self.stream.failed("cannot write to", error)),
                }
            }
        }
    }

    fn call(
        &self,
        shards: &Shards,
        batch: &[Entry],
    ) -> Result<impl Future<Output = Result<PutRecordsOutput, PutError>> + Send + 'static + use<>> {
        let entries = batch.iter().map(|entry| {
            let request = PutRecordsRequestEntry::builder().data(entry.encode().into());
            let request = request.partition_key(&entry.records[0].partition_key);
            let request =
                request.set_explicit_hash_key(entry.is_pinned().then(|| shards.all()[entry.shard].hash_key()));
            request.build().map_err(|error| Error::aws(self.stream.to_string(), &error).caused_by(error))
        });
        let entries: Vec<PutRecordsRequestEntry> = entries.collect::<Result<_>>()?;
        let call = self.aws.kinesis.put_records().set_records(Some(entries));
        Ok(call.set_stream_name(self.stream.name.clone()).set_stream_arn(self.stream.arn.clone()).send())
    }

    fn pause(&self, tries: u32, left: usize) -> Result<()> {
        if left == 0 {
            return Ok(());
        }
        crate::telemetry::check_stop()?;
        if tries > TRIES {
            return Err(Error::aws(self.stream.to_string(), "all shards throttled for minutes")
                .help("add shards to the stream, or check who else writes to it; then run again, nothing is lost"));
        }
        self.aws.rest(MAX_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(tries.min(8))));
        Ok(())
    }

    fn packing(&self) -> Packing {
        Packing { aggregate: self.aggregate, max_record_bytes: self.max_record_bytes }
    }

    fn shards(&self) -> Arc<Shards> {
        Arc::clone(&self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn list_again(&self) -> Result<Arc<Shards>> {
        let now = Arc::new(Shards::list(&self.aws, &self.stream)?);
        *self.shards.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&now);
        Ok(now)
    }

    fn paced<T>(&self, with: impl FnOnce(&mut Pace) -> T) -> T {
        with(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn too_large(&self, record: &Record) -> Error {
        let problem = format!(
            "the operation with partition key {} has {} bytes, but the stream accepts at most {}",
            record.partition_key,
            record.data.len(),
            self.max_operation_bytes()
        );
        Error::refused(self.stream.to_string(), problem)
            .help("raise the stream's maximum record size (aws kinesis update-max-record-size), then run again")
    }
}

/// Refuses a stream that is not ready, or whose records do not stay in the shards of their keys.
fn check_usable(stream: &StreamName, summary: Option<&StreamDescriptionSummary>) -> Result<()> {
    let status = summary.map(StreamDescriptionSummary::stream_status);
    if !matches!(status, Some(StreamStatus::Active | StreamStatus::Updating)) {
        let status = status.map_or("unknown".to_owned(), ToString::to_string);
        return Err(Error::aws(stream.to_string(), format!("the stream is {status}"))
            .help("wait until it is ACTIVE, then run again"));
    }
    let strategy = summary.and_then(StreamDescriptionSummary::record_distribution_strategy);
    if strategy == Some(&RecordDistributionStrategy::Auto) {
        return Err(Error::refused(stream.to_string(), "the stream distributes records regardless of their keys")
            .help("set its strategy to USER_PARTITION_KEY, so that all operations of a row stay in one shard"));
    }
    Ok(())
}
