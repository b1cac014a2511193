//! Checks all schemas together: one file per table, named after it, and no two tables with the same module.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::names;
use crate::source::Source;
use crate::spec::{Spanned, Spec};
use crate::wording::excerpt;

use super::target::colliding_targets;

/// Reports the mistakes that concern several schemas. Each schema comes with its file.
pub(crate) fn all_tables(specs: &[(&Source, Spec)], diagnostics: &mut Vec<Diagnostic>) {
    let named: Vec<(&Source, &Spanned<String>)> =
        specs.iter().filter_map(|(source, spec)| Some((*source, spec.table.as_ref()?))).collect();
    let mut owner: BTreeMap<&str, &Source> = BTreeMap::new();
    // The file named after the table owns it, even if another one comes first in the alphabet.
    for (source, table) in &named {
        if source.file_name() == file_of(table) {
            owner.insert(table, source);
        }
    }
    colliding_targets(specs, diagnostics);
    let mut module_of: BTreeMap<String, &str> = BTreeMap::new();
    for (source, table) in named {
        if !names::is_table_name(table) {
            continue;
        }
        let owner = *owner.entry(table).or_insert(source);
        if owner.path != source.path {
            diagnostics.push(duplicate_table(source, table, owner));
        } else if source.file_name() != file_of(table) {
            diagnostics.push(misnamed_file(source, table));
        }
        let first = *module_of.entry(names::module(table)).or_insert(table);
        if first != table.value {
            diagnostics.push(colliding_modules(source, table, first));
        }
    }
}

fn file_of(table: &str) -> String {
    format!("{table}.yaml")
}

fn duplicate_table(source: &Source, table: &Spanned<String>, owner: &Source) -> Diagnostic {
    Diagnostic::new(Code::DuplicateTable, &table.span, format!("the table `{}` is described twice", table.value))
        .label(format!("also described in {}", owner.path))
        .help("keep one of the two files")
        .in_file(&source.path)
}

fn misnamed_file(source: &Source, table: &Spanned<String>) -> Diagnostic {
    let message = format!("the schema of table `{}` must be in {}", table.value, file_of(table));
    Diagnostic::new(Code::MisnamedFile, &table.span, message)
        .label(format!("this file is {}", excerpt(source.file_name())))
        .help("rename the file or the table")
        .in_file(&source.path)
}

fn colliding_modules(source: &Source, table: &Spanned<String>, first: &str) -> Diagnostic {
    let module = names::module(table);
    let message = format!("the tables `{first}` and `{}` would be the same module in Rust", table.value);
    Diagnostic::new(Code::CollidingNames, &table.span, message)
        .label(format!("becomes the module `{module}`, and so does `{first}`"))
        .help("rename one of the two")
        .in_file(&source.path)
}
