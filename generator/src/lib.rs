//! Generates everything that is compiled and deployed for a table from its schema, `schemas/<table>.yaml`.
//!
//! A schema passes through the modules in this order: [`source`] reads files, `yaml` parses nodes with their positions,
//! `spec` and `tenants` read the fields as written, `validate` checks them, [`model`] is a valid table, `emit` renders
//! each kind of artifact, and [`output`] writes the artifacts or compares them with the files on disk. Mistakes are
//! collected as [`diagnostic`]s, all of them in one run, and [`render`]ed for people or machines.
//!
//! [`generate`] is a pure function from schemas to files:
//!
//! ```
//! use generator::source::Source;
//!
//! let schema = "
//! table: invoices
//! description: One row per invoice.
//! primary_key: [invoice_no]
//! columns:
//!   - { name: invoice_no, type: bigint }
//!   - { name: total, type: 'decimal(12,2)', nullable: true }
//! ";
//! let files = generator::generate(&[Source::new("schemas/invoices.yaml", schema)]).expect("the schema is valid");
//!
//! let module = &files["generated/src/invoices.rs"];
//! assert!(module.contains("pub total: Option<Decimal<2>>,"));
//! assert!(files.contains_key("generated/sql/invoices.delta.sql"));
//! assert!(files.contains_key("infra/tables/invoices.yaml"));
//! ```
//!
//! A mistake comes back as data, with the bytes that it concerns:
//!
//! ```
//! use generator::diagnostic::Code;
//! use generator::render::{Color, human};
//! use generator::source::Source;
//!
//! let source = Source::new("schemas/t.yaml", "{ table: t, primary_key: [id], columns: [{ name: id, type: integr }]
//! }"); let sources = [source]; let diagnostics = generator::generate(&sources).unwrap_err();
//!
//! assert_eq!(diagnostics[0].code, Code::UnknownType);
//! assert_eq!(&sources[0].text[diagnostics[0].labels[0].span.clone()], "integr");
//! assert!(human(&diagnostics, &sources, Color::Never).contains("did you mean `int`?"));
//! ```

pub mod cli;
mod date_format;
pub mod diagnostic;
mod emit;
mod error;
mod export;
pub mod import;
pub mod model;
mod names;
pub mod output;
#[cfg(test)]
mod quotas;
pub mod render;
pub mod schema_text;
pub mod source;
mod spec;
mod tenants;
mod tree;
mod validate;
mod wording;
mod yaml;

use std::iter;

use diagnostic::{Code, Diagnostic};
pub use emit::artifact::Files;
pub use emit::{COMMAND, Statements, Target, schema_for_editors, statements, target};
pub use error::Error;
use import::{Draft, Import, Schema, Selection};
use model::Table;
use source::Source;
use spec::Spec;
pub use wording::counted;

/// Generates all artifacts of a set of schemas.
///
/// # Errors
/// Returns every mistake in the schemas in reading order: by file, then by position.
pub fn generate(sources: &[Source]) -> Result<Files, Vec<Diagnostic>> {
    Ok(emit::all(&tables(sources)?))
}

/// The same for a workspace in which another command generates. The artifacts name it.
///
/// # Errors
/// As those of [`generate`].
pub fn generate_by(command: &str, sources: &[Source]) -> Result<Files, Vec<Diagnostic>> {
    let mut files = generate(sources)?;
    if command != COMMAND {
        files.values_mut().for_each(|text| *text = text.replace(COMMAND, command));
    }
    Ok(files)
}

/// Reads the tables of a set of schemas, sorted by name.
///
/// # Errors
/// Returns every mistake in the schemas in reading order: by file, then by position.
pub fn tables(sources: &[Source]) -> Result<Vec<Table>, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    if sources.is_empty() {
        diagnostics.push(no_schemas());
    }
    let mut specs = Vec::new();
    let mut tables = Vec::new();
    for source in sources {
        let (spec, table) = read_table(source, &mut diagnostics);
        specs.push((source, spec));
        tables.extend(table);
    }
    validate::all_tables(&specs, &mut diagnostics);
    if !diagnostics.is_empty() {
        diagnostics.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
        return Err(diagnostics);
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

/// What is probably wrong in valid schemas, in reading order.
pub fn warnings(sources: &[Source]) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for source in sources {
        let Ok(root) = yaml::read(source) else { continue };
        let (spec, tenants) = (spec::read(&root, &mut Vec::new()), tenants::read(&root, &mut Vec::new()));
        let mut of_file = Vec::new();
        for spec in iter::once(&spec).chain(tenants.iter().map(|tenant| &tenant.spec)) {
            validate::unescaped_nulls(spec, &mut of_file);
        }
        warnings.extend(of_file.into_iter().map(|warning| warning.in_file(&source.path)));
    }
    warnings.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
    warnings
}

