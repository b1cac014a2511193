//! One column of an image: where its values come from, and what becomes of them.

use crate::canonical::field::Field;
#[cfg(feature = "pipeline")]
use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::image::Row;
use crate::canonical::row_bytes::{UNREADABLE, write_text};
use crate::canonical::value::{Reader, Value};
use crate::epoch::{ColumnSource, Epoch, SourceFormat};
use crate::reject::Reason;
use crate::table::{Column, Table};

/// One column of an image.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) reader: Reader,
    pub(super) origin: Origin,
    /// Whether rows that differ in it only count as different.
    pub(super) is_compared: bool,
    /// What makes pseudonyms of its values, if it has them.
    #[cfg(feature = "pipeline")]
    pub(super) key: Option<Box<HmacKey>>,
}

/// Where the values of a column come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// The export's column with this index.
    Column(usize),
    /// The export is older than the column; this is the segment of its default.
    Fill(Vec<u8>),
}

impl Slot {
    pub(super) fn new(table: &Table, column: &'static Column, epoch: &Epoch) -> Self {
        let is_key = table.is_key(column);
        let (reader, origin) = match epoch.locate(column) {
            ColumnSource::Column(index) => {
                let format = epoch.columns[index].format_for(column);
                let reader = Reader::written_as(column, &format, &epoch.source, is_key, table.athena);
                (reader, Origin::Column(index))
            }
            ColumnSource::Added => {
                // The schema that has the default says how it is written.
                let today = SourceFormat::from_source(&table.source);
                let reader = Reader::new(column, &today, is_key, table.athena);
                let origin = Origin::Fill(fill(&reader, column));
                (reader, origin)
            }
        };
        Self {
            reader,
            origin,
            is_compared: column.compare || is_key,
            #[cfg(feature = "pipeline")]
            key: None,
        }
    }

    pub(super) fn column(&self) -> &'static Column {
        self.reader.column()
    }

    /// Appends the column's segment to the row's image. Calls `refused` with a field that is not a value, which returns
    /// whether to keep the raw text. Returns whether the column is usable.
    #[inline(always)]
    pub(super) fn read<'f>(
        &self,
        field: &impl Fn(usize) -> Field<'f>,
        row: &mut Row,
        refused: impl FnOnce(Field<'f>, Reason) -> bool,
    ) -> bool {
        let Origin::Column(index) = self.origin else { return self.fill(row) };
        let field = field(index);
        if self.reader.write_plain(field, &mut row.image) {
            return true;
        }
        match self.convert(field, row) {
            Ok(()) => true,
            Err(reason) => {
                let is_kept = refused(field, reason);
                is_kept && self.keep(field, row)
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
        match self.published(field.text(), field.quoted, &mut row.text)? {
            Value::Null => row.image.push_null(),
            Value::Text => row.image.push_text(&row.text),
        }
        Ok(())
    }

    /// Appends the segment of a text that is not a value. Returns whether it could.
    #[inline(never)]
    fn keep(&self, field: Field<'_>, row: &mut Row) -> bool {
        row.text.clear();
        row.text.extend_from_slice(field.text());
        let is_kept = self.replace(&mut row.text, 0).is_ok();
        if is_kept {
            row.image.push([UNREADABLE]);
            row.image.push_text(&row.text);
        }
        is_kept
    }

    /// Appends the text of a value as consumers see it: its canonical text, or the pseudonym of that. Fails with the
    /// reason if it is not a value of the column.
    pub(super) fn published(&self, field: &[u8], quoted: bool, out: &mut Vec<u8>) -> Result<Value, Reason> {
        let start = out.len();
        let value = self.reader.read(field, quoted, out)?;
        if value == Value::Text {
            self.replace(out, start)?;
        }
        Ok(value)
    }

    /// Replaces a text by its pseudonym, if the column has pseudonyms. Without a key, no value of it leaves this place.
    fn replace(&self, text: &mut Vec<u8>, start: usize) -> Result<(), Reason> {
        if self.column().hmac.is_none() {
            return Ok(());
        }
        #[cfg(feature = "pipeline")]
        if let Some(key) = &self.key {
            key.replace(text, start);
            return Ok(());
        }
        text.truncate(start);
        Err(Reason::UnreadableValue)
    }
}

/// The segment of a column in rows that are older than the column: its default, or NULL.
pub(super) fn fill(reader: &Reader, column: &Column) -> Vec<u8> {
    let (mut text, mut bytes) = (Vec::new(), Vec::new());
    match column.default.map(|default| reader.read(default.as_bytes(), false, &mut text)) {
        Some(Ok(Value::Text)) => write_text(&text, &mut bytes),
        Some(Err(_)) => unreachable!("the generator checked the default of `{}`", column.name),
        Some(Ok(Value::Null)) | None => bytes.push(b'-'),
    }
    bytes
}
