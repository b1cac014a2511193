//! Turns `schemas/*.yaml` into the artifacts that are compiled and deployed.
//!
//! The modules, in the order in which a schema passes through them: [`source`] (files), `yaml` (nodes), `spec` (fields
//! as written), `validate`, [`model`] (a table that is right), `emit` (one file per kind of artifact), [`output`] (to
//! disk, or to a diff). A mistake on the way is a [`diagnostic`]; all of them are told in one run.
//!
//! ```
//! let table = generator::parse("{ table: t, primary_key: [id], columns: [{ name: id, type: int }] }").unwrap();
//! assert_eq!(table.columns[0].ty.name(), "int");
//! ```

pub mod diagnostic;
mod emit;
mod error;
pub mod model;
mod names;
pub mod output;
pub mod source;
mod spec;
mod suggest;
mod validate;
mod yaml;

use diagnostic::{Code, Diagnostic};
pub use emit::{Files, Statements, statements};
pub use error::Error;
use model::Table;
use source::Source;
use spec::Spec;

/// All artifacts of a set of schemas, or every mistake in them.
///
/// # Errors
/// The mistakes, in reading order: by file, then by place.
pub fn generate(sources: &[Source]) -> Result<Files, Vec<Diagnostic>> {
    Ok(emit::all(&tables(sources)?))
}

/// The tables of a set of schemas, sorted by name.
///
/// # Errors
/// The mistakes, in reading order: by file, then by place.
pub fn tables(sources: &[Source]) -> Result<Vec<Table>, Vec<Diagnostic>> {
    let mut found = Vec::new();
    if sources.is_empty() {
        found.push(no_schemas());
    }
    let mut specs = Vec::new();
    let mut tables = Vec::new();
    for source in sources {
        let (spec, table) = one(source, &mut found);
        specs.push((source, spec));
        tables.extend(table);
    }
    validate::all_tables(&specs, &mut found);
    if !found.is_empty() {
        found.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
        return Err(found);
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

/// One table from the text of its schema, whatever its file may be called.
///
/// # Errors
/// The mistakes, in reading order.
pub fn parse(yaml: &str) -> Result<Table, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let (_, table) = one(&Source::new("schema.yaml", yaml), &mut found);
    found.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
    table.ok_or(found)
}

/// What one file says, and its table when all of it is right.
fn one(source: &Source, found: &mut Vec<Diagnostic>) -> (Spec, Option<Table>) {
    let mut here = Vec::new();
    let (spec, mut table) = match yaml::read(source) {
        Ok(root) => {
            let spec = spec::read(&root, &mut here);
            let table = validate::table(&spec, &mut here);
            if let Some(table) = table.as_ref().filter(|table| table.athena) {
                validate::too_long_for_athena(&spec, emit::statements(table).delta.len(), &mut here);
            }
            (spec, table)
        }
        Err(diagnostic) => {
            here.push(diagnostic);
            (Spec::default(), None)
        }
    };
    if !here.is_empty() {
        table = None;
    }
    found.extend(here.into_iter().map(|diagnostic| diagnostic.in_file(&source.path)));
    (spec, table)
}

fn no_schemas() -> Diagnostic {
    let message = format!("there is no schema in {}/", source::SCHEMAS);
    Diagnostic::of_file(Code::NoSchemas, source::SCHEMAS, message)
        .help(format!("describe a table in {}/<table>.yaml", source::SCHEMAS))
}
