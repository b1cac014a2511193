//! Rows as canonical bytes, and the hashes over them.
//!
//! A column enters as `-` when it is NULL, otherwise as the byte length of its canonical text, `:`, the text; a
//! baseline's value that today's type cannot read as `!`, the length of its raw text, `:`, the raw text. A row's **image** is its key columns in the order of `primary_key`, then every other column in the order of `columns`. The
//! **row hash** is over the image without the columns that are not compared.

mod inspect;
mod typed;

use xxhash_rust::xxh3::xxh3_128;
use xxhash_rust::xxh64::xxh64;

use crate::canonical::field::Field;
use crate::canonical::row_bytes::{Segment, UNREADABLE, segments, write_text};
use crate::canonical::value::{Reader, Value};
use crate::epoch::{ColumnSource, Epoch, SourceFormat};
use crate::reject::Reason;
use crate::table::{Column, Table};

/// How many characters of a key's value are shown.
const SHOWN: usize = 200;
pub use inspect::InspectedColumn;

/// How the rows of an export become images: a table's columns in the order in which they stand there, and where the
/// export has them.
#[derive(Debug)]
pub struct Layout {
    /// The table.
    pub table: &'static Table,
    /// How the export is written.
    pub written: SourceFormat,
    /// The names of the export's columns; without a header also the order of its fields.
    pub names: Vec<String>,
    /// The columns in the order of an image.
    slots: Vec<Slot>,
    keys: usize,
    all_compared: bool,
    /// Whether a value outside the key that cannot be read is a value still: in a baseline from before today's types.
    is_lenient: bool,
}

/// One column of an image.
#[derive(Debug)]
struct Slot {
    reader: Reader,
    origin: Origin,
    /// Whether it counts when rows are compared.
    is_compared: bool,
}

/// Where the values of a column come from.
#[derive(Debug)]
enum Origin {
    /// The export's column at this place.
    Column(usize),
    /// The export is older than the column; these bytes stand for it.
    Fill(Vec<u8>),
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
        let reader = |column: &&'static Column, written: &SourceFormat| {
            Reader::new(column, written, table.is_key(column), table.athena)
        };
        let today = SourceFormat::of(&table.source);
        let origin = |column: &&'static Column| match epoch.place(column) {
            ColumnSource::Column(place) => Origin::Column(place),
            ColumnSource::Added => Origin::Fill(fill(&reader(column, &today), column)),
        };
        let slot = |column: &&'static Column| Slot {
            reader: reader(column, &epoch.source),
            origin: origin(column),
            is_compared: column.compare || table.is_key(column),
        };
        let slots: Vec<Slot> = columns.iter().map(slot).collect();
        Self {
            table,
            written: epoch.source.clone(),
            names: epoch.columns.iter().map(|column| column.name.clone()).collect(),
            keys: table.primary_key.len(),
            all_compared: slots.iter().all(|slot| slot.is_compared),
            slots,
            is_lenient,
        }
    }

    /// The columns of the key, in its order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.slots[..self.keys].iter().map(Slot::column)
    }

    /// The columns outside the key, in the order of the schema.
    pub fn value_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.slots[self.keys..].iter().map(Slot::column)
    }

    /// Whether every column counts when rows are compared, so that equal row hashes are equal rows.
    pub fn compares_all(&self) -> bool {
        self.all_compared
    }

    /// Reads the key alone of a row into `row`, for who looks for a few keys among many. Whether it can be read is what
    /// is returned.
    pub fn read_key<'f>(&self, field: impl Fn(usize) -> Field<'f>, row: &mut Row) -> bool {
        row.image.clear();
        let is_good = self.slots[..self.keys].iter().all(|slot| slot.read(&field, row, |_, _| false));
        row.key_length = row.image.len();
        is_good
    }

    /// For each column outside the key, whether the export is older than it.
    pub fn added(&self) -> Vec<bool> {
        self.slots[self.keys..].iter().map(|slot| matches!(slot.origin, Origin::Fill(_))).collect()
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
        let (key, rest) = self.slots.split_at(self.keys);
        for slot in key {
            is_good &= slot.read(&field, row, |field, reason| {
                refuse(slot.column(), field, reason);
                false
            });
        }
        row.key_length = row.image.len();
        // Where the compared bytes begin that are not copied yet.
        let mut run = 0;
        for slot in rest {
            let start = row.image.len();
            is_good &= slot.read(&field, row, |field, reason| {
                if !self.is_lenient {
                    refuse(slot.column(), field, reason);
                }
                self.is_lenient
            });
            if !slot.is_compared {
                row.compared.extend_from_slice(&row.image[run..start]);
                run = row.image.len();
            }
        }
        if !self.all_compared {
            row.compared.extend_from_slice(&row.image[run..]);
        }
        is_good
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
        let compared = segments(image).zip(&self.slots).filter(|(_, slot)| slot.is_compared);
        let kept: Vec<u8> = compared.flat_map(|(segment, _)| segment.bytes).copied().collect();
        xxh64(&kept, 0).cast_signed()
    }

    /// A key's bytes as a person reads them, `(eu-west, 17)`; masked where its column is `pii`.
    pub fn shown_key(&self, key: &[u8]) -> String {
        let show = |(column, segment): (&Column, Segment<'_>)| match segment.text {
            _ if column.pii => "***".to_owned(),
            text => {
                let text = String::from_utf8_lossy(text.unwrap_or_default());
                let cut: String = text.chars().take(SHOWN).collect();
                format!("{}{}", cut.escape_debug(), if cut.len() < text.len() { "…" } else { "" })
            }
        };
        let texts: Vec<String> = self.key_columns().zip(segments(key)).map(show).collect();
        format!("({})", texts.join(", "))
    }
}

impl Slot {
    fn column(&self) -> &'static Column {
        self.reader.column()
    }

    /// Appends the column's bytes to the row's image. `refused` hears of a field that is no value, and says whether its
    /// text is to stand there as it is. Whether the column can be used is what is returned.
    #[inline(always)]
    fn read<'f>(
        &self,
        field: &impl Fn(usize) -> Field<'f>,
        row: &mut Row,
        refused: impl FnOnce(Field<'f>, Reason) -> bool,
    ) -> bool {
        let Origin::Column(place) = self.origin else { return self.fill(row) };
        let field = field(place);
        if self.reader.write_plain(field, &mut row.image) {
            return true;
        }
        match self.convert(field, row) {
            Ok(()) => true,
            Err(reason) => {
                let is_kept = refused(field, reason);
                if is_kept {
                    row.image.push(UNREADABLE);
                    write_text(field.text(), &mut row.image);
                }
                is_kept
            }
        }
    }

    #[inline(never)]
    fn fill(&self, row: &mut Row) -> bool {
        if let Origin::Fill(bytes) = &self.origin {
            row.image.extend_from_slice(bytes);
        }
        true
    }

    #[inline(never)]
    fn convert(&self, field: Field<'_>, row: &mut Row) -> Result<(), Reason> {
        row.text.clear();
        match self.reader.read(field.text(), field.quoted, &mut row.text)? {
            Value::Null => row.image.push(b'-'),
            Value::Text => write_text(&row.text, &mut row.image),
        }
        Ok(())
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
