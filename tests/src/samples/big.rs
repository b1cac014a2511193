//! Two exports of any size, streamed: a row depends only on the seed and its number, so no row is kept in memory.

use super::export::Export;
use super::layout::{Completeness, Layout};
use super::model::{Fate, Model};
use super::random::{Permutation, Random};
use super::row::Row;
use super::tables::{ledger_entries, orders};
use super::tree;
use serde::Serialize;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const TENANT: &str = "acme";
const BASELINE: &str = "20260101_V0001";
const SNAPSHOT: &str = "20260102_V0001";

/// Separates the random stream of a row's changes from that of its first values.
const CHANGES: u64 = 0xc4a6_e5d0;

/// How many rows to write between two progress reports.
const STEP: u64 = 1 << 14;

/// Options of a pair of exports.
#[derive(Debug, Clone)]
pub struct Big {
    /// The table.
    pub table: BigTable,
    /// Rows of the baseline.
    pub rows: u64,
    /// The seed of the random rows.
    pub seed: u64,
    /// The share of the baseline's rows that are updated.
    pub update: f64,
    /// The share of the baseline's rows that are missing from the snapshot.
    pub delete: f64,
    /// The rows that are new in the snapshot, as a share of the baseline's rows; exact except for rounding.
    pub insert: f64,
    /// The share of rows that change only in columns that are not compared.
    pub touch: f64,
    /// The share of rows whose values are spelled differently.
    pub respell: f64,
    /// Whether the rows of the snapshot have another order than those of the baseline.
    pub shuffle: bool,
    /// The number of parts of each export, for a table that allows any number; by default as in the samples.
    pub parts: Option<usize>,
}

/// A table for which big exports can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BigTable {
    /// 8 columns, a key of two, one part
    #[value(name = "orders")]
    Orders,
    /// 12 columns of mixed types, about 114 bytes a row, parts named by a manifest
    #[value(name = "ledger_entries", alias = "wide12")]
    LedgerEntries,
}

/// The exports that were made, and the counts of a correct delta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BigCounts {
    /// The folder of the baseline's files.
    pub baseline: PathBuf,
    /// The folder of the snapshot's files.
    pub snapshot: PathBuf,
    /// Rows of the baseline.
    pub baseline_rows: u64,
    /// Rows of the snapshot.
    pub rows: u64,
    /// Keys that only the snapshot has.
    pub inserted: u64,
    /// Keys of both with another value in a compared column.
    pub updated: u64,
    /// Keys that only the baseline has.
    pub deleted: u64,
    /// Rows whose text changed without an operation.
    pub rewritten: u64,
}

impl Big {
    /// A million rows, of which 1 % are updated, 0.5 % deleted, 0.5 % new and 2 % rewritten without a change.
    pub fn new(table: BigTable) -> Self {
        Self {
            table,
            rows: 1_000_000,
            seed: 1,
            update: 0.01,
            delete: 0.005,
            insert: 0.005,
            touch: 0.01,
            respell: 0.01,
            shuffle: false,
            parts: None,
        }
    }

    fn model(&self) -> &'static Model {
        match self.table {
            BigTable::Orders => &orders::MODEL,
            BigTable::LedgerEntries => &ledger_entries::MODEL,
        }
    }

    fn layout(&self) -> io::Result<Layout> {
        let layout = self.model().layout;
        match (self.parts, layout.complete) {
            (None, _) | (Some(1), Completeness::Single) => Ok(layout),
            (Some(parts @ 1..), Completeness::Manifest { .. }) => {
                Ok(Layout { complete: Completeness::Manifest { parts }, ..layout })
            }
            (Some(parts), _) => Err(invalid(format!("an export of {} cannot have {parts} parts", self.model().table))),
        }
    }

    fn inserted(&self) -> u64 {
        (self.rows as f64 * self.insert).round() as u64
    }

    fn check_shares(&self) -> io::Result<()> {
        let shares = [self.update, self.delete, self.touch, self.respell];
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || shares.iter().sum::<f64>() > 1.0 {
            return Err(invalid("each share of rows must be between 0 and 1, and their sum at most 1".to_owned()));
        }
        if !(0.0..=1000.0).contains(&self.insert) {
            return Err(invalid("the share of new rows must be between 0 and 1000".to_owned()));
        }
        Ok(())
    }

    /// The row of the baseline, or a new row of the snapshot.
    fn fresh(&self, number: u64) -> Row {
        (self.model().fresh)(number, &mut Random::new(self.seed, number))
    }

    /// What happens to a row of the baseline.
    fn fate(&self, random: &mut Random) -> Fate {
        let fates = [
            (Fate::Delete, self.delete),
            (Fate::Update, self.update),
            (Fate::Touch, self.touch),
            (Fate::Respell, self.respell),
        ];
        let mut left = random.ratio();
        for (fate, share) in fates {
            if left < share {
                return fate;
            }
            left -= share;
        }
        Fate::Keep
    }
}

