//! From lines to the entries of calls.

use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::sink::kinesis::kpl::{Aggregate, OVERHEAD};
use crate::sink::kinesis::shards::Shards;

/// What one call takes. Ten MiB since 2025; five were taken before, and still are everywhere.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
const ENTRIES: usize = 500;
const CALL_BYTES: usize = 5_000_000;

/// How large records are made out of several operations: Amazon's own producer does the same. They are paid in units of
/// 25 KB each, of which this is two; one that fails is sent again whole.
const AGGREGATED: usize = 51_200;

/// The size of a partition key: 32 hex digits, of at most 256 characters.
const PARTITION_KEY: usize = 32;

/// What control records are sent under. The shard is named by its range.
const CONTROL: &str = "control";

/// An operation on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) partition_key: String,
    pub(super) data: Vec<u8>,
}

impl Record {
    /// An operation as its line. Its partition key is the hash of its row's key, so that all operations of a row are in one
    /// shard.
    pub(super) fn of_line(mut line: Vec<u8>) -> Result<Self> {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(borrow)]
            key: &'a RawValue,
        }
        let key = serde_json::from_slice::<Line<'_>>(&line).map(|line| xxh3_128(line.key.get().as_bytes()));
        let key = key.map_err(|error| Error::refused("an operation", format!("its line cannot be read: {error}")))?;
        line.truncate(line.trim_ascii_end().len());
        Ok(Self { partition_key: format!("{key:032x}"), data: line })
    }

    fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// A record of Kinesis, with one operation or several of one shard in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The place of its shard.
    pub(super) shard: usize,
    pub(super) records: Vec<Record>,
    kind: Kind,
    /// How many bytes it has, its partition key among them.
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Aggregated,
    Control,
}

impl Entry {
    pub(super) fn control(shard: usize, data: Vec<u8>) -> Self {
        let record = Record { partition_key: CONTROL.into(), data };
        Self { shard, size: record.size(), records: vec![record], kind: Kind::Control }
    }

    /// Whether it names its shard itself, rather than by its partition key.
    pub(super) fn is_pinned(&self) -> bool {
        self.kind != Kind::Plain
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self.kind {
            Kind::Plain | Kind::Control => self.records[0].data.clone(),
            Kind::Aggregated => {
                let mut aggregate = Aggregate::new();
                self.records
                    .iter()
                    .for_each(|record| aggregate.push(record.partition_key.clone(), record.data.clone()));
                aggregate.encode()
            }
        }
    }
}

/// How operations become records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packing {
    pub(super) aggregate: bool,
    /// How many bytes a record may have.
    pub(super) most: usize,
}

impl Packing {
    /// How many bytes an operation may have. A record bears a partition key; where it is aggregated, the operation in it
    /// bears its own besides.
    pub(super) fn largest_operation(self) -> usize {
        let aggregated = if self.aggregate { OVERHEAD + PARTITION_KEY } else { 0 };
        self.most - PARTITION_KEY - aggregated
    }

    /// The entries of operations.
    pub(super) fn entries(self, records: Vec<Record>, shards: &Shards) -> Vec<Entry> {
        if !self.aggregate {
            let entry = |record: Record| Entry {
                shard: shards.of_key(&record.partition_key),
                size: record.size(),
                records: vec![record],
                kind: Kind::Plain,
            };
            return records.into_iter().map(entry).collect();
        }
        let mut of_shards: Vec<Vec<Record>> = vec![Vec::new(); shards.all().len()];
        for record in records {
            of_shards[shards.of_key(&record.partition_key)].push(record);
        }
        of_shards.into_iter().enumerate().flat_map(|(shard, records)| self.aggregated(shard, records)).collect()
    }

    /// The operations of one shard, packed.
    fn aggregated(self, shard: usize, records: Vec<Record>) -> Vec<Entry> {
        let most = AGGREGATED.min(self.most - PARTITION_KEY);
        let mut entries: Vec<Entry> = Vec::new();
        let mut sizes = Aggregate::new();
        for record in records {
            let is_full = sizes.size_with(&record.partition_key, &record.data) > most;
            if entries.is_empty() || is_full {
                sizes = Aggregate::new();
                entries.push(Entry { shard, records: Vec::new(), kind: Kind::Aggregated, size: 0 });
            }
            sizes.push(record.partition_key.clone(), record.data.clone());
            let entry = entries.last_mut().expect("one was just there");
            entry.size = sizes.size() + PARTITION_KEY;
            entry.records.push(record);
        }
        entries
    }
}

