//! Checks the table in a database.

use std::collections::BTreeMap;

use super::format::invalid_format;
use crate::date_format::{self, Part, Piece};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::{ColumnType, Target};
use crate::names;
use crate::source::Source;
use crate::spec::{Spanned, Spec, TargetSpec};
use crate::wording::excerpt;

/// The model of `target`. The name is the table's own, unless another is given.
pub(super) fn target(table: &str, spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) -> Target {
    invalid_target_name(spec, diagnostics);
    time_without_history(spec, diagnostics);
    invalid_version_time(spec, diagnostics);
    model(table, spec)
}

fn model(table: &str, spec: &TargetSpec) -> Target {
    Target {
        name: spec.name.as_ref().map_or(table, |name| name.as_str()).to_owned(),
        history: spec.history.as_ref().is_some_and(|flag| flag.value),
        version_time: spec.version_time.as_ref().map(|format| format.value.clone()),
    }
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

fn time_without_history(spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) {
    let Some(format) = spec.version_time.as_ref().filter(|_| spec.history.as_ref().is_none_or(|flag| !flag.value))
    else {
        return;
    };
    let diagnostic =
        Diagnostic::new(Code::Contradiction, &format.span, "`version_time` has no meaning without `history: true`")
            .label("nothing else is about the time of a version")
            .help("add `history: true`, or remove `version_time`");
    diagnostics.push(match &spec.history {
        Some(flag) => diagnostic.also(&flag.span, "there is no history"),
        None => diagnostic,
    });
}

/// A format of a date, or of a timestamp with or without a zone, whichever it looks like.
fn invalid_version_time(spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) {
    let Some(written) = &spec.version_time else { return };
    let format = written.strip_suffix('*').unwrap_or(written);
    if format.contains('*') {
        let message = format!("`{}` is not a valid `version_time`", excerpt(written));
        diagnostics.push(
            Diagnostic::new(Code::InvalidFormat, &written.span, message)
                .label("`*` stands for any text, and can only be the last character")
                .help("for example `%Y%m%d_V*`"),
        );
        return;
    }
    let parts: Vec<Part> = date_format::parse(format).unwrap_or_default().iter().filter_map(part).collect();
    let is_time = date_format::epoch_digits(format).is_some() || parts.contains(&Part::Hour);
    let ty = match (parts.contains(&Part::Offset), is_time) {
        (true, _) => ColumnType::Timestamptz { format: None },
        (false, true) => ColumnType::Timestamp { format: None },
        (false, false) => ColumnType::Date { format: None },
    };
    invalid_format(&Spanned { value: format.into(), span: written.span.clone() }, &ty, diagnostics);
}

fn part(piece: &Piece) -> Option<Part> {
    match piece {
        Piece::Directive(directive) => Some(directive.part),
        Piece::Literal(_) => None,
    }
}

/// Reports tables of different schemas that would be the same in a database. SQLite has no schemas, so `a.b` is `a_b`
/// there.
pub(super) fn colliding_targets(specs: &[(&Source, Spec)], diagnostics: &mut Vec<Diagnostic>) {
    let mut owner: BTreeMap<String, &str> = BTreeMap::new();
    for (source, spec) in specs {
        let Some(table) = &spec.table else { continue };
        let name = spec.target.name.as_ref().unwrap_or(table);
        for in_sqlite in model(table, &spec.target).names_in_sqlite() {
            match owner.get(in_sqlite.as_str()) {
                // Reported as one that is described twice.
                Some(first) if *first == table.value => {}
                Some(first) => {
                    diagnostics.push(colliding(table, &name.span, &in_sqlite, first).in_file(&source.path));
                    break;
                }
                None => drop(owner.insert(in_sqlite, &table.value)),
            }
        }
    }
}

fn colliding(table: &str, span: &Span, in_sqlite: &str, first: &str) -> Diagnostic {
    let message = format!("the tables `{first}` and `{}` would be the same in a database", excerpt(table));
    Diagnostic::new(Code::CollidingNames, span, message)
        .label(format!("both have `{in_sqlite}` in SQLite"))
        .help("give one of the two another name in `target`")
}
