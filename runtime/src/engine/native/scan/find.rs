//! The rows of one key, as they stand in a part: also those that no delta would take.

use super::{CHECKPOINT_ROWS, FieldMap, Opened, close, field_count, open, unreadable};
use crate::canonical::field::Field;
use crate::canonical::row::{InspectedColumn, Layout};
use crate::error::Result;
use crate::snapshot::csv::{Dialect, Record};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

/// A row that was found.
#[derive(Debug)]
pub struct Sighting<'a> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// Its columns in the order of the schema; or why the row has none, where its key alone could be made out.
    pub columns: Result<Vec<InspectedColumn<'a>>, String>,
}

/// Gives every row of a part that has this key, in row bytes, to `found`, and the part with the checksum of what was
/// read. Of a row with a flaw the key is guessed at: it is what somebody looks for who asks where a row went.
pub fn find(
    export: &Export,
    part: &Part,
    layout: &Layout,
    key: &[u8],
    watch: &Watch,
    mut found: impl FnMut(Sighting<'_>),
) -> Result<Part> {
    let Opened { path, mut reader, places } = open(export, part, layout)?;
    let dialect = Dialect::from_format(&layout.format);
    let (mut rows, mut text) = (0, Vec::new());
    while let Some(record) = reader.next_record().map_err(|error| unreadable(error, &path))? {
        rows += 1;
        if rows % CHECKPOINT_ROWS == 0 {
            watch.checkpoint(CHECKPOINT_ROWS)?;
        }
        match record {
            Ok(record) => {
                let field = |column: usize| Some(places.field(column)).filter(|at| *at < record.len());
                if !layout.has_key(|column| field(column).map(|at| record.field(at)), key, &mut text) {
                    continue;
                }
                found(Sighting { line: record.line, columns: columns(layout, &places, &record) });
            }
            Err(flaw) => {
                let guess = guessed(reader.last_bytes(), dialect);
                if layout.has_key(|column| guess.get(places.field(column)).copied(), key, &mut text) {
                    found(Sighting { line: flaw.line, columns: Err(flaw.message.into()) });
                }
            }
        }
    }
    watch.checkpoint(rows % CHECKPOINT_ROWS)?;
    close(reader, &path, part, rows)
}

/// With a field too many or too few, no text can be told to be of one column rather than another; it could be one that
/// nobody may see.
fn columns<'r>(layout: &Layout, places: &FieldMap, record: &'r Record<'_>) -> Result<Vec<InspectedColumn<'r>>, String> {
    let expected = layout.names.len();
    if record.len() != expected {
        return Err(field_count(record.len(), expected, layout.format.header));
    }
    Ok(layout.inspect(|column| record.field(places.field(column))))
}

/// The fields that a record with a flaw seems to have: cut at every delimiter, without the quotes around them.
fn guessed(record: &[u8], dialect: Dialect) -> Vec<Field<'_>> {
    let cut = record.split(|byte| *byte == dialect.delimiter);
    cut.map(|text| {
        let quote = dialect.quote.as_slice();
        let bare = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).filter(|_| !quote.is_empty());
        Field::new(bare.unwrap_or(text), bare.is_some())
    })
    .collect()
}