/// Writes a baseline and a snapshot as `out/acme/TABLE/VERSION`; `out` must not exist, or be empty.
///
/// `progress` is called from two threads with the number of rows written since the last call.
pub fn write_big(out: &Path, big: &Big, progress: &(dyn Fn(u64) + Sync)) -> io::Result<BigCounts> {
    big.check_shares()?;
    let (model, layout) = (big.model(), big.layout()?);
    let table = Path::new(TENANT).join(model.table);
    let export = Export { table: model.table, layout, columns: model.columns, columns_reversed: false };
    let snapshot = Snapshot::new(big);
    tree::create(out, |made| {
        let (baseline_folder, snapshot_folder) = (made.join(&table).join(BASELINE), made.join(&table).join(SNAPSHOT));
        let reported = |range: Range<u64>| range.inspect(|number| report(*number, progress));
        let baseline_part = |part| reported(share(big.rows, layout.parts(), part)).map(|number| big.fresh(number));
        let snapshot_part = |part| {
            let positions = reported(share(snapshot.positions(), layout.parts(), part));
            positions.filter_map(|position| snapshot.row(position))
        };
        thread::scope(|scope| {
            let baseline = scope.spawn(|| export.write(&baseline_folder, baseline_part));
            let snapshot = export.write(&snapshot_folder, snapshot_part);
            baseline.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(snapshot)
        })
    })?;
    let (baseline_folder, snapshot_folder) = (out.join(&table).join(BASELINE), out.join(table).join(SNAPSHOT));
    Ok(snapshot.counts(baseline_folder, snapshot_folder))
}

/// The rows of the snapshot by their position, and the counts of changes.
struct Snapshot<'a> {
    big: &'a Big,
    order: Option<Permutation>,
    updated: AtomicU64,
    deleted: AtomicU64,
    rewritten: AtomicU64,
}

impl<'a> Snapshot<'a> {
    fn new(big: &'a Big) -> Self {
        let count = || AtomicU64::new(0);
        let order = big.shuffle.then(|| Permutation::new(big.rows + big.inserted(), big.seed));
        Self { big, order, updated: count(), deleted: count(), rewritten: count() }
    }

    /// The number of positions. Those of deleted rows stay empty.
    fn positions(&self) -> u64 {
        self.big.rows + self.big.inserted()
    }

    fn row(&self, position: u64) -> Option<Row> {
        let number = self.order.as_ref().map_or(position, |order| order.apply(position));
        if number >= self.big.rows {
            return Some(self.big.fresh(number));
        }
        let mut random = Random::new(self.big.seed ^ CHANGES, number);
        let fate = self.big.fate(&mut random);
        match fate {
            Fate::Delete => &self.deleted,
            Fate::Update => &self.updated,
            Fate::Touch | Fate::Respell => &self.rewritten,
            Fate::Keep => return Some(self.big.fresh(number)),
        }
        .fetch_add(1, Ordering::Relaxed);
        self.big.model().after(fate, self.big.fresh(number), &mut random)
    }

    fn counts(self, baseline: PathBuf, snapshot: PathBuf) -> BigCounts {
        let positions = self.positions();
        let deleted = self.deleted.into_inner();
        BigCounts {
            baseline,
            snapshot,
            baseline_rows: self.big.rows,
            rows: positions - deleted,
            inserted: positions - self.big.rows,
            updated: self.updated.into_inner(),
            deleted,
            rewritten: self.rewritten.into_inner(),
        }
    }
}

/// The row numbers of one part, if `count` rows are divided among `parts` parts.
fn share(count: u64, parts: usize, part: usize) -> Range<u64> {
    let size = count.div_ceil(parts as u64);
    let start = (size * part as u64).min(count);
    start..(start + size).min(count)
}

fn report(number: u64, progress: &(dyn Fn(u64) + Sync)) {
    if number % STEP == STEP - 1 {
        progress(STEP);
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
