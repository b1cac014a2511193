//! A second look at the exports for the rows that changed: their images become operations.

use std::thread;

use super::changes::Changes;
use super::entry::KeyHash;
use super::image_spool::{Fetcher, ImageSpool};
use super::row_spool::RowSpool;
use crate::canonical::row::{Layout, Row};
use crate::engine::findings::DeletedRows;
use crate::engine::native::{join, scan};
use crate::engine::output::{Layouts, Output};
use crate::engine::{Failed, Inputs, Resources, Side};
use crate::error::{Error, Result};
use crate::operation::Kind;
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// What a second look at the exports saw.
#[derive(Debug, Default)]
pub(super) struct SecondPass {
    pub(super) deleted: DeletedRows,
    baseline_parts: Option<Vec<Part>>,
    snapshot_parts: Option<Vec<Part>>,
}

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// None of its rows was looked at.
    Open,
    /// Its old row waits among the images.
    Waiting(u32),
    /// Its operation is written.
    Done,
}

struct Emitter<'a, 'o> {
    layouts: Layouts<'a>,
    changes: &'a Changes,
    states: Vec<State>,
    output: &'a mut Output<'o>,
}

/// Writes an operation for each change. The exports are read at the same time, but an export of which nothing is needed.
pub(super) fn emit(
    layouts: Layouts<'_>,
    inputs: Inputs<'_>,
    changes: Changes,
    room: Resources<'_>,
    watch: &Watch,
    output: &mut Output<'_>,
) -> Result<SecondPass, Failed> {
    let changes = changes.ready();
    let states = vec![State::Open; changes.len()];
    let mut emitter = Emitter { layouts, changes: &changes, states, output };
    let baseline = inputs.baseline.filter(|_| changes.has([Kind::Delete, Kind::Update]));
    let needs_new = changes.has([Kind::Insert, Kind::Update]);
    let of_old = |error| Failed { side: Side::Baseline, error };
    let of_new = |error| Failed { side: Side::Snapshot, error };
    let mut looks = SecondPass::default();
    let Some(baseline) = baseline else {
        looks.snapshot_parts =
            needs_new.then(|| emitter.snapshot(inputs.snapshot, watch)).transpose().map_err(of_new)?;
        return Ok(looks);
    };
    thread::scope(|scope| {
        let collect = || collect(&changes, inputs.snapshot, layouts.after, room, watch);
        let news = (needs_new && room.threads() > 1).then(|| scope.spawn(collect));
        let olds = emitter.baseline(baseline, ImageSpool::new(room), &mut looks.deleted, watch);
        let news = news.map(join).or_else(|| needs_new.then(collect));
        let (parts, images) = olds.map_err(of_old)?;
        looks.baseline_parts = Some(parts);
        if let Some(news) = news {
            let (hits, parts) = news.map_err(of_new)?;
            looks.snapshot_parts = Some(parts);
            emitter.news(hits, images).map_err(of_new)?;
        }
        Ok(looks)
    })
}

/// The rows of an export whose key has a change that needs its new row.
fn collect(
    changes: &Changes,
    export: &Export,
    layout: &Layout,
    room: Resources<'_>,
    watch: &Watch,
) -> Result<(RowSpool, Vec<Part>)> {
    let mut hits = RowSpool::new(room);
    let wants = |row: &Row| changes.find(KeyHash::of(row)).filter(|place| changes.kind(*place) != Kind::Delete);
    let parts = scan::look_again(export, layout, watch, wants, |row, place| hits.keep(layout, row, place))?;
    Ok((hits, parts))
}

impl Emitter<'_, '_> {
    /// Writes the DELETEs, and keeps the old rows of the UPDATEs.
    fn baseline(
        &mut self,
        export: &Export,
        mut images: ImageSpool,
        deleted: &mut DeletedRows,
        watch: &Watch,
    ) -> Result<(Vec<Part>, ImageSpool)> {
        let (layout, changes) = (self.layouts.before, self.changes);
        let wants = |row: &Row| {
            let place = changes.find(KeyHash::of(row)).filter(|place| changes.kind(*place) != Kind::Insert);
            deleted.see(row, place.is_some_and(|place| changes.kind(place) == Kind::Delete));
            place
        };
        let parts = scan::look_again(export, layout, watch, wants, |row, place| {
            let state = &mut self.states[place as usize];
            // An identical duplicate comes by twice.
            if *state != State::Open {
                return Ok(());
            }
            let old = (layout.hash(row), row.values());
            *state = match changes.kind(place) {
                Kind::Update => State::Waiting(images.keep(old.0, old.1)?),
                _ => {
                    self.output.delete(row.key(), old)?;
                    State::Done
                }
            };
            Ok(())
        })?;
        Ok((parts, images))
    }

    /// Writes the INSERTs and the UPDATEs, whose old rows are known by now.
    fn news(&mut self, hits: RowSpool, images: ImageSpool) -> Result<()> {
        let (mut images, mut old) = (images.fetcher()?, Vec::new());
        hits.each(|hit| self.new_row(hit.change, hit.key(), (hit.hash, hit.values()), Some(&mut images), &mut old))
    }

    /// Writes INSERTs straight from the snapshot, where nothing else has to be written.
    fn snapshot(&mut self, export: &Export, watch: &Watch) -> Result<Vec<Part>> {
        let (layout, changes) = (self.layouts.after, self.changes);
        let wants = |row: &Row| changes.find(KeyHash::of(row));
        scan::look_again(export, layout, watch, wants, |row, place| {
            self.new_row(place, row.key(), (layout.hash(row), row.values()), None, &mut Vec::new())
        })
    }

    fn new_row(
        &mut self,
        place: u32,
        key: &[u8],
        new: (i64, &[u8]),
        images: Option<&mut Fetcher>,
        old: &mut Vec<u8>,
    ) -> Result<()> {
        let state = std::mem::replace(&mut self.states[place as usize], State::Done);
        match (state, images) {
            (State::Waiting(image), Some(images)) => {
                let previous_hash = images.fetch(image, old)?;
                self.output.update(key, (previous_hash, old), new)
            }
            (State::Open, _) if self.changes.kind(place) == Kind::Insert => self.output.insert(key, new),
            // An identical duplicate comes by twice. And an UPDATE whose old row did not come by is one of an export that
            // changes while it is read, which is found out behind this.
            _ => Ok(()),
        }
    }
}

impl SecondPass {
    /// Whether the look at an export, if there was one, saw the same bytes as the first.
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
