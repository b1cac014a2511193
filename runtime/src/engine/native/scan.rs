//! One reading of an export: inflate, split, map columns, canonicalise.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::canonical::row::{Layout, Row};
use crate::error::{Error, IoContext as _, Result};
use crate::reject::{self, Offender, Reason, Rejects};
use crate::snapshot::csv::{self, CsvError, Dialect, Record};
use crate::snapshot::part::{Inflated, check_name};
use crate::snapshot::{Export, Part};
use crate::telemetry::Watch;

mod field_map;
mod find;

pub(super) use field_map::FieldMap;
pub use find::{Sighting, find};

/// After how many rows the progress is told and a wish to stop is heard.
const CHECKPOINT_ROWS: u64 = 4096;

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The part's name.
    pub(super) part: &'a str,
    /// The line the row begins on, from 1.
    pub(super) line: u64,
}

/// What a reading says of an export, beside its rows.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The parts, with the checksums of what was read.
    pub(super) parts: Vec<Part>,
    /// Rows that cannot be used.
    pub(super) rejects: Rejects,
}

/// Reads parts of an export and gives each good row to `visit`.
pub(super) fn scan(
    export: &Export,
    parts: &[Part],
    layout: &Layout,
    watch: &Watch,
    mut visit: impl FnMut(&Row, Origin<'_>) -> Result<()>,
) -> Result<Scanned> {
    let (mut rejects, mut row) = (Rejects::default(), Row::default());
    let parts = each_record(export, parts, layout, watch, |part, places, record| match record {
        Err(flaw) => {
            rejects.add(flaw.reason, || Offender {
                part: part.name.clone(),
                line: flaw.line,
                column: None,
                reason: flaw.reason,
                message: flaw.message.into(),
            });
            Ok(())
        }
        Ok(record) if read_row(layout, places, &record, part, &mut rejects, &mut row) => {
            visit(&row, Origin { part: &part.name, line: record.line })
        }
        Ok(_) => Ok(()),
    })?;
    Ok(Scanned { parts, rejects })
}

/// Reads an export once more that was read without a flaw. `wants` is given a row with nothing but its key; those that it
/// gives something for are read whole and come to `visit`. That the export is still the same, its checksums tell.
pub(super) fn look_again<W>(
    export: &Export,
    layout: &Layout,
    watch: &Watch,
    mut wants: impl FnMut(&Row) -> Option<W>,
    mut visit: impl FnMut(&Row, W) -> Result<()>,
) -> Result<Vec<Part>> {
    let (mut rejects, mut row) = (Rejects::default(), Row::default());
    each_record(export, &export.parts, layout, watch, |part, places, record| {
        let Some(record) = record.ok().filter(|record| record.len() == layout.names.len()) else { return Ok(()) };
        if !layout.read_key(|column| record.field(places.field(column)), &mut row) {
            return Ok(());
        }
        let Some(wanted) = wants(&row) else { return Ok(()) };
        if read_row(layout, places, &record, part, &mut rejects, &mut row) { visit(&row, wanted) } else { Ok(()) }
    })
}

/// Gives every record of these parts to `each`, and the parts with the checksums of what was read.
fn each_record(
    export: &Export,
    parts: &[Part],
    layout: &Layout,
    watch: &Watch,
    mut each: impl FnMut(&Part, &FieldMap, Result<Record<'_>, CsvError>) -> Result<()>,
) -> Result<Vec<Part>> {
    let of_part = |part: &Part| {
        let Opened { path, mut reader, places } = open(export, part, layout)?;
        let mut rows = 0;
        while let Some(record) = reader.next_record().map_err(|error| unreadable(error, &path))? {
            rows += 1;
            if rows % CHECKPOINT_ROWS == 0 {
                watch.checkpoint(CHECKPOINT_ROWS)?;
            }
            each(part, &places, record)?;
        }
        watch.checkpoint(rows % CHECKPOINT_ROWS)?;
        close(reader, &path, part, rows)
    };
    parts.iter().map(of_part).collect()
}

/// A part that is being read.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) reader: Reader,
    pub(super) places: FieldMap,
}

/// Reads the records of a part.
type Reader = csv::Reader<Inflated<Box<dyn Read + Send>>>;

/// Opens a part, and reads its header if it must have one.
pub(super) fn open(export: &Export, part: &Part, layout: &Layout) -> Result<Opened> {
    let source = &layout.format;
    let path = export.folder.path(&part.name);
    check_name(&part.name, &path, layout.table.name, source.compression)?;
    let inflated = Inflated::new(export.folder.open(&part.name)?, source.compression).at("cannot read", &path)?;
    let mut reader = csv::Reader::new(inflated, Dialect::from_format(source));
    let places = if source.header { header(&mut reader, &path, layout)? } else { FieldMap::in_order(layout) };
    Ok(Opened { path, reader, places })
}

/// What was read of a part, once it was read to its end and is what it was said to be.
pub(super) fn close(reader: Reader, path: &Path, part: &Part, rows: u64) -> Result<Part> {
    let seen = reader.into_inner().finish().map_err(|error| unreadable(error, path))?;
    check_rows(path, part, rows)?;
    check_size(path, part, seen.size)?;
    Ok(Part { checksum: Some(seen.checksum), ..part.clone() })
}

fn header(reader: &mut Reader, path: &Path, layout: &Layout) -> Result<FieldMap> {
    match reader.next_record().map_err(|error| unreadable(error, path))? {
        None => Err(Error::export(path, "the part is empty, where the schema declares a header")
            .help("deliver it again; a part without rows still needs its header")),
        Some(Err(flaw)) => {
            let problem = format!("the header cannot be read: {}", flaw.message);
            Err(Error::export_line(path, flaw.line, problem).help("deliver it again"))
        }
        Some(Ok(record)) => FieldMap::by_name(&record, path, layout),
    }
}

/// Reads one record into `row`. A wrong number of fields is one reject, otherwise each bad field is one.
fn read_row(
    layout: &Layout,
    places: &FieldMap,
    record: &Record<'_>,
    part: &Part,
    rejects: &mut Rejects,
    row: &mut Row,
) -> bool {
    let expected = layout.names.len();
    if record.len() != expected {
        rejects.add(Reason::FieldCount, || Offender {
            part: part.name.clone(),
            line: record.line,
            column: None,
            reason: Reason::FieldCount,
            message: field_count(record.len(), expected, layout.format.header),
        });
        return false;
    }
    layout.read(
        |column| record.field(places.field(column)),
        row,
        |column, field, reason| {
            rejects.add(reason, || Offender {
                part: part.name.clone(),
                line: record.line,
                column: Some(column.name.into()),
                reason,
                message: reject::explain(column, field.text(), reason),
            });
        },
    )
}

fn field_count(found: usize, expected: usize, header: bool) -> String {
    let noun = if found == 1 { "field" } else { "fields" };
    let whose = if header { "the header has" } else { "the schema has" };
    format!("{found} {noun} where {whose} {expected}")
}

/// What the operating system or a service refuses is the machine's fault; what the decoder refuses is the file's.
pub(super) fn unreadable(error: std::io::Error, path: &Path) -> Error {
    if error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return Error::read(error, path);
    }
    let problem = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => format!("the file ends too early ({error})"),
        _ => format!("the file is corrupt ({error})"),
    };
    Error::export(path, problem).help("deliver it again, whole; it is read again once its size or time changes")
}

fn check_rows(path: &Path, part: &Part, rows: u64) -> Result<()> {
    match part.rows {
        Some(promised) if promised != rows => {
            Err(Error::export(path, format!("{rows} rows, where _manifest.json says {promised}"))
                .help("deliver the part and its manifest again"))
        }
        _ => Ok(()),
    }
}

fn check_size(path: &Path, part: &Part, size: u64) -> Result<()> {
    if size == part.size {
        return Ok(());
    }
    let problem = format!("it changed while it was read: {size} bytes, where it had {}", part.size);
    Err(Error::refused(path.display().to_string(), problem).help("run again once it is written whole"))
}
