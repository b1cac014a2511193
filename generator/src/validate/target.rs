//! Checks the table in a database.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Target;
use crate::names;
use crate::source::Source;
use crate::spec::{Spec, TargetSpec};
use crate::wording::excerpt;

/// The model of `target`. The name is the table's own, unless another is given.
pub(super) fn target(table: &str, spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) -> Target {
    invalid_target_name(spec, diagnostics);
    Target { name: spec.name.as_ref().map_or(table, |name| name.as_str()).to_owned() }
}

fn invalid_target_name(spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) {
    let Some(name) = &spec.name else { return };
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > 2 || !parts.iter().all(|part| names::is_table_name(part)) {
        let message = format!("`{}` cannot be the name of a table in a database", excerpt(name));
        diagnostics.push(Diagnostic::new(Code::InvalidName, &name.span, message).help(format!(
            "write `table` or `schema.table`; each is a lowercase letter followed by lowercase letters, digits and \
             `_`, up to {} characters",
            names::MAX_NAME_LEN
        )));
    }
}

/// Reports tables of different schemas that would be the same in a database. SQLite has no schemas, so `a.b` is `a_b`
/// there.
pub(super) fn colliding_targets(specs: &[(&Source, Spec)], diagnostics: &mut Vec<Diagnostic>) {
    let mut owner: BTreeMap<String, &str> = BTreeMap::new();
    for (source, spec) in specs {
        let Some(table) = &spec.table else { continue };
        let name = spec.target.name.as_ref().unwrap_or(table);
        let in_sqlite = Target { name: name.value.clone() }.sqlite_name();
        match owner.get(in_sqlite.as_str()) {
            // Reported as one that is described twice.
            Some(first) if *first == table.value => {}
            Some(first) => {
                let message = format!("the tables `{first}` and `{}` would be the same in a database", excerpt(table));
                diagnostics.push(
                    Diagnostic::new(Code::CollidingNames, &name.span, message)
                        .label(format!("becomes `{in_sqlite}` in SQLite, and so does that of `{first}`"))
                        .help("give one of the two another name in `target`")
                        .in_file(&source.path),
                );
            }
            None => drop(owner.insert(in_sqlite, &table.value)),
        }
    }
}
