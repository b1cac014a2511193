//! Rows as canonical bytes, and the hashes over them.
//!
//! A column enters as `-` when it is NULL, otherwise as the byte length of its canonical text, `:`, the text; a
//! baseline's value that today's type cannot read as `!`, the length of its raw text, `:`, the raw text. A row's **image** is its key columns in the order of `primary_key`, then every other column in the order of `columns`. The
//! **row hash** is over the image without the columns that are not compared.

mod look;
mod typed;

use xxhash_rust::xxh3::xxh3_128;
use xxhash_rust::xxh64::xxh64;

use crate::epoch::{Epoch, Place, Written};
use crate::reject::Reason;
use crate::table::{Column, Table};
use crate::value::{Reader, Value};
pub use look::Looked;

/// How the rows of an export become images: a table's columns in the order in which they stand there, and where the
/// export has them.
#[derive(Debug)]
pub struct Layout {
    /// The table.
    pub table: &'static Table,
    /// How the export is written.
    pub written: Written,
    /// The names of the export's columns; without a header also the order of its fields.
    pub names: Vec<String>,
    readers: Vec<Reader>,
    /// For each reader, where its values come from.
    origins: Vec<Origin>,
    keys: usize,
    all_compared: bool,
    /// Whether a value outside the key that cannot be read is a value still: in a baseline from before today's types.
    is_lenient: bool,
}

/// Where the values of a column come from.
#[derive(Debug)]
enum Origin {
    /// The export's column at this place.
    Column(usize),
    /// The export is older than the column; these bytes stand for it.
    Fill(Vec<u8>),
}

/// One field of a row as it stood in a part.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The text, without its quotes.
    pub text: &'a [u8],
    /// Whether it was quoted.
    pub quoted: bool,
}

/// A row in canonical bytes.
#[derive(Debug, Default, Clone)]
pub struct Row {
    image: Vec<u8>,
    key_length: usize,
    compared: Vec<u8>,
    text: Vec<u8>,
}

impl Layout {
    /// The layout of exports that are written as today's schema says.
    pub fn new(table: &'static Table) -> Self {
        Self::of(table, &Epoch::of(table), false)
    }

    /// The layout of an export from an earlier epoch, read with today's types. Whether that makes sense is what
    /// [`Epoch::drift`] says first.
    pub fn of_epoch(table: &'static Table, epoch: &Epoch) -> Self {
        Self::of(table, epoch, epoch.schema != table.schema)
    }