/// Entries as they go into calls.
pub(super) fn batches(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let is_full = batches.last().is_none_or(|batch| batch.len() == ENTRIES || bytes + entry.size > CALL_BYTES);
        if is_full {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += entry.size;
        batches.last_mut().expect("one was just there").push(entry);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, size: usize) -> Vec<u8> {
        let text = "x".repeat(size);
        format!("{{\"op\":\"INSERT\",\"key\":{{\"id\":{number}}},\"after\":{{\"t\":\"{text}\"}}}}\n").into_bytes()
    }

    fn record(number: usize, size: usize) -> Record {
        Record::of_line(line(number, size)).expect("it is a line")
    }

    #[test]
    fn all_operations_of_a_row_have_one_partition_key() {
        let (a, b, c) = (record(1, 3), record(1, 9), record(2, 3));
        assert_eq!(a.partition_key, b.partition_key);
        assert_ne!(a.partition_key, c.partition_key);
        assert_eq!(a.partition_key, format!("{:032x}", xxh3_128(b"{\"id\":1}")));
        assert_eq!(a.data.last(), Some(&b'}'));
    }

    #[test]
    fn no_call_is_larger_than_it_may_be() {
        let entries = (0..1700).map(|number| Entry::control(0, vec![b'x'; 10 * number]));
        let batches = batches(entries.collect());
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 1700);
        for batch in &batches {
            assert!(batch.len() <= ENTRIES && batch.iter().map(|entry| entry.size).sum::<usize>() <= CALL_BYTES);
        }
        assert!(batches.len() < 10);
    }

    #[test]
    fn operations_are_packed_by_shard_up_to_a_size_and_none_is_lost() {
        let listed = super::super::shards::halves();
        let records: Vec<Record> = (0..3000).map(|number| record(number, number % 700)).collect();
        let packing = Packing { aggregate: true, most: 1 << 20 };
        let entries = packing.entries(records.clone(), &listed);
        let mut packed: Vec<Record> = Vec::new();
        for entry in &entries {
            assert!(entry.size <= AGGREGATED + PARTITION_KEY);
            assert_eq!(entry.encode().len() + PARTITION_KEY, entry.size);
            assert!(entry.records.iter().all(|record| listed.of_key(&record.partition_key) == entry.shard));
            packed.extend(entry.records.clone());
        }
        let sorted = |mut records: Vec<Record>| {
            records.sort_by(|a, b| a.partition_key.cmp(&b.partition_key));
            records
        };
        assert_eq!(sorted(packed), sorted(records));
    }

    #[test]
    fn the_largest_operation_fits_into_the_largest_record() {
        for (aggregate, most) in [(true, 1 << 20), (true, 10 << 20), (false, 1 << 20), (false, 10 << 20)] {
            let packing = Packing { aggregate, most };
            let empty = line(1, 0).trim_ascii_end().len();
            let largest = record(1, packing.largest_operation() - empty);
            assert_eq!(largest.data.len(), packing.largest_operation());
            let entries = packing.entries(vec![largest], &super::super::shards::halves());
            assert_eq!(entries.len(), 1);
            assert!(entries[0].size <= most && entries[0].size + 32 > most, "{} of {most}", entries[0].size);
            assert_eq!(entries[0].encode().len() + PARTITION_KEY, entries[0].size);
        }
    }

    #[test]
    fn an_operation_that_is_larger_than_that_is_a_record_of_its_own() {
        let packing = Packing { aggregate: true, most: 1 << 20 };
        let entries =
            packing.entries(vec![record(1, 10), record(2, 200_000), record(3, 10)], &super::super::shards::halves());
        assert!(entries.iter().any(|entry| entry.records.len() == 1 && entry.size > 200_000));
        assert_eq!(entries.iter().map(|entry| entry.records.len()).sum::<usize>(), 3);
    }
}
