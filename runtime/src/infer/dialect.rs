//! Finds delimiter and quote: every candidate must split every record of a version into as many fields.
//!
//! Candidates are tried on all records, so that the order of rows cannot change what is chosen. A wrong one usually
//! fails within a few lines.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::bytes::Survey;
use super::inputs::Version;
use super::reading::{Format, Frame, Marks, each_record};
use crate::error::{Error, Result};
use crate::reject::Reason;
use crate::snapshot::Part;
use crate::snapshot::csv::{CsvError, Record};
use crate::telemetry::Watch;
use crate::wording::plural;

/// The usual delimiters. Of those that give as many fields, the one that is rarer in values comes first.
pub(super) const DELIMITERS: &[u8] = b"\t|;,";

/// Other delimiters, which are tried if none of the usual ones gives more than one field.
const RARE_DELIMITERS: &[u8] = b"\x1F\x01\x02\x1E~^#";

/// Punctuation that can be around a delimiter of several characters, and hardly ends every value of a table.
const AROUND: &[u8] = b"|~^#$&*!@[]{}<>:;,";

/// A dialect that reads every record, and what it reads.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) format: Format,
    pub(super) shape: Shape,
}

/// The shape of all records.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The number of fields in each version.
    pub(super) fields: Vec<usize>,
    /// The first record of each part of each version; `None` if the part has no record.
    pub(super) firsts: Vec<Vec<Option<Vec<Vec<u8>>>>>,
    /// The number of records of each part of each version.
    pub(super) records: Vec<Vec<u64>>,
    /// Fields in quotes that are not empty.
    quoted: u64,
    /// Without a quote: how often a field ends in one, after the same or an earlier field has begun with one.
    wrapped: u64,
    /// How often a field begins with a quote, and ends with one.
    opened: u64,
    closed: u64,
    before: Edge,
    after: Edge,
    /// Whether every second field of every record is not empty.
    has_inner: bool,
}

/// The character at the edge of all fields.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Edge {
    #[default]
    Unknown,
    Always(u8),
    Varies,
}

/// Where and why a dialect does not fit.
#[derive(Debug, Clone)]
pub(super) struct Misfit {
    path: PathBuf,
    line: u64,
    message: String,
    is_quoting: bool,
    /// The number of records before it, and of their fields.
    records: u64,
    fields: usize,
}

impl Choice {
    /// The number of fields in the newest version.
    pub(super) fn fields(&self) -> usize {
        self.shape.fields.last().copied().unwrap_or(0)
    }
}

impl Edge {
    fn add(&mut self, byte: Option<u8>) {
        *self = match (*self, byte) {
            (Edge::Unknown, Some(byte)) => Edge::Always(byte),
            (Edge::Always(known), Some(byte)) if known == byte => Edge::Always(known),
            _ => Edge::Varies,
        };
    }

    fn is_punctuation(self) -> bool {
        matches!(self, Edge::Always(byte) if AROUND.contains(&byte))
    }
}

impl Shape {
    fn add(&mut self, record: &Record<'_>) {
        let last = record.len() - 1;
        let mut is_open = false;
        for (index, field) in record.iter().enumerate() {
            let text = field.text();
            self.quoted += u64::from(field.quoted && !text.is_empty());
            is_open |= text.len() > 1 && text.starts_with(b"\"");
            self.opened += u64::from(text.starts_with(b"\""));
            self.closed += u64::from(text.ends_with(b"\""));
            self.wrapped += u64::from(is_open && text.ends_with(b"\""));
            self.has_inner |= index % 2 == 1 && !text.is_empty();
            if index < last {
                self.before.add(text.last().copied());
            }
            if index > 0 {
                self.after.add(text.first().copied());
            }
        }
    }

    /// Returns whether there are several fields, and quotes do not seem to begin in one record and end in another.
    fn is_table(&self) -> bool {
        self.fields.last().is_some_and(|fields| *fields > 1) && (self.opened == 0 || self.opened != self.closed)
    }

    fn has_long_delimiter(&self) -> bool {
        let fields = self.fields.last().copied().unwrap_or(0);
        let is_doubled = fields > 2 && fields % 2 == 1 && !self.has_inner;
        let all: u64 = self.records.iter().flatten().sum();
        fields > 1 && all > 1 && (is_doubled || self.before.is_punctuation() || self.after.is_punctuation())
    }
}

