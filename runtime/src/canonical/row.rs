//! Rows as canonical bytes, and the hashes over them.
//!
//! A row's **image** is the [segments](crate::canonical::row_bytes) of its key columns in the order of `primary_key`,
//! followed by those of all other columns in the order of `columns`. The **row hash** covers the image without the
//! columns that are not compared. Columns that are not published are checked, and are not part of the image.

mod image;
mod inspect;
mod slot;
mod typed;

use xxhash_rust::xxh64::xxh64;

use crate::canonical::field::Field;
#[cfg(feature = "pipeline")]
use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row_bytes::{Segment, segments};
use crate::epoch::{Epoch, SourceFormat};
use crate::name;
use crate::reject::Reason;
use crate::table::{Column, Table};
pub use image::Row;
pub use inspect::InspectedColumn;
#[cfg(feature = "pipeline")]
pub(crate) use inspect::KeyMatch;
use slot::{Origin, Slot, fill};

/// How many characters of a key's value are shown.
const SHOWN: usize = 200;

/// How the rows of an export become images: the table's columns in the order of an image, and where each is found in
/// the export.
#[derive(Debug)]
pub struct Layout {
    /// The table.
    pub table: &'static Table,
    /// How the export is written.
    pub format: SourceFormat,
    /// The names of the export's columns; without a header also the order of its fields.
    pub names: Vec<String>,
    /// The same as a header spells them.
    pub headers: Vec<String>,
    /// The columns in the order of an image.
    slots: Vec<Slot>,
    /// The columns that are only checked. In an export from an earlier epoch, there are none.
    checked: Vec<Slot>,
    keys: usize,
    all_compared: bool,
    /// Whether an unreadable value outside the key is kept as it is, in a baseline that is older than today's types.
    is_lenient: bool,
}

impl Layout {
    /// The layout of exports that are written under today's schema. Without a key, it refuses the values of columns
    /// with pseudonyms.
    pub fn new(table: &'static Table) -> Self {
        Self::build(table, &Epoch::from_table(table), false)
    }

    /// The layout of an export from an earlier epoch, read with today's types. [`Epoch::drift`] checks whether that is
    /// possible.
    pub(crate) fn for_epoch(table: &'static Table, epoch: &Epoch) -> Self {
        Self::build(table, epoch, epoch.schema != table.schema)
    }

    /// The same, but a value that today's types cannot read is refused instead of kept as it is.
    pub(crate) fn strict_for_epoch(table: &'static Table, epoch: &Epoch) -> Self {
        Self::build(table, epoch, false)
    }

    /// The layout of rows that may have values which today's types cannot read; these are kept as they are.
    pub(crate) fn lenient(table: &'static Table) -> Self {
        Self::build(table, &Epoch::from_table(table), true)
    }

    /// The same with the key of the tenant's pseudonyms.
    #[cfg(feature = "pipeline")]
    #[must_use]
    pub fn with_key(mut self, key: Option<&HmacKey>) -> Self {
        for slot in self.slots.iter_mut().filter(|slot| slot.column().hmac.is_some()) {
            slot.key = key.cloned().map(Box::new);
        }
        self
    }

    /// The key of the tenant's pseudonyms, if the table has any.
    #[cfg(feature = "pipeline")]
    pub(crate) fn key(&self) -> Option<&HmacKey> {
        self.slots.iter().find_map(|slot| slot.key.as_deref())
    }

    /// The segment of a column's `default`; that of NULL if it has none.
    pub(crate) fn default_segment(&self, name: &str) -> Option<Vec<u8>> {
        let slot = self.slots.iter().find(|slot| slot.column().name == name)?;
        Some(fill(&slot.reader, slot.column()))
    }

    fn build(table: &'static Table, epoch: &Epoch, is_lenient: bool) -> Self {
        let key = table.primary_key.iter().filter_map(|name| table.column(name));
        let rest = table.columns.iter().filter(|column| column.publish && !table.is_key(column));
        let unpublished = table.columns.iter().filter(|column| !column.publish && !is_lenient);
        let slot = |column: &'static Column| Slot::new(table, column, epoch);
        let slots: Vec<Slot> = key.chain(rest).map(slot).collect();
        Self {
            table,
            format: epoch.source.clone(),
            names: epoch.columns.iter().map(|column| column.name.clone()).collect(),
            headers: epoch
                .columns
                .iter()
                .map(|column| column.header.as_ref().unwrap_or(&column.name).clone())
                .collect(),
            keys: table.primary_key.len(),
            all_compared: slots.iter().all(|slot| slot.is_compared),
            slots,
            checked: unpublished.map(slot).collect(),
            is_lenient,
        }
    }

    /// Returns whether a header may spell a name like this.
    pub(crate) fn is_spelled(&self, name: &str, header: &str) -> bool {
        name::is_spelled(name, header, self.format.any_header_case)
    }

