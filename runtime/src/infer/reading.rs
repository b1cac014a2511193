//! Reads the records of parts in a dialect that is tried.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;

use regex::Regex;

use super::inputs::Version;
use crate::epoch::SourceFormat;
use crate::error::{IoContext as _, Result};
use crate::snapshot::Part;
use crate::snapshot::csv::{self, CsvError, Dialect, Record};
use crate::snapshot::decoded::Decoded;
use crate::snapshot::part::{Inflated, unreadable};
use crate::snapshot::tail::{Ending, Tail};
use crate::table::{Compression, Source};
use crate::telemetry::Watch;

/// The number of records between two checkpoints.
const CHECKPOINT_ROWS: u64 = 4096;

/// How the parts are written.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) compression: Compression,
    pub(super) encoding: Option<&'static str>,
    pub(super) dialect: Marks,
    pub(super) frame: Frame,
}

/// The characters that separate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) multiline: bool,
}

/// The lines of a part that are not rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) skip_first: u32,
    pub(super) has_trailer: bool,
    pub(super) comment: Option<&'static str>,
}

type Reader = csv::Reader<Tail<Decoded<Box<dyn Read + Send>>>>;

/// Gives each record of a part to `visit`, until that breaks off. Returns whether it did not.
pub(super) fn each_record(
    version: &Version,
    part: &Part,
    format: &Format,
    watch: &Watch,
    mut visit: impl FnMut(Result<Record<'_>, CsvError>) -> Result<ControlFlow<()>>,
) -> Result<bool> {
    let (path, mut reader) = open(version, part, format)?;
    if !reader.skip_lines(format.frame.skip_first).map_err(|error| unreadable(error, &path))? {
        return Ok(true);
    }
    reader.skip_comments(format.frame.comment);
    let mut rows = 0;
    while let Some(record) = reader.next_record().map_err(|error| unreadable(error, &path))? {
        rows += 1;
        if rows % CHECKPOINT_ROWS == 0 {
            watch.checkpoint(CHECKPOINT_ROWS)?;
        }
        if visit(record)?.is_break() {
            return Ok(false);
        }
    }
    watch.checkpoint(rows % CHECKPOINT_ROWS)?;
    Ok(true)
}

fn open(version: &Version, part: &Part, format: &Format) -> Result<(PathBuf, Reader)> {
    let path = version.export.folder.path(&part.name);
    let file = version.export.folder.open(&part.name)?;
    let inflated = Inflated::new(file, format.compression).at("cannot read", &path)?;
    let decoded = Decoded::new(inflated, format.encoding);
    let ending = match format.frame.has_trailer {
        true => Ending::Trailer(Regex::new("").expect("the empty expression is valid")),
        false => Ending::None,
    };
    let Marks { delimiter, quote, multiline } = format.dialect;
    let defaults = SourceFormat::from_source(&Source::DEFAULT);
    let dialect = Dialect::from_format(&SourceFormat { delimiter, quote, multiline, ..defaults });
    Ok((path, csv::Reader::new(Tail::new(decoded, ending, b"\n", false), dialect)))
}
