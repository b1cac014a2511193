//! The delta of two exports in any order: rows are matched by the hashes of their keys.
//!
//! `index` keeps 24 bytes per row (128 bits of its key's hash, and its row hash), in partitions. `changes` compares the
//! partitions of both exports. `second_pass` reads the exports again for the rows that changed; an export without such
//! rows is not read again. `row_spool` and `image_spool` keep rows until their counterpart is read.
//!
//! Cost: 24 bytes per row of either export while rows are matched, then 40 bytes per operation. Entries that do not fit
//! into the memory of a delta go to temporary files (`spill`), and operations that do not fit are written in several
//! second passes. So exports of any size can be compared.

mod changes;
mod entry;
mod image_spool;
mod index;
pub(super) mod one_pass;
mod row_spool;
mod second_pass;
mod spill;

use std::thread;

use self::changes::Changes;
use self::entry::PARTITIONS;
use self::index::{ExportTotals, Index};
use crate::canonical::row::Layout;
use crate::engine::deleted_rows::DeletedRows;
use crate::engine::native::seen_keys::SortedKeys;
use crate::engine::output::{Layouts, Output, check_conserved};
use crate::engine::request::{DeltaError, DeltaRequest, DeltaSummary, Side};
use crate::engine::resources::Resources;
use crate::error::Result;
use crate::operation::Kind;
use crate::parallel::join;
use crate::plan::{Counts, Findings};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// The share of a delta's memory for the entries of both exports.
const ENTRIES: f64 = 0.5;

/// The share of a delta's memory for the changes.
const CHANGES: f64 = 0.25;

/// The memory per change with everything that is kept for it, in bytes.
const CHANGE_BYTES: u64 = 40;

/// Computes the delta of two exports in any order.
pub(super) fn delta(
    request: &DeltaRequest<'_>,
    layouts: Layouts<'_>,
    output: Output<'_>,
) -> Result<DeltaSummary, DeltaError> {
    let (baseline, snapshot) = read_both(request, layouts)?;
    let join = HashJoin::new(request, layouts, output, [baseline, snapshot], Left::default());
    let summary = join.run()?;
    Ok(summary.expect("no pair has left"))
}

struct HashJoin<'a, 'o> {
    request: &'a DeltaRequest<'a>,
    layouts: Layouts<'a>,
    output: Output<'o>,
    baseline: Index,
    snapshot: Index,
    /// The changes that are not written yet.
    changes: Changes,
    deleted: DeletedRows,
    left: Left,
}

/// What is known of pairs of rows that are in neither index, and need no operation.
#[derive(Default)]
struct Left {
    keys: SortedKeys,
    pairs: u64,
    /// The sums of their row hashes in the baseline and in the snapshot.
    fingerprints: [i128; 2],
}

impl<'a, 'o> HashJoin<'a, 'o> {
    fn new(
        request: &'a DeltaRequest<'a>,
        layouts: Layouts<'a>,
        output: Output<'o>,
        [baseline, snapshot]: [Index; 2],
        left: Left,
    ) -> Self {
        let (changes, deleted) = (Changes::default(), DeletedRows::default());
        Self { request, layouts, output, baseline, snapshot, changes, deleted, left }
    }

    /// Writes all operations; `None` if the key of a pair that left comes again.
    fn run(mut self) -> Result<Option<DeltaSummary>, DeltaError> {
        if self.match_partitions()? { self.finish().map(Some) } else { Ok(None) }
    }

    /// Finds all changes. Writes them whenever they fill their memory. Returns false if the key of a pair that left
    /// comes again.
    fn match_partitions(&mut self) -> Result<bool, DeltaError> {
        let max_changes = self.request.resources.share(CHANGES).memory() / CHANGE_BYTES;
        let max_changes = max_changes.clamp(1, u64::from(u32::MAX)) as usize;
        for partition in 0..PARTITIONS {
            self.request.watch.checkpoint(0).map_err(DeltaError::snapshot)?;
            let old = self.baseline.take(partition, self.layouts.before).map_err(DeltaError::baseline)?;
            let new = self.snapshot.take(partition, self.layouts.after).map_err(DeltaError::snapshot)?;
            if self.left.pairs > 0 && old.iter().chain(&new).any(|entry| self.left.keys.contains(entry.key.1.into())) {
                return Ok(false);
            }
            self.changes.add(&old, &new);
            if self.changes.len() >= max_changes {
                self.write_changes(false)?;
            }
        }
        Ok(true)
    }

