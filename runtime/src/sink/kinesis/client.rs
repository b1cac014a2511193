//! Puts records on a stream of Kinesis: aggregated, each to the shard of its key, as fast as the shards take them.
//!
//! Lines go in rounds. A round is sent until every record of it is acknowledged; only those that failed are sent again. So
//! what is acknowledged never has a gap, and memory is that of one round.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, RecordDistributionStrategy, StreamStatus};

use super::batch::{Entry, Packing, Record, batches};
use super::pace::Pace;
use super::shards::Shards;
use crate::aws::{Aws, why};
use crate::error::{Error, Result};

/// The largest record of a stream that says nothing else, in KiB; and what it may say.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UpdateMaxRecordSize.html>
const RECORD_KIB: usize = 1024;

/// How many calls are on their way at once. Each holds up to five megabytes.
const CALLS_AT_ONCE: usize = 4;

/// How often in a row a round may make no progress: with pauses of up to five seconds, for about five minutes.
const TRIES: u32 = 120;

/// The longest pause in front of a try, and the first.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How often the shards are listed until their ranges leave nothing out.
const LOOKS: u32 = 20;

/// An open stream.
#[derive(Debug)]
pub struct Kinesis {
    aws: Arc<Aws>,
    stream: Name,
    aggregate: bool,
    /// How many bytes a record may have, its partition key among them.
    most: usize,
    shards: Mutex<Arc<Shards>>,
    pace: Mutex<Pace>,
}

/// A stream as the API wants it named.
#[derive(Debug, Clone)]
struct Name {
    name: Option<String>,
    arn: Option<String>,
}

/// What became of the lines that were to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many of them are acknowledged, from the first on.
    pub lines: u64,
    /// Whether that is all of them.
    pub is_end: bool,
    /// How often a record was turned away because its shard had enough.
    pub throttled: u64,
    /// How many calls it took.
    pub calls: u64,
}

impl Kinesis {
    /// Opens a stream, named by its name or its ARN. With `aggregate`, several operations go into one record.
    pub fn open(aws: Arc<Aws>, stream: &str, aggregate: bool) -> Result<Self> {
        let is_arn = stream.starts_with("arn:");
        let name = |wanted: bool| wanted.then(|| stream.to_owned());
        let stream = Name { name: name(!is_arn), arn: name(is_arn) };
        let call = aws.kinesis.describe_stream_summary();
        let call = call.set_stream_name(stream.name.clone()).set_stream_arn(stream.arn.clone());
        let summary = aws.wait(call.send()).map_err(|error| stream.failed("cannot look at", &error))?;
        let summary = summary.stream_description_summary;
        let status = summary.as_ref().map(|summary| summary.stream_status().clone());
        if !matches!(status, Some(StreamStatus::Active | StreamStatus::Updating)) {
            let status = status.map_or("unknown".to_owned(), |status| status.to_string());
            return Err(Error::aws(stream.to_string(), format!("the stream is {status}"))
                .help("wait until it is ACTIVE, then run again"));
        }
        let strategy = summary.as_ref().and_then(|summary| summary.record_distribution_strategy());
        if strategy.is_some_and(|strategy| *strategy == RecordDistributionStrategy::Auto) {
            return Err(Error::refused(
                stream.to_string(),
                "the stream deals records out by itself, whatever their keys",
            )
            .help("the operations of a row must stay in one shard: give it the strategy USER_PARTITION_KEY"));
        }
        let kib =
            summary.and_then(|summary| summary.max_record_size_in_kib()).and_then(|kib| usize::try_from(kib).ok());
        let most = kib.unwrap_or(RECORD_KIB).max(RECORD_KIB) * 1024;
        let shards = Mutex::new(Arc::new(list(&aws, &stream)?));
        Ok(Self { aws, stream, aggregate, most, shards, pace: Mutex::default() })
    }

