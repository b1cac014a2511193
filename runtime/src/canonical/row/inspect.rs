//! A row as somebody looks at it: column by column, whatever is wrong with it.

use crate::canonical::field::Field;
use crate::canonical::row::{Layout, Origin, Slot};
use crate::canonical::row_bytes::{segments, write_text};
use crate::canonical::value::Value;
use crate::reject::Reason;
use crate::table::Column;

/// A column of a row.
#[derive(Debug)]
pub struct InspectedColumn<'a> {
    /// The column.
    pub column: &'static Column,
    /// Its field; `None` when the export is older than the column.
    pub field: Option<Field<'a>>,
    /// The canonical text, `None` for NULL; or why there is none.
    pub value: Result<Option<Vec<u8>>, Reason>,
}

impl Layout {
    /// A key in row bytes from one text for each of its columns; or the first column whose text is no value, and why.
    pub fn key_of_texts(&self, texts: &[String]) -> Result<Vec<u8>, (&'static Column, Reason)> {
        let mut key = Vec::new();
        for (Slot { reader, .. }, text) in self.slots[..self.keys].iter().zip(texts) {
            let mut canonical = Vec::new();
            reader.read(text.as_bytes(), false, &mut canonical).map_err(|reason| (reader.column(), reason))?;
            write_text(&canonical, &mut key);
        }
        Ok(key)
    }

    /// Whether a row has this key, in row bytes. `field` gives the field of the export's column at a place, where the row
    /// has one; `text` is room to work in, so that no row of millions needs its own.
    pub fn has_key<'f>(&self, field: impl Fn(usize) -> Option<Field<'f>>, key: &[u8], text: &mut Vec<u8>) -> bool {
        let mut wanted = segments(key);
        self.slots[..self.keys].iter().all(|Slot { reader, origin, .. }| {
            let (Origin::Column(place), Some(wanted)) = (origin, wanted.next()) else { return false };
            let Some(field) = field(*place) else { return false };
            text.clear();
            reader.read(field.text(), field.quoted, text).is_ok() && wanted.text == Some(text.as_slice())
        })
    }

    /// Each column of a row, in the order of the schema. `field` gives the field of the export's column at a place.
    pub fn look<'f>(&self, field: impl Fn(usize) -> Field<'f>) -> Vec<InspectedColumn<'f>> {
        let of = |column: &Column| self.slots.iter().find(|slot| slot.column().name == column.name);
        self.table.columns.iter().filter_map(of).map(|slot| look_at(slot, &field)).collect()
    }
}

fn look_at<'f>(slot: &Slot, field: impl Fn(usize) -> Field<'f>) -> InspectedColumn<'f> {
    let column = slot.column();
    match &slot.origin {
        Origin::Fill(bytes) => {
            let value = segments(bytes).next().and_then(|segment| segment.text).map(<[u8]>::to_vec);
            InspectedColumn { column, field: None, value: Ok(value) }
        }
        Origin::Column(place) => {
            let field = field(*place);
            let mut text = Vec::new();
            let value = slot.reader.read(field.text(), field.quoted, &mut text);
            InspectedColumn {
                column,
                field: Some(field),
                value: value.map(|value| (value == Value::Text).then_some(text)),
            }
        }
    }
}
