//! Schemas from definitions that exist already: `CREATE TABLE`, tables of Glue's data catalog, data contracts.
//!
//! Nothing is made up: comments mark what a definition leaves open. A type becomes one that loses none of its values,
//! or text.

mod definition;
mod dialect;
mod glue;
mod mapped;
mod odcs;
mod sql;
mod type_text;
mod types;
mod write;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Source;
use crate::wording::excerpt;
use crate::yaml;
use definition::Definition;
pub use dialect::Dialect;

/// Which tables to import, and how their SQL is read.
#[derive(Debug, Default)]
pub struct Selection {
    /// The database that wrote the SQL; found out if it is not named.
    pub dialect: Option<Dialect>,
    /// The names of the tables, with or without their schema; all if there is none.
    pub tables: Vec<String>,
}

/// A schema for a table.
#[derive(Debug)]
pub struct Schema {
    /// The table's name.
    pub table: String,
    /// Its schema.
    pub yaml: String,
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Import {
    /// The schemas, in the order of the definitions.
    pub schemas: Vec<Schema>,
    /// Tables that need no schema: temporary ones, and partitions.
    pub skipped: Vec<String>,
    /// Parts of the input that may be mistakes.
    pub warnings: Vec<Diagnostic>,
}

/// The tables of a file, before they are schemas.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) skipped: Vec<String>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A table, and the file that it is from.
#[derive(Debug)]
pub(crate) struct Draft {
    definition: Definition,
    path: String,
}

impl Draft {
    pub(crate) fn table(&self) -> String {
        self.definition.table()
    }

    /// The schema. `is_native` says that Athena cannot read the exports.
    pub(crate) fn schema(&self, is_native: bool) -> String {
        let file = self.path.rsplit('/').next().unwrap_or_default();
        write::schema(&self.definition, file, is_native)
    }

    /// Says that the generator does not accept the schema.
    pub(crate) fn undescribable(&self, mistakes: &[Diagnostic]) -> Diagnostic {
        let why = mistakes.first().map_or("", |mistake| mistake.message.as_str());
        let message = format!("no schema can describe this table: {why}");
        Diagnostic::new(Code::UndescribableTable, &self.definition.span, message)
            .help("change the definition, or write the schema by hand")
            .in_file(&self.path)
    }
}

/// Reads the selected tables of some files.
pub(crate) fn read(sources: &[Source], selection: &Selection) -> Drafts {
    let mut all = Drafts::default();
    for source in sources {
        let (tables, skipped, diagnostics) = definitions(source, selection.dialect);
        let is_empty = tables.is_empty() && diagnostics.iter().all(|diagnostic| diagnostic.code.is_warning());
        all.diagnostics.extend(diagnostics.into_iter().map(|diagnostic| diagnostic.in_file(&source.path)));
        if is_empty {
            all.diagnostics.push(no_tables(source));
        }
        all.skipped.extend(skipped);
        let drafts = tables.into_iter().map(|definition| Draft { definition, path: source.path.clone() });
        all.drafts.extend(drafts.filter(|draft| is_selected(&draft.definition, selection)));
    }
    for wanted in &selection.tables {
        if !all.drafts.iter().any(|draft| has_name(&draft.definition, wanted)) && all.diagnostics.is_empty() {
            let path = sources.first().map_or("", |source| source.path.as_str());
            let message = format!("there is no table `{}`", excerpt(wanted));
            all.diagnostics
                .push(Diagnostic::for_file(Code::NoTables, path, message).help("leave out --table to import all"));
        }
    }
    all.drafts.iter_mut().for_each(|draft| draft.definition.settle_key());
    refuse_same_names(&mut all);
    all
}

type Definitions = (Vec<Definition>, Vec<String>, Vec<Diagnostic>);

/// The definitions of one file, whatever it is.
fn definitions(source: &Source, dialect: Option<Dialect>) -> Definitions {
    if !is_tree(source) {
        let contents = sql::read(source, dialect);
        return (contents.tables, contents.skipped, contents.diagnostics);
    }
    let root = match yaml::read(source) {
        Ok(root) => root,
        Err(diagnostic) => return (Vec::new(), Vec::new(), vec![diagnostic]),
    };
    let read = if odcs::is_contract(&root) {
        odcs::read(&root)
    } else if let Some(tables) = glue::tables(&root) {
        tables.into_iter().map(glue::read).collect()
    } else {
        let message = "this is neither a table of Glue nor a data contract";
        Err(Diagnostic::new(Code::UnreadableDefinition, &root.span, message)
            .help("import SQL, the output of `aws glue get-table`, or a contract with `apiVersion: v3.1.0`"))
    };
    match read {
        Ok(tables) => (tables, Vec::new(), Vec::new()),
        Err(diagnostic) => (Vec::new(), Vec::new(), vec![diagnostic]),
    }
}

/// Returns whether a file is JSON or YAML: by its name, or else by how it begins.
fn is_tree(source: &Source) -> bool {
    let extension = source.file_name().rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "json" | "yaml" | "yml" => true,
        "sql" | "ddl" => false,
        _ => {
            let text = source.text.trim_start();
            text.starts_with('{') || text.lines().any(|line| line.starts_with("apiVersion:"))
        }
    }
}

fn has_name(definition: &Definition, wanted: &str) -> bool {
    let names = [definition.table(), definition.name.join("."), definition.name.last().cloned().unwrap_or_default()];
    names.iter().any(|name| name.eq_ignore_ascii_case(wanted))
}

fn is_selected(definition: &Definition, selection: &Selection) -> bool {
    selection.tables.is_empty() || selection.tables.iter().any(|wanted| has_name(definition, wanted))
}

fn no_tables(source: &Source) -> Diagnostic {
    Diagnostic::for_file(Code::NoTables, &source.path, "no table is defined here")
        .help("import a file with CREATE TABLE, the output of `aws glue get-table`, or a data contract")
}

/// Refuses tables that would be one file.
fn refuse_same_names(all: &mut Drafts) {
    for (index, draft) in all.drafts.iter().enumerate() {
        let table = draft.table();
        if all.drafts[..index].iter().any(|other| other.table() == table) {
            let message = format!("two tables would be called `{table}`");
            let diagnostic = Diagnostic::new(Code::DuplicateTable, &draft.definition.span, message)
                .label("the second one")
                .help("import one of them, by its full name: --table SCHEMA.TABLE")
                .in_file(&draft.path);
            all.diagnostics.push(diagnostic);
        }
    }
}
