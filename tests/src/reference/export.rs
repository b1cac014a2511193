//! Reads an export: decompresses its parts, finds its columns, reads its rows and collects them by key.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use runtime::table::{Column, Completeness, Compression, Table};

use super::csv::{self, Field, Record};
use super::pattern::matches;
use super::pseudonym::pseudonym;
use super::row::Row;
use super::value::Value;
use super::{encoding, field, lines};

/// A file of an export: its name, and its bytes as they are on disk.
pub type Part<'a> = (&'a str, &'a [u8]);

/// A rejected row, or a rejected field of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reject {
    /// The part's file name.
    pub part: String,
    /// The line the row begins on, from 1, the header included.
    pub line: u64,
    /// The column, if one field is at fault.
    pub column: Option<String>,
    /// Why, in kebab-case.
    pub reason: String,
}

/// Why an export cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The compressed bytes are truncated, damaged, or followed by other bytes.
    Corrupt,
    /// The first bytes show another encoding than the declared one.
    OtherEncoding,
    /// The lines at the beginning or at the end of a part are not as declared.
    BadEnds,
    /// The schema declares a header, and the part has no record.
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

/// The rows of an export, and its rejects.
#[derive(Debug, Default)]
pub struct Export {
    /// One row for each key, by the row bytes of the key.
    pub rows: BTreeMap<Vec<u8>, Row>,
    /// How many rows repeat another one in every column.
    pub duplicates: u64,
    /// The rejected rows and fields, in no particular order.
    pub rejects: Vec<Reject>,
}

/// A row with its part and line.
type LocatedRow = (Row, String, u64);

