//! What is kept of an export while its keys are matched: 24 bytes a row, in memory or, beyond its share, in a file.
//!
//! Rows are dealt out into partitions by the first bits of their key's hash, so that both exports can be matched
//! partition by partition, with no more than two of them in memory.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::{slice, thread};

use super::entry::{Entry, KeyHash, PARTITIONS};
use super::spill::Spill;
use crate::canonical::row::Layout;
use crate::engine::Resources;
use crate::engine::native::scan;
use crate::error::{Error, Result};
use crate::parallel;
use crate::reject::{Offender, Reason, Rejects};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// The rows of an export.
#[derive(Debug)]
pub(super) struct Index {
    /// The rows of each partition that are in memory; sorted where nothing was spilled.
    partitions: Vec<Vec<Entry>>,
    /// How many these are.
    held: u64,
    /// The others; a file for each thread that had too many.
    spills: Vec<Spill>,
    seen: Seen,
    rejects: Rejects,
}

/// What was seen of an export, each key once, as far as its partitions were taken.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) rows: u64,
    /// Rows that are in the export once more.
    pub(super) duplicates: u64,
    /// Sum of the row hashes.
    pub(super) fingerprint: i128,
    pub(super) parts: Vec<Part>,
    /// Keys whose rows have one row hash; whether they differ in columns that are not compared is not known.
    suspects: HashSet<KeyHash>,
    /// Keys that have more than one row.
    conflicts: HashSet<KeyHash>,
}

impl Index {
    /// An index of nothing.
    pub(super) fn empty() -> Self {
        let partitions = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self { partitions, held: 0, spills: Vec::new(), seen: Seen::default(), rejects: Rejects::default() }
    }

    /// Reads an export, several of its parts at once. What cannot be used of it is told by [`Index::finish`].
    pub(super) fn read(export: &Export, layout: &Layout, room: Resources<'_>, watch: &Watch) -> Result<Self> {
        let readers = NonZero::new(room.threads().min(export.parts.len())).unwrap_or(NonZero::<usize>::MIN);
        let each = room.split(readers.get());
        let read = |index: &mut Self, part: &Part| index.read_part(export, part, layout, each, watch);
        let mut index = Self::merged(parallel::fold_in_parallel(readers, &export.parts, Self::empty, read)?, export);
        if index.spills.is_empty() {
            // Here, while other threads read the other export.
            index.sort(room.threads());
        } else {
            index.spill(room)?;
        }
        Ok(index)
    }

    fn read_part(
        &mut self,
        export: &Export,
        part: &Part,
        layout: &Layout,
        room: Resources<'_>,
        watch: &Watch,
    ) -> Result<()> {
        let capacity = (room.memory() / size_of::<Entry>() as u64).max(1);
        let scanned = scan::scan(export, slice::from_ref(part), layout, watch, |row, _| {
            let entry = Entry { key: KeyHash::of(row), row: layout.hash(row) };
            self.seen.rows += 1;
            self.seen.fingerprint += i128::from(entry.row);
            self.partitions[entry.key.partition()].push(entry);
            self.held += 1;
            if self.held >= capacity {
                self.spill(room)?;
            }
            Ok(())
        })?;
        self.seen.parts.extend(scanned.parts);
        self.rejects.merge(scanned.rejects);
        Ok(())
    }

    /// What several threads read of one export.
    fn merged(read: Vec<Self>, export: &Export) -> Self {
        let mut read = read.into_iter();
        let mut whole = read.next().unwrap_or_else(Self::empty);
        let mut others: Vec<Self> = read.collect();
        for (number, partition) in whole.partitions.iter_mut().enumerate() {
            partition.reserve_exact(others.iter().map(|other| other.partitions[number].len()).sum());
            others.iter_mut().for_each(|other| partition.append(&mut std::mem::take(&mut other.partitions[number])));
        }
        for other in others {
            whole.held += other.held;
            whole.spills.extend(other.spills);
            whole.seen.rows += other.seen.rows;
            whole.seen.fingerprint += other.seen.fingerprint;
            whole.seen.parts.extend(other.seen.parts);
            whole.rejects.merge(other.rejects);
        }
        let place = |part: &Part| export.parts.iter().position(|known| known.name == part.name);
        whole.seen.parts.sort_by_cached_key(place);
        whole
    }

