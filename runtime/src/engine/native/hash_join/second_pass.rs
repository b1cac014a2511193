//! Reads the exports again for the rows that changed, and writes their operations.

use std::thread;

use super::changes::Changes;
use super::entry::KeyHash;
use super::image_spool::{ImageFetcher, ImageSpool};
use super::row_spool::RowSpool;
use crate::canonical::row::{Layout, Row};
use crate::engine::deleted_rows::DeletedRows;
use crate::engine::native::scan;
use crate::engine::output::{Layouts, Output};
use crate::engine::request::{DeltaError, DeltaRequest, Side};
use crate::engine::resources::Resources;
use crate::error::{Error, Result};
use crate::operation::Kind;
use crate::parallel::join;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// The share of a delta's memory for each of the two spools: one of old images, one of new rows.
const SPOOL: f64 = 0.125;

/// The result of a second pass.
#[derive(Debug, Default)]
pub(super) struct SecondPass {
    /// The parts with their checksums; `None` if the baseline was not read again.
    baseline_parts: Option<Vec<Part>>,
    /// The parts with their checksums; `None` if the snapshot was not read again.
    snapshot_parts: Option<Vec<Part>>,
}

/// The state of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// None of its rows was read.
    Open,
    /// Its old image is in the spool, under this number.
    Waiting(u32),
    /// Its operation is written.
    Done,
}

struct OperationWriter<'a, 'o> {
    layouts: Layouts<'a>,
    changes: &'a Changes,
    states: Vec<State>,
    output: &'a mut Output<'o>,
}

/// Writes an operation for each change. An export is read only if an operation needs its rows; both are read at the
/// same time, if there are threads for that. `deleted` learns where the deleted rows are.
pub(super) fn write(
    request: &DeltaRequest<'_>,
    layouts: Layouts<'_>,
    changes: Changes,
    output: &mut Output<'_>,
    deleted: &mut DeletedRows,
) -> Result<SecondPass, DeltaError> {
    let DeltaRequest { inputs, watch, .. } = *request;
    let resources = request.resources.share(SPOOL);
    let changes = changes.indexed();
    let states = vec![State::Open; changes.len()];
    let mut writer = OperationWriter { layouts, changes: &changes, states, output };
    let baseline = inputs.baseline.filter(|_| changes.has([Kind::Delete, Kind::Update]));
    let needs_new = changes.has([Kind::Insert, Kind::Update]);
    let mut pass = SecondPass::default();
    let Some(baseline) = baseline else {
        if needs_new {
            pass.snapshot_parts = Some(writer.snapshot(inputs.snapshot, watch).map_err(DeltaError::snapshot)?);
        }
        return Ok(pass);
    };
    thread::scope(|scope| {
        let collect = || collect_new_rows(&changes, inputs.snapshot, layouts.after, resources, watch);
        let new = (needs_new && resources.threads() > 1).then(|| scope.spawn(collect));
        let old = writer.baseline(baseline, ImageSpool::new(resources), deleted, watch);
        let new = new.map(join).or_else(|| needs_new.then(collect));
        let (parts, old_images) = old.map_err(DeltaError::baseline)?;
        pass.baseline_parts = Some(parts);
        if let Some(new) = new {
            let (new_rows, parts) = new.map_err(DeltaError::snapshot)?;
            pass.snapshot_parts = Some(parts);
            writer.new_rows(new_rows, old_images).map_err(DeltaError::snapshot)?;
        }
        Ok(pass)
    })
}

/// Collects the rows of the snapshot that belong to an INSERT or UPDATE.
fn collect_new_rows(
    changes: &Changes,
    export: &Export,
    layout: &Layout,
    resources: Resources<'_>,
    watch: &Watch,
) -> Result<(RowSpool, Vec<Part>)> {
    let mut rows = RowSpool::new(resources);
    let select = |row: &Row| changes.find(KeyHash::new(row)).filter(|change| changes.kind(*change) != Kind::Delete);
    let parts = scan::scan_selected(export, layout, watch, select, |row, change| rows.add(layout, row, change))?;
    Ok((rows, parts))
}

impl OperationWriter<'_, '_> {
    /// Writes the DELETEs, and collects the old images of the UPDATEs.
    fn baseline(
        &mut self,
        export: &Export,
        mut old_images: ImageSpool,
        deleted: &mut DeletedRows,
        watch: &Watch,
    ) -> Result<(Vec<Part>, ImageSpool)> {
        let (layout, changes) = (self.layouts.before, self.changes);
        let select = |row: &Row| {
            let change = changes.find(KeyHash::new(row)).filter(|change| changes.kind(*change) != Kind::Insert);
            deleted.add(row, change.is_some_and(|change| changes.kind(change) == Kind::Delete));
            change
        };
        let parts = scan::scan_selected(export, layout, watch, select, |row, change| {
            let state = &mut self.states[change as usize];
            // A row that appears twice, identically, is read twice.
            if *state != State::Open {
                return Ok(());
            }
            let old = (layout.hash(row), row.values());
            *state = match changes.kind(change) {
                Kind::Update => State::Waiting(old_images.add(old.0, old.1)?),
                _ => {
                    self.output.delete(row.key(), old)?;
                    State::Done
                }
            };
            Ok(())
        })?;
        Ok((parts, old_images))
    }

    /// Writes the INSERTs and UPDATEs, once the old images are collected.
    fn new_rows(&mut self, new_rows: RowSpool, old_images: ImageSpool) -> Result<()> {
        let (mut old_images, mut buffer) = (old_images.fetcher()?, Vec::new());
        new_rows.for_each(|row| {
            self.new_row(row.change, row.key(), (row.hash, row.values()), Some(&mut old_images), &mut buffer)
        })
    }

    /// Writes INSERTs directly from the snapshot, if there is nothing else to write.
    fn snapshot(&mut self, export: &Export, watch: &Watch) -> Result<Vec<Part>> {
        let (layout, changes) = (self.layouts.after, self.changes);
        let select = |row: &Row| changes.find(KeyHash::new(row));
        scan::scan_selected(export, layout, watch, select, |row, change| {
            self.new_row(change, row.key(), (layout.hash(row), row.values()), None, &mut Vec::new())
        })
    }

    fn new_row(
        &mut self,
        change: u32,
        key: &[u8],
        new: (i64, &[u8]),
        old_images: Option<&mut ImageFetcher>,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let state = std::mem::replace(&mut self.states[change as usize], State::Done);
        match (state, old_images) {
            (State::Waiting(image), Some(old_images)) => {
                let previous_hash = old_images.fetch(image, buffer)?;
                self.output.update(key, (previous_hash, buffer), new)
            }
            (State::Open, _) if self.changes.kind(change) == Kind::Insert => self.output.insert(key, new),
            // A row that appears twice, identically, is read twice. An UPDATE whose old row was not read means that the
            // export changes while it is read, which `check_unchanged` detects.
            _ => Ok(()),
        }
    }
}

impl SecondPass {
    /// Checks that an export that was read again had the same bytes as the first time.
    pub(super) fn check_unchanged(&self, side: Side, parts: &[Part]) -> Result<(), DeltaError> {
        let again = match side {
            Side::Baseline => &self.baseline_parts,
            Side::Snapshot => &self.snapshot_parts,
        };
        match again.iter().flatten().zip(parts).find(|(again, first)| again != first) {
            None => Ok(()),
            Some((part, _)) => {
                let error = Error::refused(&part.name, "it changed while it was read")
                    .help("nothing was published; run again once it is complete");
                Err(DeltaError { side, error })
            }
        }
    }
}
