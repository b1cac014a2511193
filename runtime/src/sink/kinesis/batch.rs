//! Turns lines into the entries of calls.

use xxhash_rust::xxh3::xxh3_128;

use super::kpl::{Aggregate, OVERHEAD};
use super::shards::Shards;
use crate::error::{Error, Result};
use crate::operation::key_bytes;

/// The limits of a call. Since 2025 it takes ten MiB; five is still accepted everywhere.
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
const ENTRIES: usize = 500;
const CALL_BYTES: usize = 5_000_000;

/// The size of aggregated records in bytes, as in Amazon's own producer. Records are billed in units of 25 KB, of which
/// this is two; a record that fails is sent again as a whole.
const AGGREGATED: usize = 51_200;

/// The size of a partition key: 32 hex digits. Kinesis allows 256 characters.
const PARTITION_KEY: usize = 32;

/// The partition key of control records, which are addressed to a shard by its range.
const CONTROL: &str = "control";

/// An operation to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) partition_key: String,
    pub(super) data: Vec<u8>,
}

impl Record {
    /// An operation from its line. Its partition key is the hash of its row's key, so that all operations of a row go
    /// to one shard.
    pub(super) fn from_line(mut line: Vec<u8>) -> Result<Self> {
        let key = key_bytes(&line).ok_or_else(|| Error::refused("an operation", "its line has no readable key"))?;
        let partition_key = format!("{:032x}", xxh3_128(key));
        line.truncate(line.trim_ascii_end().len());
        Ok(Self { partition_key, data: line })
    }

    fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// A Kinesis record, with one or several operations for one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The index of its shard.
    pub(super) shard: usize,
    pub(super) records: Vec<Record>,
    kind: Kind,
    /// Its size in bytes, including its partition key.
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

    /// Returns whether it addresses its shard explicitly, rather than by its partition key.
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

/// How operations are packed into records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packing {
    pub(super) aggregate: bool,
    /// The largest record in bytes, including its partition key.
    pub(super) max_record_bytes: usize,
}

impl Packing {
    /// The largest operation in bytes. A record has a partition key; in an aggregated record, each operation has its
    /// own as well.
    pub(super) fn max_operation_bytes(self) -> usize {
        let aggregated = if self.aggregate { OVERHEAD + PARTITION_KEY } else { 0 };
        self.max_record_bytes - PARTITION_KEY - aggregated
    }

    /// The entries of operations.
    pub(super) fn entries(self, records: Vec<Record>, shards: &Shards) -> Vec<Entry> {
        if !self.aggregate {
            let entry = |record: Record| Entry {
                shard: shards.index_for(&record.partition_key),
                size: record.size(),
                records: vec![record],
                kind: Kind::Plain,
            };
            return records.into_iter().map(entry).collect();
        }
        let mut by_shard: Vec<Vec<Record>> = vec![Vec::new(); shards.all().len()];
        for record in records {
            by_shard[shards.index_for(&record.partition_key)].push(record);
        }
        by_shard.into_iter().enumerate().flat_map(|(shard, records)| self.aggregated(shard, records)).collect()
    }

    /// The operations of one shard, aggregated.
    fn aggregated(self, shard: usize, records: Vec<Record>) -> Vec<Entry> {
        let max_bytes = AGGREGATED.min(self.max_record_bytes - PARTITION_KEY);
        let mut entries: Vec<Entry> = Vec::new();
        let mut sizes = Aggregate::new();
        for record in records {
            let is_full = sizes.size_with(&record.partition_key, &record.data) > max_bytes;
            if entries.is_empty() || is_full {
                sizes = Aggregate::new();
                entries.push(Entry { shard, records: Vec::new(), kind: Kind::Aggregated, size: 0 });
            }
            sizes.push(record.partition_key.clone(), record.data.clone());
            let entry = entries.last_mut().expect("an entry was pushed before");
            entry.size = sizes.size() + PARTITION_KEY;
            entry.records.push(record);
        }
        entries
    }
}

/// Groups entries into calls.
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
        batches.last_mut().expect("a batch was pushed before").push(entry);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::super::shards;
    use super::*;

    fn line(number: usize, size: usize) -> Vec<u8> {
        let text = "x".repeat(size);
        format!("{{\"op\":\"INSERT\",\"key\":{{\"id\":{number}}},\"after\":{{\"t\":\"{text}\"}}}}\n").into_bytes()
    }

    fn record(number: usize, size: usize) -> Record {
        Record::from_line(line(number, size)).expect("it is a line")
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
    fn no_call_exceeds_the_limits() {
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
        let listed = shards::halves();
        let records: Vec<Record> = (0..3000).map(|number| record(number, number % 700)).collect();
        let packing = Packing { aggregate: true, max_record_bytes: 1 << 20 };
        let entries = packing.entries(records.clone(), &listed);
        let mut packed: Vec<Record> = Vec::new();
        for entry in &entries {
            assert!(entry.size <= AGGREGATED + PARTITION_KEY);
            assert_eq!(entry.encode().len() + PARTITION_KEY, entry.size);
            assert!(entry.records.iter().all(|record| listed.index_for(&record.partition_key) == entry.shard));
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
        for (aggregate, max_record_bytes) in [(true, 1 << 20), (true, 10 << 20), (false, 1 << 20), (false, 10 << 20)] {
            let packing = Packing { aggregate, max_record_bytes };
            let empty = line(1, 0).trim_ascii_end().len();
            let largest = record(1, packing.max_operation_bytes() - empty);
            assert_eq!(largest.data.len(), packing.max_operation_bytes());
            let entries = packing.entries(vec![largest], &shards::halves());
            assert_eq!(entries.len(), 1);
            let size = entries[0].size;
            assert!(size <= max_record_bytes && size + 32 > max_record_bytes, "{size} of {max_record_bytes}");
            assert_eq!(entries[0].encode().len() + PARTITION_KEY, entries[0].size);
        }
    }

    #[test]
    fn an_operation_larger_than_an_aggregated_record_gets_its_own_record() {
        let packing = Packing { aggregate: true, max_record_bytes: 1 << 20 };
        let entries = packing.entries(vec![record(1, 10), record(2, 200_000), record(3, 10)], &shards::halves());
        assert!(entries.iter().any(|entry| entry.records.len() == 1 && entry.size > 200_000));
        assert_eq!(entries.iter().map(|entry| entry.records.len()).sum::<usize>(), 3);
    }
}