    fn sort(&mut self, threads: usize) {
        thread::scope(|scope| {
            let mut shares = self.partitions.chunks_mut(PARTITIONS.div_ceil(threads));
            let sort = |share: &mut [Vec<Entry>]| share.iter_mut().for_each(|entries| entries.sort_unstable());
            let first = shares.next();
            shares.for_each(|share| drop(scope.spawn(move || sort(share))));
            first.map(sort);
        });
    }

    fn spill(&mut self, room: Resources<'_>) -> Result<()> {
        if self.spills.is_empty() {
            self.spills.push(Spill::new(room.work)?);
        }
        let spill = &mut self.spills[0];
        self.held = 0;
        self.partitions.iter_mut().enumerate().try_for_each(|(partition, entries)| spill.write(partition, entries))
    }

    /// The rows of a partition, ascending by key hash, one per key. A partition can be taken once.
    pub(super) fn take(&mut self, partition: usize, layout: &Layout) -> Result<Vec<Entry>> {
        let mut entries = std::mem::take(&mut self.partitions[partition]);
        for spill in &mut self.spills {
            spill.read(partition, &mut entries)?;
        }
        if !self.spills.is_empty() {
            entries.sort_unstable();
        }
        let seen = &mut self.seen;
        entries.dedup_by(|again, first| {
            let is_again = again.key == first.key;
            if is_again {
                seen.again(*first, *again, layout);
            }
            is_again
        });
        Ok(entries)
    }

    /// The parts, with the checksums of what was read.
    pub(super) fn parts(&self) -> &[Part] {
        &self.seen.parts
    }

    /// Whether the export has to be refused, as far as is known by now.
    pub(super) fn is_refused(&self) -> bool {
        !self.rejects.is_empty() || !self.seen.conflicts.is_empty()
    }

    /// What was seen, once every partition was taken. Rows that cannot be used, and keys that appear with different rows,
    /// refuse the export whole.
    pub(super) fn finish(mut self, export: &Export, layout: &Layout, watch: &Watch) -> Result<Seen> {
        if !self.seen.suspects.is_empty() {
            let conflicts = different_images(export, layout, watch, &self.seen.suspects)?;
            self.seen.conflicts.extend(conflicts);
        }
        if !self.seen.conflicts.is_empty() {
            self.rejects.merge(conflicting_rows(export, layout, watch, &self.seen.conflicts)?);
        }
        if !self.rejects.is_empty() {
            return Err(Error::rejected(&export.label, self.rejects));
        }
        Ok(self.seen)
    }
}

impl Seen {
    /// Takes away a row whose key was there before.
    fn again(&mut self, first: Entry, again: Entry, layout: &Layout) {
        self.rows -= 1;
        self.duplicates += 1;
        self.fingerprint -= i128::from(again.row);
        if first.row != again.row {
            self.conflicts.insert(again.key);
        } else if !layout.compares_all() {
            self.suspects.insert(again.key);
        }
    }
}

/// A second look, at whether the rows of each of these keys are one in all columns: those where they are not.
fn different_images(
    export: &Export,
    layout: &Layout,
    watch: &Watch,
    suspects: &HashSet<KeyHash>,
) -> Result<Vec<KeyHash>> {
    let mut images = HashMap::new();
    let mut different = Vec::new();
    scan::scan(export, &export.parts, layout, watch, |row, _| {
        let key = KeyHash::of(row);
        if suspects.contains(&key) && *images.entry(key).or_insert(row.image_hash()) != row.image_hash() {
            different.push(key);
        }
        Ok(())
    })?;
    Ok(different)
}

/// A second look, at where the rows of some keys stand. Every one of them is an offender.
fn conflicting_rows(export: &Export, layout: &Layout, watch: &Watch, keys: &HashSet<KeyHash>) -> Result<Rejects> {
    let mut rejects = Rejects::default();
    scan::scan(export, &export.parts, layout, watch, |row, origin| {
        if keys.contains(&KeyHash::of(row)) {
            rejects.add(Reason::ConflictingDuplicate, || Offender {
                part: origin.part.into(),
                line: origin.line,
                column: None,
                reason: Reason::ConflictingDuplicate,
                message: format!("key {} appears again with another row", layout.shown_key(row.key())),
            });
        }
        Ok(())
    })?;
    Ok(rejects)
}
