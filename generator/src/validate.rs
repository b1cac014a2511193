//! From what was written to a model that is right, or to every mistake in it.
//!
//! One function per mistake, named after it. Each looks at as much as is there: a column without a type is still checked
//! for its name. A model is built only when nothing was found.

mod column;
mod engine;
pub(crate) mod format;
mod formerly;
mod guards;
mod readable;
mod source;

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::{Column, Table};
use crate::names;
use crate::source::Source;
use crate::spec::{ColumnSpec, SourceSpec, Spanned, Spec, column_names, shown};
use crate::suggest;

/// The most columns that a statement was tried with, which Trino 476 planned and ran in 3.5 seconds.
const MAX_ATHENA_COLUMNS: usize = 700;

/// The most bytes of a statement: what Athena takes (<https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>),
/// with room for the UNLOAD around it and the longest place that S3 knows.
const MAX_STATEMENT: usize = 262_144 - 2_048;

/// The model of one schema; `None` when a mistake was found, now or before.
pub(crate) fn table(spec: &Spec, found: &mut Vec<Diagnostic>) -> Option<Table> {
    invalid_table_name(spec, found);
    let source = source::source(&spec.source, found);
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    no_columns(spec, found);
    duplicate_columns(columns, found);
    colliding_fields(columns, found);
    let key = key(spec, columns, found);
    formerly::old_names(columns, &key, found);
    let context = column::Context { nulls: &source.nulls, key: &key };
    let columns: Option<Vec<Column>> =
        columns.iter().map(|column| column::column(column, &context, found)).collect::<Vec<_>>().into_iter().collect();
    let guards = guards::guards(&spec.guards, found);
    let athena = spec.athena.as_ref().is_none_or(|athena| athena.value);
    let max_scan = engine::max_scan(spec, athena, found);
    if athena {
        not_for_athena(spec, found);
    }
    if !found.is_empty() {
        return None;
    }
    let (name, columns) = (spec.table.as_ref()?.value.clone(), columns?);
    let primary_key: Option<Vec<usize>> =
        key.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect();
    Some(Table {
        module: names::module(&name),
        description: description(spec.description.as_ref()),
        primary_key: primary_key?,
        columns,
        source,
        athena,
        max_scan,
        before_image: spec.before_image.as_ref().is_some_and(|flag| flag.value),
        guards,
        name,
    })
}

/// The description with its blanks tidied; one of blanks alone is none.
fn description(written: Option<&Spanned<String>>) -> Option<String> {
    let text = written?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn invalid_table_name(spec: &Spec, found: &mut Vec<Diagnostic>) {
    let Some(name) = &spec.table else { return };
    if !names::is_table_name(name) {
        let message = format!("`{}` cannot be the name of a table", shown(name));
        found.push(Diagnostic::new(Code::InvalidName, &name.span, message).help(format!(
            "a lower-case letter, then lower-case letters, digits and `_`, up to {} characters",
            names::LONGEST
        )));
    } else if names::is_taken_module(&names::module(name)) {
        let message = format!("a table cannot be called `{}`", name.value);
        found.push(
            Diagnostic::new(Code::ReservedName, &name.span, message)
                .label("no Rust module can have this name")
                .help(format!("for instance `{}_table`", name.value)),
        );
    }
}

fn no_columns(spec: &Spec, found: &mut Vec<Diagnostic>) {
    if let Some(columns) = &spec.columns
        && columns.is_empty()
    {
        found.push(
            Diagnostic::new(Code::NoColumns, &columns.span, "the table has no columns")
                .help("write one `- { name: …, type: … }` for each column"),
        );
    }
}

/// Glue folds case, and so do most who read the table there.
fn duplicate_columns(columns: &[ColumnSpec], found: &mut Vec<Diagnostic>) {
    let mut first_of: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for name in columns.iter().filter_map(|column| column.name.as_ref()) {
        let Some(first) = first_of.get(&name.to_lowercase()) else {
            first_of.insert(name.to_lowercase(), name);
            continue;
        };
        let message = if first.value == name.value {
            format!("the column `{}` is defined twice", shown(name))
        } else {
            format!("the columns `{}` and `{}` differ only by case, which Glue ignores", shown(first), shown(name))
        };
        found.push(
            Diagnostic::new(Code::DuplicateColumn, &name.span, message)
                .label("the second")
                .also(&first.span, "the first"),
        );
    }
}

fn colliding_fields(columns: &[ColumnSpec], found: &mut Vec<Diagnostic>) {
    let mut first_of: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for name in columns.iter().filter_map(|column| column.name.as_ref()).filter(|name| names::is_column_name(name)) {
        let field = names::field(name);
        match first_of.get(&field) {
            Some(first) if first.eq_ignore_ascii_case(name) => {} // a duplicate column
            Some(first) => found.push(
                Diagnostic::new(
                    Code::CollidingNames,
                    &name.span,
                    format!("the columns `{}` and `{}` would be one field in Rust", first.value, name.value),
                )
                .label(format!("becomes the field `{field}`"))
                .also(&first.span, "and so does this")
                .help("rename one of the two"),
            ),
            None => {
                first_of.insert(field, name);
            }
        }
    }
}

/// The names of the key columns, as far as they are columns.
fn key<'a>(spec: &'a Spec, columns: &[ColumnSpec], found: &mut Vec<Diagnostic>) -> Vec<&'a str> {
    let Some(key) = &spec.primary_key else { return Vec::new() };
    if key.is_empty() {
        found.push(
            Diagnostic::new(Code::EmptyKey, &key.span, "the primary key has no columns")
                .help("name the columns that identify a row; all of them if nothing less does"),
        );
    }
    let mut first_of: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
    for name in &key.value {
        if let Some(first) = first_of.get(name.as_str()) {
            found.push(duplicate_key_column(name, first));
            continue;
        }
        first_of.insert(name, name);
        let column =
            columns.iter().find(|column| column.name.as_ref().is_some_and(|column| column.value == name.value));
        match column {
            Some(column) => {
                unfit_key_column(name, column, found);
                formerly::formerly_on_key(name, column, found);
            }
            // Without columns nothing can be said about the key.
            None if !columns.is_empty() => found.push(unknown_key_column(name, columns)),
            None => {}
        }
    }
    key.value.iter().map(|name| name.value.as_str()).collect()
}

