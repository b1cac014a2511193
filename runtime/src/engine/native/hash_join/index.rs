//! The entries of an export, 24 bytes per row: in memory, or in a temporary file if they exceed their share of it.
//!
//! Entries are partitioned by the leading bits of their key's hash, so that both exports can be matched partition by
//! partition, with no more than two partitions in memory.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::{slice, thread};

use super::entry::{Entry, KeyHash, PARTITIONS};
use super::spill::Spill;
use crate::canonical::row::{Layout, Row};
use crate::engine::Resources;
use crate::engine::native::scan;
use crate::error::{Error, Result};
use crate::parallel;
use crate::reject::{Offender, Reason, Rejects, repetition};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// The entries of an export.
#[derive(Debug)]
pub(super) struct Index {
    /// The entries of each partition that are in memory; sorted if none were spilled.
    partitions: Vec<Vec<Entry>>,
    /// The number of entries in memory.
    in_memory: u64,
    /// The other entries; a file for each thread that had too many.
    spills: Vec<Spill>,
    totals: ExportTotals,
    rejects: Rejects,
}

/// Totals over the rows of an export. Each key counts once, in the partitions that were taken.
#[derive(Debug, Default)]
pub(super) struct ExportTotals {
    pub(super) rows: u64,
    /// Rows that repeat another row of the same key.
    pub(super) duplicates: u64,
    /// The sum of the row hashes.
    pub(super) fingerprint: i128,
    pub(super) parts: Vec<Part>,
    /// Repeated keys whose rows have the same row hash, but may differ in columns that are not compared.
    suspects: HashSet<KeyHash>,
    /// Repeated keys whose rows differ.
    conflicts: HashSet<KeyHash>,
    /// Repeated keys whose rows are the same as far as known, if they are refused.
    repeated: HashSet<KeyHash>,
}

impl Index {
    /// An index without entries.
    pub(super) fn empty() -> Self {
        let partitions = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self {
            partitions,
            in_memory: 0,
            spills: Vec::new(),
            totals: ExportTotals::default(),
            rejects: Rejects::default(),
        }
    }

    /// Reads an export, several parts at the same time. Rows that cannot be read are reported by [`Index::finish`].
    pub(super) fn read(export: &Export, layout: &Layout, resources: Resources<'_>, watch: &Watch) -> Result<Self> {
        let readers = NonZero::new(resources.threads().min(export.parts.len())).unwrap_or(NonZero::<usize>::MIN);
        let each = resources.split(readers.get());
        let read = |index: &mut Self, part: &Part| index.read_part(export, part, layout, each, watch);
        Self::merged(parallel::fold_in_parallel(readers, &export.parts, Self::empty, read)?, export).settled(resources)
    }

    /// The index, once all rows were added.
    pub(super) fn settled(mut self, resources: Resources<'_>) -> Result<Self> {
        if self.spills.is_empty() {
            // Sorted now, while other threads read the other export.
            self.sort(resources.threads());
        } else {
            self.spill(resources)?;
        }
        Ok(self)
    }

    fn read_part(
        &mut self,
        export: &Export,
        part: &Part,
        layout: &Layout,
        resources: Resources<'_>,
        watch: &Watch,
    ) -> Result<()> {
        let scanned =
            scan::scan(export, slice::from_ref(part), layout, watch, |row, _| self.add(row, layout, resources))?;
        self.totals.parts.extend(scanned.parts);
        self.rejects.merge(scanned.rejects);
        Ok(())
    }

    /// Adds a row.
    #[inline]
    pub(super) fn add(&mut self, row: &Row, layout: &Layout, resources: Resources<'_>) -> Result<()> {
        let capacity = (resources.memory() / size_of::<Entry>() as u64).max(1);
        let entry = Entry { key: KeyHash::new(row), row: layout.hash(row) };
        self.totals.rows += 1;
        self.totals.fingerprint += i128::from(entry.row);
        self.partitions[entry.key.partition()].push(entry);
        self.in_memory += 1;
        if self.in_memory >= capacity { self.spill(resources) } else { Ok(()) }
    }

    /// Adds a part that was read.
    pub(super) fn add_part(&mut self, part: Part) {
        self.totals.parts.push(part);
    }

    /// Returns whether no row was added.
    pub(super) fn is_empty(&self) -> bool {
        self.totals.rows == 0
    }

