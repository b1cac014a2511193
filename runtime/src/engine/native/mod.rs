//! The delta in this process.
//!
//! Where both exports list their rows in one order, `side_by_side` compares them in one look: in the memory of a few
//! batches where keys ascend, with eight bytes a row where they do not. That shows only while they are read: where it does
//! not hold, the comparison begins anew without an order.
//!
//! Then each row leaves two hashes behind. `scan` inflates, splits and canonicalises; `index` keeps 24 bytes of each row
//! (128 bits of its key's hash, its row hash) in partitions; `changes` puts the partitions of both side by side; `emit`
//! takes a second look at the exports for the rows that changed, and only at an export that has any; `hits` and `images`
//! keep rows until their counterpart comes. `output` writes operations and counts what they do.
//!
//! Cost without an order: 24 bytes a row of each export while they are matched, then 40 bytes an operation. Beyond the
//! memory that a delta may take, entries go to a temporary file (`spill`), and the operations are written in several
//! second looks, each as large as memory allows: any size finishes.

mod changes;
mod emit;
mod hits;
mod images;
mod index;
mod scan;
mod side_by_side;
mod spill;

use std::thread;

use crate::change_set::{Counts, Lines};
use crate::engine::findings::DeletedRows;
use crate::engine::output::{Layouts, Output, check_conserved};
use crate::engine::{Failed, Found, Inputs, Room, Side};
use crate::error::Result;
use crate::operation::Head;
use crate::row::Layout;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;
use changes::Changes;
use emit::Looks;
use index::{Index, PARTITIONS, Seen};
pub use scan::{Sighting, find};

/// Of the memory that a delta may take: the entries of both exports, the changes, and the images that wait, which there are
/// of old rows and of new ones.
const ENTRIES: f64 = 0.5;
const CHANGES: f64 = 0.25;
const IMAGES: f64 = 0.125;

/// What a change takes with all that is kept for it, in bytes.
const CHANGE: u64 = 40;

/// Computes the delta and gives each operation's line to `lines`, in no particular order.
pub fn delta(
    layout: &Layout,
    head: &Head,
    inputs: Inputs<'_>,
    room: Room<'_>,
    watch: &Watch,
    lines: &mut dyn Lines,
) -> Result<Found, Failed> {
    let epoch = inputs.baseline.and_then(|baseline| baseline.epoch.as_ref());
    let before = epoch.map(|epoch| Layout::of_epoch(layout.table, epoch));
    let layouts = Layouts { before: before.as_ref().unwrap_or(layout), after: layout };
    if let Some(found) = side_by_side::delta(layouts, head, inputs, room, watch, Output::new(layouts, head, lines))? {
        return Ok(found);
    }
    lines.restart().map_err(|error| Failed { side: Side::Snapshot, error })?;
    in_any_order(layouts, head, inputs, room, watch, Output::new(layouts, head, lines))
}

fn in_any_order(
    layouts: Layouts<'_>,
    head: &Head,
    inputs: Inputs<'_>,
    room: Room<'_>,
    watch: &Watch,
    mut output: Output<'_>,
) -> Result<Found, Failed> {
    let (mut baseline, mut snapshot) = read_both(layouts, inputs, room.share(ENTRIES), watch)?;
    let enough = (room.share(CHANGES).memory() / CHANGE).clamp(1, u64::from(u32::MAX)) as usize;
    let (mut changes, mut deleted) = (Changes::default(), DeletedRows::default());
    let mut emit = |changes: &mut Changes, baseline: &Index, snapshot: &Index| -> Result<(), Failed> {
        let changes = std::mem::take(changes);
        if changes.len() == 0 || baseline.is_refused() || snapshot.is_refused() {
            return Ok(());
        }
        let look: Looks = emit::emit(layouts, inputs, changes, room.share(IMAGES), watch, &mut output)?;
        look.check_unchanged(Side::Baseline, baseline.parts())?;
        look.check_unchanged(Side::Snapshot, snapshot.parts())?;
        deleted.merge(look.deleted);
        Ok(())
    };
    for partition in 0..PARTITIONS {
        watch.breathe(0).map_err(|error| Failed { side: Side::Snapshot, error })?;
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
    Ok(Found {
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
pub fn summarise(export: &Export, layout: &Layout, room: Room<'_>, watch: &Watch) -> Result<Summary> {
    let mut index = Index::read(export, layout, room, watch)?;
    for partition in 0..PARTITIONS {
        watch.breathe(0)?;
        index.take(partition, layout)?;
    }
    let Seen { rows, fingerprint, parts, .. } = index.finish(export, layout, watch)?;
    Ok(Summary { rows, fingerprint, parts })
}

/// Reads the two exports, at the same time where more than one thread may.
fn read_both(
    layouts: Layouts<'_>,
    inputs: Inputs<'_>,
    room: Room<'_>,
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

/// What a thread gave; its panic is one here as well.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
