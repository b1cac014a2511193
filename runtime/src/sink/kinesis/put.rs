//! The outcome of a call that puts records on a stream.

use aws_sdk_kinesis::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};

use super::batch::{Entry, Record};
use super::shards::Shards;

/// How far sending lines got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many lines are acknowledged, from the first on.
    pub lines: u64,
    /// Whether these are all of them.
    pub is_end: bool,
    /// How many records were rejected because their shard was throttled.
    pub throttled: u64,
    /// How many calls were made.
    pub calls: u64,
}

/// The error of a call that puts records.
pub(super) type PutError = SdkError<PutRecordsError>;

/// What is left of the entries that were put on the stream.
#[derive(Debug, Default)]
pub(super) struct Put {
    /// Entries that were not accepted.
    pub(super) left: Vec<Entry>,
    /// Records that a different shard accepted than the one their consumers read them from.
    pub(super) strayed: Vec<Record>,
}

impl Put {
    /// Sorts the entries of a call by its results, which come in the same order.
    pub(super) fn add(&mut self, batch: Vec<Entry>, output: &PutRecordsOutput, shards: &Shards, sent: &mut Sent) {
        let mut results = output.records().iter();
        for entry in batch {
            match results.next() {
                Some(result) if result.error_code().is_none() => {
                    let is_astray = result.shard_id().is_some_and(|id| id != shards.all()[entry.shard].id);
                    if is_astray && entry.is_pinned() {
                        self.strayed.extend(entry.records);
                    }
                }
                result => {
                    let code = result.and_then(|result| result.error_code());
                    sent.throttled += u64::from(code == Some("ProvisionedThroughputExceededException"));
                    self.left.push(entry);
                }
            }
        }
    }
}

/// Returns whether a call failed because the stream throttles.
pub(super) fn is_throttling(error: &PutError) -> bool {
    let codes = ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"];
    error.code().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::PutRecordsResultEntry;

    use super::super::batch::Packing;
    use super::super::shards;
    use super::*;

    /// The result for an entry: the shard that accepted it, or an error code.
    fn result(outcome: Result<&str, &str>) -> PutRecordsResultEntry {
        let entry = PutRecordsResultEntry::builder();
        match outcome {
            Ok(shard) => entry.shard_id(shard).sequence_number("1").build(),
            Err(code) => entry.error_code(code).error_message("no").build(),
        }
    }

    fn put(entries: &[Entry], outcomes: &[Result<&str, &str>]) -> (Put, Sent) {
        let results = outcomes.iter().map(|outcome| result(*outcome)).collect();
        let output = PutRecordsOutput::builder().set_records(Some(results)).build().expect("it has records");
        let (mut put, mut sent) = (Put::default(), Sent::default());
        put.add(entries.to_vec(), &output, &shards::halves(), &mut sent);
        (put, sent)
    }

    fn data(entries: &[Entry]) -> Vec<Vec<u8>> {
        entries.iter().map(Entry::encode).collect()
    }

    #[test]
    fn only_entries_that_failed_or_have_no_result_are_left_and_throttling_is_counted() {
        let entries: Vec<Entry> = (0..5).map(|number| Entry::control(0, vec![number])).collect();
        let outcomes = [Ok("a"), Err("ProvisionedThroughputExceededException"), Ok("a"), Err("InternalFailure")];
        let (put, sent) = put(&entries, &outcomes);
        assert_eq!(data(&put.left), [vec![1], vec![3], vec![4]]);
        assert_eq!((sent.throttled, put.strayed.len()), (1, 0));
    }

    #[test]
    fn records_that_another_shard_accepted_are_sent_again_if_consumers_depend_on_the_shard() {
        let line = |number: usize| Record::from_line(format!("{{\"key\":{{\"n\":{number}}}}}").into_bytes());
        let records: Vec<Record> = (0..20).map(|number| line(number).expect("it is a line")).collect();
        let entries =
            |aggregate| Packing { aggregate, max_record_bytes: 1 << 20 }.entries(records.clone(), &shards::halves());
        let (aggregated, plain) = (entries(true), entries(false));
        // Aggregated: the first half went to its shard, the second half to a new one.
        let (put_aggregated, _) = put(&aggregated, &[Ok("a"), Ok("c")]);
        assert_eq!((put_aggregated.left.len(), &put_aggregated.strayed), (0, &aggregated[1].records));
        // A single record belongs wherever its key takes it.
        let (put_plain, _) = put(&plain, &vec![Ok("c"); plain.len()]);
        assert_eq!((put_plain.left.len(), put_plain.strayed.len()), (0, 0));
    }
}
