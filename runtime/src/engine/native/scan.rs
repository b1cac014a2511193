//! Reads an export: decompress, split, map columns, canonicalise.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::canonical::field::Field;
use crate::canonical::row::{Layout, Row};
use crate::error::{Error, IoContext as _, Result};
use crate::reject::{self, Offender, Reason, Rejects};
use crate::snapshot::csv::{self, BOM, CsvError, Dialect, Record};
use crate::snapshot::decoded::{BEGINNING, Decoded, other_encoding};
pub(super) use crate::snapshot::part::unreadable;
use crate::snapshot::part::{Inflated, check_name};
use crate::snapshot::tail::{Ending, Tail};
use crate::snapshot::{Export, Part};
use crate::table::Column;
use crate::telemetry::Watch;
use crate::wording::plural;

mod ends;
mod field_count;
mod field_map;
mod find;
mod header;
mod row_reader;

use ends::{bad_ending, ending, ends, skip_first};
use field_count::field_count;
pub(super) use field_map::FieldMap;
pub use find::{FoundRow, find};
pub(super) use row_reader::{RecordBytes, RowReader};

/// The number of rows between two checkpoints.
const CHECKPOINT_ROWS: u64 = 4096;

/// The position of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The part's name.
    pub(super) part: &'a str,
    /// The line on which the row begins, from 1.
    pub(super) line: u64,
}

/// The result of a scan, apart from the rows.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The parts, with the checksums of the bytes that were read.
    pub(super) parts: Vec<Part>,
    /// The rows that cannot be read.
    pub(super) rejects: Rejects,
}