fn duplicate_key_column(name: &Spanned<String>, first: &Spanned<String>) -> Diagnostic {
    let message = format!("the primary key names `{}` twice", shown(name));
    Diagnostic::new(Code::DuplicateKeyColumn, &name.span, message).label("again").also(&first.span, "the first time")
}

fn unknown_key_column(name: &Spanned<String>, columns: &[ColumnSpec]) -> Diagnostic {
    let message = format!("the primary key names `{}`, which is no column", shown(name));
    Diagnostic::new(Code::UnknownKeyColumn, &name.span, message)
        .label(suggest::instead_of(name, column_names(columns)))
        .help("a key column is spelled exactly as in `columns`")
}

/// What a key column must not be; `name` is its place in the key.
fn unfit_key_column(name: &Spanned<String>, column: &ColumnSpec, found: &mut Vec<Diagnostic>) {
    if let Some(nullable) = column.nullable.as_ref().filter(|nullable| nullable.value) {
        found.push(
            Diagnostic::new(Code::NullableKey, &nullable.span, format!("key column `{}` is nullable", name.value))
                .label("a key is never NULL")
                .also(&name.span, "in the key")
                .help("remove `nullable`, or take the column out of the primary key"),
        );
    }
    if let Some(compare) = column.compare.as_ref().filter(|compare| !compare.value) {
        found.push(
            Diagnostic::new(Code::UncomparedKey, &compare.span, format!("key column `{}` is not compared", name.value))
                .label("rows are matched by their key")
                .also(&name.span, "in the key")
                .help("remove `compare: false`, or take the column out of the primary key"),
        );
    }
    if let Some(default) = &column.default {
        found.push(
            Diagnostic::new(Code::DefaultOnKey, &default.span, format!("key column `{}` has a default", name.value))
                .label("no row can be told apart by a value it never had")
                .also(&name.span, "in the key")
                .help("remove `default`"),
        );
    }
    if let Some(ty) = column.ty.as_ref().filter(|ty| matches!(ty.as_str(), "float" | "double")) {
        found.push(
            Diagnostic::new(Code::FloatKey, &ty.span, format!("key column `{}` is a `{}`", name.value, ty.value))
                .label("floats are no identities")
                .also(&name.span, "in the key")
                .help("use `decimal(p,s)` or `string`"),
        );
    }
}