    /// The export's columns whose texts are trimmed.
    pub(crate) fn trimmed_columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots.iter().chain(&self.checked).filter_map(|slot| match slot.origin {
            Origin::Column(index) => slot.column().trim.then_some(index),
            Origin::Fill(_) => None,
        })
    }

    /// The table's column that is read from the export's column at an index; `None` if it is skipped.
    pub(crate) fn column_at(&self, index: usize) -> Option<&'static Column> {
        let is_at = |slot: &&Slot| matches!(slot.origin, Origin::Column(at) if at == index);
        self.slots.iter().chain(&self.checked).find(is_at).map(Slot::column)
    }

    /// The key columns, in the key's order.
    pub(crate) fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.slots[..self.keys].iter().map(Slot::column)
    }

    /// The export's columns that the key is read from.
    pub(crate) fn key_sources(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots[..self.keys].iter().filter_map(|slot| match slot.origin {
            Origin::Column(index) => Some(index),
            Origin::Fill(_) => None,
        })
    }

    /// The columns outside the key that are published, in the order of the schema.
    pub(crate) fn value_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.slots[self.keys..].iter().map(Slot::column)
    }

    /// The columns that are only checked, in the order of the schema.
    pub(crate) fn checked_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.checked.iter().map(Slot::column)
    }

    /// Returns whether all columns are compared, so that rows with equal row hashes are equal.
    pub(crate) fn compares_all(&self) -> bool {
        self.all_compared
    }

    /// Reads only the key of a row into `row`, to find a few keys among many. Returns whether the key is readable.
    pub(crate) fn read_key<'f>(&self, field: impl Fn(usize) -> Field<'f>, row: &mut Row) -> bool {
        row.image.truncate(0);
        let is_readable = self.slots[..self.keys].iter().all(|slot| slot.read(&field, row, |_, _| false));
        row.key_length = row.image.len();
        is_readable
    }

    /// The columns that the export is older than, each with the segment of its default.
    pub(crate) fn fills(&self) -> impl Iterator<Item = (&'static Column, &[u8])> + '_ {
        self.slots.iter().filter_map(|slot| match &slot.origin {
            Origin::Fill(segment) => Some((slot.column(), segment.as_slice())),
            Origin::Column(_) => None,
        })
    }

    /// For each column outside the key: whether the export is older than the column.
    pub(crate) fn added(&self) -> Vec<bool> {
        self.slots[self.keys..].iter().map(|slot| matches!(slot.origin, Origin::Fill(_))).collect()
    }

    /// Reads a row into `row`. `field` returns the field of the export's column at an index; `refuse` is called with
    /// each field that is not a value. Returns whether the row is usable.
    pub fn read<'f>(
        &self,
        field: impl Fn(usize) -> Field<'f>,
        row: &mut Row,
        mut refuse: impl FnMut(&'static Column, Field<'f>, Reason),
    ) -> bool {
        row.image.truncate(0);
        row.compared.clear();
        let mut is_usable = true;
        // The start of the compared bytes that are not copied yet.
        let mut run = 0;
        // One loop over all columns, so that the code that finds a field is in it instead of called by it.
        for (at, slot) in self.slots.iter().enumerate() {
            if at == self.keys {
                row.key_length = row.image.len();
            }
            let start = row.image.len();
            is_usable &= slot.read(&field, row, |field, reason| {
                let is_kept = self.is_lenient && at >= self.keys;
                if !is_kept {
                    refuse(slot.column(), field, reason);
                }
                is_kept
            });
            if !slot.is_compared {
                row.compared.extend_from_slice(&row.image.as_slice()[run..start]);
                run = row.image.len();
            }
        }
        if self.keys == self.slots.len() {
            row.key_length = row.image.len();
        }
        if !self.all_compared {
            row.compared.extend_from_slice(&row.image.as_slice()[run..]);
        }
        if !self.checked.is_empty() {
            is_usable &= self.check(field, row, refuse);
        }
        is_usable
    }

    /// Checks the columns that are not published. `row` keeps nothing of them.
    #[inline(never)]
    fn check<'f>(
        &self,
        field: impl Fn(usize) -> Field<'f>,
        row: &mut Row,
        mut refuse: impl FnMut(&'static Column, Field<'f>, Reason),
    ) -> bool {
        let length = row.image.len();
        let mut is_usable = true;
        for slot in &self.checked {
            is_usable &= slot.read(&field, row, |field, reason| {
                refuse(slot.column(), field, reason);
                false
            });
        }
        row.image.truncate(length);
        is_usable
    }

    /// The row hash, as operations carry it: the XXH64 (seed 0) of the row's compared bytes, as a signed integer.
    pub fn hash(&self, row: &Row) -> i64 {
        xxh64(self.compared(row), 0).cast_signed()
    }

    /// The row's bytes without the columns that are not compared.
    pub(crate) fn compared<'r>(&self, row: &'r Row) -> &'r [u8] {
        if self.all_compared { row.image() } else { &row.compared }
    }

    /// The row hash of an image.
    pub(crate) fn hash_of_image(&self, image: &[u8]) -> i64 {
        if self.all_compared {
            return xxh64(image, 0).cast_signed();
        }
        let compared = segments(image).zip(&self.slots).filter(|(_, slot)| slot.is_compared);
        let kept: Vec<u8> = compared.flat_map(|(segment, _)| segment.bytes).copied().collect();
        xxh64(&kept, 0).cast_signed()
    }

    /// A key's bytes for people, `(eu-west, 17)`; masked where the column is `pii`.
    pub(crate) fn shown_key(&self, key: &[u8]) -> String {
        let show = |(column, segment): (&Column, Segment<'_>)| match segment.text {
            _ if column.is_masked() => "***".to_owned(),
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
