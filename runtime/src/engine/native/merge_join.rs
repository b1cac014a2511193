//! Compares both exports in one pass, as long as they list their rows in the same order.
//!
//! A thread per export decompresses it and finds records; the records meet here. Records of the same bytes are the same
//! row, and other threads read them (`identical`). Of two other records, the one with the lower key has no counterpart,
//! if the keys ascend: nothing stays in memory but a few batches, and because every key is above the one before it, no
//! key appears twice (`sorted`). Before many such rows are written, the order of the other export is checked to its end
//! (`singles`). If the keys do not ascend, but most rows are in the same order in both exports, as
//! when a table is exported in the order of its disk blocks, rows without a counterpart nearby are set aside, and eight
//! bytes per row are kept to detect repeated keys (`aligned`).
//!
//! Anything irregular (an order that is not kept, a row that cannot be read, a key that seems to appear twice, a file
//! that ends too early) is left to the hash join, which needs no order and reports what is wrong.

mod aligned;
mod batch;
mod cursor;
mod first_import;
mod highest_key;
mod identical;
mod join_output;
mod key_order;
mod reader;
mod sides;
mod singles;
mod sorted;
mod stop;
mod unmatched;

use std::collections::HashSet;
use std::thread::{self, Scope};

use self::cursor::Cursor;
use self::identical::{IdenticalRows, KeyCheck};
use self::join_output::JoinOutput;
use self::key_order::{Key, KeyOrder};
use self::reader::{ReadOptions, ReaderThread};
use self::sides::Sides;
use self::singles::{Singles, Sources};
use self::stop::Stop;
use crate::engine::output::{Layouts, Output, check_conserved};
use crate::engine::request::{DeltaError, DeltaRequest, DeltaSummary};
use crate::engine::resources::Resources;
use crate::operation::Head;
use crate::plan::Findings;
use crate::snapshot::Part;
use crate::telemetry::check_stop;

/// Computes a delta; `None` if that needs the hash join.
pub(super) fn delta(
    request: &DeltaRequest<'_>,
    layouts: Layouts<'_>,
    output: Output<'_>,
) -> Result<Option<DeltaSummary>, DeltaError> {
    let (inputs, watch) = (request.inputs, request.watch);
    let joined = thread::scope(|scope| {
        // Both exports share the threads that read rows.
        let readers = (request.resources.threads() / 2).max(1);
        let options = |layout| ReadOptions { layout, watch, readers };
        let (before, after) = (options(layouts.before), options(layouts.after));
        let (baseline, old) = ReaderThread::start(scope, inputs.baseline, before);
        let (snapshot, new) = ReaderThread::start(scope, Some(inputs.snapshot), after);
        let joined = match inputs.baseline {
            Some(export) => {
                let sources = [(export, before), (inputs.snapshot, after)];
                compare(scope, layouts, request.resources, (old, new), sources, output)
            }
            None => first_import::import(scope, layouts, request, new, output),
        };
        // The cursors are dropped, which ends the threads.
        let parts = (baseline.finish(), snapshot.finish());
        joined.map(|joined| (joined, parts))
    });
    match joined {
        Ok((joined, (Some(baseline_parts), Some(snapshot_parts)))) => {
            summary(joined, layouts, request.head, baseline_parts, snapshot_parts).map(Some)
        }
        // An export that was not read to its end because the user asked to stop is not irregular.
        Ok(_) | Err(Stop::Fallback) => check_stop().map(|()| None).map_err(DeltaError::snapshot),
        Err(Stop::Failed(error)) => Err(DeltaError::snapshot(error)),
    }
}

fn summary(
    joined: JoinOutput<'_>,
    layouts: Layouts<'_>,
    head: &Head,
    baseline_parts: Vec<Part>,
    snapshot_parts: Vec<Part>,
) -> Result<DeltaSummary, DeltaError> {
    let JoinOutput { comparison, output, before, after, deleted } = joined;
    let totals = output.totals;
    check_conserved(head, before.fingerprint, after.fingerprint, totals.difference)?;
    let mut counts = totals.counts;
    (counts.baseline_rows, counts.rows) = (before.rows, after.rows);
    let deleted_block = deleted.block(layouts.before, counts.deleted);
    let findings = Findings { deleted_block, comparison, ..totals.findings() };
    Ok(DeltaSummary {
        counts,
        baseline_fingerprint: before.fingerprint,
        fingerprint: after.fingerprint,
        findings,
        sum_of_ids: totals.sum_of_ids,
        baseline_parts,
        snapshot_parts,
    })
}

fn compare<'scope, 'a: 'scope, 'o>(
    scope: &'scope Scope<'scope, '_>,
    layouts: Layouts<'a>,
    resources: Resources<'_>,
    (mut old, mut new): (Cursor<'a>, Cursor<'a>),
    sources: Sources<'_>,
    output: Output<'o>,
) -> Result<JoinOutput<'o>, Stop> {
    let order = RowOrder::learn(layouts, old.first_keys(), new.first_keys());
    let identical = |check| IdenticalRows::start(scope, resources.threads(), layouts.after, check, new.pool());
    match order {
        RowOrder::Ascending(order) => {
            let identical = identical(KeyCheck::Ascending(order.clone()));
            let singles = Singles::new(sources, resources);
            sorted::compare(Sides { layouts, old, new, identical }, order, singles, output)
        }
        RowOrder::Aligned => {
            let identical = identical(KeyCheck::Distinct);
            aligned::compare(Sides { layouts, old, new, identical }, resources, output)
        }
        RowOrder::Different => Err(Stop::Fallback),
    }
}

/// The order in which the exports list their rows.
enum RowOrder {
    /// Both by their keys.
    Ascending(KeyOrder),
    /// Not by their keys, but both in mostly the same order.
    Aligned,
    Different,
}

impl RowOrder {
    /// Learns the order from the first rows of the export that has more of them in its first batch; those of the other
    /// export must follow it.
    fn learn(layouts: Layouts<'_>, old: Vec<Key>, new: Vec<Key>) -> Self {
        let (more, fewer) = if old.len() > new.len() { (old, new) } else { (new, old) };
        if let Some(order) = KeyOrder::learn(layouts.after, &more) {
            let is_kept = fewer.windows(2).all(|pair| order.compare(&pair[0], &pair[1]).is_lt());
            return if is_kept { Self::Ascending(order) } else { Self::Different };
        }
        let known: HashSet<&[u8]> = more.iter().map(Key::bytes).collect();
        let common = fewer.iter().filter(|key| known.contains(key.bytes())).count();
        // If one export is empty, no row has a counterpart, so that any order will do.
        if 2 * common > fewer.len() || fewer.is_empty() { Self::Aligned } else { Self::Different }
    }
}
