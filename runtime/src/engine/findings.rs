//! What a person inspects before a plan is published, gathered while its operations are written.

use std::collections::BTreeMap;

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::{Segment, segments};
use crate::operation::{Kind, RowChange};
use crate::plan::{Findings, RowSample, SAMPLES, UpdateSample};
use crate::table::{Column, Type};

/// Replaces values of `pii` columns.
const MASK: &str = "***";

/// The longest piece of a value in a sample, in characters.
const SAMPLE_TEXT: usize = 40;

/// How many columns a sample shows. A version must fit into an item of DynamoDB (400 KB,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>) and into the state of a step
/// function (256 KiB, <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>).
const SAMPLE_COLUMNS: usize = 20;

impl Findings {
    /// Counts an operation, and keeps it as a sample if it is among the first of its kind. `added` has a flag for each
    /// column outside the key: whether it was added after the baseline.
    pub(super) fn add(&mut self, layout: &Layout, added: &[bool], operation: &RowChange<'_>) {
        match operation.kind {
            Kind::Insert if self.inserts.len() < SAMPLES => {
                self.inserts.push(row_sample(layout, operation.key, operation.after));
            }
            Kind::Delete if self.deletes.len() < SAMPLES => {
                self.deletes.push(row_sample(layout, operation.key, operation.before));
            }
            Kind::Insert | Kind::Delete => {}
            Kind::Update => self.add_update(layout, added, operation),
        }
    }

    /// Adds the findings of later operations.
    pub(super) fn merge(&mut self, other: Self) {
        self.backfilled += other.backfilled;
        for (counts, others) in [(&mut self.changed, other.changed), (&mut self.unreadable, other.unreadable)] {
            others.into_iter().for_each(|(column, count)| *counts.entry(column).or_default() += count);
        }
        append(&mut self.inserts, other.inserts);
        append(&mut self.updates, other.updates);
        append(&mut self.deletes, other.deletes);
    }

    fn add_update(&mut self, layout: &Layout, added: &[bool], operation: &RowChange<'_>) {
        let pairs = segments(operation.before).zip(segments(operation.after)).zip(added);
        let differences = layout.value_columns().zip(pairs);
        let differences =
            differences.map(|(column, ((old, new), added))| Difference { column, old, new, added: *added });
        let changed: Vec<_> = differences.filter(|one| one.column.compare && one.old != one.new).collect();
        for Difference { column, old, .. } in &changed {
            count(&mut self.changed, column.name);
            if !old.is_readable() {
                count(&mut self.unreadable, column.name);
            }
        }
        if changed.iter().all(|one| one.added) {
            self.backfilled += 1;
            return;
        }
        if self.updates.len() < SAMPLES {
            let show = |one: &Difference<'_>| {
                (one.column.name.into(), printable_or_mask(one.column, one.old), printable_or_mask(one.column, one.new))
            };
            let changes = changed.iter().take(SAMPLE_COLUMNS).map(show).collect();
            let more = changed.len().saturating_sub(SAMPLE_COLUMNS);
            self.updates.push(UpdateSample { key: layout.shown_key(operation.key), changes, more });
        }
    }
}

fn row_sample(layout: &Layout, key: &[u8], values: &[u8]) -> RowSample {
    let columns = layout.value_columns().zip(segments(values)).filter(|(column, _)| column.compare);
    let mut values: Vec<_> =
        columns.map(|(column, value)| (column.name.into(), printable_or_mask(column, value))).collect();
    let more = values.len().saturating_sub(SAMPLE_COLUMNS);
    values.truncate(SAMPLE_COLUMNS);
    RowSample { key: layout.shown_key(key), values, more }
}

fn append<T>(samples: &mut Vec<T>, more: Vec<T>) {
    let missing = SAMPLES - samples.len();
    samples.extend(more.into_iter().take(missing));
}

/// A column of an UPDATE.
struct Difference<'a> {
    column: &'static Column,
    old: Segment<'a>,
    new: Segment<'a>,
    added: bool,
}

fn count(counts: &mut BTreeMap<String, u64>, column: &str) {
    match counts.get_mut(column) {
        Some(count) => *count += 1,
        None => drop(counts.insert(column.into(), 1)),
    }
}

/// A value for people.
pub(super) fn printable_or_mask(column: &Column, value: Segment<'_>) -> String {
    let Some(text) = value.text else { return "NULL".into() };
    if column.is_masked() {
        return MASK.into();
    }
    let text = match column.ty {
        Type::Float | Type::Double if value.is_readable() => {
            float(text).map_or_else(|| "?".into(), |value| value.to_string())
        }
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    let cut: String = text.chars().take(SAMPLE_TEXT).flat_map(char::escape_debug).collect();
    if text.chars().nth(SAMPLE_TEXT).is_some() { cut + "…" } else { cut }
}

fn float(bits: &[u8]) -> Option<f64> {
    let bits = u64::from_str_radix(std::str::from_utf8(bits).ok()?, 16).ok()?;
    Some(f64::from_bits(bits))
}
