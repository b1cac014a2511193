//! Operations: the typed form that a consumer reads, and the text that stands on the wire.

mod wire;

use serde::{Deserialize, Serialize};

#[cfg(feature = "aws")]
pub(crate) use wire::key_of_words;
pub use wire::{Encoder, Head, Kind, Planned, control_line, key_json, stamp, value_json};

/// A change to one row: `K` and `V` are the generated `Key` and `Values` of its table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation<K, V> {
    /// What happened to the row.
    #[serde(flatten)]
    pub change: Change<V>,
    /// 32 hex digits that name this operation: the same run again, anywhere, yields the same.
    pub id: String,
    /// Whose row it is.
    pub tenant: String,
    /// The table's name.
    pub table: String,
    /// Grows with each version published for the tenant and table. An operation is applied when it is larger than the
    /// last one applied to its key; the number of a deleted key is kept too.
    pub sequence: u64,
    /// The export that brought the change.
    pub version: String,
    /// The export before it; none on the first import.
    pub previous: Option<String>,
    /// Which row it is.
    pub key: K,
    /// `table@hash` of the schema the values were read with.
    pub schema: String,
}

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "UPPERCASE")]
pub enum Change<V> {
    /// The key was not there before.
    Insert {
        /// The columns outside the key.
        after: V,
        /// The row hash.
        #[serde(with = "as_text")]
        hash: i64,
    },
    /// A compared column differs.
    Update {
        /// The old columns outside the key, where the schema asks for them. Left out when one of them was written under
        /// an earlier schema and is no value of today's type.
        #[serde(default = "none", skip_serializing_if = "Option::is_none")]
        before: Option<V>,
        /// The new columns outside the key.
        after: V,
        /// The compared columns that differ, in the order of the schema.
        changed: Vec<String>,
        /// The row hash.
        #[serde(with = "as_text")]
        hash: i64,
        /// The old row hash.
        #[serde(with = "as_text")]
        previous_hash: i64,
    },
    /// The key is there no more.
    Delete {
        /// The old columns outside the key, where the schema asks for them. Left out when one of them was written under
        /// an earlier schema and is no value of today's type.
        #[serde(default = "none", skip_serializing_if = "Option::is_none")]
        before: Option<V>,
        /// The old row hash.
        #[serde(with = "as_text")]
        previous_hash: i64,
    },
}

/// One line of a published version.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<K, V> {
    /// The version begins here.
    Begin(Begin),
    /// A change to one row.
    Operation(Box<Operation<K, V>>),
    /// The version is whole.
    End(End),
}

/// The control record in front of a version's operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Whose table it is.
    pub tenant: String,
    /// The table's name.
    pub table: String,
    /// The version's sequence.
    pub sequence: u64,
    /// The version.
    pub version: String,
    /// The version it was compared with.
    pub previous: Option<String>,
    /// `table@hash` of the schema.
    pub schema: String,
    /// The fingerprint a consumer must have before the operations: the sum of its rows' hashes; 0 if there was none.
    #[serde(with = "as_text")]
    pub fingerprint: i128,
    /// Whether the version is published whole: at END, keys whose last sequence is lower are dropped.
    pub reset: bool,
}

/// The control record behind a version's operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Whose table it is.
    pub tenant: String,
    /// The table's name.
    pub table: String,
    /// The version's sequence.
    pub sequence: u64,
    /// The version.
    pub version: String,
    /// The version it was compared with.
    pub previous: Option<String>,
    /// `table@hash` of the schema.
    pub schema: String,
    /// The fingerprint a consumer must have after the operations: the sum of its rows' hashes.
    #[serde(with = "as_text")]
    pub fingerprint: i128,
    /// Rows of the snapshot.
    pub rows: u64,
    /// INSERTs of the version.
    pub inserted: u64,
    /// UPDATEs of the version.
    pub updated: u64,
    /// DELETEs of the version.
    pub deleted: u64,
}

impl<K, V> Record<K, V>
where
    K: for<'de> Deserialize<'de>,
    V: for<'de> Deserialize<'de>,
{
    /// Reads one line of a published part.
    pub fn from_json(line: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Op<'a> {
            op: &'a str,
        }
        Ok(match serde_json::from_str::<Op<'_>>(line)?.op {
            "BEGIN" => Self::Begin(serde_json::from_str(line)?),
            "END" => Self::End(serde_json::from_str(line)?),
            _ => Self::Operation(serde_json::from_str(line)?),
        })
    }
}

/// `#[serde(default)]` would ask `V: Default` of every consumer.
fn none<V>() -> Option<V> {
    None
}

/// Numbers that are strings in JSON, because 64 bits and more do not survive every reader.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
