//! The delta of two exports in any order, in one pass.
//!
//! Both exports are read at the same time. A row waits as it is in the file until its counterpart comes; then both
//! leave. Rows of the same bytes are read as one. What remains at the end are rows that only one export has, and pairs
//! that changed; they become operations.
//!
//! Rows for which there is no room become entries of the two indexes, and in the end so do those that still wait. They
//! are matched as if the pairs that left were not in the exports. All that is kept of such a pair is eight bytes of its
//! key's hash, which show if the key comes again.
//!
//! Cost: the bytes of the rows that wait, 60 more for each, and 8 for each pair that left. Of two exports in unrelated
//! orders, a quarter of all rows waits when both are half read.

mod arena;
mod batch;
mod operations;
mod reader;
mod stored_row;
mod waiting;

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use self::operations::{OperationWriter, are_distinct, changed};
use self::reader::{PartReader, PartRows, Shared, ThreadLimits, ThreadResult};
use self::stored_row::{Both, StoredRow};
use self::waiting::{Shard, WaitingRows};
use super::index::Index;
use super::{ENTRIES, HashJoin, Left};
use crate::canonical::row::Layout;
use crate::engine::native::scan::{FieldMap, RowReader};
use crate::engine::native::seen_keys::{self, SeenKeys};
use crate::engine::output::{Layouts, Output, check_conserved};
use crate::engine::request::{DeltaError, DeltaRequest, DeltaSummary, Side};
use crate::engine::resources::Resources;
use crate::error::Result;
use crate::parallel::{fold_in_parallel, join};
use crate::plan::{Counts, Findings};
use crate::snapshot::Export;
use crate::telemetry::check_stop;

/// The share of a delta's memory for the rows that wait. The entries have half of the memory.
const WAITING: f64 = 0.375;
/// The share of a delta's memory for the rows that changed.
const CHANGED: f64 = 0.0625;
/// The share of a delta's memory for the keys of the pairs that left.
const PAIRS: f64 = 0.0625;

/// Both exports, once they are read.
struct ReadExports<'a> {
    exports: Both<&'a Export>,
    /// What the threads found out, those of the baseline first.
    found: Both<Vec<ThreadResult>>,
    maps: Vec<Arc<FieldMap>>,
    /// The rows that wait.
    shards: Vec<Shard>,
}

/// Computes the delta; `None` if it needs two passes, because no row fits into memory, a row cannot be read, or a key
/// may appear twice.
pub(in crate::engine::native) fn delta(
    request: &DeltaRequest<'_>,
    layouts: Layouts<'_>,
    output: Output<'_>,
) -> Result<Option<DeltaSummary>, DeltaError> {
    let Some(baseline) = request.inputs.baseline else { return Ok(None) };
    let exports = [baseline, request.inputs.snapshot];
    let Some(waiting) = WaitingRows::new(request.resources.share(WAITING).memory()) else { return Ok(None) };
    let shared = Shared::new(layouts, waiting);
    let read = thread::scope(|scope| {
        let old = scope.spawn(|| read(&shared, Side::Baseline, exports[0], request));
        let new = read(&shared, Side::Snapshot, exports[1], request);
        Ok([join(old)?, new?])
    });
    // An export that was not read to its end because the user asked to stop is not irregular.
    check_stop().map_err(DeltaError::snapshot)?;
    let read: Result<_> = read;
    let Some(found) = read.ok().filter(|_| !shared.is_irregular()) else { return Ok(None) };
    let (maps, shards) = shared.into_parts();
    let read = ReadExports { exports, found, maps, shards };
    if read.found.iter().flatten().all(|found| found.entries.iter().all(Index::is_empty)) {
        return read.finish(request, layouts, output);
    }
    let join = read.into_hash_join(request, layouts, output).map_err(DeltaError::snapshot)?;
    join.map_or(Ok(None), HashJoin::run)
}

/// Reads an export, several parts at the same time.
fn read(shared: &Shared<'_>, side: Side, export: &Export, request: &DeltaRequest<'_>) -> Result<Vec<ThreadResult>> {
    let parts: Vec<u32> = (0..export.parts.len() as u32).collect();
    let of_export = request.resources.split(2);
    let readers = NonZero::new(of_export.threads().min(parts.len())).unwrap_or(NonZero::<usize>::MIN);
    let each = of_export.split(readers.get());
    let room = ThreadLimits {
        // The rows that wait become entries in the end, of both exports.
        entries: each.share(ENTRIES / 4.0),
        changed: each.share(CHANGED).memory(),
        pairs: each.share(PAIRS).memory() / seen_keys::BYTES,
    };
    let new = || PartReader::new(shared, side, room);
    let work = |reader: &mut PartReader<'_>, part: &u32| reader.read(export, *part, request.watch);
    let readers = fold_in_parallel(readers, &parts, new, work)?;
    Ok(readers.into_iter().map(PartReader::into_result).collect())
}

