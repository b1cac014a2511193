//! The delta in this process.
//!
//! Where the keys of both exports ascend, `ordered` compares them side by side, in one look and in the memory of a few
//! batches. That shows only while they are read: where it does not hold, the comparison begins anew without an order.
//!
//! Then of each row two hashes stay in memory. `scan` inflates, splits and canonicalises; `index` keeps 32 bytes of each
//! row (128 bits of its key's hash, its row hash, the hash of its image); `changes` puts the two sorted indexes side by
//! side; `emit` takes a second look at the exports for the rows that changed, and only at an export that has any;
//! `images` keeps the old rows of UPDATEs for it. `output` writes operations and counts what they do.
//!
//! Cost without an order: 32 bytes a row of each export while they are matched, then 32 bytes an operation. Old images of
//! UPDATEs wait in a temporary file beyond 64 MiB.

mod changes;
mod emit;
mod findings;
mod images;
mod index;
mod ordered;
mod output;
mod scan;

use std::path::Path;
use std::thread;

use crate::change_set::{Counts, Lines};
use crate::engine::{Failed, Found, Inputs, Side};
use crate::error::{Error, Result};
use crate::operation::Head;
use crate::row::Layout;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;
use index::Index;
use output::Output;
pub(crate) use scan::explain;
pub use scan::{Sighting, find};

/// How the rows of either export are read.
#[derive(Debug, Clone, Copy)]
struct Layouts<'a> {
    before: &'a Layout,
    after: &'a Layout,
}

/// Computes the delta and gives each operation's line to `lines`, in no particular order. `work` is a folder for
/// temporary files, which are gone afterwards whatever happens.
pub fn delta(
    layout: &Layout,
    head: &Head,
    inputs: Inputs<'_>,
    work: &Path,
    watch: &Watch,
    lines: &mut dyn Lines,
) -> Result<Found, Failed> {
    let epoch = inputs.baseline.and_then(|baseline| baseline.epoch.as_ref());
    let before = epoch.map(|epoch| Layout::of_epoch(layout.table, epoch));
    let layouts = Layouts { before: before.as_ref().unwrap_or(layout), after: layout };
    if let Some(found) = ordered::delta(layouts, head, inputs, watch, Output::new(layouts, head, lines))? {
        return Ok(found);
    }
    lines.restart().map_err(|error| Failed { side: Side::Snapshot, error })?;
    in_any_order(layouts, head, inputs, work, watch, Output::new(layouts, head, lines))
}

fn in_any_order(
    layouts: Layouts<'_>,
    head: &Head,
    inputs: Inputs<'_>,
    work: &Path,
    watch: &Watch,
    output: Output<'_>,
) -> Result<Found, Failed> {
    let (baseline, snapshot) = read_both(layouts, inputs, watch)?;
    let changes = changes::between(&baseline.entries, &snapshot.entries);
    let (baseline_rows, rows) = (baseline.entries.len() as u64, snapshot.entries.len() as u64);
    let duplicates = snapshot.duplicates;
    let (baseline, snapshot) = (baseline.summary(), snapshot.summary());

    let emitted = emit::emit(layouts, inputs, changes, work, watch, output)?;
    emitted.check_unchanged(Side::Baseline, &baseline.parts)?;
    emitted.check_unchanged(Side::Snapshot, &snapshot.parts)?;
    let written = emitted.written;
    check_conserved(head, baseline.fingerprint, snapshot.fingerprint, written.difference)?;
    Ok(Found {
        counts: Counts { baseline_rows, rows, duplicates, ..written.counts },
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
pub fn summarise(export: &Export, layout: &Layout, watch: &Watch) -> Result<Summary> {
    let index = Index::read(export, layout, watch)?;
    let rows = index.entries.len() as u64;
    let index::Summary { fingerprint, parts } = index.summary();
    Ok(Summary { rows, fingerprint, parts })
}

/// Reads the two exports at the same time.
fn read_both(layouts: Layouts<'_>, inputs: Inputs<'_>, watch: &Watch) -> Result<(Index, Index), Failed> {
    thread::scope(|scope| {
        let baseline = inputs.baseline.map(|export| scope.spawn(move || Index::read(export, layouts.before, watch)));
        let snapshot = Index::read(inputs.snapshot, layouts.after, watch);
        let baseline = match baseline.map(thread::ScopedJoinHandle::join) {
            None => Ok(Index::default()),
            Some(Ok(read)) => read,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        };
        let snapshot = snapshot.map_err(|error| Failed { side: Side::Snapshot, error })?;
        let baseline = baseline.map_err(|error| Failed { side: Side::Baseline, error })?;
        Ok((baseline, snapshot))
    })
}

/// fp(new) = fp(old) + Σ hash − Σ previous_hash, whatever bug or broken memory stands between the two readings.
fn check_conserved(head: &Head, before: i128, after: i128, difference: i128) -> Result<(), Failed> {
    if before + difference == after {
        return Ok(());
    }
    let subject = format!("{}/{} {}", head.tenant, head.table, head.version);
    let problem = format!(
        "the operations do not lead from the baseline (fingerprint {before}) to the snapshot ({after}), but to {}",
        before + difference
    );
    let error = Error::not_conserved(subject, problem)
        .help("nothing was published; run again, and report it as a bug if it comes back");
    Err(Failed { side: Side::Snapshot, error })
}
