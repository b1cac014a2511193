//! Several records in one: the aggregation format of Amazon's Kinesis Producer Library, which the KCL, Lambda's
//! de-aggregation modules and `aws_kinesis_agg` read
//! (<https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>).
//!
//! An aggregated record consists of four magic bytes, a protocol buffers message, and the MD5 of that message.

use md5::{Digest as _, Md5};
use prost::Message;

/// The first bytes of an aggregated record.
const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// The size of the MD5 at its end.
const DIGEST: usize = 16;

/// Several records.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    /// Every partition key of the records, without duplicates.
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<UserRecord>,
}

/// One record in it.
#[derive(Clone, PartialEq, Message)]
struct UserRecord {
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
}

/// Packs several records into one.
#[derive(Debug, Default)]
pub struct Aggregate {
    message: AggregatedRecord,
    /// The size of the message.
    size: usize,
}

impl Aggregate {
    /// An aggregate without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.message.records.len()
    }

    /// Returns whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.message.records.is_empty()
    }

    /// The size of the aggregated record in bytes.
    pub fn size(&self) -> usize {
        MAGIC.len() + self.size + DIGEST
    }

    /// The size in bytes with one more record, whose partition key is new.
    pub fn size_with(&self, partition_key: &str, data: &[u8]) -> usize {
        self.size() + field(partition_key.len()) + field(record_size(self.len(), data.len()))
    }

    /// Adds a record. Every record is of a different row here, so every partition key is new.
    pub fn push(&mut self, partition_key: String, data: Vec<u8>) {
        self.size = self.size_with(&partition_key, &data) - MAGIC.len() - DIGEST;
        let partition_key_index = self.len() as u64;
        self.message.partition_key_table.push(partition_key);
        self.message.records.push(UserRecord { partition_key_index, explicit_hash_key_index: None, data });
    }

    /// Encodes the aggregated record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        bytes.extend_from_slice(&MAGIC);
        self.message.encode_raw(&mut bytes);
        let digest = Md5::digest(&bytes[MAGIC.len()..]);
        bytes.extend_from_slice(&digest);
        bytes
    }
}

/// The encoded size of a record in the message: its index and its data.
fn record_size(index: usize, data: usize) -> usize {
    1 + varint(index) + field(data)
}

/// The encoded size of a field of `length` bytes: tag, length, bytes.
fn field(length: usize) -> usize {
    1 + varint(length) + length
}

/// The encoded size of a number.
fn varint(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// How many bytes aggregating a single record adds at most: magic, digest, and the tags and lengths of three fields.
pub const OVERHEAD: usize = MAGIC.len() + DIGEST + 3 * 6 + 8;

/// Unpacks an aggregated record. Anything else, or a damaged one, is returned as a single record.
pub fn deaggregate(data: &[u8]) -> Vec<Vec<u8>> {
    unpack(data).unwrap_or_else(|| vec![data.to_vec()])
}

fn unpack(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(DIGEST)?)?;
    if Md5::digest(message).as_slice() != digest {
        return None;
    }
    let message = AggregatedRecord::decode(message).ok()?;
    Some(message.records.into_iter().map(|record| record.data).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_records_unpack_to_the_same_data_and_their_size_is_known_in_advance(
            sizes in prop::collection::vec((1..=256_usize, 0..400_usize, any::<u8>()), 1..300),
        ) {
            // Only sizes matter to the format, and random bytes take long to make.
            let record = |(key, data, first): (usize, usize, u8)| {
                (format!("{first:02x}").repeat(128)[..key].to_owned(), (0..data).map(|n| first.wrapping_add(n as u8)).collect())
            };
            let records: Vec<(String, Vec<u8>)> = sizes.into_iter().map(record).collect();
            let mut aggregate = Aggregate::new();
            for (key, data) in &records {
                let size = aggregate.size_with(key, data);
                aggregate.push(key.clone(), data.clone());
                prop_assert_eq!(aggregate.size(), size);
            }
            let bytes = aggregate.encode();
            prop_assert_eq!(bytes.len(), aggregate.size());
            let data: Vec<Vec<u8>> = records.into_iter().map(|(_, data)| data).collect();
            prop_assert_eq!(deaggregate(&bytes), data);
        }
    }

    #[test]
    fn a_damaged_aggregate_is_returned_as_one_record() {
        let mut aggregate = Aggregate::new();
        aggregate.push("a".into(), b"data".to_vec());
        let mut bytes = aggregate.encode();
        *bytes.last_mut().expect("it has bytes") ^= 1;
        assert_eq!(deaggregate(&bytes), [bytes.clone()]);
        for short in [&b""[..], b"{}", &MAGIC, &bytes[..12]] {
            assert_eq!(deaggregate(short), [short]);
        }
    }

    #[test]
    fn a_single_record_grows_by_at_most_the_overhead() {
        for size in [0, 127, 128, 1 << 20, 10 << 20] {
            let data = vec![0; size];
            let key = "0".repeat(32);
            assert!(Aggregate::new().size_with(&key, &data) <= size + key.len() + OVERHEAD);
        }
    }
}
