//! Finds columns that identify the rows of every version, and proves that they do.
//!
//! A sample of the first rows rules out most candidates. Those that are left are proved with the hashes of all rows, so
//! that the sample decides nothing but how long it takes.

mod proved;
mod spill;

use std::cell::Cell;
use std::collections::HashSet;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::decide::Column;
use super::inputs::Version;
use super::rows::{Row, Rows};
use crate::canonical::value::{Reader, Value};
use crate::epoch::SourceFormat;
use crate::error::{Error, IoContext as _, Result};
use crate::table::Type;
pub(super) use proved::Proved;
use spill::Spill;

/// How many values the sample has at most.
const SAMPLED_VALUES: usize = 2_000_000;

/// How many rows the sample has at most.
const SAMPLED_ROWS: usize = 65_536;

/// How many columns a key can have, and from how many columns composite keys are made.
const MAX_COLUMNS: usize = 4;
const MAX_CANDIDATES: usize = 12;

/// The rank of columns that identify a row by chance.
const UNLIKELY: u8 = 2;

/// The words that names of identifiers end with.
const IDENTIFIERS: &[&str] = &["id", "no", "nr", "key", "code", "number", "pk", "uuid", "guid"];

/// How many candidates are proved in one pass.
const PROVED_AT_ONCE: usize = 4;

/// How many columns are proved to be unique one by one.
const MAX_SINGLES: usize = 8;

/// The columns of all rows, as hashes of their values.
pub(super) struct Search<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) columns: &'a [Column],
    readers: Vec<Reader>,
    /// The beginnings of the versions, for the sample.
    beginnings: &'a [Version],
    /// What an earlier pass has proved.
    proved: &'a Proved,
    /// Whether rows were read to prove something else.
    pub(super) has_read: Cell<bool>,
}

