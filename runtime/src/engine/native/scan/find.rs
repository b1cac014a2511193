//! Finds the rows of one key in a part, including rows that a delta rejects.

use super::{CHECKPOINT_ROWS, FieldMap, OpenPart, close, field_count, open, unreadable};
use crate::canonical::field::Field;
use crate::canonical::row::{InspectedColumn, KeyMatch, Layout};
use crate::error::Result;
use crate::snapshot::csv::{Dialect, Record};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// A row that was found.
#[derive(Debug)]
pub struct FoundRow<'a> {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Its columns in the order of the schema; or why they cannot be read, if only the key could be.
    pub columns: Result<Vec<InspectedColumn<'a>>, String>,
}

/// Gives every row of a part that has this key, given as row bytes, to `visit`, and the line of each whose key cannot
/// be read to `unreadable_key`. Returns the part, with the checksum of the bytes that were read. If a record cannot be
/// split, its key is guessed: a user who asks for a missing row needs to see it.
pub fn find(
    export: &Export,
    part: &Part,
    layout: &Layout,
    key: &[u8],
    watch: &Watch,
    mut visit: impl FnMut(FoundRow<'_>),
    mut unreadable_key: impl FnMut(u64),
) -> Result<Part> {
    let OpenPart { path, mut reader, fields } = open(export, part, layout)?;
    let dialect = Dialect::from_format(&layout.format);
    let (mut rows, mut text) = (0, Vec::new());
    while let Some(record) = reader.next_record().map_err(|error| unreadable(error, &path))? {
        rows += 1;
        if rows % CHECKPOINT_ROWS == 0 {
            watch.checkpoint(CHECKPOINT_ROWS)?;
        }
        match record {
            Ok(record) => {
                let field = |column: usize| Some(fields.field(column)).filter(|at| *at < record.len());
                match layout.compare_key(|column| field(column).map(|at| record.field(at)), key, &mut text) {
                    KeyMatch::Other => {}
                    KeyMatch::Unreadable => unreadable_key(record.line),
                    KeyMatch::Same => visit(found(layout, &fields, &record)),
                }
            }
            Err(error) => {
                let guess = guessed(reader.last_bytes(), &dialect);
                match layout.compare_key(|column| guess.get(fields.field(column)).copied(), key, &mut text) {
                    KeyMatch::Other => {}
                    KeyMatch::Unreadable => unreadable_key(error.line),
                    KeyMatch::Same => visit(FoundRow { line: error.line, columns: Err(error.message.into()) }),
                }
            }
        }
    }
    watch.checkpoint(rows % CHECKPOINT_ROWS)?;
    close(reader, &path, part, rows)
}

fn found<'r>(layout: &Layout, fields: &FieldMap, record: &'r Record<'_>) -> FoundRow<'r> {
    FoundRow { line: record.line, columns: columns(layout, fields, record) }
}

/// With a field too many or too few, it is not known which text belongs to which column, and so which is `pii`.
fn columns<'r>(layout: &Layout, fields: &FieldMap, record: &'r Record<'_>) -> Result<Vec<InspectedColumn<'r>>, String> {
    let expected = fields.width();
    if record.len() != expected {
        return Err(field_count(record.len(), expected, layout.format.header));
    }
    Ok(layout.inspect(|column| record.field(fields.field(column))))
}

/// Guesses the fields of a record that cannot be split: cut at every delimiter, without the quotes around them.
fn guessed<'r>(record: &'r [u8], dialect: &Dialect) -> Vec<Field<'r>> {
    let texts = record.split(|byte| *byte == dialect.plain.delimiter);
    texts
        .map(|text| {
            let quote = dialect.plain.quote.as_slice();
            let bare = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).filter(|_| !quote.is_empty());
            Field::new(bare.unwrap_or(text), bare.is_some())
        })
        .collect()
}