impl<'a> ReadExports<'a> {
    /// Writes the operations; `None` if a key may appear twice.
    fn finish(
        mut self,
        request: &DeltaRequest<'_>,
        layouts: Layouts<'_>,
        output: Output<'_>,
    ) -> Result<Option<DeltaSummary>, DeltaError> {
        let mut parts = self.found.each_mut().map(|found| parts(found));
        let rows = parts.each_ref().map(|parts| parts.iter().map(|part| part.rows).sum());
        let mut found: Vec<ThreadResult> = self.found.into_iter().flatten().collect();
        let mut writer = OperationWriter::new(layouts, &self.maps, output);
        let is_written = are_distinct(&mut found, &self.shards)
            && writer.deletes(&self.shards, &parts[0]).map_err(DeltaError::snapshot)?
            && writer.new_rows(&self.shards, &found).map_err(DeltaError::snapshot)?;
        if !is_written {
            return Ok(None);
        }
        let sum =
            |side: usize| found.iter().map(|found| found.fingerprints[side]).sum::<i128>() + writer.fingerprints[side];
        let (fingerprints, totals) = ([sum(0), sum(1)], writer.output.totals);
        check_conserved(request.head, fingerprints[0], fingerprints[1], totals.difference)?;
        let findings = Findings {
            deleted_block: writer.deleted.block(layouts.before, totals.counts.deleted),
            ..totals.findings()
        };
        let [baseline_parts, snapshot_parts] =
            parts.each_mut().map(|parts| parts.drain(..).map(|part| part.read).collect());
        Ok(Some(DeltaSummary {
            counts: Counts { baseline_rows: rows[0], rows: rows[1], ..totals.counts },
            baseline_fingerprint: fingerprints[0],
            fingerprint: fingerprints[1],
            findings,
            sum_of_ids: totals.sum_of_ids,
            baseline_parts,
            snapshot_parts,
        }))
    }

    /// Turns all rows that are left into entries, to be matched and read again; `None` if one of them cannot be read.
    fn into_hash_join<'o>(
        mut self,
        request: &'a DeltaRequest<'a>,
        layouts: Layouts<'a>,
        output: Output<'o>,
    ) -> Result<Option<HashJoin<'a, 'o>>> {
        let resources = request.resources;
        let parts = self.found.each_mut().map(|found| parts(found));
        let mut found: Vec<ThreadResult> = self.found.into_iter().flatten().collect();
        let mut converted = Converter::new(layouts, &self.maps, resources.share(ENTRIES / 4.0));
        for row in self.shards.iter().flat_map(Shard::rows).chain(changed(&found).flatten()) {
            if !converted.add(&row)? {
                return Ok(None);
            }
        }
        let mut indexes = converted.indexes.map(|index| vec![index]);
        let mut left = Left::default();
        for found in &mut found {
            let entries = std::mem::replace(&mut found.entries, [Index::empty(), Index::empty()]);
            indexes.iter_mut().zip(entries).for_each(|(indexes, entries)| indexes.push(entries));
            left.pairs += found.pairs;
            left.fingerprints = std::array::from_fn(|side| left.fingerprints[side] + found.fingerprints[side]);
        }
        left.keys = SeenKeys::sorted(found.into_iter().map(|found| found.left).collect());
        let mut merged = indexes.into_iter().zip(parts).zip(self.exports).map(|((indexes, parts), export)| {
            let mut index = Index::merged(indexes, export);
            parts.into_iter().for_each(|part| index.add_part(part.read));
            index.settled(resources.share(ENTRIES).split(2))
        });
        let (Some(baseline), Some(snapshot)) = (merged.next(), merged.next()) else { return Ok(None) };
        Ok(Some(HashJoin::new(request, layouts, output, [baseline?, snapshot?], left)))
    }
}

/// The parts that several threads read, in the order of the export.
fn parts(found: &mut [ThreadResult]) -> Vec<PartRows> {
    let mut parts: Vec<PartRows> = found.iter_mut().flat_map(|found| std::mem::take(&mut found.parts)).collect();
    parts.sort_by_key(|part| part.part);
    let mut rows = 0;
    for part in &mut parts {
        part.first = rows;
        rows += part.rows;
    }
    parts
}

/// Turns rows into entries.
struct Converter<'a> {
    layouts: Both<&'a Layout>,
    maps: &'a [Arc<FieldMap>],
    readers: Both<RowReader<'a>>,
    indexes: Both<Index>,
    resources: Resources<'a>,
}

impl<'a> Converter<'a> {
    fn new(layouts: Layouts<'a>, maps: &'a [Arc<FieldMap>], resources: Resources<'a>) -> Self {
        let layouts = [layouts.before, layouts.after];
        let (readers, indexes) = (layouts.map(RowReader::new), [Index::empty(), Index::empty()]);
        Self { layouts, maps, readers, indexes, resources }
    }

    /// Adds a row. Returns false if it cannot be read.
    fn add(&mut self, row: &StoredRow<'_>) -> Result<bool> {
        let side = row.side as usize;
        match self.readers[side].read(row.record, &self.maps[row.fields as usize]) {
            Some(read) => self.indexes[side].add(read, self.layouts[side], self.resources).map(|()| true),
            None => Ok(false),
        }
    }
}
