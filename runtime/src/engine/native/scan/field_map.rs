//! Maps the columns of an export to the fields of a part.

use std::collections::HashSet;
use std::path::Path;

use super::header;
use crate::canonical::row::Layout;
use crate::canonical::value::trim;
use crate::error::{Error, Result};
use crate::name::{fold_case, is_spelled};
use crate::snapshot::csv::{BOM, Record};
use crate::table::Column;

/// For each column of the export, the position of its field.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine::native) struct FieldMap {
    positions: Vec<usize>,
    /// The number of fields in a row.
    width: usize,
    /// The number of fields up to the last one of the key.
    key_width: usize,
    /// For each field, whether its text is trimmed.
    trims: Vec<bool>,
    /// The column of the first field; `None` if it is skipped.
    first: Option<&'static Column>,
    /// `None` without a header.
    header: Option<Header>,
    /// For each byte, whether a record that is not a row can begin with it. It settles nearly all records.
    suspects: [bool; 256],
}

/// The header of a part.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    bytes: Box<[u8]>,
    /// The names as the schema spells them.
    names: Vec<String>,
    any_case: bool,
}

impl FieldMap {
    /// Fields in the order of the columns.
    pub(super) fn in_order(layout: &Layout) -> Self {
        let width = layout.names.len();
        Self::new((0..width).collect(), width, layout, None)
    }

    /// Fields by their names in a header, which must name every column once, and nothing else unless the schema says
    /// that other columns are skipped. `is_later` says that other parts are before its own.
    pub(super) fn by_name(header: &Record<'_>, path: &Path, layout: &Layout, is_later: bool) -> Result<Self> {
        let names: Vec<String> =
            header.iter().map(|field| String::from_utf8_lossy(field.text()).into_owned()).collect();
        header::check(header, &names, layout, is_later)
            .map_err(|(problem, help)| Error::export_line(path, header.line, problem).help(help))?;
        let position = |column: &String| names.iter().position(|name| layout.is_spelled(name, column));
        let positions: Vec<usize> = layout.headers.iter().filter_map(position).collect();
        Ok(Self::new(positions, names.len(), layout, Some(Header::new(layout))))
    }

    fn new(positions: Vec<usize>, width: usize, layout: &Layout, header: Option<Header>) -> Self {
        let mut trims = vec![false; width];
        for column in layout.trimmed_columns() {
            trims[positions[column]] = true;
        }
        let first = positions.iter().position(|at| *at == 0).and_then(|column| layout.column_at(column));
        let mut suspects = [false; 256];
        suspects[usize::from(BOM[0])] = first.is_some();
        if let Some(header) = &header {
            // The first field can be a column that is skipped, with any text.
            let has_skipped = width != header.names.len();
            header.add_beginnings(&mut suspects);
            suspects.iter_mut().for_each(|suspect| *suspect |= has_skipped);
        }
        let key_width = layout.key_sources().map(|column| positions[column] + 1).max().unwrap_or(width);
        Self { positions, width, key_width, trims, first, header, suspects }
    }

    /// The map with the bytes of the header that it is from.
    pub(super) fn with_header_bytes(mut self, bytes: &[u8]) -> Self {
        if let Some(header) = &mut self.header {
            header.bytes = bytes.into();
        }
        self
    }

    /// The bytes of the header; empty if there is none.
    pub(super) fn header_bytes(&self) -> &[u8] {
        self.header.as_ref().map(|header| &*header.bytes).unwrap_or_default()
    }

    /// Returns whether a record repeats the header, with its names in any order.
    #[inline]
    pub(in crate::engine::native) fn is_header(&self, record: &Record<'_>) -> bool {
        self.is_suspect(record) && self.repeats_header(record)
    }

    /// Returns whether a record begins with a byte order mark, as where files were joined.
    #[inline]
    pub(in crate::engine::native) fn has_mark(&self, record: &Record<'_>) -> bool {
        self.is_suspect(record) && self.begins_with_mark(record)
    }

    /// Returns whether a record is not a row although its values can be read.
    #[inline]
    pub(in crate::engine::native) fn is_no_row(&self, record: &Record<'_>) -> bool {
        self.is_suspect(record) && (self.begins_with_mark(record) || self.repeats_header(record))
    }

    /// Returns whether a record may not be a row, judging by how it begins.
    #[inline]
    pub(super) fn is_suspect(&self, record: &Record<'_>) -> bool {
        self.text(record, 0).first().is_none_or(|first| self.suspects[usize::from(*first)])
    }

    fn begins_with_mark(&self, record: &Record<'_>) -> bool {
        self.first.is_some() && self.text(record, 0).starts_with(BOM)
    }

    /// The text of a field as its column reads it.
    #[inline]
    fn text<'r>(&self, record: &'r Record<'_>, at: usize) -> &'r [u8] {
        let text = record.field(at).text();
        if self.trims[at] { trim(text) } else { text }
    }

    #[cold]
    fn repeats_header(&self, record: &Record<'_>) -> bool {
        let Some(header) = &self.header else { return false };
        // Bytes are compared first, because every row can begin with the first letter of a name.
        let is_same = |name: &str, text: &[u8]| {
            name.as_bytes() == text || header.any_case && is_spelled(name, &String::from_utf8_lossy(text), true)
        };
        let has = |name: &String| {
            (0..self.width).any(|at| {
                let name = if self.trims[at] { name.trim_matches([' ', '\t']) } else { name };
                is_same(name, self.text(record, at))
            })
        };
        record.len() == self.width && header.names.iter().all(has)
    }

    /// The column of the first field; `None` if it is skipped.
    pub(super) fn first_column(&self) -> Option<&'static Column> {
        self.first
    }

    /// The position of a column's field.
    pub(in crate::engine::native) fn field(&self, column: usize) -> usize {
        self.positions[column]
    }

    /// The number of fields in a row.
    pub(in crate::engine::native) fn width(&self) -> usize {
        self.width
    }

    /// The number of fields up to the last one of the key.
    #[inline]
    pub(super) fn key_width(&self) -> usize {
        self.key_width
    }
}

impl Header {
    fn new(layout: &Layout) -> Self {
        let format = &layout.format;
        Self { bytes: Box::default(), names: layout.headers.clone(), any_case: format.any_header_case }
    }

    /// Marks the bytes that a name can begin with.
    fn add_beginnings(&self, bytes: &mut [bool; 256]) {
        self.names.iter().filter_map(|name| name.bytes().next()).for_each(|byte| bytes[usize::from(byte)] = true);
        if self.any_case {
            let folded = |first: char| fold_case(&first.to_string()).chars().next();
            let firsts: HashSet<_> = self.names.iter().filter_map(|name| name.chars().next()).map(folded).collect();
            for byte in 0..=u8::MAX {
                // A few characters beyond ASCII are another case of one in it.
                bytes[usize::from(byte)] |= !byte.is_ascii() || firsts.contains(&folded(char::from(byte)));
            }
        }
    }
}