    /// How many bytes the largest operation may have that can be put on the stream.
    pub fn largest_record(&self) -> usize {
        self.packing().largest_operation()
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
            // A shard that was split while it was told has children that were not.
            let now = self.look_again()?;
            if *now == *shards {
                return Ok(());
            }
        }
    }

    /// Sends lines, each an operation with or without its line feed, until `next` gives no more or `go_on` says no;
    /// `acknowledged` hears after each round how many of them are. A line that is acknowledged may be sent once more.
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

    /// The next lines, as many as are sent together, and whether they are the last.
    fn round(&self, next: &mut dyn FnMut() -> Result<Option<Vec<u8>>>) -> Result<(Vec<Record>, bool)> {
        let most = self.paced(|pace| pace.round());
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < most {
            let Some(line) = next()? else { return Ok((records, true)) };
            let record = Record::of_line(line)?;
            if record.data.len() > self.largest_record() {
                return Err(self.too_large(&record));
            }
            bytes += record.data.len();
            records.push(record);
        }
        Ok((records, false))
    }

    /// Sends records until all are acknowledged. False when there was no time for that.
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
                // The shards are no longer what they were: whoever reads one takes of a record only what belongs there.
                shards = self.look_again()?;
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

    /// Puts entries on the stream, and tells which were not taken.
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
            for (batch, answer) in now.into_iter().zip(self.aws.all(calls)) {
                sent.calls += 1;
                match answer {
                    Ok(answer) => put.take(batch, &answer, shards, sent),
                    Err(error) if is_throttling(&error) => {
                        sent.throttled += batch.len() as u64;
                        put.left.extend(batch);
                    }
                    Err(error) => return Err(self.stream.failed("cannot write to", &error)),
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
            request.build().map_err(|error| Error::aws(self.stream.to_string(), error))
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
            return Err(Error::aws(self.stream.to_string(), "its shards took nothing for minutes").help(
                "give the stream more shards, or look at who else writes to it; then run again, nothing is lost",
            ));
        }
        self.aws.rest(LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(tries.min(8))));
        Ok(())
    }

    fn packing(&self) -> Packing {
        Packing { aggregate: self.aggregate, most: self.most }
    }

    fn shards(&self) -> Arc<Shards> {
        Arc::clone(&self.shards.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look_again(&self) -> Result<Arc<Shards>> {
        let now = Arc::new(list(&self.aws, &self.stream)?);
        *self.shards.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&now);
        Ok(now)
    }

    fn paced<T>(&self, with: impl FnOnce(&mut Pace) -> T) -> T {
        with(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn too_large(&self, record: &Record) -> Error {
        let problem = format!(
            "the operation with partition key {} has {} bytes, and a record takes {}",
            record.partition_key,
            record.data.len(),
            self.largest_record()
        );
        Error::refused(self.stream.to_string(), problem)
            .help("raise the stream's largest record (aws kinesis update-max-record-size), then run again")
    }
}

/// An error of a call that puts records.
type PutError = aws_sdk_kinesis::error::SdkError<aws_sdk_kinesis::operation::put_records::PutRecordsError>;

/// What became of entries.
#[derive(Debug, Default)]
struct Put {
    /// Those that were not taken.
    left: Vec<Entry>,
    /// Records that another shard took than their readers look for them in.
    strayed: Vec<Record>,
}

impl Put {
    /// Sorts the entries of a call by their answers, which come in the same order.
    fn take(&mut self, batch: Vec<Entry>, answer: &PutRecordsOutput, shards: &Shards, sent: &mut Sent) {
        let mut answers = answer.records().iter();
        for entry in batch {
            match answers.next() {
                Some(answer) if answer.error_code().is_none() => {
                    let is_astray = answer.shard_id().is_some_and(|id| id != shards.all()[entry.shard].id);
                    if is_astray && entry.is_pinned() {
                        self.strayed.extend(entry.records);
                    }
                }
                other => {
                    let code = other.and_then(|answer| answer.error_code());
                    sent.throttled += u64::from(code == Some("ProvisionedThroughputExceededException"));
                    self.left.push(entry);
                }
            }
        }
    }
}

fn is_throttling(error: &PutError) -> bool {
    let codes = ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"];
    error.code().is_some_and(|code| codes.contains(&code))
}

fn list(aws: &Aws, stream: &Name) -> Result<Shards> {
    for _ in 0..LOOKS {
        let (mut shards, mut token) = (Vec::new(), None);
        loop {
            // A page that goes on from a token must not name the stream once more.
            let call = match token {
                None => {
                    aws.kinesis.list_shards().set_stream_name(stream.name.clone()).set_stream_arn(stream.arn.clone())
                }
                Some(token) => aws.kinesis.list_shards().next_token(token),
            };
            let page = aws.wait(call.send()).map_err(|error| stream.failed("cannot list the shards of", &error))?;
            shards.extend(page.shards.unwrap_or_default());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        if let Some(shards) = Shards::of(&shards) {
            return Ok(shards);
        }
        aws.rest(Duration::from_secs(1));
    }
    Err(Error::aws(stream.to_string(), "the ranges of its open shards leave something out")
        .help("wait until the stream is ACTIVE, then run again"))
}

impl Name {
    fn failed<E: std::error::Error + 'static>(&self, doing: &str, error: &E) -> Error {
        Error::aws(format!("{doing} {self}"), why(error))
            .help("look at the stream's name, the region and the right to write to it, then run again; nothing is lost")
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name.as_deref().or(self.arn.as_deref()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::PutRecordsResultEntry;

    use super::*;
    use crate::sink::kinesis::shards;

    /// What a shard says of an entry: that it took it, or why not.
    fn answer(said: std::result::Result<&str, &str>) -> PutRecordsResultEntry {
        let entry = PutRecordsResultEntry::builder();
        match said {
            Ok(shard) => entry.shard_id(shard).sequence_number("1").build(),
            Err(code) => entry.error_code(code).error_message("no").build(),
        }
    }

    fn put(entries: &[Entry], said: &[std::result::Result<&str, &str>]) -> (Put, Sent) {
        let answer = PutRecordsOutput::builder().set_records(Some(said.iter().map(|said| answer(*said)).collect()));
        let (mut put, mut sent) = (Put::default(), Sent::default());
        let answer = answer.build().expect("it has records");
        put.take(entries.to_vec(), &answer, &shards::halves(), &mut sent);
        (put, sent)
    }

    fn data(entries: &[Entry]) -> Vec<Vec<u8>> {
        entries.iter().map(Entry::encode).collect()
    }

    #[test]
    fn only_entries_that_failed_or_were_not_answered_are_left_and_throttling_is_counted() {
        let entries: Vec<Entry> = (0..5).map(|number| Entry::control(0, vec![number])).collect();
        let said = [Ok("a"), Err("ProvisionedThroughputExceededException"), Ok("a"), Err("InternalFailure")];
        let (put, sent) = put(&entries, &said);
        assert_eq!(data(&put.left), [vec![1], vec![3], vec![4]]);
        assert_eq!((sent.throttled, put.strayed.len()), (1, 0));
    }

    #[test]
    fn what_another_shard_took_is_sent_again_where_readers_look_at_the_shard() {
        let line = |number: usize| Record::of_line(format!("{{\"key\":{{\"n\":{number}}}}}").into_bytes());
        let records: Vec<Record> = (0..20).map(|number| line(number).expect("it is a line")).collect();
        let entries = |aggregate| Packing { aggregate, most: 1 << 20 }.entries(records.clone(), &shards::halves());
        let (aggregated, plain) = (entries(true), entries(false));
        // Aggregated: the first half went where it was meant to, the second to a shard that is new.
        let (put_aggregated, _) = put(&aggregated, &[Ok("a"), Ok("c")]);
        assert_eq!((put_aggregated.left.len(), &put_aggregated.strayed), (0, &aggregated[1].records));
        // On their own they belong wherever their keys take them.
        let (put_plain, _) = put(&plain, &vec![Ok("c"); plain.len()]);
        assert_eq!((put_plain.left.len(), put_plain.strayed.len()), (0, 0));
    }
}
