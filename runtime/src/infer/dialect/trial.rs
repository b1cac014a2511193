//! Tries one delimiter with all quotes and escapes.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::choice::{Choice, View};
use super::shape::Shape;
use crate::error::{Error, Result};
use crate::infer::inputs::Version;
use crate::infer::reading::{Format, Frame, Marks, each_record};
use crate::reject::Reason;
use crate::snapshot::Part;
use crate::snapshot::csv::{CsvError, Record};
use crate::table::Escape;
use crate::telemetry::Watch;
use crate::wording::plural;

/// Characters that escape others where nothing else explains a file, the usual one first.
const ESCAPES: &[u8] = b"\\^~";

/// The letters after a backslash in the text format of PostgreSQL's COPY.
const LETTERS: &[u8] = b"bfnrtv";

/// Tries one delimiter.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    pub(super) view: View<'a>,
    pub(super) frame: Frame,
    pub(super) delimiter: &'a str,
    /// Whether each record ends with the delimiter.
    pub(super) is_trailing: bool,
}

/// How fields are quoted and escaped.
#[derive(Debug, Clone, Copy)]
struct Style {
    quote: Option<u8>,
    multiline: bool,
    escape: Option<Escape>,
}

/// Where and why a dialect does not fit.
#[derive(Debug, Clone)]
pub(in crate::infer) struct Misfit {
    path: PathBuf,
    line: u64,
    message: String,
    is_quoting: bool,
    /// The number of records before it, and of their fields.
    records: u64,
    fields: usize,
}

impl Misfit {
    pub(super) fn new(version: &Version, part: &Part, line: u64, message: String) -> Self {
        let path = version.export.folder.path(&part.name);
        Self { path, line, message, is_quoting: false, records: 0, fields: 0 }
    }

    /// The better explanation of two: that of the dialect that split more records into several fields.
    pub(super) fn or(self, other: Option<Self>) -> Self {
        let rank = |misfit: &Self| (misfit.fields > 1, misfit.records, misfit.fields);
        other.filter(|other| rank(other) >= rank(&self)).unwrap_or(self)
    }

    pub(in crate::infer) fn into_error(self) -> Error {
        let help = "a row needs as many fields as the others, with quotes around a field that has a delimiter, and \
                    doubled quotes inside; if the exporter writes in another way, write a schema that says how";
        Error::export_line(&self.path, self.line, self.message).help(help)
    }
}

impl<'a> Trial<'a> {
    /// The dialect with this delimiter, at the end of each record as well where it is there.
    pub(super) fn choose(&self) -> Result<Result<Choice, Misfit>> {
        let trailing = Trial { is_trailing: true, ..*self };
        Ok(match self.with_any_style()? {
            Ok(choice) if choice.shape.is_trailing() => Ok(trailing.with_any_style()?.unwrap_or(choice)),
            Ok(choice) => Ok(choice),
            Err(misfit) => trailing.with_any_style()?.map_err(|_| misfit),
        })
    }

    /// Without escapes, unless only they explain the file, or it has what their writers write.
    fn with_any_style(&self) -> Result<Result<Choice, Misfit>> {
        let plain = self.without_escape()?;
        for style in self.escapes(plain.as_ref().ok()) {
            if let Ok(choice) = self.check(style)? {
                let has_fields = plain.as_ref().is_ok_and(|plain| plain.fields() == choice.fields());
                let is_quoted = style.quote.is_none() || choice.shape.quoted > 0;
                if is_quoted && (plain.is_err() || has_fields) {
                    return Ok(Ok(choice));
                }
            }
        }
        Ok(plain)
    }

    /// The escapes to try, after a dialect without any was found or not.
    fn escapes(&self, plain: Option<&Choice>) -> Vec<Style> {
        let Some(plain) = plain else {
            let known = ESCAPES.iter().copied().filter(|byte| self.view.survey.has(*byte));
            return known.flat_map(|byte| self.all_escapes(byte)).collect();
        };
        let marks = &plain.format.dialect;
        let escaped = &self.view.survey.escaped;
        let is_doubtful = marks.multiline || marks.quote != Some(b'"');
        let mut styles = Vec::new();
        if is_doubtful && escaped.any(b"\"'") {
            styles.extend(self.all_escapes(b'\\').into_iter().filter(|style| style.quote.is_some()));
        }
        // `\t` alone can be part of a path, unless the file looks like that of a COPY.
        let has_letters_only = escaped.any(LETTERS) && !escaped.any(b"\\\n\t");
        if plain.shape.has_escapes() && plain.shape.quoted > 0 {
            let escape = Some(Escape::Char(b'\\'));
            styles.push(Style { quote: marks.quote, multiline: marks.multiline, escape });
        } else if plain.shape.has_escapes() && (!has_letters_only || self.delimiter == "\t") {
            styles.extend(self.unquoted_escapes());
        }
        styles
    }

