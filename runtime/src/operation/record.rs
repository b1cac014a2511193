//! The records of a published version, typed.

use serde::{Deserialize, Serialize};

use crate::operation::schema_change::SchemaChange;

/// A change to one row. `K` and `V` are the generated `Key` and `Values` of its table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation<K, V> {
    /// What happened to the row.
    #[serde(flatten)]
    pub change: Change<V>,
    /// The operation's id: 32 hex digits, the same whenever and wherever the two exports are compared.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// The table's name.
    pub table: String,
    /// The version's number, which grows by one with each version published for the tenant's table. Apply an operation
    /// only if its sequence is larger than the last one applied to its key; keep the sequences of deleted keys, too.
    pub sequence: u64,
    /// The version that brought the change.
    pub version: String,
    /// The version it was compared with; `None` on the first import and in a version that is published in full.
    pub previous: Option<String>,
    /// The row's key.
    pub key: K,
    /// `table@hash` of the schema that the values were read with.
    pub schema: String,
}

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "UPPERCASE")]
pub enum Change<V> {
    /// The key is new.
    Insert {
        /// The columns outside the key.
        after: V,
        /// The row hash.
        #[serde(with = "as_text")]
        hash: i64,
    },
    /// A compared column differs.
    Update {
        /// The old columns outside the key, if the schema asks for them. `None` if one of them was written under an
        /// earlier schema and is not a value of today's type.
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
    /// The key is gone.
    Delete {
        /// The old columns outside the key, if the schema asks for them. `None` if one of them was written under an
        /// earlier schema and is not a value of today's type.
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
    /// The version is complete.
    End(End),
}

/// The control record before a version's operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The tenant.
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
    /// The fingerprint of a consumer's rows before the operations: the sum of their row hashes; 0 without rows.
    #[serde(with = "as_text")]
    pub fingerprint: i128,
    /// Whether the version is published in full: at END, rows whose last sequence is lower are dropped.
    pub reset: bool,
    /// How the schema differs from that of `previous`; `None` if it is the same. Rows that are not sent again are
    /// [carried over](SchemaChange::carry_over): then they have this record's fingerprint, but for the rows that are
    /// sent again because today's types cannot read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_change: Option<SchemaChange>,
}

/// The control record after a version's operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The tenant.
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
    /// The fingerprint of a consumer's rows after the operations: the sum of their row hashes.
    #[serde(with = "as_text")]
    pub fingerprint: i128,
    /// The number of rows after the operations.
    pub rows: u64,
    /// The number of INSERTs.
    pub inserted: u64,
    /// The number of UPDATEs.
    pub updated: u64,
    /// The number of DELETEs.
    pub deleted: u64,
}

impl<K, V> Record<K, V>
where
    K: for<'de> Deserialize<'de>,
    V: for<'de> Deserialize<'de>,
{
    /// Reads one line of a published part, or one record of a stream. Fails if it is not JSON, lacks a field, or
    /// belongs to a table with other columns.
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

/// `#[serde(default)]` would require `V: Default`.
fn none<V>() -> Option<V> {
    None
}

/// Integers that are strings in JSON, because many JSON readers round integers beyond 53 bits.
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
