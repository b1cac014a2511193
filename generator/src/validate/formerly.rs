//! Checks the old names of columns.
//!
//! A baseline from before the rename is read by the old names, so each must map one old column to one current column.

use std::collections::BTreeMap;

use super::text::column_name_pattern;
use crate::diagnostic::{Code, Diagnostic};
use crate::names;
use crate::spec::{ColumnSpec, Spanned};
use crate::wording::excerpt;

/// Reports at most one mistake for each `formerly` outside the key, because fixing the first often fixes the others.
pub(super) fn old_names(columns: &[ColumnSpec], key: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    let mut first_of: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for column in columns {
        let is_key = column.name.as_ref().is_some_and(|name| key.contains(&name.as_str()));
        // On a key column, any `formerly` is a mistake, which `formerly_on_key` reports.
        let Some(old) = column.formerly.as_ref().filter(|_| !is_key) else { continue };
        // Glue ignores case, so the old name in another case is the same name.
        let current =
            columns.iter().filter_map(|column| column.name.as_ref()).find(|name| name.eq_ignore_ascii_case(old));
        if !names::is_column_name(old) {
            diagnostics.push(invalid_old_name(old));
        } else if let Some(current) = current {
            diagnostics.push(formerly_is_column(old, current, column));
        } else if let Some(first) = first_of.get(&old.to_lowercase()) {
            diagnostics.push(formerly_twice(old, first));
        } else {
            first_of.insert(old.to_lowercase(), old);
        }
    }
}

/// `name` is the entry in the primary key.
pub(super) fn formerly_on_key(name: &Spanned<String>, column: &ColumnSpec, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(old) = &column.formerly {
        let message = format!("key column `{}` cannot be renamed in place", excerpt(name));
        diagnostics.push(
            Diagnostic::new(Code::FormerlyOnKey, &old.span, message)
                .label("consumers identify rows by this name")
                .also(&name.span, "in the key")
                .help("rename it without `formerly`, then run `tidemark resync` for each tenant"),
        );
    }
}

/// No schema has ever accepted such a name, so no baseline has it.
fn invalid_old_name(old: &Spanned<String>) -> Diagnostic {
    let message = format!("`{}` cannot have been the name of a column", excerpt(old));
    Diagnostic::new(Code::InvalidName, &old.span, message).help(column_name_pattern())
}

/// `current` is the name of the column that has the name now, which may be `column` itself.
fn formerly_is_column(old: &Spanned<String>, current: &Spanned<String>, column: &ColumnSpec) -> Diagnostic {
    let is_itself = column.name.as_ref().is_some_and(|name| name.span == current.span);
    let (message, label, help) = if is_itself {
        let message = format!("`{}` is both the old and the current name of the column", excerpt(current));
        (message, "the current name", "remove `formerly`; a name that differs only by case is the same name")
    } else {
        let message = format!("the old name `{}` is still the name of a column", excerpt(old));
        (message, "this column", "remove the column or `formerly`: the column was either renamed or still exists")
    };
    Diagnostic::new(Code::FormerlyIsColumn, &old.span, message)
        .label("the old name")
        .also(&current.span, label)
        .help(help)
}

fn formerly_twice(old: &Spanned<String>, first: &Spanned<String>) -> Diagnostic {
    let message = if first.value == old.value {
        format!("two columns were formerly `{}`", excerpt(old))
    } else {
        format!("the old names `{}` and `{}` differ only by case, which Glue ignores", excerpt(first), excerpt(old))
    };
    Diagnostic::new(Code::FormerlyTwice, &old.span, message)
        .label("the second")
        .also(&first.span, "the first")
        .help("an old column maps to one current column: remove one of the two `formerly`")
}