impl Misfit {
    fn new(version: &Version, part: &Part, line: u64, message: String) -> Self {
        let path = version.export.folder.path(&part.name);
        Self { path, line, message, is_quoting: false, records: 0, fields: 0 }
    }

    /// The better explanation of two: that of the dialect that split more records into several fields.
    fn or(self, other: Option<Self>) -> Self {
        let rank = |misfit: &Self| (misfit.fields > 1, misfit.records, misfit.fields);
        other.filter(|other| rank(other) >= rank(&self)).unwrap_or(self)
    }

    pub(super) fn into_error(self) -> Error {
        let help = "a row needs as many fields as the others, with quotes around a field that has a delimiter, and \
                    doubled quotes inside; if the exporter writes escapes, write a schema with `escape`";
        Error::export_line(&self.path, self.line, self.message).help(help)
    }
}

/// The best dialect for the parts in this frame, or why none fits. `delimiters` are tried, the others are not.
pub(super) fn choose(
    versions: &[Version],
    survey: &Survey,
    frame: Frame,
    delimiters: &[u8],
    watch: &Watch,
) -> Result<Result<Choice, Option<Misfit>>> {
    let (mut best, mut misfit) = (None::<Choice>, None::<Misfit>);
    for delimiter in delimiters.iter().copied().filter(|delimiter| survey.has(*delimiter)) {
        let trial = Trial { versions, survey, frame, delimiter, watch };
        match trial.choose()? {
            Ok(choice) if best.as_ref().is_none_or(|best| best.fields() < choice.fields()) => best = Some(choice),
            Ok(_) => {}
            Err(other) => misfit = Some(other.or(misfit)),
        }
    }
    let is_rare = delimiters == DELIMITERS && best.as_ref().is_none_or(|best| best.fields() < 2);
    if is_rare && let Ok(choice) = choose(versions, survey, frame, RARE_DELIMITERS, watch)? {
        return Ok(Ok(choice));
    }
    match best.filter(|best| best.fields() > 1) {
        Some(best) if best.shape.has_long_delimiter() => Err(long_delimiter(versions, best.format.dialect.delimiter)),
        Some(best) => Ok(Ok(best)),
        None => Ok(Err(misfit)),
    }
}

fn long_delimiter(versions: &[Version], delimiter: u8) -> Error {
    let problem = format!("the delimiter seems to have more characters than `{}`", delimiter.escape_ascii());
    Error::refused(&versions[0].export.label, problem)
        .help("write a schema with all of it as the `delimiter`, or export it with one ASCII character")
}

/// A dialect with one field, if every record has no more. The delimiter is one that does not occur, if possible.
pub(super) fn single(versions: &[Version], survey: &Survey, watch: &Watch) -> Result<Result<Choice, Misfit>> {
    let mut delimiters = DELIMITERS.to_vec();
    // The default first, among those that do not occur.
    delimiters.reverse();
    delimiters.sort_by_key(|delimiter| survey.has(*delimiter));
    let mut misfit = None;
    for delimiter in delimiters {
        let trial = Trial { versions, survey, frame: Frame::default(), delimiter, watch };
        match trial.choose()? {
            Ok(choice) if choice.fields() < 2 => return Ok(Ok(choice)),
            Ok(_) => {}
            Err(other) => misfit = Some(other.or(misfit)),
        }
    }
    Ok(Err(misfit.unwrap_or_else(|| {
        Misfit::new(&versions[0], &versions[0].export.parts[0], 1, "no delimiter was found".into())
    })))
}

/// Tries one delimiter.
struct Trial<'a> {
    versions: &'a [Version],
    survey: &'a Survey,
    frame: Frame,
    delimiter: u8,
    watch: &'a Watch,
}

