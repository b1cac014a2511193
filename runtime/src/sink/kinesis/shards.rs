//! The shards of a stream, and the partition keys that each of them takes.

use std::time::Duration;

use aws_sdk_kinesis::types::Shard as ListedShard;
use md5::{Digest as _, Md5};

use super::stream_name::StreamName;
use crate::aws::Aws;
use crate::error::{Error, Result};

/// How often the shards are listed until their ranges have no gap.
const TRIES: u32 = 20;

/// A shard that accepts records: it has not been split or merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) id: String,
    first: u128,
    last: u128,
}

/// The open shards, sorted by their ranges, which have no gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shards(Vec<Shard>);

impl Shard {
    /// The first number of its range, as an explicit hash key that addresses this shard.
    pub(super) fn hash_key(&self) -> String {
        self.first.to_string()
    }

    fn from_listed(listed: &ListedShard) -> Option<Self> {
        let range = listed.hash_key_range()?;
        let number = |text: &str| text.parse().ok();
        Some(Self {
            id: listed.shard_id().into(),
            first: number(range.starting_hash_key())?,
            last: number(range.ending_hash_key())?,
        })
    }
}

impl Shards {
    /// Lists the open shards of a stream.
    pub(super) fn list(aws: &Aws, stream: &StreamName) -> Result<Self> {
        for _ in 0..TRIES {
            if let Some(shards) = Self::from_listed(&all(aws, stream)?) {
                return Ok(shards);
            }
            aws.pause_with_jitter(Duration::from_secs(1));
        }
        Err(Error::aws(stream.to_string(), "the ranges of its open shards have a gap")
            .help("wait until the stream is ACTIVE, then run again"))
    }

    /// The open ones of the listed shards. `None` if their ranges have a gap: while a shard is being split, there is a
    /// moment when neither it nor its children are open.
    fn from_listed(listed: &[ListedShard]) -> Option<Self> {
        let open = listed.iter().filter(|shard| is_open(shard));
        let mut shards: Vec<Shard> = open.filter_map(Shard::from_listed).collect();
        shards.sort_by_key(|shard| shard.first);
        let begins = shards.first()?.first == 0;
        let ends = shards.last()?.last == u128::MAX;
        let is_whole = shards.windows(2).all(|pair| pair[0].last.checked_add(1) == Some(pair[1].first));
        (begins && ends && is_whole).then_some(Self(shards))
    }

    pub(super) fn all(&self) -> &[Shard] {
        &self.0
    }

    /// The index of the shard that takes a partition key.
    pub(super) fn index_for(&self, partition_key: &str) -> usize {
        let hash = u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into());
        self.0.partition_point(|shard| shard.last < hash)
    }
}

/// The ids of all shards of a stream, also of those that have been split or merged and still hold records.
pub(super) fn ids(aws: &Aws, stream: &StreamName) -> Result<Vec<String>> {
    Ok(all(aws, stream)?.into_iter().map(|shard| shard.shard_id).collect())
}

fn all(aws: &Aws, stream: &StreamName) -> Result<Vec<ListedShard>> {
    let (mut shards, mut token) = (Vec::new(), None);
    loop {
        // A request that continues from a token must not name the stream again.
        let call = match token {
            None => aws.kinesis.list_shards().set_stream_name(stream.name.clone()).set_stream_arn(stream.arn.clone()),
            Some(token) => aws.kinesis.list_shards().next_token(token),
        };
        let page = aws.wait(call.send()).map_err(|error| stream.failed("cannot list the shards of", error))?;
        shards.extend(page.shards.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(shards);
        }
    }
}

fn is_open(shard: &ListedShard) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

/// Two shards, each with half of the range.
#[cfg(test)]
pub(super) fn halves() -> Shards {
    let half = u128::MAX / 2;
    let shard = |id: &str, first, last| Shard { id: id.into(), first, last };
    Shards(vec![shard("a", 0, half), shard("b", half + 1, u128::MAX)])
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::{HashKeyRange, SequenceNumberRange};

    use super::*;

    fn listed(id: &str, first: u128, last: u128, is_closed: bool) -> ListedShard {
        let range = HashKeyRange::builder().starting_hash_key(first.to_string()).ending_hash_key(last.to_string());
        let numbers = SequenceNumberRange::builder().starting_sequence_number("1");
        let numbers = numbers.set_ending_sequence_number(is_closed.then(|| "2".into()));
        ListedShard::builder()
            .shard_id(id)
            .hash_key_range(range.build().expect("it has both"))
            .sequence_number_range(numbers.build().expect("it has a start"))
            .build()
            .expect("it has an id")
    }

    #[test]
    fn a_key_belongs_to_the_shard_whose_range_contains_its_md5() {
        let half = u128::MAX / 2;
        let listed =
            [listed("b", half + 1, u128::MAX, false), listed("a", 0, half, false), listed("old", 0, u128::MAX, true)];
        let shards = Shards::from_listed(&listed).expect("the ranges have no gap");
        let ids: Vec<&str> = shards.all().iter().map(|shard| shard.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        // MD5 of "a" is 0cc1…, of "b" 92eb….
        assert_eq!((shards.index_for("a"), shards.index_for("b")), (0, 1));
    }

    #[test]
    fn a_gap_between_ranges_is_detected() {
        assert_eq!(Shards::from_listed(&[listed("a", 0, 10, false), listed("b", 12, u128::MAX, false)]), None);
        assert_eq!(Shards::from_listed(&[listed("a", 0, 10, false)]), None);
        assert_eq!(Shards::from_listed(&[]), None);
    }
}
