//! The names that columns had before they were renamed.
//!
//! A baseline from before the rename is read by them, so each must lead from one column of that baseline to one of today.

use std::collections::BTreeMap;

use super::column::name_pattern;
use crate::diagnostic::{Code, Diagnostic};
use crate::names;
use crate::spec::{ColumnSpec, Spanned, shown};

/// At most one mistake for each `formerly` outside the key: the first hides the others, which go when it is mended.
pub(super) fn old_names(columns: &[ColumnSpec], key: &[&str], found: &mut Vec<Diagnostic>) {
    let mut first_of: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
    for column in columns {
        let is_key = column.name.as_ref().is_some_and(|name| key.contains(&name.as_str()));
        // In the key it is a mistake by itself.
        let Some(old) = column.formerly.as_ref().filter(|_| !is_key) else { continue };
        // Glue folds case: there the old name in another case is the same name.
        let today =
            columns.iter().filter_map(|column| column.name.as_ref()).find(|name| name.eq_ignore_ascii_case(old));
        if !names::is_column_name(old) {
            found.push(invalid_old_name(old));
        } else if let Some(today) = today {
            found.push(formerly_is_column(old, today, column));
        } else if let Some(first) = first_of.get(&old.to_lowercase()) {
            found.push(formerly_twice(old, first));
        } else {
            first_of.insert(old.to_lowercase(), old);
        }
    }
}

/// `name` is the column's place in the key.
pub(super) fn formerly_on_key(name: &Spanned<String>, column: &ColumnSpec, found: &mut Vec<Diagnostic>) {
    if let Some(old) = &column.formerly {
        let message = format!("key column `{}` cannot be renamed in place", shown(name));
        found.push(
            Diagnostic::new(Code::FormerlyOnKey, &old.span, message)
                .label("consumers know rows by their key, under this name")
                .also(&name.span, "in the key")
                .help("rename it without `formerly`, and run `tidemark resync` for each tenant"),
        );
    }
}

/// No schema ever took such a name, so no baseline has it.
fn invalid_old_name(old: &Spanned<String>) -> Diagnostic {
    let message = format!("`{}` cannot have been the name of a column", shown(old));
    Diagnostic::new(Code::InvalidName, &old.span, message).help(name_pattern())
}

/// `today` is the name of the column that is called so now, which may be `column` itself.
fn formerly_is_column(old: &Spanned<String>, today: &Spanned<String>, column: &ColumnSpec) -> Diagnostic {
    let is_itself = column.name.as_ref().is_some_and(|name| name.span == today.span);
    let (message, help) = if is_itself {
        let message = format!("the column `{}` names itself as its old name", shown(today));
        (message, "remove `formerly`: it is for another name than today's, and case alone makes no other")
    } else {
        let message = format!("the old name `{}` is still the name of a column", shown(old));
        (message, "take one of them away: the column is either renamed or still there")
    };
    Diagnostic::new(Code::FormerlyIsColumn, &old.span, message)
        .label("the old name")
        .also(&today.span, "the column of today")
        .help(help)
}

fn formerly_twice(old: &Spanned<String>, first: &Spanned<String>) -> Diagnostic {
    let message = if first.value == old.value {
        format!("two columns were formerly `{}`", shown(old))
    } else {
        format!("the old names `{}` and `{}` differ only by case, which Glue ignores", shown(first), shown(old))
    };
    Diagnostic::new(Code::FormerlyTwice, &old.span, message)
        .label("the second")
        .also(&first.span, "the first")
        .help("one column becomes one column: remove `formerly` from one of the two")
}
