//! The lines at both ends of a part that are not rows.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use regex::Regex;

use crate::epoch::SourceFormat;
use crate::error::{Error, Result};
use crate::snapshot::csv::{self, SkippedLines};
use crate::snapshot::part::unreadable;
use crate::snapshot::tail::{BadEnding, Ending};
use crate::snapshot::{Export, Part};

/// Returns whether a part has the lines at the beginning and those at the end. Of a file that was split, only the first
/// and the last part have them.
pub(super) fn ends(export: &Export, part: &Part, format: &SourceFormat) -> (bool, bool) {
    let is = |other: Option<&Part>| !format.first_part_header || other.is_none_or(|other| other.name == part.name);
    (is(export.parts.first()), is(export.parts.last()))
}

/// What the format says about the end of a part.
pub(super) fn ending(format: &SourceFormat) -> Ending {
    match &format.trailer {
        Some(trailer) => Ending::Trailer(whole_line(trailer)),
        None => Ending::Lines(format.skip_last),
    }
}

/// A trailer is the whole line: the last row may contain anything. Each is compiled once, since that takes longer than
/// to read a small part.
fn whole_line(trailer: &str) -> Regex {
    static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let whole = || Regex::new(&format!(r"\A(?:{trailer})\z")).expect("the generator checked the regular expression");
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    compiled.entry(trailer.to_owned()).or_insert_with(whole).clone()
}

/// Skips lines at the beginning of a part, after which there is one more: a header, a row, or one of those at its end.
pub(super) fn skip_first<R: Read>(
    reader: &mut csv::Reader<R>,
    path: &Path,
    format: &SourceFormat,
    has_tail: bool,
) -> Result<()> {
    let lines = format.skip_first;
    let has_last = has_tail && (format.skip_last > 0 || format.trailer.is_some());
    match reader.skip_lines(lines).map_err(|error| unreadable(error, path))? {
        SkippedLines::Some => return Ok(()),
        SkippedLines::All if has_last => return Ok(()),
        SkippedLines::All | SkippedLines::TooFew => {}
    }
    Err(Error::export(path, format!("it has no line after the {lines} that `skip_first` skips"))
        .help("deliver it again, complete, or fix `skip_first` in the schema"))
}

/// The error of a part that does not end as declared.
pub(super) fn bad_ending(path: &Path, problem: BadEnding, rows: u64) -> Error {
    let noun = if rows == 1 { "row" } else { "rows" };
    let message = match problem {
        BadEnding::TooFewLines(lines) => format!("it has fewer lines than the {lines} that `skip_last` skips"),
        BadEnding::NoTrailer => "its last line is not the `trailer` that the schema declares".into(),
        BadEnding::NoFinalNewline => {
            "its last line has no end, but the schema says `final_newline: required`; it may have been cut".into()
        }
        BadEnding::OtherCount(count) => format!("it has {rows} {noun}, but its trailer says {count:?}"),
    };
    Error::export(path, message).help("deliver it again, complete, or fix the schema")
}