impl Trial<'_> {
    /// Double quotes, unless only single quotes or none explain the file. Line breaks in quotes come last: where each
    /// line has as many fields as the others, no field goes on in the next.
    fn choose(&self) -> Result<Result<Choice, Misfit>> {
        let misfit = match self.check(Some(b'"'), false)? {
            Ok(choice) => return Ok(Ok(self.single_quoted(&choice)?.unwrap_or(choice))),
            Err(misfit) => misfit,
        };
        let none = self.check(None, false)?;
        // Fields that begin and end with a quote are quoted, perhaps in a way that no schema describes.
        let none = none.map(Some).map_err(Some).and_then(|choice| match choice {
            Some(choice) if choice.shape.wrapped > 0 => Err(None),
            choice => Ok(choice),
        });
        if let Some(single) = self.quoted(b'\'', false)? {
            return Ok(Ok(single));
        }
        let is_table = |choice: &Option<Choice>| choice.as_ref().is_some_and(|choice| choice.shape.is_table());
        let quoted = misfit.is_quoting.then(|| self.check(Some(b'"'), true)).transpose()?;
        match (none, quoted) {
            (Ok(none), _) if is_table(&none) => Ok(Ok(none.expect("it is a table"))),
            (_, Some(Ok(quoted))) => Ok(Ok(quoted)),
            (Ok(Some(none)), _) => Ok(Ok(none)),
            (Err(other), quoted) => match self.quoted(b'\'', true)? {
                Some(single) => Ok(Ok(single)),
                None => Ok(Err(misfit.or(other).or(quoted.and_then(Result::err)))),
            },
            (Ok(None), _) => Ok(Err(misfit)),
        }
    }

    /// Single quotes, if they are around fields and double ones are not.
    fn single_quoted(&self, double: &Choice) -> Result<Option<Choice>> {
        if double.shape.quoted == 0 { self.quoted(b'\'', false) } else { Ok(None) }
    }

    /// A quote that is around some field.
    fn quoted(&self, quote: u8, multiline: bool) -> Result<Option<Choice>> {
        if !self.survey.has(quote) {
            return Ok(None);
        }
        Ok(self.check(Some(quote), multiline)?.ok().filter(|choice| choice.shape.quoted > 0))
    }

    fn check(&self, quote: Option<u8>, multiline: bool) -> Result<Result<Choice, Misfit>> {
        let format = Format {
            compression: self.survey.compression,
            encoding: self.survey.encoding,
            dialect: Marks { delimiter: self.delimiter, quote, multiline },
            frame: self.frame,
        };
        let mut shape = Shape::default();
        for version in self.versions {
            if let Err(misfit) = check_version(version, &format, &mut shape, self.watch)? {
                return Ok(Err(misfit));
            }
        }
        Ok(Ok(Choice { format, shape }))
    }
}

/// Adds a version to the shape, or says where its records differ.
fn check_version(version: &Version, format: &Format, shape: &mut Shape, watch: &Watch) -> Result<Result<(), Misfit>> {
    let (mut expected, mut before) = (None, 0);
    let (mut firsts, mut counts) = (Vec::new(), Vec::new());
    for part in &version.export.parts {
        let (mut first, mut records, mut misfit) = (None, 0, None);
        each_record(version, part, format, watch, |record| match fitting(version, part, record, expected) {
            Ok(record) => {
                expected = Some(record.len());
                shape.add(&record);
                first.get_or_insert_with(|| record.iter().map(|field| field.text().to_vec()).collect());
                records += 1;
                Ok(ControlFlow::Continue(()))
            }
            Err(found) => {
                misfit = Some(Misfit { records: before + records, fields: expected.unwrap_or(0), ..found });
                Ok(ControlFlow::Break(()))
            }
        })?;
        if let Some(misfit) = misfit {
            return Ok(Err(misfit));
        }
        before += records;
        firsts.push(first);
        counts.push(records);
    }
    shape.fields.push(expected.unwrap_or(0));
    shape.firsts.push(firsts);
    shape.records.push(counts);
    Ok(Ok(()))
}

/// The record, if it has as many fields as those before it.
fn fitting<'r>(
    version: &Version,
    part: &Part,
    record: Result<Record<'r>, CsvError>,
    expected: Option<usize>,
) -> Result<Record<'r>, Misfit> {
    match record {
        Err(error) => {
            let misfit = Misfit::new(version, part, error.line, error.message.into());
            Err(Misfit { is_quoting: error.reason == Reason::BadQuoting, ..misfit })
        }
        Ok(record) => match expected {
            Some(expected) if expected != record.len() => {
                let fields = plural(record.len() as u64, "field");
                let message = format!("{fields} where the rows before it have {expected}");
                Err(Misfit::new(version, part, record.line, message))
            }
            _ => Ok(record),
        },
    }
}
