//! The delta in this process.
//!
//! Where both exports list their rows in the same order, `merge_join` compares them in one pass: in the memory of a few
//! batches where keys ascend, with eight bytes a row where they do not. Whether the order holds shows only while the exports
//! are read: where it does not, `hash_join` starts over and matches rows by the hashes of their keys. `scan` inflates,
//! splits and canonicalises for both.

mod hash_join;
mod merge_join;
mod scan;

use std::thread;

use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::output::{Layouts, Output};
use crate::engine::{DeltaSummary, Failed, Inputs, Resources, Side};
use crate::operation::Head;
use crate::telemetry::Watch;
pub use hash_join::{Summary, summarise};
pub use scan::{Sighting, find};

/// Computes the delta and gives each operation's line to `lines`, in no particular order.
pub fn delta(
    layout: &Layout,
    head: &Head,
    inputs: Inputs<'_>,
    room: Resources<'_>,
    watch: &Watch,
    lines: &mut dyn LineSink,
) -> Result<DeltaSummary, Failed> {
    let epoch = inputs.baseline.and_then(|baseline| baseline.epoch.as_ref());
    let before = epoch.map(|epoch| Layout::for_epoch(layout.table, epoch));
    let layouts = Layouts { before: before.as_ref().unwrap_or(layout), after: layout };
    if let Some(found) = merge_join::delta(layouts, head, inputs, room, watch, Output::new(layouts, head, lines))? {
        return Ok(found);
    }
    lines.restart().map_err(|error| Failed { side: Side::Snapshot, error })?;
    hash_join::delta(layouts, head, inputs, room, watch, Output::new(layouts, head, lines))
}

/// What a thread gave; its panic is one here as well.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
