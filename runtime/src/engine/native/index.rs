//! What stays in memory of an export: 32 bytes a row.

use std::collections::HashSet;

use super::scan::{self, Scanned};
use crate::error::{Error, Rejected, Result};
use crate::reject::{Offender, Reason, Rejects};
use crate::row::{Layout, Row};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// The XXH3-128 of a key's bytes, in two halves so that an entry needs no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyHash(u64, u64);

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: KeyHash,
    /// The row hash: over the compared columns.
    pub(super) row: i64,
    /// The hash over all columns.
    image: u64,
}

/// The rows of an export, ascending by key hash, one per key.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) entries: Vec<Entry>,
    pub(super) duplicates: u64,
    parts: Vec<Part>,
}

/// What is left of an index once its rows are matched.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) fingerprint: i128,
    pub(super) parts: Vec<Part>,
}

impl KeyHash {
    /// The hash of a row's key.
    pub(super) fn of(row: &Row) -> Self {
        let hash = row.key_hash();
        Self((hash >> 64) as u64, hash as u64)
    }
}

impl Index {
    /// Reads an export. Rows that cannot be used, and keys that appear with different rows, reject it whole.
    pub(super) fn read(export: &Export, layout: &Layout, watch: &Watch) -> Result<Self> {
        let mut entries = Vec::new();
        let Scanned { parts, mut rejects } = scan::scan(export, layout, watch, |row, _| {
            entries.push(Entry { key: KeyHash::of(row), row: layout.hash(row), image: row.image_hash() });
            Ok(())
        })?;
        entries.sort_unstable_by_key(|entry| (entry.key, entry.image));
        let read = entries.len();
        entries.dedup_by_key(|entry| (entry.key, entry.image));
        let duplicates = (read - entries.len()) as u64;

        let conflicts: HashSet<KeyHash> =
            entries.windows(2).filter(|pair| pair[0].key == pair[1].key).map(|pair| pair[0].key).collect();
        if !conflicts.is_empty() {
            rejects.merge(conflicting_rows(export, layout, watch, &conflicts)?);
        }
        if !rejects.is_empty() {
            return Err(Error::Rejected(Box::new(Rejected { export: export.label.clone(), rejects })));
        }
        Ok(Self { entries, duplicates, parts })
    }

    /// Gives up the rows.
    pub(super) fn summary(self) -> Summary {
        let fingerprint = self.entries.iter().map(|entry| i128::from(entry.row)).sum();
        Summary { fingerprint, parts: self.parts }
    }
}

/// A second look, at where the rows of some keys stand. Every one of them is an offender.
fn conflicting_rows(export: &Export, layout: &Layout, watch: &Watch, keys: &HashSet<KeyHash>) -> Result<Rejects> {
    let mut rejects = Rejects::default();
    scan::scan(export, layout, watch, |row, origin| {
        if keys.contains(&KeyHash::of(row)) {
            rejects.add(Reason::ConflictingDuplicate, || Offender {
                part: origin.part.into(),
                line: origin.line,
                column: None,
                reason: Reason::ConflictingDuplicate,
                message: format!("key {} appears again with another row", layout.shown_key(row.key())),
            });
        }
        Ok(())
    })?;
    Ok(rejects)
}