/// Reads one table from the text of its schema. The name of the file is not checked.
///
/// ```
/// let table = generator::parse("{ table: t, primary_key: [id], columns: [{ name: id, type: int }] }").unwrap();
/// assert_eq!(table.columns[0].ty.name(), "int");
/// ```
///
/// # Errors
/// Returns every mistake in reading order.
pub fn parse(yaml: &str) -> Result<Table, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let (_, table) = read_table(&Source::new("schema.yaml", yaml), &mut diagnostics);
    diagnostics.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
    table.ok_or(diagnostics)
}

/// Makes schemas of definitions that exist already.
///
/// # Errors
/// Returns every mistake in the definitions in reading order: by file, then by position.
pub fn import(sources: &[Source], selection: &Selection) -> Result<Import, Vec<Diagnostic>> {
    let read = import::read(sources, selection);
    let mut diagnostics = read.diagnostics;
    let mut schemas = Vec::new();
    for draft in &read.drafts {
        match valid_schema(draft) {
            Ok(yaml) => schemas.push(Schema { table: draft.table(), yaml }),
            Err(mistakes) => diagnostics.push(draft.undescribable(&mistakes)),
        }
    }
    diagnostics.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
    if diagnostics.iter().any(|diagnostic| !diagnostic.code.is_warning()) {
        return Err(diagnostics);
    }
    Ok(Import { schemas, skipped: read.skipped, warnings: diagnostics })
}

/// The schema of a draft, which the generator accepts.
fn valid_schema(draft: &Draft) -> Result<String, Vec<Diagnostic>> {
    let yaml = draft.schema(false);
    let Err(mistakes) = parse(&yaml) else { return Ok(yaml) };
    if mistakes.iter().any(|mistake| mistake.code != Code::NotForAthena) {
        return Err(mistakes);
    }
    let yaml = draft.schema(true);
    parse(&yaml).map(|_| yaml)
}

/// Writes the data contract of a schema, in version 3.1 of the Open Data Contract Standard.
///
/// # Errors
/// Returns every mistake in the schema in reading order.
pub fn export_odcs(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let table = parse(&source.text)?;
    let root = yaml::read(source).map_err(|diagnostic| vec![diagnostic.in_file(&source.path)])?;
    Ok(export::odcs(&table, &root))
}

/// Reads one file: the fields as far as they can be read, and the table if the file is free of mistakes.
fn read_table(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> (Spec, Option<Table>) {
    let mut of_file = Vec::new();
    let (spec, mut table) = match yaml::read(source) {
        Ok(root) => {
            let spec = spec::read(&root, &mut of_file);
            let tenants = tenants::read(&root, &mut of_file);
            let table = validate::table(&spec, &tenants, &mut of_file);
            if let Some(table) = table.as_ref().filter(|table| table.athena) {
                validate::too_long_for_athena(&spec, emit::statements(table).delta.len(), &mut of_file);
            }
            (spec, table)
        }
        Err(diagnostic) => {
            of_file.push(diagnostic);
            (Spec::default(), None)
        }
    };
    if !of_file.is_empty() {
        table = None;
    }
    diagnostics.extend(of_file.into_iter().map(|diagnostic| diagnostic.in_file(&source.path)));
    (spec, table)
}

fn no_schemas() -> Diagnostic {
    let message = format!("no schemas found in {}/", source::SCHEMAS);
    Diagnostic::for_file(Code::NoSchemas, source::SCHEMAS, message)
        .help(format!("describe a table in {}/<table>.yaml", source::SCHEMAS))
}