    fn of(table: &'static Table, epoch: &Epoch, is_lenient: bool) -> Self {
        let key = table.primary_key.iter().filter_map(|name| table.column(name));
        let rest = table.columns.iter().filter(|column| !table.is_key(column));
        let columns: Vec<&'static Column> = key.chain(rest).collect();
        let reader = |column: &&'static Column, written: &Written| {
            Reader::new(column, written, table.is_key(column), table.athena)
        };
        let today = Written::of(&table.source);
        let origin = |column: &&'static Column| match epoch.place(column) {
            Place::Column(place) => Origin::Column(place),
            Place::Added => Origin::Fill(fill(&reader(column, &today), column)),
        };
        Self {
            table,
            written: epoch.source.clone(),
            names: epoch.columns.iter().map(|column| column.name.clone()).collect(),
            readers: columns.iter().map(|column| reader(column, &epoch.source)).collect(),
            origins: columns.iter().map(origin).collect(),
            keys: table.primary_key.len(),
            all_compared: table.columns.iter().all(|column| column.compare || table.is_key(column)),
            is_lenient,
        }
    }

    /// The columns of the key, in its order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.readers[..self.keys].iter().map(Reader::column)
    }

    /// The columns outside the key, in the order of the schema.
    pub fn value_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.readers[self.keys..].iter().map(Reader::column)
    }

    /// Whether every column counts when rows are compared, so that equal row hashes are equal rows.
    pub fn compares_all(&self) -> bool {
        self.all_compared
    }

    /// Reads the key alone of a row into `row`, for who looks for a few keys among many. Whether it can be read is what
    /// is returned.
    pub fn read_key<'f>(&self, field: impl Fn(usize) -> Field<'f>, row: &mut Row) -> bool {
        row.image.clear();
        for (index, (reader, origin)) in self.readers[..self.keys].iter().zip(&self.origins).enumerate() {
            let Origin::Column(place) = origin else { return false };
            let field = field(*place);
            if reader.is_canonical(field.text) {
                write_text(field.text, &mut row.image);
            } else if self.convert(index, reader, field, row).is_err() {
                return false;
            }
        }
        row.key_length = row.image.len();
        true
    }

    /// For each column outside the key, whether the export is older than it.
    pub fn added(&self) -> Vec<bool> {
        self.origins[self.keys..].iter().map(|origin| matches!(origin, Origin::Fill(_))).collect()
    }

    /// Reads a row into `row`. `field` gives the field of the export's column at a place; each field that is no value
    /// goes to `refuse`. Whether the row can be used is what is returned.
    pub fn read<'f>(
        &self,
        field: impl Fn(usize) -> Field<'f>,
        row: &mut Row,
        mut refuse: impl FnMut(&'static Column, Field<'f>, Reason),
    ) -> bool {
        row.image.clear();
        row.compared.clear();
        let mut is_good = true;
        // Where the compared bytes begin that are not copied yet.
        let mut run = 0;
        for (index, (reader, origin)) in self.readers.iter().zip(&self.origins).enumerate() {
            let start = row.image.len();
            match origin {
                Origin::Fill(bytes) => row.image.extend_from_slice(bytes),
                Origin::Column(place) => {
                    let field = field(*place);
                    if reader.is_canonical(field.text) {
                        write_text(field.text, &mut row.image);
                    } else if let Err(reason) = self.convert(index, reader, field, row) {
                        is_good = false;
                        refuse(reader.column(), field, reason);
                    }
                }
            }
            if !self.all_compared && index >= self.keys && !reader.column().compare {
                row.compared.extend_from_slice(&row.image[run..start]);
                run = row.image.len();
            }
            if index + 1 == self.keys {
                row.key_length = row.image.len();
            }
        }
        if !self.all_compared {
            row.compared.extend_from_slice(&row.image[run..]);
        }
        is_good
    }

    fn convert(&self, index: usize, reader: &Reader, field: Field<'_>, row: &mut Row) -> Result<(), Reason> {
        row.text.clear();
        match reader.read(field.text, field.quoted, &mut row.text) {
            Ok(Value::Null) => row.image.push(b'-'),
            Ok(Value::Text) => write_text(&row.text, &mut row.image),
            Err(_) if self.is_lenient && index >= self.keys => {
                row.image.push(UNREADABLE);
                write_text(field.text, &mut row.image);
            }
            Err(reason) => return Err(reason),
        }
        Ok(())
    }

    /// The XXH64 (seed 0) of the row's compared bytes, signed: what `hash` says in an operation.
    pub fn hash(&self, row: &Row) -> i64 {
        xxh64(self.compared(row), 0).cast_signed()
    }

    /// The row's bytes without the columns that are not compared.
    pub fn compared<'r>(&self, row: &'r Row) -> &'r [u8] {
        if self.all_compared { &row.image } else { &row.compared }
    }

    /// The row hash of an image.
    pub fn hash_of_image(&self, image: &[u8]) -> i64 {
        if self.all_compared {
            return xxh64(image, 0).cast_signed();
        }
        let compared = self.readers.iter().enumerate().map(|(i, reader)| i < self.keys || reader.column().compare);
        let kept: Vec<u8> =
            segments(image).zip(compared).filter(|(_, is)| *is).flat_map(|(s, _)| s.bytes).copied().collect();
        xxh64(&kept, 0).cast_signed()
    }

    /// A key's bytes as a person reads them, `(eu-west, 17)`; masked where its column is `pii`.
    pub fn shown_key(&self, key: &[u8]) -> String {
        let show = |(column, segment): (&Column, Segment<'_>)| match segment.text {
            _ if column.pii => "***".to_owned(),
            text => String::from_utf8_lossy(text.unwrap_or_default()).escape_debug().to_string(),
        };
        let texts: Vec<String> = self.key_columns().zip(segments(key)).map(show).collect();
        format!("({})", texts.join(", "))
    }
}