/// What Athena's readers cannot see, or its planner cannot take.
fn not_for_athena(spec: &Spec, found: &mut Vec<Diagnostic>) {
    let mut refuse = |span: &Span, message: String, label: &str| {
        found.push(
            Diagnostic::new(Code::NotForAthena, span, message)
                .label(label)
                .help("add `engine: { athena: false }` to keep the table off Athena"),
        );
    };
    let SourceSpec { multiline, quoted_nulls, compression, .. } = &spec.source;
    if let Some(multiline) = multiline.as_ref().filter(|flag| flag.value) {
        refuse(
            &multiline.span,
            "Athena cannot read line breaks inside quotes".to_owned(),
            "its reader cuts the row there",
        );
    }
    if let Some(quoted) = quoted_nulls.as_ref().filter(|flag| !flag.value) {
        refuse(&quoted.span, "Athena cannot tell `\"\"` from an empty field".to_owned(), "its reader drops the quotes");
    }
    if let Some(zstd) = compression.as_ref().filter(|compression| compression.value == "zstd") {
        refuse(&zstd.span, "Athena cannot read CSV that zstd compressed".to_owned(), "gzip and plain text it can");
    }
    if let Some(columns) = spec.columns.as_ref().filter(|columns| columns.len() > MAX_ATHENA_COLUMNS) {
        let message = format!("{} columns are more than Athena plans a delta for", columns.len());
        refuse(&columns.span, message, &format!("up to {MAX_ATHENA_COLUMNS} work"));
    }
}

/// A statement that is longer than Athena takes, in bytes.
pub(crate) fn too_long_for_athena(spec: &Spec, length: usize, found: &mut Vec<Diagnostic>) {
    let Some(columns) = spec.columns.as_ref().filter(|_| length > MAX_STATEMENT) else { return };
    let message = format!("the statement for {} columns has {} KB", columns.len(), length.div_ceil(1000));
    found.push(
        Diagnostic::new(Code::NotForAthena, &columns.span, message)
            .label(format!("Athena takes {} KB", MAX_STATEMENT / 1000))
            .help("add `engine: { athena: false }` to keep the table off Athena; timestamps with a zone take most"),
    );
}

/// Mistakes that show only when all schemas are seen together. Each schema comes with its file.
pub(crate) fn all_tables(specs: &[(&Source, Spec)], found: &mut Vec<Diagnostic>) {
    let named: Vec<(&Source, &Spanned<String>)> =
        specs.iter().filter_map(|(source, spec)| Some((*source, spec.table.as_ref()?))).collect();
    let mut owner: BTreeMap<&str, &Source> = BTreeMap::new();
    // The file that bears the table's name owns it, whatever comes first in the alphabet.
    for (source, table) in &named {
        if source.file_name() == file_of(table) {
            owner.insert(table, source);
        }
    }
    let mut module_of: BTreeMap<String, &str> = BTreeMap::new();
    for (source, table) in named {
        if !names::is_table_name(table) {
            continue;
        }
        let owner = *owner.entry(table).or_insert(source);
        if owner.path != source.path {
            found.push(duplicate_table(source, table, owner));
        } else if source.file_name() != file_of(table) {
            found.push(misnamed_file(source, table));
        }
        let first = *module_of.entry(names::module(table)).or_insert(table);
        if first != table.value {
            found.push(colliding_modules(source, table, first));
        }
    }
}

fn file_of(table: &str) -> String {
    format!("{table}.yaml")
}

fn duplicate_table(source: &Source, table: &Spanned<String>, owner: &Source) -> Diagnostic {
    Diagnostic::new(Code::DuplicateTable, &table.span, format!("the table `{}` is described twice", table.value))
        .label(format!("{} describes it too", owner.path))
        .help("keep one of the two files")
        .in_file(&source.path)
}

fn misnamed_file(source: &Source, table: &Spanned<String>) -> Diagnostic {
    let message = format!("the file of table `{}` must be called {}", table.value, file_of(table));
    Diagnostic::new(Code::MisnamedFile, &table.span, message)
        .label(format!("this file is called {}", shown(source.file_name())))
        .help("rename the file or the table")
        .in_file(&source.path)
}

fn colliding_modules(source: &Source, table: &Spanned<String>, first: &str) -> Diagnostic {
    let module = names::module(table);
    let message = format!("the tables `{first}` and `{}` would be one module in Rust", table.value);
    Diagnostic::new(Code::CollidingNames, &table.span, message)
        .label(format!("becomes the module `{module}`, and so does `{first}`"))
        .help("rename one of the two")
        .in_file(&source.path)
}