    fn all_escapes(&self, byte: u8) -> Vec<Style> {
        let mut styles = Vec::new();
        let mysql = Some(Escape::Mysql).filter(|_| byte == b'\\');
        for quote in [b'"', b'\''].into_iter().filter(|quote| self.view.survey.has(*quote)) {
            for multiline in [false, true].into_iter().filter(|multiline| !multiline || self.view.record_end.is_none())
            {
                let escapes = [Some(Escape::Char(byte)), mysql].into_iter().flatten();
                styles.extend(escapes.map(|escape| Style { quote: Some(quote), multiline, escape: Some(escape) }));
            }
        }
        match mysql {
            Some(_) => styles.extend(self.unquoted_escapes()),
            None => styles.push(Style { quote: None, multiline: false, escape: Some(Escape::Char(byte)) }),
        }
        styles
    }

    /// Where several of these fit, they mean the same; the one whose writer writes like this is first.
    fn unquoted_escapes(&self) -> Vec<Style> {
        let escaped = &self.view.survey.escaped;
        let single = Escape::Char(b'\\');
        let order = if escaped.any(LETTERS) {
            [Escape::Postgres, Escape::Mysql, single]
        } else if escaped.any(b"N") {
            [Escape::Mysql, Escape::Postgres, single]
        } else {
            [single, Escape::Mysql, Escape::Postgres]
        };
        order.map(|escape| Style { quote: None, multiline: false, escape: Some(escape) }).into()
    }

    /// Double quotes, unless only single quotes or none explain the file. Line breaks in quotes come last: where each
    /// line has as many fields as the others, no field goes on in the next.
    fn without_escape(&self) -> Result<Result<Choice, Misfit>> {
        let misfit = match self.check_quote(Some(b'"'), false)? {
            Ok(choice) => return Ok(Ok(self.single_quoted(&choice)?.unwrap_or(choice))),
            Err(misfit) => misfit,
        };
        let none = self.check_quote(None, false)?;
        // Fields that begin and end with a quote are quoted, perhaps in a way that no schema describes.
        let none = none.map(Some).map_err(Some).and_then(|choice| match choice {
            Some(choice) if choice.shape.wrapped > 0 => Err(None),
            choice => Ok(choice),
        });
        if let Some(single) = self.quoted(b'\'', false)? {
            return Ok(Ok(single));
        }
        let is_table = |choice: &Option<Choice>| choice.as_ref().is_some_and(|choice| choice.shape.is_table());
        let quoted = misfit.is_quoting.then(|| self.check_quote(Some(b'"'), true)).transpose()?;
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
        if !self.view.survey.has(quote) {
            return Ok(None);
        }
        Ok(self.check_quote(Some(quote), multiline)?.ok().filter(|choice| choice.shape.quoted > 0))
    }

    fn check_quote(&self, quote: Option<u8>, multiline: bool) -> Result<Result<Choice, Misfit>> {
        self.check(Style { quote, multiline, escape: None })
    }

    fn check(&self, style: Style) -> Result<Result<Choice, Misfit>> {
        let View { versions, survey, record_end, watch } = self.view;
        let Style { quote, multiline, escape } = style;
        let format = Format {
            compression: survey.compression,
            encoding: survey.encoding,
            dialect: Marks {
                delimiter: self.delimiter.into(),
                quote,
                multiline,
                escape,
                trailing_delimiter: self.is_trailing,
                record_end: record_end.map(Into::into),
            },
            frame: self.frame,
        };
        let mut shape = Shape::default();
        for version in versions {
            if let Err(misfit) = check_version(version, &format, &mut shape, watch)? {
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
