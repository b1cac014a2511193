//! Reads the records of parts in a dialect that is tried.

use std::io::{Read, Take};
use std::ops::ControlFlow;
use std::path::PathBuf;

use regex::Regex;

use super::inputs::Version;
use crate::epoch::SourceFormat;
use crate::error::{IoContext as _, Result};
use crate::snapshot::Part;
use crate::snapshot::csv::{self, CsvError, Dialect, Record, SkippedLines};
use crate::snapshot::decoded::Decoded;
use crate::snapshot::part::{Inflated, unreadable};
use crate::snapshot::tail::{Ending, Tail};
use crate::table::{Compression, Escape, Source};
use crate::telemetry::Watch;

/// The number of records between two checkpoints.
const CHECKPOINT_ROWS: u64 = 4096;

/// A field that is NULL by its escape, as schemas write it.
pub(super) const ESCAPED_NULL: &str = "\\N";

/// How the parts are written.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) compression: Compression,
    pub(super) encoding: Option<&'static str>,
    pub(super) dialect: Marks,
    pub(super) frame: Frame,
}

/// What separates fields and records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) delimiter: String,
    pub(super) quote: Option<u8>,
    pub(super) multiline: bool,
    pub(super) escape: Option<Escape>,
    pub(super) trailing_delimiter: bool,
    /// `None` is LF or CR LF.
    pub(super) record_end: Option<String>,
}

impl Marks {
    /// The format of an export with these marks; an escaped `N` is NULL in it.
    pub(super) fn to_format(&self) -> SourceFormat {
        let is_long = self.delimiter.len() > 1;
        let defaults = SourceFormat::from_source(&Source::DEFAULT);
        SourceFormat {
            delimiter: self.delimiter.as_bytes()[0],
            long_delimiter: is_long.then(|| self.delimiter.clone()),
            trailing_delimiter: self.trailing_delimiter,
            record_end: self.record_end.clone(),
            escape: self.escape,
            quote: self.quote,
            multiline: self.multiline,
            nulls: if self.escape.is_some() { vec![ESCAPED_NULL.into()] } else { defaults.nulls.clone() },
            ..defaults
        }
    }

    fn line_end(&self) -> &[u8] {
        self.record_end.as_deref().unwrap_or("\n").as_bytes()
    }
}

/// The lines of a part that are not rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) skip_first: u32,
    pub(super) has_trailer: bool,
    pub(super) comment: Option<&'static str>,
}

type Reader = csv::Reader<Tail<Take<Decoded<Box<dyn Read + Send>>>>>;

/// Gives each record of a part to `visit`, until that breaks off. Returns whether it did not. Of a version of which
/// only the beginning is read, the last record is left out where it may have been cut.
pub(super) fn each_record(
    version: &Version,
    part: &Part,
    format: &Format,
    watch: &Watch,
    mut visit: impl FnMut(Result<Record<'_>, CsvError>) -> Result<ControlFlow<()>>,
) -> Result<bool> {
    let whole = match version.limit {
        Some(_) => whole_records(version, part, format)?,
        None => u64::MAX,
    };
    let (path, mut reader) = open(version, part, format)?;
    let skipped = reader.skip_lines(format.frame.skip_first).map_err(|error| unreadable(error, &path))?;
    if skipped != SkippedLines::Some {
        return Ok(true);
    }
    reader.skip_comments(format.frame.comment);
    // A header may lack the delimiter at the end.
    reader.expect_header(true);
    let mut rows = 0;
    while rows < whole {
        let Some(record) = reader.next_record().map_err(|error| unreadable(error, &path))? else { break };
        rows += 1;
        if rows % CHECKPOINT_ROWS == 0 {
            watch.checkpoint(CHECKPOINT_ROWS)?;
        }
        if visit(record)?.is_break() {
            return Ok(false);
        }
        reader.expect_header(false);
    }
    watch.checkpoint(rows % CHECKPOINT_ROWS)?;
    Ok(true)
}

/// The number of records of a part's beginning, without one that may have been cut.
fn whole_records(version: &Version, part: &Part, format: &Format) -> Result<u64> {
    let (path, mut reader) = open(version, part, format)?;
    let mut records = 0;
    if reader.skip_lines(format.frame.skip_first).map_err(|error| unreadable(error, &path))? == SkippedLines::Some {
        reader.skip_comments(format.frame.comment);
        while reader.next_record().map_err(|error| unreadable(error, &path))?.is_some() {
            records += 1;
        }
    }
    let is_whole = reader.get_ref().get_ref().limit() > 0;
    Ok(if is_whole { records } else { records.saturating_sub(1) })
}

fn open(version: &Version, part: &Part, format: &Format) -> Result<(PathBuf, Reader)> {
    let path = version.export.folder.path(&part.name);
    let file = version.export.folder.open(&part.name)?;
    let inflated = Inflated::new(file, format.compression).at("cannot read", &path)?;
    let decoded = Decoded::new(inflated, format.encoding).take(version.limit.unwrap_or(u64::MAX));
    let ending = match format.frame.has_trailer {
        true => Ending::Trailer(Regex::new("").expect("the empty expression is valid")),
        false => Ending::None,
    };
    let dialect = Dialect::from_format(&format.dialect.to_format());
    Ok((path, csv::Reader::new(Tail::new(decoded, ending, format.dialect.line_end(), false), dialect)))
}
