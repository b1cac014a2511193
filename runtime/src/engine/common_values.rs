//! Finds the values that all deleted rows share, as when a partition is missing from an export.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::findings::printable_or_mask;
use crate::canonical::row::Layout;
use crate::canonical::row_bytes::segments;

/// The columns that have the same value in all rows that were added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommonValues {
    /// The number of rows.
    rows: u64,
    values: Vec<CommonValue>,
}

/// A column that had the same value so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CommonValue {
    /// The position of the column, those of the key first.
    position: usize,
    column: String,
    /// The value for people; masked if the column is `pii`.
    printable: String,
    /// The hash of the value's segment of row bytes.
    #[serde(with = "crate::operation::as_text")]
    hash: u128,
    pii: bool,
}

impl CommonValues {
    /// Adds a row: the row bytes of its key, and of its other columns. That costs nothing once no column is left.
    pub(super) fn add(&mut self, layout: &Layout, key: &[u8], values: &[u8]) {
        self.rows += 1;
        if self.rows == 1 {
            let columns = layout.key_columns().chain(layout.value_columns());
            let segments = segments(key).chain(segments(values));
            let compared = columns.zip(segments).enumerate().filter(|(_, (column, _))| column.compare);
            self.values = compared
                .map(|(position, (column, segment))| CommonValue {
                    position,
                    column: column.name.into(),
                    printable: printable_or_mask(column, segment),
                    hash: xxh3_128(segment.bytes),
                    pii: column.is_masked(),
                })
                .collect();
        } else if !self.values.is_empty() {
            let mut segments = segments(key).chain(segments(values)).enumerate();
            self.values.retain(|common| {
                let segment = segments.find(|(position, _)| *position == common.position);
                segment.is_some_and(|(_, segment)| xxh3_128(segment.bytes) == common.hash)
            });
        }
    }

    /// Removes the hashes of private values, which must not be stored.
    pub(super) fn without_personal_values(mut self) -> Self {
        self.values.retain(|value| !value.pii);
        self
    }

    /// Columns and their values, if there are at least two rows to have something in common.
    pub(super) fn printable(&self) -> Vec<(String, String)> {
        if self.rows < 2 {
            return Vec::new();
        }
        self.values.iter().map(|value| (value.column.clone(), value.printable.clone())).collect()
    }
}