impl Row {
    /// The key columns' bytes.
    pub fn key(&self) -> &[u8] {
        &self.image[..self.key_length]
    }

    /// The other columns' bytes.
    pub fn values(&self) -> &[u8] {
        &self.image[self.key_length..]
    }

    /// The whole row's bytes.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// XXH3-128 of the key's bytes. 128 bits, because at 64 a large table would now and then match two keys.
    pub fn key_hash(&self) -> u128 {
        xxh3_128(self.key())
    }

    /// XXH64 of the whole image, to tell rows apart that differ only in columns which are not compared.
    pub fn image_hash(&self) -> u64 {
        xxh64(&self.image, 0)
    }
}

/// What stands in front of a baseline's value that today's type cannot read.
const UNREADABLE: u8 = b'!';

/// One column of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The canonical text, or the raw text of a value that cannot be read; `None` is NULL.
    pub text: Option<&'a [u8]>,
    /// The bytes that stand for it in the image.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// Whether it is a value of the column's type, or NULL.
    pub fn is_readable(&self) -> bool {
        self.bytes.first() != Some(&UNREADABLE)
    }
}

/// The columns of an image, in its order.
pub fn segments(image: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = image;
    std::iter::from_fn(move || {
        let (first, _) = rest.split_first()?;
        let (length, text) = if *first == b'-' {
            (1, None)
        } else {
            let colon = rest.iter().position(|byte| *byte == b':')?;
            let digits = usize::from(*first == UNREADABLE);
            let size = rest[digits..colon].iter().fold(0usize, |size, digit| size * 10 + usize::from(digit - b'0'));
            (colon + 1 + size, Some(&rest[colon + 1..colon + 1 + size]))
        };
        let (bytes, tail) = rest.split_at(length);
        rest = tail;
        Some(Segment { text, bytes })
    })
}

/// The bytes that stand for a column in the rows from before it was added: its default, or NULL.
fn fill(reader: &Reader, column: &Column) -> Vec<u8> {
    let (mut text, mut bytes) = (Vec::new(), Vec::new());
    match column.default.map(|default| reader.read(default.as_bytes(), false, &mut text)) {
        Some(Ok(Value::Text)) => write_text(&text, &mut bytes),
        Some(Err(_)) => unreachable!("the generator has read the default of `{}`", column.name),
        Some(Ok(Value::Null)) | None => bytes.push(b'-'),
    }
    bytes
}

/// Texts up to so many bytes are copied as a whole block, of which the rest is cut off again: most texts are this short,
/// and a call to copy a few bytes costs more than the bytes.
const SHORT: usize = 16;

/// Appends `length:text`.
#[inline]
pub(crate) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    if text.len() > SHORT {
        return write_long_text(text, out);
    }
    // Two digits of the length, a colon, the text; of the first ten lengths one digit is left out.
    let mut block = [0; 3 + SHORT];
    let length = text.len();
    block[0] = b'1';
    block[1] = b'0' + (if length < 10 { length } else { length - 10 }) as u8;
    block[2] = b':';
    copy_short(text, &mut block[3..]);
    let from = usize::from(length < 10);
    let end = out.len() + 3 - from + length;
    out.extend_from_slice(&block[from..]);
    out.truncate(end);
}

#[inline]
fn copy_short(text: &[u8], block: &mut [u8]) {
    match text.len() {
        length @ 8..=SHORT => {
            block[..8].copy_from_slice(&text[..8]);
            block[length - 8..length].copy_from_slice(&text[length - 8..]);
        }
        length @ 4..8 => {
            block[..4].copy_from_slice(&text[..4]);
            block[length - 4..length].copy_from_slice(&text[length - 4..]);
        }
        0 => {}
        // One, two or three bytes: the first, the middle and the last, which may be the same.
        length => {
            block[0] = text[0];
            block[length / 2] = text[length / 2];
            block[length - 1] = text[length - 1];
        }
    }
}

fn write_long_text(text: &[u8], out: &mut Vec<u8>) {
    write_number(text.len(), out);
    out.push(b':');
    out.extend_from_slice(text);
}

fn write_number(number: usize, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
