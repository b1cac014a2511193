//! Reads the records of a Kinesis stream up to its current end, shard by shard.
//! <https://docs.aws.amazon.com/streams/latest/dev/developing-consumers-with-sdk.html>

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::builders::GetRecordsFluentBuilder;
use aws_sdk_kinesis::operation::get_records::{GetRecordsError, GetRecordsOutput};
use aws_sdk_kinesis::types::ShardIteratorType;

use super::kpl::deaggregate;
use super::shards;
use super::stream_name::StreamName;
use crate::aws::{Aws, error_chain};
use crate::error::{Error, Result};
use crate::sink::any_order::{Delivered, OperationStream, Positions};

/// The most records that one call returns; it also returns ten megabytes at most.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>
const MAX_RECORDS: i32 = 10_000;

/// The longest pause before a shard is read again that returned nothing: it can be read five times a second.
const PAUSE: Duration = Duration::from_millis(400);

/// A stream that is read from its beginning, or on from positions.
#[derive(Debug)]
pub struct StreamReader {
    aws: Arc<Aws>,
    /// `kinesis:STREAM`
    name: String,
    stream: StreamName,
    /// The shards that are still to be read in this pass.
    waiting: VecDeque<String>,
    current: Option<Cursor>,
    /// Whether this pass has read anything.
    has_read: bool,
    has_begun: bool,
}

/// Where a shard is read.
#[derive(Debug)]
struct Cursor {
    shard: String,
    iterator: String,
}

impl StreamReader {
    /// A stream by its name, `kinesis:STREAM`.
    pub fn new(aws: Arc<Aws>, name: &str) -> Result<Self> {
        let stream = name.strip_prefix("kinesis:").filter(|stream| !stream.is_empty() && !stream.contains('?'));
        let stream =
            stream.ok_or_else(|| Error::usage(name, "this is not a stream").help("write it as kinesis:STREAM"))?;
        let (name, stream) = (name.to_owned(), StreamName::new(stream));
        Ok(Self { aws, name, stream, waiting: VecDeque::new(), current: None, has_read: false, has_begun: false })
    }

    /// The shard to read next; `None` if a whole pass over the shards has read nothing. One pass is not enough: while a
    /// shard is being read, others receive records.
    fn next_shard(&mut self, positions: &Positions) -> Result<Option<Cursor>> {
        if self.waiting.is_empty() {
            if self.has_begun && !self.has_read {
                return Ok(None);
            }
            self.waiting = shards::ids(&self.aws, &self.stream)?.into();
            (self.has_begun, self.has_read) = (true, false);
        }
        let next = self.waiting.pop_front().map(|shard| self.cursor(shard, positions));
        next.transpose()
    }

    /// Goes on in a shard after the last record that was read.
    fn cursor(&self, shard: String, positions: &Positions) -> Result<Cursor> {
        let call = self.aws.kinesis.get_shard_iterator().shard_id(&shard);
        let call = call.set_stream_name(self.stream.name.clone()).set_stream_arn(self.stream.arn.clone());
        let call = match positions.get(&shard) {
            None => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Some(last) => {
                call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(last)
            }
        };
        let found = self.aws.wait(call.send()).map_err(|error| self.failed(error))?;
        let iterator = found.shard_iterator.unwrap_or_default();
        Ok(Cursor { shard, iterator })
    }

    /// The next records of a shard. An iterator expires after five minutes.
    fn page(&self, cursor: &Cursor, positions: &Positions) -> Result<GetRecordsOutput> {
        let page = match self.aws.wait(self.get(&cursor.iterator).send()) {
            Err(error) if error.as_service_error().is_some_and(GetRecordsError::is_expired_iterator_exception) => {
                let again = self.cursor(cursor.shard.clone(), positions)?;
                self.aws.wait(self.get(&again.iterator).send())
            }
            page => page,
        };
        page.map_err(|error| self.failed(error))
    }

    fn get(&self, iterator: &str) -> GetRecordsFluentBuilder {
        let call = self.aws.kinesis.get_records().shard_iterator(iterator).limit(MAX_RECORDS);
        call.set_stream_arn(self.stream.arn.clone())
    }

    fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::aws(format!("cannot read {}", self.name), error_chain(&error))
            .help(
                "check the stream's name, the region and the permission to read it, then run again; if the stream was \
                 created anew, delete its rows from `_tidemark_positions` first",
            )
            .caused_by(error)
    }
}

impl OperationStream for StreamReader {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read(&mut self, positions: &mut Positions) -> Result<Option<Vec<Delivered>>> {
        loop {
            let cursor = match self.current.take() {
                Some(cursor) => cursor,
                None => match self.next_shard(positions)? {
                    Some(cursor) => cursor,
                    None => return Ok(None),
                },
            };
            let page = self.page(&cursor, positions)?;
            let is_at_end = page.records.is_empty() && page.millis_behind_latest.unwrap_or_default() == 0;
            let shard = cursor.shard;
            if let Some(iterator) = page.next_shard_iterator.filter(|_| !is_at_end) {
                self.current = Some(Cursor { shard: shard.clone(), iterator });
            }
            let mut delivered = Vec::new();
            for record in page.records {
                let origin: Arc<str> = format!("{} {shard} {}", self.name, record.sequence_number).into();
                let lines = deaggregate(record.data.as_ref()).into_iter();
                delivered.extend(lines.map(|line| Delivered { line, origin: Arc::clone(&origin) }));
                positions.insert(shard.clone(), record.sequence_number);
            }
            if !delivered.is_empty() {
                self.has_read = true;
                return Ok(Some(delivered));
            }
            if self.current.is_some() {
                self.aws.pause_with_jitter(PAUSE);
            }
        }
    }
}