    /// Merges what several threads read of one export.
    pub(super) fn merged(indexes: Vec<Self>, export: &Export) -> Self {
        let mut indexes = indexes.into_iter();
        let mut whole = indexes.next().unwrap_or_else(Self::empty);
        let mut others: Vec<Self> = indexes.collect();
        for (number, partition) in whole.partitions.iter_mut().enumerate() {
            partition.reserve_exact(others.iter().map(|other| other.partitions[number].len()).sum());
            others.iter_mut().for_each(|other| partition.append(&mut std::mem::take(&mut other.partitions[number])));
        }
        for other in others {
            whole.in_memory += other.in_memory;
            whole.spills.extend(other.spills);
            whole.totals.rows += other.totals.rows;
            whole.totals.fingerprint += other.totals.fingerprint;
            whole.totals.parts.extend(other.totals.parts);
            whole.rejects.merge(other.rejects);
        }
        let position = |part: &Part| export.parts.iter().position(|known| known.name == part.name);
        whole.totals.parts.sort_by_cached_key(position);
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

    fn spill(&mut self, resources: Resources<'_>) -> Result<()> {
        if self.spills.is_empty() {
            self.spills.push(Spill::new(resources.work)?);
        }
        let spill = &mut self.spills[0];
        self.in_memory = 0;
        self.partitions.iter_mut().enumerate().try_for_each(|(partition, entries)| spill.write(partition, entries))
    }

    /// The entries of a partition, ascending by key hash, one per key. Each partition is taken once.
    pub(super) fn take(&mut self, partition: usize, layout: &Layout) -> Result<Vec<Entry>> {
        let mut entries = std::mem::take(&mut self.partitions[partition]);
        for spill in &mut self.spills {
            spill.read(partition, &mut entries)?;
        }
        if !self.spills.is_empty() {
            entries.sort_unstable();
        }
        let totals = &mut self.totals;
        entries.dedup_by(|repeated, first| {
            let is_repeated = repeated.key == first.key;
            if is_repeated {
                totals.remove_repeated(*first, *repeated, layout);
            }
            is_repeated
        });
        Ok(entries)
    }

    /// The parts, with the checksums of the bytes that were read.
    pub(super) fn parts(&self) -> &[Part] {
        &self.totals.parts
    }

    /// Returns whether the export is known to be rejected, from the partitions that were taken so far.
    pub(super) fn is_rejected(&self) -> bool {
        !self.rejects.is_empty() || !self.totals.conflicts.is_empty() || !self.totals.repeated.is_empty()
    }

    /// The totals, once every partition was taken. Rows that cannot be read, and repeated keys whose rows differ,
    /// reject the whole export.
    pub(super) fn finish(mut self, export: &Export, layout: &Layout, watch: &Watch) -> Result<ExportTotals> {
        if !self.totals.suspects.is_empty() {
            let conflicts = different_images(export, layout, watch, &self.totals.suspects)?;
            self.totals.conflicts.extend(conflicts);
        }
        if !self.totals.conflicts.is_empty() || !self.totals.repeated.is_empty() {
            self.rejects.merge(repeated_rows(export, layout, watch, &self.totals)?);
        }
        if !self.rejects.is_empty() {
            return Err(Error::rejected(&export.label, self.rejects));
        }
        Ok(self.totals)
    }
}

impl ExportTotals {
    /// Removes a row whose key was counted before.
    fn remove_repeated(&mut self, first: Entry, repeated: Entry, layout: &Layout) {
        self.rows -= 1;
        self.duplicates += 1;
        self.fingerprint -= i128::from(repeated.row);
        if first.row != repeated.row {
            self.conflicts.insert(repeated.key);
            return;
        }
        if !layout.compares_all() {
            self.suspects.insert(repeated.key);
        }
        if layout.format.refuse_duplicates {
            self.repeated.insert(repeated.key);
        }
    }
}

/// Reads the export again for the rows of these keys. Returns the keys whose rows differ in any column.
fn different_images(
    export: &Export,
    layout: &Layout,
    watch: &Watch,
    suspects: &HashSet<KeyHash>,
) -> Result<Vec<KeyHash>> {
    let mut images = HashMap::new();
    let mut different = Vec::new();
    scan::scan(export, &export.parts, layout, watch, |row, _| {
        let key = KeyHash::new(row);
        if suspects.contains(&key) && *images.entry(key).or_insert(row.image_hash()) != row.image_hash() {
            different.push(key);
        }
        Ok(())
    })?;
    Ok(different)
}

/// Reads the export again for the positions of the rows whose keys appear twice. Each of the rows is an offender.
fn repeated_rows(export: &Export, layout: &Layout, watch: &Watch, totals: &ExportTotals) -> Result<Rejects> {
    let mut rejects = Rejects::default();
    scan::scan(export, &export.parts, layout, watch, |row, origin| {
        let key = KeyHash::new(row);
        let reason = if totals.conflicts.contains(&key) {
            Reason::ConflictingDuplicate
        } else if totals.repeated.contains(&key) {
            Reason::RepeatedRow
        } else {
            return Ok(());
        };
        rejects.add(reason, || Offender {
            part: origin.part.into(),
            line: origin.line,
            column: None,
            reason,
            message: repetition(&layout.shown_key(row.key()), reason),
        });
        Ok(())
    })?;
    Ok(rejects)
}
