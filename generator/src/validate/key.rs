//! Checks the primary key.

use std::collections::BTreeMap;

use super::formerly;
use crate::diagnostic::{Code, Diagnostic};
use crate::spec::{ColumnSpec, Spanned, Spec, column_names};
use crate::wording::{excerpt, suggestion};

/// The names of the key columns.
pub(super) fn key<'a>(spec: &'a Spec, columns: &[ColumnSpec], diagnostics: &mut Vec<Diagnostic>) -> Vec<&'a str> {
    let Some(key) = &spec.primary_key else { return Vec::new() };
    if key.is_empty() {
        diagnostics.push(
            Diagnostic::new(Code::EmptyKey, &key.span, "the primary key has no columns")
                .help("list the columns that identify a row; all of them if necessary"),
        );
    }
    let mut first_of: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
    for name in &key.value {
        if let Some(first) = first_of.get(name.as_str()) {
            diagnostics.push(duplicate_key_column(name, first));
            continue;
        }
        first_of.insert(name, name);
        let column =
            columns.iter().find(|column| column.name.as_ref().is_some_and(|column| column.value == name.value));
        match column {
            Some(column) => {
                unfit_key_column(name, column, diagnostics);
                formerly::formerly_on_key(name, column, diagnostics);
            }
            // Without columns, the key cannot be checked.
            None if !columns.is_empty() => diagnostics.push(unknown_key_column(name, columns)),
            None => {}
        }
    }
    key.value.iter().map(|name| name.value.as_str()).collect()
}

fn duplicate_key_column(name: &Spanned<String>, first: &Spanned<String>) -> Diagnostic {
    let message = format!("the primary key repeats `{}`", excerpt(name));
    Diagnostic::new(Code::DuplicateKeyColumn, &name.span, message)
        .label("repeated here")
        .also(&first.span, "first here")
}

fn unknown_key_column(name: &Spanned<String>, columns: &[ColumnSpec]) -> Diagnostic {
    let message = format!("the primary key names `{}`, which is not a column", excerpt(name));
    Diagnostic::new(Code::UnknownKeyColumn, &name.span, message)
        .label(suggestion(name, column_names(columns)))
        .help("spell the key column exactly as in `columns`")
}

/// Reports options and types that a key column must not have. `name` is the entry in the key.
fn unfit_key_column(name: &Spanned<String>, column: &ColumnSpec, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(nullable) = column.nullable.as_ref().filter(|nullable| nullable.value) {
        diagnostics.push(
            Diagnostic::new(Code::NullableKey, &nullable.span, format!("key column `{}` is nullable", name.value))
                .label("a key cannot be NULL")
                .also(&name.span, "part of the key")
                .help("remove `nullable`, or remove the column from the primary key"),
        );
    }
    if let Some(compare) = column.compare.as_ref().filter(|compare| !compare.value) {
        diagnostics.push(
            Diagnostic::new(
                Code::UncomparedKey,
                &compare.span,
                format!("key column `{}` is excluded from comparison", name.value),
            )
            .label("rows are matched by their key")
            .also(&name.span, "part of the key")
            .help("remove `compare: false`, or remove the column from the primary key"),
        );
    }
    if let Some(default) = &column.default {
        diagnostics.push(
            Diagnostic::new(Code::DefaultOnKey, &default.span, format!("key column `{}` has a default", name.value))
                .label("a default cannot identify rows")
                .also(&name.span, "part of the key")
                .help("remove `default`"),
        );
    }
    if let Some(ty) = column.ty.as_ref().filter(|ty| matches!(ty.as_str(), "float" | "double")) {
        diagnostics.push(
            Diagnostic::new(Code::FloatKey, &ty.span, format!("key column `{}` is a `{}`", name.value, ty.value))
                .label("floats cannot identify rows")
                .also(&name.span, "part of the key")
                .help("use `decimal(p,s)` or `string`"),
        );
    }
}
