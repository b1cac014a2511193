//! One row, column by column, even if parts of it cannot be read.

use crate::canonical::field::Field;
use crate::canonical::row::Layout;
use crate::canonical::row::slot::{Origin, Slot};
use crate::canonical::row_bytes::{segments, write_text};
use crate::canonical::value::Value;
use crate::reject::Reason;
use crate::table::Column;

/// One column of a row.
#[derive(Debug)]
pub struct InspectedColumn<'a> {
    /// The column.
    pub column: &'static Column,
    /// Its field; `None` if the export is older than the column.
    pub field: Option<Field<'a>>,
    /// The canonical text, `None` for NULL; or why the field cannot be read.
    pub value: Result<Option<Vec<u8>>, Reason>,
}

/// The result of comparing a row's key with another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyMatch {
    /// It is the same.
    Same,
    /// It is another.
    Other,
    /// A part of it cannot be read; the rest is the same.
    Unreadable,
}

impl Layout {
    /// A key in row bytes, from one text for each key column. Fails with the first column whose text is not a value,
    /// and the reason.
    pub fn key_from_texts(&self, texts: &[String]) -> Result<Vec<u8>, (&'static Column, Reason)> {
        let mut key = Vec::new();
        for (slot, text) in self.slots[..self.keys].iter().zip(texts) {
            let mut canonical = Vec::new();
            slot.published(text.as_bytes(), false, &mut canonical).map_err(|reason| (slot.column(), reason))?;
            write_text(&canonical, &mut key);
        }
        Ok(key)
    }

    /// Compares a row's key with a key in row bytes. `field` returns the field of the export's column at an index, if
    /// the row has it; `text` is a buffer that is reused from row to row.
    pub(crate) fn compare_key<'f>(
        &self,
        field: impl Fn(usize) -> Option<Field<'f>>,
        key: &[u8],
        text: &mut Vec<u8>,
    ) -> KeyMatch {
        let mut found = KeyMatch::Same;
        for (slot, expected) in self.slots[..self.keys].iter().zip(segments(key)) {
            let Origin::Column(index) = slot.origin else { return KeyMatch::Other };
            text.clear();
            match field(index).map(|field| slot.published(field.text(), field.quoted, text)) {
                Some(Ok(_)) if expected.text == Some(text.as_slice()) => {}
                Some(Ok(_)) => return KeyMatch::Other,
                None | Some(Err(_)) => found = KeyMatch::Unreadable,
            }
        }
        found
    }

    /// The columns of a row, in the order of the schema. `field` returns the field of the export's column at an index.
    pub(crate) fn inspect<'f>(&self, field: impl Fn(usize) -> Field<'f>) -> Vec<InspectedColumn<'f>> {
        let slot = |column: &Column| self.slots.iter().find(|slot| slot.column().name == column.name);
        self.table.columns.iter().filter_map(slot).map(|slot| inspect(slot, &field)).collect()
    }
}

fn inspect<'f>(slot: &Slot, field: impl Fn(usize) -> Field<'f>) -> InspectedColumn<'f> {
    let column = slot.column();
    match &slot.origin {
        Origin::Fill(bytes) => {
            let value = segments(bytes).next().and_then(|segment| segment.text).map(<[u8]>::to_vec);
            InspectedColumn { column, field: None, value: Ok(value) }
        }
        Origin::Column(index) => {
            let field = field(*index);
            let mut text = Vec::new();
            let value = slot.published(field.text(), field.quoted, &mut text);
            InspectedColumn {
                column,
                field: Some(field),
                value: value.map(|value| (value == Value::Text).then_some(text)),
            }
        }
    }
}
