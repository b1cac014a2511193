//! An export: its parts inflated, its columns found, its rows read and matched by key.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use runtime::table::{Compression, Table};

use super::csv::{self, Field, Record};
use super::row::Row;
use super::value;

/// A file of an export: its name, and its bytes as they lie on disk.
pub type Part<'a> = (&'a str, &'a [u8]);

/// A row that is refused, or one field of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reject {
    /// The part's file name.
    pub part: String,
    /// The line the row begins on, from 1, the header included.
    pub line: u64,
    /// The column, where one field is at fault.
    pub column: Option<String>,
    /// Why, in kebab-case.
    pub reason: String,
}

/// Why an export as a whole cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The compressed bytes are cut short, damaged, or followed by others.
    Corrupt,
    /// A header is declared, and the part holds no record.
    NoHeader,
    /// The first record cannot be split, or is not UTF-8.
    BadHeader,
    /// The header lacks a column of the table.
    MissingColumn,
    /// The header names a column that the table does not have.
    UnknownColumn,
    /// The header names a column twice.
    RepeatedColumn,
}

/// The rows of an export, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Export {
    /// One row a key, by the row bytes of the key.
    pub rows: BTreeMap<Vec<u8>, Row>,
    /// How many rows repeated another one in every column.
    pub duplicates: u64,
    /// What was refused, in no particular order.
    pub rejects: Vec<Reject>,
}

/// A row and where it stood.
type Found = (Row, String, u64);

/// Reads an export. Files whose names start with `_` or `.` are no parts.
pub fn read(table: &Table, parts: &[Part<'_>]) -> Result<Export, Stop> {
    let mut export = Export::default();
    let mut found: BTreeMap<Vec<u8>, Vec<Found>> = BTreeMap::new();
    for (name, bytes) in parts.iter().filter(|(name, _)| !name.starts_with(['_', '.'])) {
        let text = inflate(table, bytes)?;
        let mut records = csv::records(&text, &table.source).into_iter();
        let order = columns(table, &mut records)?;
        for record in records {
            match read_row(table, &order, &record) {
                Ok(row) => found.entry(row.key_bytes(table)).or_default().push((row, (*name).into(), record.line)),
                Err(faults) => export.rejects.extend(faults.into_iter().map(|fault| reject(name, record.line, fault))),
            }
        }
    }
    for (key, rows) in found {
        export.take_key(key, rows);
    }
    Ok(export)
}

impl Export {
    /// Rows of one key are one row if they agree in every column, otherwise each of them is refused.
    fn take_key(&mut self, key: Vec<u8>, mut rows: Vec<Found>) {
        if rows.iter().any(|(row, ..)| *row != rows[0].0) {
            let rejects = rows.iter().map(|(_, part, line)| reject(part, *line, (None, "conflicting-duplicate")));
            self.rejects.extend(rejects);
            return;
        }
        self.duplicates += rows.len() as u64 - 1;
        self.rows.insert(key, rows.swap_remove(0).0);
    }

    /// The sum of the row hashes.
    pub fn fingerprint(&self, table: &Table) -> i128 {
        self.rows.values().map(|row| i128::from(row.hash(table))).sum()
    }
}

/// A column's name, where one field is at fault, and the reason.
type RowFault = (Option<&'static str>, &'static str);

fn reject(part: &str, line: u64, (column, reason): RowFault) -> Reject {
    Reject { part: part.into(), line, column: column.map(Into::into), reason: reason.into() }
}

fn inflate(table: &Table, bytes: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut text = Vec::new();
    match table.source.compression {
        Compression::None => text.extend_from_slice(bytes),
        Compression::Gzip => {
            MultiGzDecoder::new(bytes).read_to_end(&mut text).map_err(|_| Stop::Corrupt)?;
        }
        Compression::Zstd => text = zstd::decode_all(bytes).map_err(|_| Stop::Corrupt)?,
    }
    Ok(text)
}

/// For each column of the table the place of its field.
fn columns(table: &Table, records: &mut impl Iterator<Item = Record>) -> Result<Vec<usize>, Stop> {
    if !table.source.header {
        return Ok((0..table.columns.len()).collect());
    }
    let header = records.next().ok_or(Stop::NoHeader)?.fields.map_err(|_| Stop::BadHeader)?;
    let names: Result<Vec<String>, _> = header.into_iter().map(|field| String::from_utf8(field.bytes)).collect();
    let names = names.map_err(|_| Stop::BadHeader)?;
    if names.iter().any(|name| table.column(name).is_none()) {
        return Err(Stop::UnknownColumn);
    }
    let places = |name: &str| (0..names.len()).filter(|place| names[*place] == name).collect::<Vec<_>>();
    table
        .columns
        .iter()
        .map(|column| match places(column.name)[..] {
            [] => Err(Stop::MissingColumn),
            [place] => Ok(place),
            _ => Err(Stop::RepeatedColumn),
        })
        .collect()
}

fn read_row(table: &Table, order: &[usize], record: &Record) -> Result<Row, Vec<RowFault>> {
    let fields: &[Field] = record.fields.as_ref().map_err(|reason| vec![(None, *reason)])?;
    if fields.len() != table.columns.len() {
        return Err(vec![(None, "field-count")]);
    }
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for (column, place) in table.columns.iter().zip(order) {
        match value::read(table, column, &fields[*place]) {
            Ok(value) => values.push(value),
            Err(reason) => faults.push((Some(column.name), reason)),
        }
    }
    if faults.is_empty() { Ok(Row { values }) } else { Err(faults) }
}
