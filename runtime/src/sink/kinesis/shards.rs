//! The shards of a stream: which takes which partition key.

use aws_sdk_kinesis::types::Shard as Described;
use md5::{Digest as _, Md5};

/// A shard that takes records: it was not split or merged away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) id: String,
    first: u128,
    last: u128,
}

/// The open shards, by their ranges, which leave nothing out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shards(Vec<Shard>);

impl Shard {
    /// The first number of its range, as an explicit hash key: whatever bears it goes here.
    pub(super) fn hash_key(&self) -> String {
        self.first.to_string()
    }
}

impl Shards {
    /// The open ones of those that were listed. `None` where their ranges leave something out: while a shard is split
    /// there is a moment when neither it nor those that follow it are open.
    pub(super) fn of(described: &[Described]) -> Option<Self> {
        let mut shards: Vec<Shard> = described.iter().filter(|shard| is_open(shard)).filter_map(shard).collect();
        shards.sort_by_key(|shard| shard.first);
        let begins = shards.first()?.first == 0;
        let ends = shards.last()?.last == u128::MAX;
        let is_whole = shards.windows(2).all(|pair| pair[0].last.checked_add(1) == Some(pair[1].first));
        (begins && ends && is_whole).then_some(Self(shards))
    }

    pub(super) fn all(&self) -> &[Shard] {
        &self.0
    }

    /// The place of the shard that takes a partition key.
    pub(super) fn of_key(&self, partition_key: &str) -> usize {
        let hash = u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into());
        self.0.partition_point(|shard| shard.last < hash)
    }
}

fn is_open(shard: &Described) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

fn shard(described: &Described) -> Option<Shard> {
    let range = described.hash_key_range()?;
    let number = |text: &str| text.parse().ok();
    Some(Shard {
        id: described.shard_id().into(),
        first: number(range.starting_hash_key())?,
        last: number(range.ending_hash_key())?,
    })
}

/// Two shards, each of half the range.
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

    fn described(id: &str, first: u128, last: u128, is_closed: bool) -> Described {
        let range = HashKeyRange::builder().starting_hash_key(first.to_string()).ending_hash_key(last.to_string());
        let numbers = SequenceNumberRange::builder().starting_sequence_number("1");
        let numbers = numbers.set_ending_sequence_number(is_closed.then(|| "2".into()));
        Described::builder()
            .shard_id(id)
            .hash_key_range(range.build().expect("it has both"))
            .sequence_number_range(numbers.build().expect("it has a start"))
            .build()
            .expect("it has an id")
    }

    #[test]
    fn a_key_belongs_to_the_shard_in_whose_range_its_md5_lies() {
        let half = u128::MAX / 2;
        let listed = [
            described("b", half + 1, u128::MAX, false),
            described("a", 0, half, false),
            described("old", 0, u128::MAX, true),
        ];
        let shards = Shards::of(&listed).expect("nothing is left out");
        let ids: Vec<&str> = shards.all().iter().map(|shard| shard.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        // MD5 of "a" is 0cc1…, of "b" 92eb….
        assert_eq!((shards.of_key("a"), shards.of_key("b")), (0, 1));
    }

    #[test]
    fn a_range_that_nobody_takes_is_seen() {
        assert_eq!(Shards::of(&[described("a", 0, 10, false), described("b", 12, u128::MAX, false)]), None);
        assert_eq!(Shards::of(&[described("a", 0, 10, false)]), None);
        assert_eq!(Shards::of(&[]), None);
    }
}
