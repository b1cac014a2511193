//! Checks one table, as it is for all tenants or for one.

use std::collections::BTreeMap;

use super::{athena, column, expect, formerly, guards, header, key, numbers, publish, source, target, text};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Column, Table};
use crate::names;
use crate::spec::{ColumnSpec, Spanned, Spec};
use crate::wording::excerpt;

/// Builds the model of one schema; `None` if there is any mistake, including those reported before.
pub(super) fn table(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) -> Option<Table> {
    invalid_table_name(spec, diagnostics);
    let source = source::source(&spec.source, diagnostics);
    let columns: &[ColumnSpec] = spec.columns.as_deref().map_or(&[], Vec::as_slice);
    column_names(spec, columns, diagnostics);
    header::headers(&spec.source, columns, diagnostics);
    let key = key::key(spec, columns, diagnostics);
    formerly::old_names(columns, &key, diagnostics);
    publish::unpublished_columns(columns, &key, diagnostics);
    numbers::unknown_words(&spec.source.numbers, diagnostics);
    let context = column::Context { source: &source, numbers: &spec.source.numbers, key: &key };
    let columns: Vec<Option<Column>> =
        columns.iter().map(|column| column::column(column, &context, diagnostics)).collect();
    let guards = guards::guards(&spec.guards, diagnostics);
    let expect = expect::expect(spec.expect.as_ref(), diagnostics);
    let target = target::target(spec.table.as_ref().map_or("", |name| name.as_str()), &spec.target, diagnostics);
    let (athena, max_scan) = athena::engine(spec, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let name = spec.table.as_ref()?.value.clone();
    let columns: Vec<Column> = columns.into_iter().collect::<Option<_>>()?;
    let primary_key: Option<Vec<usize>> =
        key.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect();
    Some(Table {
        module: names::module(&name),
        description: text::description(spec.description.as_ref()),
        primary_key: primary_key?,
        columns,
        source,
        athena,
        max_scan,
        before_image: spec.before_image.as_ref().is_some_and(|flag| flag.value),
        guards,
        expect,
        target,
        tenants: Vec::new(),
        name,
    })
}

fn invalid_table_name(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) {
    let Some(name) = &spec.table else { return };
    if !names::is_table_name(name) {
        let message = format!("`{}` cannot be the name of a table", excerpt(name));
        diagnostics.push(Diagnostic::new(Code::InvalidName, &name.span, message).help(format!(
            "use a lowercase letter followed by lowercase letters, digits and `_`, up to {} characters",
            names::MAX_NAME_LEN
        )));
    } else if names::is_reserved_module(&names::module(name)) {
        let message = format!("`{}` cannot be the name of a table", name.value);
        diagnostics.push(
            Diagnostic::new(Code::ReservedName, &name.span, message)
                .label("a Rust module cannot have this name")
                .help(format!("for example `{}_table`", name.value)),
        );
    }
}

fn column_names(spec: &Spec, columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) {
    no_columns(spec, diagnostics);
    duplicate_columns(columns, diagnostics);
    colliding_fields(columns, diagnostics);
}

fn no_columns(spec: &Spec, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(columns) = &spec.columns
        && columns.is_empty()
    {
        diagnostics.push(
            Diagnostic::new(Code::NoColumns, &columns.span, "the table has no columns")
                .help("add one `- { name: …, type: … }` for each column"),
        );
    }
}

/// Names are compared ignoring case, as Glue and most readers of its tables do.
fn duplicate_columns(columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) {
    let mut first_of: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for name in columns.iter().filter_map(|column| column.name.as_ref()) {
        let Some(first) = first_of.get(&name.to_lowercase()) else {
            first_of.insert(name.to_lowercase(), name);
            continue;
        };
        let message = if first.value == name.value {
            format!("the column `{}` is defined twice", excerpt(name))
        } else {
            format!("the columns `{}` and `{}` differ only by case, which Glue ignores", excerpt(first), excerpt(name))
        };
        diagnostics.push(
            Diagnostic::new(Code::DuplicateColumn, &name.span, message)
                .label("the second")
                .also(&first.span, "the first"),
        );
    }
}

fn colliding_fields(columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) {
    let mut first_of: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for name in columns.iter().filter_map(|column| column.name.as_ref()).filter(|name| names::is_column_name(name)) {
        let field = names::field(name);
        match first_of.get(&field) {
            Some(first) if first.eq_ignore_ascii_case(name) => {} // reported as a duplicate column
            Some(first) => diagnostics.push(
                Diagnostic::new(
                    Code::CollidingNames,
                    &name.span,
                    format!("the columns `{}` and `{}` would be the same field in Rust", first.value, name.value),
                )
                .label(format!("becomes the field `{field}`"))
                .also(&first.span, "and so does this one")
                .help("rename one of the two"),
            ),
            None => {
                first_of.insert(field, name);
            }
        }
    }
}
