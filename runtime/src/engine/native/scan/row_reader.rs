//! Reads single records as rows.

use super::FieldMap;
use crate::canonical::row::{Layout, Row};
use crate::snapshot::csv::{Dialect, Splitter};

/// A record with the bytes after it, and its length. The bytes after it are ignored, but allow reading whole blocks.
pub(in crate::engine::native) type RecordBytes<'a> = (&'a [u8], usize);

/// Reads records as rows.
pub(in crate::engine::native) struct RowReader<'a> {
    layout: &'a Layout,
    splitter: Splitter,
    row: Row,
}

impl<'a> RowReader<'a> {
    pub(in crate::engine::native) fn new(layout: &'a Layout) -> Self {
        Self { layout, splitter: Splitter::new(Dialect::from_format(&layout.format)), row: Row::default() }
    }

    /// The row that was read last.
    pub(in crate::engine::native) fn row(&self) -> &Row {
        &self.row
    }

    /// A record as a row; `None` if it cannot be read.
    #[inline]
    pub(in crate::engine::native) fn read(
        &mut self,
        (bytes, length): RecordBytes<'_>,
        fields: &FieldMap,
    ) -> Option<&Row> {
        let record = self.splitter.split(bytes, length, 0).ok()?;
        let is_readable = record.len() == fields.width()
            && self.layout.read(|column| record.field(fields.field(column)), &mut self.row, |_, _, _| {})
            && !fields.is_no_row(&record);
        is_readable.then_some(&self.row)
    }

    /// The row bytes of a record's key; `None` if it cannot be read. The rest of the record may be unreadable.
    #[inline]
    pub(in crate::engine::native) fn read_key(&mut self, record: RecordBytes<'_>, fields: &FieldMap) -> Option<&[u8]> {
        if self.read_first_fields(record, fields) { Some(self.row.key()) } else { self.read_whole_key(record, fields) }
    }

    /// Reads the key where it is at the beginning of the record. Returns false if that says nothing about it.
    #[inline]
    fn read_first_fields(&mut self, (bytes, length): RecordBytes<'_>, fields: &FieldMap) -> bool {
        let record = self.splitter.split_first(bytes, length, fields.key_width());
        record.is_some_and(|record| {
            !fields.is_suspect(&record)
                && self.layout.read_key(|column| record.field(fields.field(column)), &mut self.row)
        })
    }

    fn read_whole_key(&mut self, (bytes, length): RecordBytes<'_>, fields: &FieldMap) -> Option<&[u8]> {
        let record = self.splitter.split(bytes, length, 0).ok()?;
        let is_readable = record.len() == fields.width()
            && self.layout.read_key(|column| record.field(fields.field(column)), &mut self.row)
            && !fields.is_no_row(&record);
        is_readable.then_some(self.row.key())
    }
}
