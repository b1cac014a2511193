//! The delta of two exports in any order: rows are matched by the hashes of their keys.
//!
//! Each row leaves two hashes behind. `index` keeps 24 bytes of each row (128 bits of its key's hash, its row hash) in
//! partitions; `changes` compares the partitions of both exports; `second_pass` reads the exports again for the rows that
//! changed, and only an export that has any; `row_spool` and `image_spool` keep rows until their counterpart arrives.
//!
//! Cost: 24 bytes a row of each export while they are matched, then 40 bytes an operation. Beyond the memory that a delta
//! may use, entries go to a temporary file (`spill`), and the operations are written in several second passes, each as
//! large as memory allows: any size finishes.

mod changes;
mod entry;
mod image_spool;
mod index;
mod row_spool;
mod second_pass;
mod spill;

use std::thread;

use self::changes::Changes;
use self::entry::PARTITIONS;
use self::index::{Index, Seen};
use self::second_pass::SecondPass;
use super::join;
use crate::canonical::row::Layout;
use crate::engine::findings::DeletedRows;
use crate::engine::output::{Layouts, Output, check_conserved};
use crate::engine::{DeltaSummary, Failed, Inputs, Resources, Side};
use crate::error::Result;
use crate::operation::Head;
use crate::plan::Counts;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// Of the memory that a delta may take: the entries of both exports, the changes, and the images that wait, which there are
/// of old rows and of new ones.
const ENTRIES: f64 = 0.5;

const CHANGES: f64 = 0.25;

const IMAGES: f64 = 0.125;

/// What a change takes with all that is kept for it, in bytes.
const CHANGE: u64 = 40;

/// Computes the delta of two exports in any order.
pub(super) fn delta(
    layouts: Layouts<'_>,
    head: &Head,
    inputs: Inputs<'_>,
    room: Resources<'_>,
    watch: &Watch,
    mut output: Output<'_>,
) -> Result<DeltaSummary, Failed> {
    let (mut baseline, mut snapshot) = read_both(layouts, inputs, room.share(ENTRIES), watch)?;
    let enough = (room.share(CHANGES).memory() / CHANGE).clamp(1, u64::from(u32::MAX)) as usize;
    let (mut changes, mut deleted) = (Changes::default(), DeletedRows::default());
    let mut emit = |changes: &mut Changes, baseline: &Index, snapshot: &Index| -> Result<(), Failed> {
        let changes = std::mem::take(changes);
        if changes.len() == 0 || baseline.is_refused() || snapshot.is_refused() {
            return Ok(());
        }
        let look: SecondPass = second_pass::emit(layouts, inputs, changes, room.share(IMAGES), watch, &mut output)?;
        look.check_unchanged(Side::Baseline, baseline.parts())?;
        look.check_unchanged(Side::Snapshot, snapshot.parts())?;
        deleted.merge(look.deleted);
        Ok(())
    };
    for partition in 0..PARTITIONS {
        watch.checkpoint(0).map_err(|error| Failed { side: Side::Snapshot, error })?;
        let olds = baseline.take(partition, layouts.before).map_err(|error| Failed { side: Side::Baseline, error })?;
        let news = snapshot.take(partition, layouts.after).map_err(|error| Failed { side: Side::Snapshot, error })?;
        changes.add(&olds, &news);
        if changes.len() >= enough {
            emit(&mut changes, &baseline, &snapshot)?;
        }
    }
    // The rest waits until both exports are known to be good: mostly that is everything.
    let checked = |index: Index, export: Option<&Export>, layout: &Layout| match export {
        Some(export) => index.finish(export, layout, watch),
        None => Ok(Seen::default()),
    };
    emit(&mut changes, &baseline, &snapshot)?;
    let snapshot = checked(snapshot, Some(inputs.snapshot), layouts.after)
        .map_err(|error| Failed { side: Side::Snapshot, error })?;
    let baseline =
        checked(baseline, inputs.baseline, layouts.before).map_err(|error| Failed { side: Side::Baseline, error })?;
    let mut written = output.written;
    written.findings.deleted_block = deleted.block(layouts.before);
    check_conserved(head, baseline.fingerprint, snapshot.fingerprint, written.difference)?;
    Ok(DeltaSummary {
        counts: Counts {
            baseline_rows: baseline.rows,
            rows: snapshot.rows,
            duplicates: snapshot.duplicates,
            ..written.counts
        },
        baseline_fingerprint: baseline.fingerprint,
        fingerprint: snapshot.fingerprint,
        sum_of_ids: written.sum_of_ids,
        findings: written.findings,
        baseline_parts: baseline.parts,
        snapshot_parts: snapshot.parts,
    })
}

/// Reads the two exports, at the same time where more than one thread may.
fn read_both(
    layouts: Layouts<'_>,
    inputs: Inputs<'_>,
    room: Resources<'_>,
    watch: &Watch,
) -> Result<(Index, Index), Failed> {
    let (is_alone, each) = (room.threads() < 2, room.split(2));
    let of_old = |error| Failed { side: Side::Baseline, error };
    let of_new = |error| Failed { side: Side::Snapshot, error };
    let read_old = |export| Index::read(export, layouts.before, each, watch);
    let read_new = |room| Index::read(inputs.snapshot, layouts.after, room, watch);
    match inputs.baseline {
        None => Ok((Index::empty(), read_new(room).map_err(of_new)?)),
        Some(baseline) if is_alone => {
            let snapshot = read_new(each).map_err(of_new)?;
            Ok((read_old(baseline).map_err(of_old)?, snapshot))
        }
        Some(baseline) => thread::scope(|scope| {
            let baseline = scope.spawn(move || read_old(baseline));
            let (snapshot, baseline) = (read_new(each), join(baseline));
            let snapshot = snapshot.map_err(of_new)?;
            Ok((baseline.map_err(of_old)?, snapshot))
        }),
    }
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Rows, once per key.
    pub rows: u64,
    /// Sum of the row hashes, once per key.
    pub fingerprint: i128,
    /// The parts, with their checksums as they were read.
    pub parts: Vec<Part>,
}

/// Reads an export, as strictly as a delta does.
pub fn summarise(export: &Export, layout: &Layout, room: Resources<'_>, watch: &Watch) -> Result<Summary> {
    let mut index = Index::read(export, layout, room, watch)?;
    for partition in 0..PARTITIONS {
        watch.checkpoint(0)?;
        index.take(partition, layout)?;
    }
    let Seen { rows, fingerprint, parts, .. } = index.finish(export, layout, watch)?;
    Ok(Summary { rows, fingerprint, parts })
}