/// Reads an export. Files whose names start with `_` or `.` are not parts.
pub fn read(table: &Table, parts: &[Part<'_>]) -> Result<Export, Stop> {
    let mut export = Export::default();
    let mut by_key: BTreeMap<Vec<u8>, Vec<LocatedRow>> = BTreeMap::new();
    let mut first: Option<Record> = None;
    let parts: Vec<_> = parts.iter().filter(|(name, _)| is_part(table, name)).collect();
    let count = parts.len();
    for (at, (name, bytes)) in parts.into_iter().enumerate() {
        let bytes = decompress(table, bytes)?;
        let text = encoding::decode(&bytes, table.source.encoding).ok_or(Stop::OtherEncoding)?;
        let ends = lines::Ends::new(table, at == 0, at + 1 == count);
        let (text, trailer) = ends.rows(&text).ok_or(Stop::BadEnds)?;
        let mut records = csv::records(&text, &table.source).into_iter();
        if !table.source.first_part_header || first.is_none() {
            first = if table.source.header { Some(records.next().ok_or(Stop::NoHeader)?) } else { None };
        }
        let header = first.as_ref();
        let fields = columns(table, header)?;
        let repeats = |record: &Record| header.is_some_and(|header| header.fields == record.fields);
        let records: Vec<Record> =
            records.filter(|record| !(table.source.skip_repeated_header && repeats(record))).collect();
        if trailer.is_some_and(|rows| rows != records.len().to_string()) {
            return Err(Stop::BadEnds);
        }
        for record in records {
            match read_row(table, &fields, &record, header) {
                Ok(row) => by_key.entry(row.key_bytes(table)).or_default().push((row, (*name).into(), record.line)),
                Err(faults) => export.rejects.extend(faults.into_iter().map(|fault| reject(name, record.line, fault))),
            }
        }
    }
    for (key, rows) in by_key {
        export.insert(table, key, rows);
    }
    Ok(export)
}

impl Export {
    /// Rows of one key count as one if they agree in every column, unless the table refuses that; otherwise all of them
    /// are rejected.
    fn insert(&mut self, table: &Table, key: Vec<u8>, mut rows: Vec<LocatedRow>) {
        let reason = match () {
            () if rows.iter().any(|(row, ..)| *row != rows[0].0) => Some("conflicting-duplicate"),
            () if rows.len() > 1 && table.source.refuse_duplicates => Some("repeated-row"),
            () => None,
        };
        if let Some(reason) = reason {
            self.rejects.extend(rows.iter().map(|(_, part, line)| reject(part, *line, (None, reason))));
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

/// Returns whether a file is a part. In the globs of tests, nothing but `*` and `?` has a meaning.
fn is_part(table: &Table, name: &str) -> bool {
    let pattern = |glob: &str| regex::escape(glob).replace(r"\*", ".*").replace(r"\?", ".");
    if matches!(table.source.complete, Completeness::RedshiftManifest(manifest) if manifest == name) {
        return false;
    }
    !name.starts_with(['_', '.']) && table.source.parts.is_none_or(|glob| matches(&pattern(glob), name))
}

/// The column's name, if one field is at fault, and the reason.
type RowFault = (Option<&'static str>, &'static str);

fn reject(part: &str, line: u64, (column, reason): RowFault) -> Reject {
    Reject { part: part.into(), line, column: column.map(Into::into), reason: reason.into() }
}

fn decompress(table: &Table, bytes: &[u8]) -> Result<Vec<u8>, Stop> {
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

/// Where the columns of a table are in the rows of a part.
struct Fields {
    /// For each column of the table, the position of its field.
    positions: Vec<usize>,
    /// How many fields a row has.
    count: usize,
}

/// A record whose fields are the names of the columns, in any order, repeats the header.
fn repeats_header(table: &Table, places: &Fields, fields: &[Field]) -> bool {
    let trims = |position: usize| {
        let column = places.positions.iter().position(|other| *other == position);
        column.is_some_and(|column| table.columns[column].trim)
    };
    let blanks = [' ', '\t'];
    let has = |column: &Column| {
        let name = column.header.unwrap_or(column.name);
        fields.iter().enumerate().any(|(position, field)| {
            let text = String::from_utf8_lossy(&field.bytes);
            match trims(position) {
                true => in_header(table, text.trim_matches(blanks)) == in_header(table, name.trim_matches(blanks)),
                false => in_header(table, &text) == in_header(table, name),
            }
        })
    };
    table.columns.iter().all(has)
}

/// The name of a column in a header.
fn in_header(table: &Table, name: &str) -> String {
    if table.source.any_header_case { name.to_lowercase().to_uppercase() } else { name.into() }
}

fn columns(table: &Table, header: Option<&Record>) -> Result<Fields, Stop> {
    let Some(header) = header else {
        return Ok(Fields { positions: (0..table.columns.len()).collect(), count: table.columns.len() });
    };
    let header = header.fields.as_ref().map_err(|_| Stop::BadHeader)?;
    let names: Result<Vec<String>, _> = header.iter().map(|field| String::from_utf8(field.bytes.clone())).collect();
    let names: Vec<String> = names.map_err(|_| Stop::BadHeader)?.iter().map(|name| in_header(table, name)).collect();
    let own = |column: &Column| in_header(table, column.header.unwrap_or(column.name));
    let is_unlisted = |name: &String| table.columns.iter().all(|column| own(column) != *name);
    if !table.source.skip_unlisted && names.iter().any(is_unlisted) {
        return Err(Stop::UnknownColumn);
    }
    let found = |name: &str| (0..names.len()).filter(|position| names[*position] == name).collect::<Vec<_>>();
    let position = |column: &Column| match found(&own(column))[..] {
        [] => Err(Stop::MissingColumn),
        [position] => Ok(position),
        _ => Err(Stop::RepeatedColumn),
    };
    let positions = table.columns.iter().map(position).collect::<Result<_, _>>()?;
    Ok(Fields { positions, count: names.len() })
}

fn read_row(table: &Table, places: &Fields, record: &Record, header: Option<&Record>) -> Result<Row, Vec<RowFault>> {
    let fields: &[Field] = record.fields.as_ref().map_err(|reason| vec![(None, *reason)])?;
    if fields.len() != places.count {
        return Err(vec![(None, "field-count")]);
    }
    if header.is_some() && repeats_header(table, places, fields) {
        return Err(vec![(None, "repeated-header")]);
    }
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for (column, position) in table.columns.iter().zip(&places.positions) {
        let field = &fields[*position];
        match field::read(table, column, field) {
            Ok(_) if *position == 0 && begins_with_mark(column, field) => {
                faults.push((Some(column.name), "unreadable-value"))
            }
            Ok(_) if !column.publish => values.push(Value::NULL),
            Ok(value) => values.push(if column.hmac.is_some() { pseudonym(&value) } else { value }),
            Err(reason) => faults.push((Some(column.name), reason)),
        }
    }
    if faults.is_empty() { Ok(Row { values }) } else { Err(faults) }
}

/// Returns whether the text of a field begins with a byte order mark.
fn begins_with_mark(column: &Column, field: &Field) -> bool {
    let text = String::from_utf8_lossy(&field.bytes);
    let text = if column.trim { text.trim_start_matches([' ', '\t']) } else { &text };
    text.starts_with('\u{FEFF}')
}