    /// Writes an operation for each change, unless an export is known to be rejected.
    fn write_changes(&mut self, is_last: bool) -> Result<(), DeltaError> {
        let changes = std::mem::take(&mut self.changes);
        if changes.len() == 0 || self.baseline.is_rejected() || self.snapshot.is_rejected() {
            return Ok(());
        }
        if changes.has([Kind::Delete, Kind::Update]) {
            self.deleted.begin_pass(is_last);
        }
        let pass = second_pass::write(self.request, self.layouts, changes, &mut self.output, &mut self.deleted)?;
        pass.check_unchanged(Side::Baseline, self.baseline.parts())?;
        pass.check_unchanged(Side::Snapshot, self.snapshot.parts())?;
        Ok(())
    }

    /// Writes the last changes, which are usually all of them: only now are most faults of the exports known.
    fn finish(mut self) -> Result<DeltaSummary, DeltaError> {
        self.write_changes(true)?;
        let (inputs, watch, layouts) = (self.request.inputs, self.request.watch, self.layouts);
        let snapshot = self.snapshot.finish(inputs.snapshot, layouts.after, watch).map_err(DeltaError::snapshot)?;
        let baseline = match inputs.baseline {
            Some(export) => self.baseline.finish(export, layouts.before, watch).map_err(DeltaError::baseline)?,
            None => ExportTotals::default(),
        };
        let totals = self.output.totals;
        let deleted_block = self.deleted.block(layouts.before, totals.counts.deleted);
        let findings = Findings { deleted_block, ..totals.findings() };
        let Left { pairs, fingerprints, .. } = self.left;
        let (before, after) = (baseline.fingerprint + fingerprints[0], snapshot.fingerprint + fingerprints[1]);
        check_conserved(self.request.head, before, after, totals.difference)?;
        Ok(DeltaSummary {
            counts: Counts {
                baseline_rows: baseline.rows + pairs,
                rows: snapshot.rows + pairs,
                duplicates: snapshot.duplicates,
                ..totals.counts
            },
            baseline_fingerprint: before,
            fingerprint: after,
            sum_of_ids: totals.sum_of_ids,
            findings,
            baseline_parts: baseline.parts,
            snapshot_parts: snapshot.parts,
        })
    }
}

/// Reads both exports, at the same time if there are threads for that.
fn read_both(request: &DeltaRequest<'_>, layouts: Layouts<'_>) -> Result<(Index, Index), DeltaError> {
    let (inputs, watch) = (request.inputs, request.watch);
    let resources = request.resources.share(ENTRIES);
    let each = resources.split(2);
    let read_old = |export| Index::read(export, layouts.before, each, watch).map_err(DeltaError::baseline);
    let read_new =
        |resources| Index::read(inputs.snapshot, layouts.after, resources, watch).map_err(DeltaError::snapshot);
    match inputs.baseline {
        None => Ok((Index::empty(), read_new(resources)?)),
        Some(baseline) if resources.threads() < 2 => {
            let snapshot = read_new(each)?;
            Ok((read_old(baseline)?, snapshot))
        }
        Some(baseline) => thread::scope(|scope| {
            let baseline = scope.spawn(move || read_old(baseline));
            let (snapshot, baseline) = (read_new(each), join(baseline));
            let snapshot = snapshot?;
            Ok((baseline?, snapshot))
        }),
    }
}

/// The content of an export in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The number of rows, once per key.
    pub rows: u64,
    /// The sum of the row hashes, once per key.
    pub fingerprint: i128,
    /// The parts, with the checksums of the bytes that were read.
    pub parts: Vec<Part>,
}

/// Reads an export, as strictly as a delta does.
pub fn summarise(export: &Export, layout: &Layout, resources: Resources<'_>, watch: &Watch) -> Result<Summary> {
    let mut index = Index::read(export, layout, resources, watch)?;
    for partition in 0..PARTITIONS {
        watch.checkpoint(0)?;
        index.take(partition, layout)?;
    }
    let ExportTotals { rows, fingerprint, parts, .. } = index.finish(export, layout, watch)?;
    Ok(Summary { rows, fingerprint, parts })
}