/// A key, and other columns that would be one.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) columns: Vec<usize>,
    pub(super) others: Vec<usize>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        rows: Rows<'a>,
        beginnings: &'a [Version],
        (columns, format): (&'a [Column], &SourceFormat),
        proved: &'a Proved,
    ) -> Self {
        let readers = columns.iter().map(|column| reader(column, format)).collect();
        Self { rows, columns, readers, beginnings, proved, has_read: Cell::new(false) }
    }

    /// The candidates that a pass over all rows should prove, judging by the sample: those that [`Search::find`] asks
    /// for first.
    pub(super) fn likely(&self) -> Result<Vec<Vec<usize>>> {
        let sample = self.sample()?;
        for ranked in self.stages() {
            for size in 1..=MAX_COLUMNS.min(ranked.len()) {
                let columns = if size == 1 { &ranked[..] } else { &ranked[..ranked.len().min(MAX_CANDIDATES)] };
                let max = if size == 1 { MAX_SINGLES } else { PROVED_AT_ONCE };
                let unique = combinations(columns, size).into_iter().filter(|columns| is_unique(&sample, columns));
                let unique: Vec<Vec<usize>> = unique.take(max).collect();
                if !unique.is_empty() {
                    return Ok(unique);
                }
            }
        }
        Ok(Vec::new())
    }

    /// The columns that can be in a key, in the order in which they are tried. Amounts and times are unique by chance
    /// more often than they identify a row, so they come later.
    fn stages(&self) -> [Vec<usize>; 3] {
        [
            self.ranked(|column| !column.is_nullable() && rank(column).0 < UNLIKELY),
            self.ranked(|column| !column.is_nullable()),
            // Columns whose only NULL is the empty text can be in a key as texts.
            self.ranked(|column| column.nulls.iter().all(|null| null.is_empty())),
        ]
    }

    /// The smallest key, if there is one: a column, or a few of them.
    pub(super) fn find(&self) -> Result<Option<Key>> {
        let sample = self.sample()?;
        let mut tried = 0;
        for ranked in self.stages() {
            if ranked.len() == tried {
                continue;
            }
            tried = ranked.len();
            let mut singles = self.unique(&sample, combinations(&ranked, 1), MAX_SINGLES)?.into_iter();
            if let Some(columns) = singles.next() {
                return Ok(Some(Key { columns, others: singles.flatten().collect() }));
            }
            if let Some(key) = self.composite(&sample, &ranked)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn composite(&self, sample: &[Vec<u64>], ranked: &[usize]) -> Result<Option<Key>> {
        let ranked = &ranked[..ranked.len().min(MAX_CANDIDATES)];
        for size in 2..=MAX_COLUMNS.min(ranked.len()) {
            if let Some(columns) = self.unique(sample, combinations(ranked, size), 1)?.pop() {
                return Ok(Some(Key { columns: sorted(columns), others: Vec::new() }));
            }
        }
        Ok(None)
    }

    /// The columns that can be in a key, the more likely ones first.
    fn ranked(&self, can_be: impl Fn(&Column) -> bool) -> Vec<usize> {
        let fits = |index: &usize| {
            let column = &self.columns[*index];
            column.ty != Type::Double && column.differs() && can_be(column)
        };
        let mut ranked: Vec<usize> = (0..self.columns.len()).filter(fits).collect();
        ranked.sort_by_key(|index| (rank(&self.columns[*index]), *index));
        ranked
    }

    /// Of candidates, those that are unique, in their order: at most so many.
    fn unique(&self, sample: &[Vec<u64>], candidates: Vec<Vec<usize>>, max: usize) -> Result<Vec<Vec<usize>>> {
        let mut unique = Vec::new();
        let mut likely = candidates.into_iter().filter(|columns| is_unique(sample, columns));
        loop {
            let batch: Vec<Vec<usize>> = likely.by_ref().take(PROVED_AT_ONCE.min(max - unique.len())).collect();
            if batch.is_empty() {
                return Ok(unique);
            }
            let duplicates = self.duplicates(&batch)?;
            let proved = batch.into_iter().zip(duplicates).filter(|(_, duplicate)| duplicate.is_none());
            unique.extend(proved.map(|(columns, _)| columns));
        }
    }

    /// For each column, the hashes of its values in the first rows.
    fn sample(&self) -> Result<Vec<Vec<u64>>> {
        let max = SAMPLED_ROWS.min(SAMPLED_VALUES / self.columns.len().max(1));
        let first = self.rows.candidate.has_same.iter().position(|has_same| *has_same).unwrap_or(0);
        let (mut sample, mut text) = (vec![Vec::new(); self.columns.len()], Vec::new());
        let versions = &self.beginnings[..=first];
        Rows { versions, ..self.rows }.each(|row| {
            if sample[0].len() < max {
                for (column, hashes) in sample.iter_mut().enumerate() {
                    hashes.push(self.hash(row, column, &mut text) as u64);
                }
            }
            Ok(())
        })?;
        Ok(sample)
    }

    /// For each set of columns, the hash of a key that two rows of a version have.
    pub(super) fn duplicates(&self, candidates: &[Vec<usize>]) -> Result<Vec<Option<u128>>> {
        let known = |columns: &Vec<usize>| self.proved.duplicate(columns, self.columns);
        let missing: Vec<Vec<usize>> = candidates.iter().filter(|columns| known(columns).is_none()).cloned().collect();
        let mut read = Vec::new();
        if !missing.is_empty() {
            self.has_read.set(true);
            let mut collector = self.collector(missing);
            self.rows.each(|row| collector.add(row))?;
            read = collector.finish()?;
        }
        let mut read = read.into_iter();
        Ok(candidates.iter().map(|columns| known(columns).unwrap_or_else(|| read.next().flatten())).collect())
    }

    /// Collects the keys of all rows for these candidates.
    pub(super) fn collector(&self, candidates: Vec<Vec<usize>>) -> Collector<'_> {
        Collector::new(self, candidates)
    }

    /// The hash of a row's key in its version.
    fn key(&self, row: &Row<'_>, columns: &[usize], text: &mut Vec<u8>) -> u128 {
        let mut bytes = row.version.to_le_bytes().to_vec();
        for column in columns {
            bytes.extend(self.hash(row, *column, text).to_le_bytes());
        }
        xxh3_128(&bytes)
    }

    /// The hash of a value. A text that cannot be read, which the proof reports, is itself.
    fn hash(&self, row: &Row<'_>, column: usize, text: &mut Vec<u8>) -> u128 {
        let field = row.record.field(row.positions[column]);
        text.clear();
        match self.readers[column].read(field.text(), field.quoted, text) {
            Ok(Value::Null) => u128::MAX,
            Ok(Value::Text) => xxh3_128(text),
            Err(_) => xxh3_128(field.text()),
        }
    }

    /// Checks the key that the user named.
    pub(super) fn check(&self, columns: &[usize]) -> Result<()> {
        let duplicates = self.duplicates(&[columns.to_vec()])?;
        let Some(duplicate) = duplicates[0] else { return Ok(()) };
        let (mut places, mut text) = (Vec::new(), Vec::new());
        self.rows.each(|row| {
            if places.len() < 2 && self.key(row, columns, &mut text) == duplicate {
                places.push((row.version, row.part, row.record.line));
            }
            Ok(())
        })?;
        let [first, second] = places[..] else { return Ok(()) };
        let names: Vec<&str> = columns.iter().map(|column| self.columns[*column].name.as_str()).collect();
        let problem =
            format!("the key ({}) is not unique: this row has that of {}", names.join(", "), self.place(first));
        Err(Error::refused(self.place(second), problem)
            .help("add columns to --key, or leave it out to search for a key"))
    }

    fn place(&self, (version, part, line): (usize, usize, u64)) -> String {
        let export = &self.rows.versions[version].export;
        let path = export.folder.path(&export.parts[part].name);
        format!("{}:{line}", Path::new(&path).display())
    }
}

