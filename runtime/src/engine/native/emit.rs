//! A second look at the exports for the rows that changed: their images become operations.

use std::path::Path;

use super::changes::{Change, State};
use super::findings::DeletedRows;
use super::images::Images;
use super::index::KeyHash;
use super::{Layouts, scan};
use crate::change_set::Findings;
use crate::engine::{Failed, Inputs, Side};
use crate::error::{Error, Result};
use crate::operation::{Encoder, Head, Kind, Planned};
use crate::row::Row;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// What writing the operations came to.
#[derive(Debug, Default)]
pub(super) struct Emitted {
    /// Σ hash − Σ previous_hash over the operations.
    pub(super) difference: i128,
    /// Σ id, modulo 2^128.
    pub(super) sum_of_ids: u128,
    /// What a person looks at.
    pub(super) findings: Findings,
    baseline_parts: Option<Vec<Part>>,
    snapshot_parts: Option<Vec<Part>>,
}

struct Emitter<'a> {
    layouts: Layouts<'a>,
    /// For each column outside the key, whether the baseline is older than it.
    added: Vec<bool>,
    encoder: Encoder<'a>,
    changes: Vec<Change>,
    emitted: Emitted,
    line: Vec<u8>,
    write: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

/// Writes an operation for each change.
pub(super) fn emit(
    layouts: Layouts<'_>,
    head: &Head,
    inputs: Inputs<'_>,
    changes: Vec<Change>,
    work: &Path,
    watch: &Watch,
    write: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Emitted, Failed> {
    let has = |kinds: [Kind; 2]| changes.iter().any(|change| kinds.contains(&change.kind));
    let (look_at_old, look_at_new) = (has([Kind::Delete, Kind::Update]), has([Kind::Insert, Kind::Update]));
    let encoder = Encoder::new(layouts.after, head.clone());
    let added = layouts.before.added();
    let emitted = Emitted::default();
    let mut emitter = Emitter { layouts, added, encoder, changes, emitted, line: Vec::new(), write };
    let mut images = Images::new(work);
    if let Some(baseline) = inputs.baseline.filter(|_| look_at_old) {
        let parts = emitter.baseline(baseline, &mut images, watch);
        emitter.emitted.baseline_parts = Some(parts.map_err(|error| Failed { side: Side::Baseline, error })?);
    }
    if look_at_new {
        let parts = emitter.snapshot(inputs.snapshot, images, watch);
        emitter.emitted.snapshot_parts = Some(parts.map_err(|error| Failed { side: Side::Snapshot, error })?);
    }
    Ok(emitter.emitted)
}

impl Emitter<'_> {
    /// Writes the DELETEs, and keeps the old rows of the UPDATEs.
    fn baseline(&mut self, export: &Export, images: &mut Images, watch: &Watch) -> Result<Vec<Part>> {
        let layout = self.layouts.before;
        let mut deleted = DeletedRows::default();
        let scanned = scan::scan(export, layout, watch, |row, _| {
            let place = self.change(row);
            deleted.see(row, place.is_some_and(|place| self.changes[place].kind == Kind::Delete));
            let Some(place) = place.filter(|place| self.changes[*place].state != State::Done) else { return Ok(()) };
            self.changes[place].state = match self.changes[place].kind {
                Kind::Update => State::Waiting(images.keep(layout.hash(row), row.values())?),
                _ => {
                    self.operation(Kind::Delete, row.key(), (layout.hash(row), row.values()), (0, &[]))?;
                    State::Done
                }
            };
            Ok(())
        })?;
        self.emitted.findings.deleted_block = deleted.block(layout);
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
                    self.operation(Kind::Update, row.key(), (previous_hash, &old), new)?;
                }
                _ => self.operation(Kind::Insert, row.key(), (0, &[]), new)?,
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

    fn operation(&mut self, kind: Kind, key: &[u8], old: (i64, &[u8]), new: (i64, &[u8])) -> Result<()> {
        let planned = Planned { kind, key, before: old.1, after: new.1, previous_hash: old.0, hash: new.0 };
        self.line.clear();
        let id = self.encoder.write(&planned, &mut self.line);
        self.emitted.sum_of_ids = self.emitted.sum_of_ids.wrapping_add(id);
        self.emitted.difference += i128::from(new.0) - i128::from(old.0);
        self.emitted.findings.add(self.layouts.after, &self.added, &planned);
        (self.write)(&self.line)
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
