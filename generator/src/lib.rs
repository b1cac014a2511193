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
pub mod hints;
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
use emit::artifact::Origin;
pub use emit::{COMMAND, Statements, Target, statements, target};
pub use error::Error;
use import::{Draft, Import, Schema, Selection};
use model::Table;
use rayon::prelude::*;
use source::Source;
use spec::Spec;
pub use wording::counted;
use yaml::Node;

/// A set of schemas without mistakes.
#[derive(Debug, Clone, PartialEq)]
pub struct Schemas {
    /// The tables, sorted by name.
    pub tables: Vec<Table>,
    /// Warnings, in reading order.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a set of schemas.
///
/// # Errors
/// Returns every mistake in the schemas in reading order: by file, then by position.
pub fn read(sources: &[Source]) -> Result<Schemas, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    if sources.is_empty() {
        mistakes.push(no_schemas());
    }
    let (mut specs, mut tables, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let read: Vec<SchemaFile> = sources.par_iter().map(read_file).collect();
    for (source, file) in sources.iter().zip(read) {
        specs.push((source, file.spec));
        tables.extend(file.table);
        mistakes.extend(file.mistakes);
        warnings.extend(file.warnings);
    }
    validate::all_tables(&specs, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(in_reading_order(mistakes));
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Schemas { tables, warnings: in_reading_order(warnings) })
}

/// Generates all artifacts of a set of schemas.
///
/// # Errors
/// Returns every mistake in the schemas in reading order: by file, then by position.
pub fn generate(sources: &[Source]) -> Result<Files, Vec<Diagnostic>> {
    Ok(emit(&read(sources)?.tables))
}

/// Generates all artifacts of tables, which are sorted by name.
pub fn emit(tables: &[Table]) -> Files {
    emit_by(COMMAND, tables)
}

/// The same for a workspace in which another command generates. The artifacts name it.
pub fn emit_by(command: &str, tables: &[Table]) -> Files {
    emit::all(tables, Origin(command))
}

/// The JSON Schema with which editors complete and check schemas. It names the command that generates.
pub fn schema_for_editors(command: &str) -> String {
    emit::schema_for_editors(Origin(command))
}

fn in_reading_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by(|a, b| a.reading_order().cmp(&b.reading_order()));
    diagnostics
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
    let SchemaFile { table, mistakes, .. } = read_file(&Source::new("schema.yaml", yaml));
    table.ok_or_else(|| in_reading_order(mistakes))
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
    export_odcs_by(COMMAND, source)
}

/// The same for a workspace in which another command generates. The contract names it.
///
/// # Errors
/// Returns every mistake in the schema in reading order.
pub fn export_odcs_by(command: &str, source: &Source) -> Result<String, Vec<Diagnostic>> {
    let table = parse(&source.text)?;
    let root = yaml::read(source).map_err(|diagnostic| vec![diagnostic.in_file(&source.path)])?;
    Ok(export::odcs(&table, &root, command))
}

/// The result of reading one file.
#[derive(Default)]
struct SchemaFile {
    /// The fields, as far as they can be read.
    spec: Spec,
    /// The table, if there are no mistakes.
    table: Option<Table>,
    mistakes: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

fn read_file(source: &Source) -> SchemaFile {
    let mut file = match yaml::read(source) {
        Ok(root) => read_fields(&root),
        Err(mistake) => SchemaFile { mistakes: vec![mistake], ..SchemaFile::default() },
    };
    let in_file = |diagnostic: Diagnostic| diagnostic.in_file(&source.path);
    file.mistakes = file.mistakes.into_iter().map(in_file).collect();
    file.warnings = file.warnings.into_iter().map(in_file).collect();
    file
}

fn read_fields(root: &Node) -> SchemaFile {
    let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
    let spec = spec::read(root, &mut mistakes);
    let tenants = tenants::read(root, &mut mistakes);
    let mut table = validate::table(&spec, &tenants, &mut mistakes);
    if let Some(table) = table.as_ref().filter(|table| table.athena) {
        validate::too_long_for_athena(&spec, emit::delta_length(table), &mut mistakes);
    }
    if !mistakes.is_empty() {
        table = None;
    }
    for spec in iter::once(&spec).chain(tenants.iter().map(|tenant| &tenant.spec)) {
        validate::unescaped_nulls(spec, &mut warnings);
    }
    validate::private_in_clear(&spec, &mut warnings);
    SchemaFile { spec, table, mistakes, warnings }
}

fn no_schemas() -> Diagnostic {
    let message = format!("no schemas found in {}/", source::SCHEMAS);
    Diagnostic::for_file(Code::NoSchemas, source::SCHEMAS, message)
        .help(format!("describe a table in {}/<table>.yaml", source::SCHEMAS))
}