/// Reads parts of an export, and gives each row that can be read to `visit`.
pub(super) fn scan(
    export: &Export,
    parts: &[Part],
    layout: &Layout,
    watch: &Watch,
    mut visit: impl FnMut(&Row, Origin<'_>) -> Result<()>,
) -> Result<Scanned> {
    let (mut rejects, mut row) = (Rejects::default(), Row::default());
    let parts = each_record(export, parts, layout, watch, |part, fields, record| match record {
        Err(error) => {
            rejects.add(error.reason, || row_offender(part, error.line, error.reason, error.message.into()));
            Ok(())
        }
        Ok(record) if read_row(layout, fields, &record, part, &mut rejects, &mut row) => {
            visit(&row, Origin { part: &part.name, line: record.line })
        }
        Ok(_) => Ok(()),
    })?;
    Ok(Scanned { parts, rejects })
}

/// Reads an export again, all of whose rows can be read. `select` gets each row with nothing but its key; if it returns
/// a value, the whole row is read and given to `visit` with that value. The checksums show whether the export changed.
pub(super) fn scan_selected<T>(
    export: &Export,
    layout: &Layout,
    watch: &Watch,
    mut select: impl FnMut(&Row) -> Option<T>,
    mut visit: impl FnMut(&Row, T) -> Result<()>,
) -> Result<Vec<Part>> {
    let (mut rejects, mut row) = (Rejects::default(), Row::default());
    each_record(export, &export.parts, layout, watch, |part, fields, record| {
        let Some(record) = record.ok().filter(|record| record.len() == fields.width()) else { return Ok(()) };
        if !layout.read_key(|column| record.field(fields.field(column)), &mut row) || fields.is_no_row(&record) {
            return Ok(());
        }
        let Some(selected) = select(&row) else { return Ok(()) };
        if read_row(layout, fields, &record, part, &mut rejects, &mut row) { visit(&row, selected) } else { Ok(()) }
    })
}

/// Gives every record of these parts to `visit`. Returns the parts, with the checksums of the bytes that were read.
fn each_record(
    export: &Export,
    parts: &[Part],
    layout: &Layout,
    watch: &Watch,
    mut visit: impl FnMut(&Part, &FieldMap, Result<Record<'_>, CsvError>) -> Result<()>,
) -> Result<Vec<Part>> {
    let read_part = |part: &Part| {
        let OpenPart { path, mut reader, fields } = open(export, part, layout)?;
        let mut rows = 0;
        while let Some(record) = reader.next_record().map_err(|error| unreadable(error, &path))? {
            rows += 1;
            if rows % CHECKPOINT_ROWS == 0 {
                watch.checkpoint(CHECKPOINT_ROWS)?;
            }
            visit(part, &fields, record)?;
        }
        watch.checkpoint(rows % CHECKPOINT_ROWS)?;
        close(reader, &path, part, rows)
    };
    parts.iter().map(read_part).collect()
}

/// A part that is being read.
pub(super) struct OpenPart {
    pub(super) path: PathBuf,
    pub(super) reader: Reader,
    pub(super) fields: FieldMap,
}

/// Reads the records of a part.
type Reader = csv::Reader<Tail<Decoded<Box<dyn Read + Send>>>>;

/// Opens a part, and reads its header if the schema declares one.
pub(super) fn open(export: &Export, part: &Part, layout: &Layout) -> Result<OpenPart> {
    let source = &layout.format;
    let path = export.folder.path(&part.name);
    check_name(&part.name, &path, layout.table.name, source.compression)?;
    let inflated = Inflated::new(export.folder.open(&part.name)?, source.compression).at("cannot read", &path)?;
    let decoded = Decoded::new(inflated, source.encoding.as_deref());
    let (has_head, has_tail) = ends(export, part, source);
    let ending = if has_tail { ending(source) } else { Ending::None };
    let line_end = source.record_end.as_deref().unwrap_or("\n").as_bytes();
    let tail = Tail::new(decoded, ending, line_end, source.final_newline && has_tail);
    let mut reader = csv::Reader::new(tail, Dialect::from_format(source));
    check_encoding(&mut reader, &path, source.encoding.as_deref())?;
    if has_head {
        skip_first(&mut reader, &path, source, has_tail)?;
    }
    reader.skip_comments(source.comment.as_deref());
    let fields = match export.parts.first() {
        _ if !source.header => FieldMap::in_order(layout),
        Some(first) if source.first_part_header && first.name != part.name => open(export, first, layout)?.fields,
        first => read_header(&mut reader, &path, layout, first.is_some_and(|first| first.name != part.name))?,
    };
    if source.skip_repeated_header {
        reader.skip_records(fields.header_bytes().to_vec());
    }
    Ok(OpenPart { path, reader, fields })
}

/// A part in another encoding than the declared one is refused as a whole, if its first bytes show that.
fn check_encoding(reader: &mut Reader, path: &Path, declared: Option<&str>) -> Result<()> {
    let text = reader.beginning(BEGINNING).map(|text| other_encoding(text, declared));
    let shown = match reader.get_ref().get_ref().raw_beginning() {
        Some(raw) => other_encoding(raw, declared),
        None => None,
    };
    let shown = match text {
        Ok(_) if declared.is_some() => shown,
        Ok(passed_through) => passed_through,
        Err(error) if shown.is_none() => return Err(unreadable(error, path)),
        Err(_) => shown,
    };
    let Some(shown) = shown else { return Ok(()) };
    let problem = format!("it is written in {shown}, but the schema says `encoding: {}`", declared.unwrap_or("utf-8"));
    Err(Error::export(path, problem).help(format!("declare `encoding: {shown}` under `source`")))
}

/// Ends the reading of a part: checks its size and the number of its rows, and adds its checksums.
pub(super) fn close(reader: Reader, path: &Path, part: &Part, rows: u64) -> Result<Part> {
    let tail = reader.into_inner();
    tail.check(rows).map_err(|problem| bad_ending(path, problem, rows))?;
    let read = tail.into_inner().finish().map_err(|error| unreadable(error, path))?;
    check_rows(path, part, rows)?;
    check_size(path, part, read.size)?;
    Ok(Part { checksum: Some(read.checksum), content: read.content, ..part.clone() })
}

fn read_header(reader: &mut Reader, path: &Path, layout: &Layout, is_later: bool) -> Result<FieldMap> {
    reader.expect_header(true);
    let fields = header_fields(reader, path, layout, is_later);
    reader.expect_header(false);
    fields
}

fn header_fields(reader: &mut Reader, path: &Path, layout: &Layout, is_later: bool) -> Result<FieldMap> {
    match reader.next_record().map_err(|error| unreadable(error, path))? {
        None => Err(Error::export(path, "the part is empty, but the schema declares a header")
            .help("deliver it again; a part without rows needs its header, too")),
        Some(Err(error)) => {
            let problem = format!("the header cannot be read: {}", error.message);
            let help = header::other_delimiter(reader.last_bytes(), layout);
            let help = help.unwrap_or_else(|| "deliver it again, or declare how it is written".into());
            Err(Error::export_line(path, error.line, problem).help(help))
        }
        Some(Ok(record)) => {
            let fields = FieldMap::by_name(&record, path, layout, is_later)?;
            Ok(fields.with_header_bytes(reader.last_bytes()))
        }
    }
}

/// Reads one record into `row`. Returns whether that was possible. Rejects a wrong number of fields, or each bad field.
fn read_row(
    layout: &Layout,
    fields: &FieldMap,
    record: &Record<'_>,
    part: &Part,
    rejects: &mut Rejects,
    row: &mut Row,
) -> bool {
    let expected = fields.width();
    if record.len() != expected {
        let message = || field_count(record, layout);
        rejects.add(Reason::FieldCount, || row_offender(part, record.line, Reason::FieldCount, message()));
        return false;
    }
    let mut refused = Vec::new();
    let is_readable = layout.read(
        |column| record.field(fields.field(column)),
        row,
        |column, field, reason| refused.push((column, field, reason)),
    );
    if fields.is_header(record) {
        let message = repeated_header(layout).into();
        rejects.add(Reason::RepeatedHeader, || row_offender(part, record.line, Reason::RepeatedHeader, message));
        return false;
    }
    let marked = fields.first_column().filter(|_| fields.has_mark(record));
    if let Some(first) = marked.filter(|first| refused.iter().all(|(column, ..)| column.name != first.name)) {
        refused.push((first, record.field(0), Reason::UnreadableValue));
    }
    for (column, field, reason) in refused {
        rejects.add(reason, || Offender {
            column: Some(column.name.into()),
            ..row_offender(part, record.line, reason, explain(layout, column, field, reason))
        });
    }
    is_readable && marked.is_none()
}

/// Says why a field is refused.
fn explain(layout: &Layout, column: &Column, field: Field<'_>, reason: Reason) -> String {
    let text = field.as_delivered(layout.format.quote);
    if reason == Reason::UnreadableValue && field.text().starts_with(BOM) {
        let problem = "begins with a byte order mark, as where files were joined";
        return format!("{} {problem}", reject::excerpt(&text, column.is_masked()));
    }
    reject::explain_text(layout.table, column, &text, reason, layout.format.encoding.as_deref())
}

fn repeated_header(layout: &Layout) -> &'static str {
    if layout.format.skip_repeated_header {
        "the row repeats the header in another spelling or order; `repeated_header: skip` skips the same bytes only"
    } else {
        "the row repeats the header; `repeated_header: skip` skips such rows"
    }
}

/// A row that is refused as a whole.
fn row_offender(part: &Part, line: u64, reason: Reason, message: String) -> Offender {
    Offender { part: part.name.clone(), line, column: None, reason, message }
}

fn check_rows(path: &Path, part: &Part, rows: u64) -> Result<()> {
    match part.rows {
        Some(promised) if promised != rows => {
            Err(Error::export(path, format!("it has {}, but the manifest says {promised}", plural(rows, "row")))
                .help("deliver the part and its manifest again"))
        }
        _ => Ok(()),
    }
}

fn check_size(path: &Path, part: &Part, size: u64) -> Result<()> {
    // Rows of a database have no size before they are read, and no identity.
    if size == part.size || part.identity.is_empty() {
        return Ok(());
    }
    let problem = format!("it changed while it was read: it has {}, but had {}", plural(size, "byte"), part.size);
    Err(Error::refused(path.display().to_string(), problem).help("run again once it is complete"))
}