/// The keys of several candidates.
pub(super) struct Collector<'a> {
    search: &'a Search<'a>,
    candidates: Vec<Vec<usize>>,
    spills: Vec<Spill>,
    text: Vec<u8>,
}

impl<'a> Collector<'a> {
    fn new(search: &'a Search<'a>, candidates: Vec<Vec<usize>>) -> Self {
        let spills = candidates.iter().map(|_| Spill::default()).collect();
        Self { search, candidates, spills, text: Vec::new() }
    }

    pub(super) fn add(&mut self, row: &Row<'_>) -> Result<()> {
        for (columns, spill) in self.candidates.iter().zip(&mut self.spills) {
            let key = self.search.key(row, columns, &mut self.text);
            spill.add(key).at("cannot write to", &std::env::temp_dir())?;
        }
        Ok(())
    }

    /// For each candidate, the hash of a key that two rows of a version have.
    fn finish(self) -> Result<Vec<Option<u128>>> {
        let duplicate = |spill: Spill| spill.duplicate().at("cannot read from", &std::env::temp_dir());
        self.spills.into_iter().map(duplicate).collect()
    }

    /// What is proved with columns that are read like this.
    pub(super) fn prove(self) -> Result<Proved> {
        let (candidates, columns) = (self.candidates.clone(), self.search.columns.to_vec());
        Ok(Proved::new(candidates.into_iter().zip(self.finish()?).collect(), columns))
    }
}

fn reader(column: &Column, format: &SourceFormat) -> Reader {
    let text = |text: &str| &*text.to_owned().leak();
    let texts = |texts: &[String]| &*texts.iter().map(|word| text(word)).collect::<Vec<_>>().leak();
    let (yes, no) = column.words.as_ref().map(|(yes, no)| (texts(yes), texts(no))).unwrap_or_default();
    let as_table = crate::table::Column {
        nullable: column.is_nullable(),
        nulls: Some(if column.has_no_nulls { &[] } else { column.nulls.clone().leak() }),
        trim: column.trim,
        format: column.format,
        numbers: column.numbers.as_ref().map(|format| crate::table::Numbers {
            decimal_mark: format.decimal_mark,
            group_mark: format.group_mark,
            sign: format.sign,
            strip: &[],
        }),
        true_values: yes,
        false_values: no,
        ..crate::table::Column::new(text(&column.name), column.ty)
    };
    Reader::new(Box::leak(Box::new(as_table)), format, false, false)
}

/// Numbers and codes identify rows more often than dates and amounts do, and names such as `id` promise it.
fn rank(column: &Column) -> (u8, bool) {
    let class = match column.ty {
        Type::Int | Type::Bigint | Type::Char(_) => 0,
        Type::String if column.max_chars <= 64 => 0,
        Type::Date => 1,
        Type::Timestamp | Type::Timestamptz => 2,
        _ => 3,
    };
    (class, !is_identifier(&column.name))
}

/// Returns whether the last word of a name is one for an identifier: `id`, `order_no`, `customerId`.
fn is_identifier(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    IDENTIFIERS.iter().any(|word| {
        let Some(before) = lower.strip_suffix(word) else { return false };
        let starts_word = name[before.len()..].starts_with(|c: char| c.is_ascii_uppercase());
        before.is_empty() || before.ends_with('_') || starts_word || before.len() > 3
    })
}

/// In the order of the schema.
fn sorted(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns
}

/// All combinations of so many columns, in the order of the columns.
fn combinations(columns: &[usize], size: usize) -> Vec<Vec<usize>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let with_first = |(index, first): (usize, &usize)| {
        let rest = combinations(&columns[index + 1..], size - 1);
        let first = *first;
        rest.into_iter().map(move |rest| [vec![first], rest].concat())
    };
    columns.iter().enumerate().flat_map(with_first).collect()
}

fn is_unique(sample: &[Vec<u64>], columns: &[usize]) -> bool {
    let rows = columns.first().map_or(0, |column| sample[*column].len());
    let mut seen = HashSet::with_capacity(rows.min(1024));
    (0..rows).all(|row| {
        let hash =
            columns.iter().fold(0_u64, |hash, column| hash.rotate_left(23).wrapping_mul(31) ^ sample[*column][row]);
        seen.insert(hash)
    })
}
