//! Rows as canonical bytes, and the hashes over them.
//!
//! A column enters as `-` when it is NULL, otherwise as the byte length of its canonical text, `:`, the text. A row's
//! **image** is its key columns in the order of `primary_key`, then every other column in the order of `columns`. The
//! **row hash** is over the image without the columns that are not compared.

mod typed;

use xxhash_rust::xxh3::xxh3_128;
use xxhash_rust::xxh64::xxh64;

use crate::reject::Reason;
use crate::table::{Column, Table};
use crate::value::{Reader, Value};

/// A table's columns in the order in which they stand in an image.
#[derive(Debug)]
pub struct Layout {
    /// The table.
    pub table: &'static Table,
    readers: Vec<Reader>,
    /// For each reader, the column's place in the schema.
    places: Vec<usize>,
    keys: usize,
    all_compared: bool,
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
    /// The layout of a table.
    pub fn new(table: &'static Table) -> Self {
        let key = table.primary_key.iter().filter_map(|name| table.columns.iter().position(|c| c.name == *name));
        let rest = (0..table.columns.len()).filter(|place| !table.is_key(&table.columns[*place]));
        let places: Vec<usize> = key.chain(rest).collect();
        let reader = |place: &usize| {
            let column = &table.columns[*place];
            Reader::new(column, &table.source, table.is_key(column), table.athena)
        };
        Self {
            table,
            readers: places.iter().map(reader).collect(),
            places,
            keys: table.primary_key.len(),
            all_compared: table.columns.iter().all(|column| column.compare || table.is_key(column)),
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

    /// Reads a row into `row`. `field` gives the field of the column at a place of the schema; each field that is no
    /// value goes to `refuse`. Whether the row can be used is what is returned.
    pub fn read<'f>(
        &self,
        field: impl Fn(usize) -> Field<'f>,
        row: &mut Row,
        mut refuse: impl FnMut(&'static Column, Field<'f>, Reason),
    ) -> bool {
        row.image.clear();
        row.compared.clear();
        let mut is_good = true;
        for (index, (reader, place)) in self.readers.iter().zip(&self.places).enumerate() {
            let field = field(*place);
            row.text.clear();
            let start = row.image.len();
            match reader.read(field.text, field.quoted, &mut row.text) {
                Ok(Value::Null) => row.image.push(b'-'),
                Ok(Value::Text) => write_text(&row.text, &mut row.image),
                Err(reason) => {
                    is_good = false;
                    refuse(reader.column(), field, reason);
                }
            }
            if !self.all_compared && (index < self.keys || reader.column().compare) {
                row.compared.extend_from_slice(&row.image[start..]);
            }
            if index + 1 == self.keys {
                row.key_length = row.image.len();
            }
        }
        is_good
    }

    /// The XXH64 (seed 0) of the row's compared bytes, signed: what `hash` says in an operation.
    pub fn hash(&self, row: &Row) -> i64 {
        let bytes = if self.all_compared { &row.image } else { &row.compared };
        xxh64(bytes, 0).cast_signed()
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

/// One column of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The canonical text; `None` is NULL.
    pub text: Option<&'a [u8]>,
    /// The bytes that stand for it in the image.
    pub bytes: &'a [u8],
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
            let size = rest[..colon].iter().fold(0usize, |size, digit| size * 10 + usize::from(digit - b'0'));
            (colon + 1 + size, Some(&rest[colon + 1..colon + 1 + size]))
        };
        let (bytes, tail) = rest.split_at(length);
        rest = tail;
        Some(Segment { text, bytes })
    })
}

/// Appends `length:text`.
pub(crate) fn write_text(text: &[u8], out: &mut Vec<u8>) {
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
