//! Infers the schema of a table from its exports.
//!
//! [`infer`] reads every row, so that what it finds holds for all of them, in any order, in memory that does not grow
//! with their number: `bytes` finds compression and encoding, `dialect` and `frame` how rows are separated, `column`
//! gathers facts that `decide` turns into types, `header` names columns, `key` searches for a primary key, `yaml`
//! writes the schema, and `proof` reads every row with it.

mod bytes;
mod column;
mod decide;
mod dialect;
mod draft;
mod frame;
mod header;
mod inputs;
mod key;
mod numbers;
mod proof;
mod reading;
mod rows;
mod texts;
mod times;
mod words;
mod yaml;

use std::path::PathBuf;

pub use draft::Draft;

use crate::error::{Error, Result};
use crate::name::suggest;
use crate::telemetry::{Progress, Watch};
use decide::Column;
use header::{Candidate, Header};
use inputs::Inputs;
use key::{Key, Search};
use proof::Verdict;
use rows::{Counts, Rows};

/// What to read, and what the user knows about it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Files, folders of parts, folders of versions, or folders of TENANT/TABLE/VERSION.
    pub paths: Vec<PathBuf>,
    /// The table's name; it also chooses one from TENANT/TABLE/VERSION.
    pub table: Option<String>,
    /// The tenant, to choose from TENANT/TABLE/VERSION.
    pub tenant: Option<String>,
    /// The names of the key columns; otherwise a key is searched for.
    pub key: Vec<String>,
    /// Whether progress is shown on a terminal.
    pub progress: bool,
}

/// Infers the schema that reads all exports of a request.
///
/// # Errors
/// Fails if an export cannot be read, if no schema can describe it, or if the key that the user named is not unique.
pub fn infer(request: &Request) -> Result<Draft> {
    let inputs = inputs::find(&request.paths, request.table.as_deref(), request.tenant.as_deref())?;
    let watch = Progress::new(request.progress).table("", &inputs.table, inputs.versions.len() as u64);
    let draft = from_inputs(&inputs, request, &watch);
    watch.finish();
    draft
}

fn from_inputs(inputs: &Inputs, request: &Request, watch: &Watch) -> Result<Draft> {
    let survey = bytes::survey(&inputs.versions, watch)?;
    let choice = frame::find(&inputs.versions, &survey, watch)?;
    let Some(mut candidate) = header::candidate(&choice.shape) else {
        return Err(Error::export(inputs.versions[0].export.label.as_ref(), "there is no row in it")
            .help("name an export with rows"));
    };
    let (header, is_certain, columns, counts) = columns(inputs, &choice, &mut candidate, watch)?;
    let rows = Rows { versions: &inputs.versions, choice: &choice, candidate: &candidate, header, watch };
    let mut draft = Draft::new(inputs, &survey, &rows, &counts, columns)?;
    if !is_certain {
        draft.doubt_header(header);
    }
    find_key(&mut draft, rows, request)?;
    prove(&mut draft, &rows, watch)?;
    Ok(draft)
}

/// The columns under the header that the parts have, if any; and whether that is certain.
fn columns(
    inputs: &Inputs,
    choice: &dialect::Choice,
    candidate: &mut Candidate,
    watch: &Watch,
) -> Result<(Header, bool, Vec<Column>, Counts)> {
    let versions = &inputs.versions;
    if candidate.repeats {
        check_repeated_names(Rows { versions, choice, candidate, header: Header::FirstPart, watch })?;
    }
    let (mut header, mut is_certain) = (candidate.header, true);
    let (mut facts, mut counts) = Rows { versions, choice, candidate, header, watch }.facts()?;
    if header != Header::None {
        let is_header;
        (is_header, is_certain) = header::is_header(candidate, &facts);
        if !is_header {
            header = Header::None;
            candidate.has_same = choice.shape.fields.iter().map(|fields| *fields == candidate.names.len()).collect();
            (facts, counts) = Rows { versions, choice, candidate, header, watch }.facts()?;
        }
    }
    let policy = decide::policy(&facts);
    let names = header::names(candidate, header != Header::None);
    let columns = names.into_iter().zip(&facts);
    let columns = columns.map(|((name, header), facts)| decide::column(name, header, facts, policy)).collect();
    Ok((header, is_certain, columns, counts))
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

/// Checks the key that the user named, or searches for one.
fn find_key(draft: &mut Draft, rows: Rows<'_>, request: &Request) -> Result<()> {
    if !request.key.is_empty() {
        let named = request.key.iter().map(|name| named(draft, name)).collect::<Result<Vec<usize>>>()?;
        draft.set_key(&named)?;
        let columns = draft.columns.clone();
        return Search::new(rows, &columns, &draft.format).check(&named);
    }
    let columns = draft.columns.clone();
    match Search::new(rows, &columns, &draft.format).find()? {
        Some(Key { columns, others }) => {
            draft.set_key(&columns)?;
            draft.mention_other_keys(&others);
        }
        None => draft.set_key_of_all(),
    }
    Ok(())
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

/// Proves the schema, and widens columns that it cannot read. Each turn widens at least one.
fn prove(draft: &mut Draft, rows: &Rows<'_>, watch: &Watch) -> Result<()> {
    loop {
        draft.yaml = yaml::schema(draft);
        let versions = rows.versions.iter().zip(&rows.candidate.has_same).filter(|(_, has_same)| **has_same);
        match proof::prove(&draft.yaml, versions.map(|(version, _)| version), watch)? {
            Verdict::Proved => return Ok(()),
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
