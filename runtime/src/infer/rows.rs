//! Reads the rows of all versions that have the columns of the newest, field by field in the order of its columns.

use std::ops::ControlFlow;

use super::column::Facts;
use super::dialect::Choice;
use super::header::{Candidate, Header};
use super::inputs::Version;
use super::reading::each_record;
use crate::error::{Error, Result};
use crate::snapshot::Part;
use crate::snapshot::csv::Record;
use crate::telemetry::Watch;

/// The rows that are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) versions: &'a [Version],
    pub(super) choice: &'a Choice,
    pub(super) candidate: &'a Candidate,
    pub(super) header: Header,
    pub(super) watch: &'a Watch,
}

/// A row, and where it is.
#[derive(Debug)]
pub(super) struct Row<'r> {
    pub(super) version: usize,
    pub(super) part: usize,
    pub(super) record: &'r Record<'r>,
    /// For each column, the position of its field.
    pub(super) positions: &'r [usize],
    /// Whether it is the header, or repeats it.
    pub(super) is_header: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The rows of each part of each version.
    pub(super) rows: Vec<Vec<u64>>,
    /// How many rows repeat the header.
    pub(super) repeated: u64,
}

impl Rows<'_> {
    /// Gives each row to `visit`.
    pub(super) fn each(&self, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<Counts> {
        self.each_record(|row| if row.is_header { Ok(()) } else { visit(row) })
    }

    /// Gives each row and each header to `visit`.
    pub(super) fn each_record(&self, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<Counts> {
        let mut counts = Counts::default();
        for (version, inputs) in self.versions.iter().enumerate() {
            let mut rows = Vec::new();
            if self.candidate.has_same[version] {
                for (part, listed) in inputs.export.parts.iter().enumerate() {
                    let (read, repeated) = self.part(version, part, listed, &mut visit)?;
                    rows.push(read);
                    counts.repeated += repeated;
                }
            }
            counts.rows.push(rows);
        }
        Ok(counts)
    }

    fn part(
        &self,
        version: usize,
        part: usize,
        listed: &Part,
        visit: &mut impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<(u64, u64)> {
        let first = self.choice.shape.firsts[version][part].as_deref().unwrap_or_default();
        let has_header = match self.header {
            Header::None => false,
            Header::EachPart => true,
            Header::FirstPart => part == 0,
        };
        let positions = self.positions(first);
        let (mut rows, mut repeated, mut is_first) = (0, 0, true);
        let is_header =
            |record: &Record<'_>| record.iter().map(|field| field.text()).eq(first.iter().map(Vec::as_slice));
        each_record(&self.versions[version], listed, &self.choice.format, self.watch, |record| {
            let record = record.map_err(|error| self.error(version, listed, error.line, error.message))?;
            if record.len() != self.choice.shape.fields[version] {
                let message = "it has another number of fields than the rows before it";
                return Err(self.error(version, listed, record.line, message));
            }
            let is_skipped = std::mem::take(&mut is_first) && has_header;
            let is_repeated = !is_skipped && has_header && is_header(&record);
            repeated += u64::from(is_repeated);
            let is_header = is_skipped || is_repeated;
            rows += u64::from(!is_header);
            visit(&Row { version, part, record: &record, positions: &positions, is_header })?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((rows, repeated))
    }

    /// Parts with a header can have their columns in any order.
    fn positions(&self, first: &[Vec<u8>]) -> Vec<usize> {
        let names = self.candidate.names.iter().enumerate();
        if self.header != Header::EachPart {
            return names.map(|(index, _)| index).collect();
        }
        names.map(|(index, name)| first.iter().position(|other| other == name).unwrap_or(index)).collect()
    }

    /// An error in a line.
    pub(super) fn error(&self, version: usize, part: &Part, line: u64, message: &str) -> Error {
        let path = self.versions[version].export.folder.path(&part.name);
        Error::export_line(&path, line, message).help("deliver it again, or leave out this version")
    }

    /// The facts about all columns. The first records are left out if they can be a header.
    pub(super) fn facts(&self) -> Result<(Vec<Facts>, Counts)> {
        let mut columns = self.no_facts();
        let counts = self.each(|row| self.add_facts(row, &mut columns))?;
        Ok((columns, counts))
    }

    pub(super) fn no_facts(&self) -> Vec<Facts> {
        vec![Facts::default(); self.candidate.names.len()]
    }

    /// Adds the fields of a row.
    pub(super) fn add_facts(&self, row: &Row<'_>, columns: &mut [Facts]) -> Result<()> {
        let is_escaped = self.choice.format.dialect.escape.is_some();
        for (facts, position) in columns.iter_mut().zip(row.positions) {
            let field = row.record.field(*position);
            let Ok(text) = std::str::from_utf8(field.text()) else {
                let part = &self.versions[row.version].export.parts[row.part];
                let encoding = self.choice.format.encoding.unwrap_or("utf-8");
                let message = format!("it has a byte that is not a character in {encoding}");
                let help = "if it is in another encoding, such as windows-1250, macintosh or shift_jis, write a schema \
                            with that `encoding`; otherwise deliver it again";
                return Err(self.error(row.version, part, row.record.line, &message).help(help));
            };
            if is_escaped { facts.add_escaped(text, field.quoted) } else { facts.add(text, field.quoted) }
        }
        Ok(())
    }
}
