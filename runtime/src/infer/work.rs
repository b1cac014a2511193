//! The steps from exports to a schema, in the order in which they are taken.

use super::bytes::Survey;
use super::column::Facts;
use super::decide::{self, Column};
use super::dialect::Choice;
use super::draft::Draft;
use super::frame;
use super::header::{self, Candidate, Header};
use super::inputs::{Inputs, Version};
use super::key::{Key, Proved, Search};
use super::proof::{self, Verdict};
use super::request::Request;
use super::rows::{Counts, Rows};
use super::yaml;
use crate::error::{Error, Result};
use crate::name::suggest;
use crate::telemetry::Watch;

/// What is to be done.
pub(super) struct Work<'a> {
    pub(super) inputs: &'a Inputs,
    /// The versions, of which only the beginnings of the parts are read.
    pub(super) beginnings: &'a [Version],
    pub(super) request: &'a Request,
    pub(super) watch: &'a Watch,
}

/// How rows are written, and what is in them.
pub(super) struct Described {
    pub(super) choice: Choice,
    pub(super) candidate: Candidate,
    pub(super) header: Header,
    pub(super) is_header_certain: bool,
    pub(super) columns: Vec<Column>,
    pub(super) counts: Counts,
}

impl Work<'_> {
    /// Reads all rows as often as it takes.
    pub(super) fn in_passes(&self, survey: &Survey) -> Result<Draft> {
        let versions = &self.inputs.versions;
        let described = self.describe(versions, survey)?;
        let rows = described.rows(versions, self.watch);
        let mut draft = described.draft(self.inputs, survey, &rows)?;
        self.find_key(&mut draft, rows, &Proved::default())?;
        prove(&mut draft, &rows, None, self.watch)?;
        draft.read_again.clear();
        Ok(draft)
    }

    pub(super) fn describe(&self, versions: &[Version], survey: &Survey) -> Result<Described> {
        let choice = frame::find(versions, survey, self.watch)?;
        let mut candidate = header::candidate(&choice.shape).ok_or_else(|| frame::no_rows(versions))?;
        let watch = self.watch;
        if candidate.repeats {
            let header = Header::FirstPart;
            check_repeated_names(Rows { versions, choice: &choice, candidate: &candidate, header, watch })?;
        }
        let facts =
            |candidate: &Candidate, header| Rows { versions, choice: &choice, candidate, header, watch }.facts();
        let (mut header, mut is_header_certain) = (candidate.header, true);
        let (mut found, mut counts) = facts(&candidate, header)?;
        if header != Header::None {
            let is_header;
            (is_header, is_header_certain) = header::is_header(&candidate, &found);
            if !is_header {
                header = Header::None;
                candidate.has_same =
                    choice.shape.fields.iter().map(|fields| *fields == candidate.names.len()).collect();
                (found, counts) = facts(&candidate, header)?;
            }
        }
        if header == Header::None && found.iter().all(Facts::is_empty) {
            return Err(frame::no_rows(versions));
        }
        let columns = columns(&choice, &candidate, header, &found);
        Ok(Described { choice, candidate, header, is_header_certain, columns, counts })
    }

    /// Checks the key that the user named, or searches for one.
    pub(super) fn find_key(&self, draft: &mut Draft, rows: Rows<'_>, proved: &Proved) -> Result<()> {
        let named = self.named_key(draft)?;
        if !named.is_empty() {
            draft.set_key(&named)?;
        }
        let columns = draft.columns.clone();
        let search = Search::new(rows, self.beginnings, (&columns, &draft.format), proved);
        if !named.is_empty() {
            return search.check(&named);
        }
        let key = search.find()?;
        if search.has_read.get() {
            draft.read_again.push("other columns than those of the beginnings had to be proved unique");
        }
        match key {
            Some(Key { columns, others }) => {
                draft.set_key(&columns)?;
                draft.mention_other_keys(&others);
            }
            None => draft.set_key_of_all(),
        }
        Ok(())
    }

    /// The positions of the columns that the user named.
    pub(super) fn named_key(&self, draft: &Draft) -> Result<Vec<usize>> {
        self.request.key.iter().map(|name| named(draft, name)).collect()
    }
}

impl Described {
    pub(super) fn rows<'a>(&'a self, versions: &'a [Version], watch: &'a Watch) -> Rows<'a> {
        Rows { versions, choice: &self.choice, candidate: &self.candidate, header: self.header, watch }
    }

    pub(super) fn draft(&self, inputs: &Inputs, survey: &Survey, rows: &Rows<'_>) -> Result<Draft> {
        let mut draft = Draft::new(inputs, survey, rows, &self.counts, self.columns.clone())?;
        if !self.is_header_certain {
            draft.doubt_header(self.header);
        }
        Ok(draft)
    }
}

pub(super) fn columns(choice: &Choice, candidate: &Candidate, header: Header, facts: &[Facts]) -> Vec<Column> {
    let policy = decide::policy(facts, choice.format.dialect.escape);
    let names = header::names(candidate, header != Header::None);
    let columns = names.into_iter().zip(facts);
    columns.map(|((name, header), facts)| decide::column(name, header, facts, policy)).collect()
}

/// Refuses a header that has a name twice, since columns are found by their names.
fn check_repeated_names(rows: Rows<'_>) -> Result<()> {
    let (facts, _) = rows.facts()?;
    let (true, true) = header::is_header(rows.candidate, &facts) else { return Ok(()) };
    let export = &rows.versions[rows.versions.len() - 1].export;
    let path = export.folder.path(&export.parts[0].name);
    Err(Error::export(&path, "its header has the same name twice, and columns are found by their names")
        .help("export it with a name for each column"))
}

/// The position of a column that the user named, by its name or its header.
fn named(draft: &Draft, name: &str) -> Result<usize> {
    let is_named = |column: &Column| column.name == name || column.header.as_deref() == Some(name);
    draft.columns.iter().position(is_named).ok_or_else(|| {
        let known: Vec<&str> = draft.columns.iter().map(|column| column.name.as_str()).collect();
        Error::usage("", format!("--key names `{}`, which is not a column", name.escape_debug()))
            .help(suggest(name, &known))
    })
}

/// Proves the schema, and widens columns that it cannot read. Each turn widens at least one. `read` is the hash of a
/// schema that has read every row.
pub(super) fn prove(draft: &mut Draft, rows: &Rows<'_>, read: Option<&str>, watch: &Watch) -> Result<()> {
    loop {
        draft.yaml = yaml::schema(draft);
        let versions = rows.versions.iter().zip(&rows.candidate.has_same).filter(|(_, has_same)| **has_same);
        match proof::prove(&draft.yaml, versions.map(|(version, _)| version), read, watch)? {
            Verdict::Proved => return Ok(()),
            Verdict::ProvedAgain => {
                draft.read_again.push("the beginnings do not show the types of all values");
                return Ok(());
            }
            Verdict::NotForAthena if draft.not_for_athena.is_empty() => {
                draft.not_for_athena.push("so large a table".into())
            }
            Verdict::Unreadable(columns) if draft.widen(&columns) => {}
            verdict => {
                let problem = format!("the schema that was inferred does not read it: {verdict:?}");
                return Err(
                    Error::refused(&rows.versions[0].export.label, problem).help("this is a bug; please report it")
                );
            }
        }
    }
}
