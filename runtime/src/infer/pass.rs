//! Reads every row once, with the schema that the beginnings of the parts gave.

use super::bytes::Survey;
use super::column::Facts;
use super::dialect::Shape;
use super::draft::Draft;
use super::header::{self, Header};
use super::key::{Proved, Search};
use super::rows::{Counts, Row, Rows};
use super::work::{Described, Work, columns, prove};
use super::{frame, yaml};
use crate::canonical::row::{self, Layout};
use crate::error::{Fault, Result};
use crate::schemas;
use crate::snapshot::csv::BOM;
use crate::table::Table;

/// What a pass finds.
struct Pass {
    facts: Vec<Facts>,
    counts: Counts,
    shape: Shape,
    /// The last record of each part of each version.
    last: Vec<Vec<String>>,
    /// The schema that the beginnings gave, if it has read every row.
    table: Option<&'static Table>,
    proved: Proved,
}

/// The schema of all rows; `None` if they are not written as the beginnings show.
pub(super) fn infer(work: &Work<'_>, survey: &Survey) -> Result<Option<Draft>> {
    let Some(mut described) = unless_refuted(work.describe(work.beginnings, survey))? else { return Ok(None) };
    let Some(pass) = unless_refuted(read(work, survey, &described))? else { return Ok(None) };
    let mut survey = survey.clone();
    for (ends, last) in survey.ends.iter_mut().flatten().zip(pass.last.into_iter().flatten()) {
        ends.last = if described.choice.format.frame.has_trailer { std::mem::take(&mut ends.last) } else { last };
    }
    if !confirms(&mut described, pass.shape, &pass.facts, &survey) {
        return Ok(None);
    }
    described.columns = columns(&described.choice, &described.candidate, described.header, &pass.facts);
    described.counts = pass.counts;
    let rows = described.rows(&work.inputs.versions, work.watch);
    let mut draft = described.draft(work.inputs, &survey, &rows)?;
    work.find_key(&mut draft, rows, &pass.proved)?;
    prove(&mut draft, &rows, pass.table.map(|table| table.schema), work.watch)?;
    Ok(Some(draft))
}

/// What fails with the input may be right with another dialect.
fn unless_refuted<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.fault() == Fault::Input => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether all rows suggest the same as the beginnings. Takes over their shape.
fn confirms(described: &mut Described, shape: Shape, facts: &[Facts], survey: &Survey) -> bool {
    let Described { choice, candidate, header, is_header_certain, .. } = described;
    let marks = &choice.format.dialect;
    if choice.shape.signs(marks) != shape.signs(marks) {
        return false;
    }
    choice.shape.records = shape.records;
    let is_trailer = !choice.format.frame.has_trailer && frame::has_counting_trailer(choice, survey);
    let same_header = || match (*header, candidate.header) {
        (_, Header::None) => true,
        (Header::None, _) => false,
        _ => header::is_header(candidate, facts) == (true, *is_header_certain),
    };
    !is_trailer && same_header()
}

/// Reads every row.
fn read(work: &Work<'_>, survey: &Survey, described: &Described) -> Result<Pass> {
    let rows = described.rows(&work.inputs.versions, work.watch);
    let mut guess = described.draft(work.inputs, survey, &described.rows(work.beginnings, work.watch))?;
    let candidates = candidates(work, described, &mut guess)?;
    let columns = guess.columns.clone();
    let nothing = Proved::default();
    let search = Search::new(rows, work.beginnings, (&columns, &guess.format), &nothing);
    let mut collector = search.collector(candidates);
    guess.yaml = yaml::schema(&guess);
    let table = generator::parse(&guess.yaml).ok().map(|model| schemas::table(&model));
    let mut check = table.map(|table| Check { layout: Layout::new(table), row: row::Row::default(), is_read: true });
    let mut facts = rows.no_facts();
    let mut shape = Shape::with_fields(described.choice.shape.fields.clone());
    let mut last: Vec<Vec<Vec<u8>>> =
        rows.versions.iter().map(|version| vec![Vec::new(); version.export.parts.len()]).collect();
    let counts = rows.each_record(|row| {
        shape.add(row.record);
        if row.is_header {
            return Ok(());
        }
        let bytes = &mut last[row.version][row.part];
        bytes.clear();
        bytes.extend_from_slice(row.record.bytes());
        rows.add_facts(row, &mut facts)?;
        if let Some(check) = &mut check {
            check.add(row);
        }
        collector.add(row)
    })?;
    shape.records = records(&rows, &counts);
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let last = last.iter().map(|parts| parts.iter().map(text).collect()).collect();
    let table = table.filter(|_| check.is_some_and(|check| check.is_read));
    Ok(Pass { facts, counts, shape, last, table, proved: collector.prove()? })
}

/// The candidates for the key, the first of which becomes that of the guess.
fn candidates(work: &Work<'_>, described: &Described, guess: &mut Draft) -> Result<Vec<Vec<usize>>> {
    let named = work.named_key(guess)?;
    if !named.is_empty() {
        guess.set_key(&named)?;
        return Ok(vec![named]);
    }
    let columns = guess.columns.clone();
    let nothing = Proved::default();
    let rows = described.rows(work.beginnings, work.watch);
    let likely = Search::new(rows, work.beginnings, (&columns, &guess.format), &nothing).likely()?;
    match likely.first() {
        Some(first) => {
            let mut first = first.clone();
            first.sort_unstable();
            guess.set_key(&first)?;
        }
        None => guess.set_key_of_all(),
    }
    Ok(likely)
}

/// The records of each part, with its header.
fn records(rows: &Rows<'_>, counts: &Counts) -> Vec<Vec<u64>> {
    let headers = |part: usize| {
        u64::from(match rows.header {
            Header::None => false,
            Header::EachPart => true,
            Header::FirstPart => part == 0,
        })
    };
    let of_version = |parts: &Vec<u64>| parts.iter().enumerate().map(|(part, rows)| rows + headers(part)).collect();
    counts.rows.iter().map(of_version).collect()
}

/// Reads rows with the schema of the guess, as the engine does.
struct Check {
    layout: Layout,
    row: row::Row,
    is_read: bool,
}

impl Check {
    fn add(&mut self, row: &Row<'_>) {
        if self.is_read {
            let field = |column: usize| row.record.field(row.positions[column]);
            // The engine refuses a byte order mark between rows.
            self.is_read = self.layout.read(field, &mut self.row, |_, _, _| {}) && !row.record.bytes().starts_with(BOM);
        }
    }
}
