//! A second look at the exports for the rows that changed: their images become operations.

use std::path::Path;

use super::changes::{Change, State};
use super::findings::DeletedRows;
use super::images::Images;
use super::index::KeyHash;
use super::output::{Output, Written};
use super::{Layouts, scan};
use crate::engine::{Failed, Inputs, Side};
use crate::error::{Error, Result};
use crate::operation::Kind;
use crate::row::Row;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// What writing the operations came to.
#[derive(Debug)]
pub(super) struct Emitted {
    pub(super) written: Written,
    baseline_parts: Option<Vec<Part>>,
    snapshot_parts: Option<Vec<Part>>,
}

struct Emitter<'a, 'o> {
    layouts: Layouts<'a>,
    changes: Vec<Change>,
    output: Output<'o>,
}

/// Writes an operation for each change.
pub(super) fn emit(
    layouts: Layouts<'_>,
    inputs: Inputs<'_>,
    changes: Vec<Change>,
    work: &Path,
    watch: &Watch,
    output: Output<'_>,
) -> Result<Emitted, Failed> {
    let has = |kinds: [Kind; 2]| changes.iter().any(|change| kinds.contains(&change.kind));
    let (look_at_old, look_at_new) = (has([Kind::Delete, Kind::Update]), has([Kind::Insert, Kind::Update]));
    let mut emitter = Emitter { layouts, changes, output };
    let mut images = Images::new(work);
    let (mut baseline_parts, mut snapshot_parts) = (None, None);
    if let Some(baseline) = inputs.baseline.filter(|_| look_at_old) {
        let parts = emitter.baseline(baseline, &mut images, watch);
        baseline_parts = Some(parts.map_err(|error| Failed { side: Side::Baseline, error })?);
    }
    if look_at_new {
        let parts = emitter.snapshot(inputs.snapshot, images, watch);
        snapshot_parts = Some(parts.map_err(|error| Failed { side: Side::Snapshot, error })?);
    }
    Ok(Emitted { written: emitter.output.written, baseline_parts, snapshot_parts })
}

impl Emitter<'_, '_> {
    /// Writes the DELETEs, and keeps the old rows of the UPDATEs.
    fn baseline(&mut self, export: &Export, images: &mut Images, watch: &Watch) -> Result<Vec<Part>> {
        let layout = self.layouts.before;
        let mut deleted = DeletedRows::default();
        let scanned = scan::scan(export, layout, watch, |row, _| {
            let place = self.change(row);
            deleted.see(row, place.is_some_and(|place| self.changes[place].kind == Kind::Delete));
            let Some(place) = place.filter(|place| self.changes[*place].state != State::Done) else { return Ok(()) };
            let old = (layout.hash(row), row.values());
            self.changes[place].state = match self.changes[place].kind {
                Kind::Update => State::Waiting(images.keep(old.0, old.1)?),
                _ => {
                    self.output.delete(row.key(), old)?;
                    State::Done
                }
            };
            Ok(())
        })?;
        self.output.written.findings.deleted_block = deleted.block(layout);
        Ok(scanned.parts)
    }

    /// Writes the INSERTs and the UPDATEs.
    fn snapshot(&mut self, export: &Export, images: Images, watch: &Watch) -> Result<Vec<Part>> {
        let layout = self.layouts.after;
        let mut images = images.fetcher()?;
        let mut old = Vec::new();
        let scanned = scan::scan(export, layout, watch, |row, _| {
            // An identical duplicate comes by twice.
            let open = |place: &usize| self.changes[*place].state != State::Done;
            let Some(place) = self.change(row).filter(open) else { return Ok(()) };
            let new = (layout.hash(row), row.values());
            match self.changes[place].state {
                State::Waiting(image) => {
                    let previous_hash = images.fetch(image, &mut old)?;
                    self.output.update(row.key(), (previous_hash, &old), new)?;
                }
                _ => self.output.insert(row.key(), new)?,
            }
            self.changes[place].state = State::Done;
            Ok(())
        })?;
        Ok(scanned.parts)
    }

    /// The place of the row's change, if it has one.
    fn change(&self, row: &Row) -> Option<usize> {
        let key = KeyHash::of(row);
        self.changes.binary_search_by_key(&key, |change| change.key).ok()
    }
}

impl Emitted {
    /// Whether the second look at an export, if there was one, saw the same bytes as the first.
    pub(super) fn check_unchanged(&self, side: Side, parts: &[Part]) -> Result<(), Failed> {
        let again = match side {
            Side::Baseline => &self.baseline_parts,
            Side::Snapshot => &self.snapshot_parts,
        };
        match again.iter().flatten().zip(parts).find(|(again, first)| again != first) {
            None => Ok(()),
            Some((part, _)) => {
                let error = Error::refused(&part.name, "it changed while it was read")
                    .help("nothing was published; run again once it is written whole");
                Err(Failed { side, error })
            }
        }
    }
}
