//! Checks the table in a database.

use std::collections::{HashMap, HashSet};

use super::format::invalid_format;
use super::text::unknown_value;
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
    unknown_tenants(spec, diagnostics);
    schema_of_name_and_tenants(spec, diagnostics);
    model(table, spec)
}

fn model(table: &str, spec: &TargetSpec) -> Target {
    Target {
        name: spec.name.as_ref().map_or(table, |name| name.as_str()).to_owned(),
        history: spec.history.as_ref().is_some_and(|flag| flag.value),
        version_time: spec.version_time.as_ref().map(|format| format.value.clone()),
        tenant_schemas: has_tenant_schemas(spec),
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

/// How tenants can be kept apart.
const TENANTS: [&str; 2] = ["column", "schema"];

fn has_tenant_schemas(spec: &TargetSpec) -> bool {
    spec.tenants.as_ref().is_some_and(|word| word.value == TENANTS[1])
}

fn unknown_tenants(spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(word) = spec.tenants.as_ref().filter(|word| !TENANTS.contains(&word.as_str())) {
        diagnostics.push(unknown_value("tenants", word, &TENANTS));
    }
}

fn schema_of_name_and_tenants(spec: &TargetSpec, diagnostics: &mut Vec<Diagnostic>) {
    let Some(name) = spec.name.as_ref().filter(|name| has_tenant_schemas(spec) && name.contains('.')) else { return };
    let tenants = spec.tenants.as_ref().expect("the schemas are those of tenants");
    diagnostics.push(
        Diagnostic::new(Code::Contradiction, &name.span, "a table in a schema of each tenant has no other schema")
            .label("the part before the dot is a schema")
            .also(&tenants.span, "each tenant has a schema of its name")
            .help("leave out the schema, or write `tenants: column`"),
    );
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
/// there. In PostgreSQL, a name without a schema is in whichever schema the server finds first, usually `public`.
pub(super) fn colliding_targets(specs: &[(&Source, Spec)], diagnostics: &mut Vec<Diagnostic>) {
    let mut owners = Owners::default();
    let mut tables = HashSet::new();
    for (source, spec) in specs {
        let Some(table) = &spec.table else { continue };
        // One that is described twice is reported as that.
        if !tables.insert(table.as_str()) {
            continue;
        }
        let target = model(table, &spec.target);
        if let Some((first, shared)) = owners.first_collision(&target) {
            let name = spec.target.name.as_ref().unwrap_or(table);
            diagnostics.push(colliding(table, &name.span, &shared, first).in_file(&source.path));
        }
        owners.add(table, target);
    }
}

/// The tables, by their names in databases.
#[derive(Default)]
struct Owners<'s> {
    tables: Vec<(&'s str, Target)>,
    /// The first table with a name, as an index.
    in_sqlite: HashMap<String, usize>,
    /// The same in PostgreSQL, for names in a schema and for others.
    in_postgres: [HashMap<String, usize>; 2],
}

impl<'s> Owners<'s> {
    fn add(&mut self, table: &'s str, target: Target) {
        let index = self.tables.len();
        for name in target.names_in_sqlite() {
            self.in_sqlite.entry(name).or_insert(index);
        }
        let (schema, names) = target.names_in_postgres();
        for (with_schema, of_kind) in [false, true].into_iter().zip(&mut self.in_postgres) {
            // A tenant can have the name of any schema.
            if target.tenant_schemas || with_schema == schema.is_some() {
                names.iter().for_each(|name| _ = of_kind.entry(name.clone()).or_insert(index));
            }
        }
        self.tables.push((table, target));
    }

    /// The first table that would be the same in a database, and in what.
    fn first_collision(&self, target: &Target) -> Option<(&'s str, String)> {
        let (schema, names) = target.names_in_postgres();
        let kinds = [false, true].into_iter().zip(&self.in_postgres);
        let others = kinds.filter(|(with_schema, _)| target.tenant_schemas || *with_schema == schema.is_none());
        let in_sqlite = target.names_in_sqlite();
        let same = in_sqlite.iter().filter_map(|name| self.in_sqlite.get(name));
        let other = others.flat_map(|(_, of_kind)| names.iter().filter_map(|name| of_kind.get(name)));
        let first = same.chain(other).min()?;
        let (table, first) = &self.tables[*first];
        Some((table, shared(first, target)?))
    }
}

/// Which name two tables share, and where.
fn shared(first: &Target, second: &Target) -> Option<String> {
    let common = |first: Vec<String>, second: Vec<String>| second.into_iter().find(|name| first.contains(name));
    if let Some(name) = common(first.names_in_sqlite(), second.names_in_sqlite()) {
        return Some(format!("both have `{name}` in SQLite"));
    }
    let (first_schema, first_names) = first.names_in_postgres();
    let (second_schema, second_names) = second.names_in_postgres();
    if first.tenant_schemas || second.tenant_schemas {
        let name = common(first_names, second_names)?;
        return Some(match first_schema.or(second_schema) {
            _ if first.tenant_schemas && second.tenant_schemas => format!("both have `{name}` in a tenant's schema"),
            Some(schema) => format!("both have `{name}` in PostgreSQL if a tenant is called `{schema}`"),
            None => format!("both have `{name}` in PostgreSQL if a tenant is called `public`"),
        });
    }
    let schema = first_schema.xor(second_schema)?;
    let name = common(first_names, second_names)?;
    Some(format!("both have `{name}` in PostgreSQL if `{schema}` is where it looks for names without a schema"))
}

fn colliding(table: &str, span: &Span, shared: &str, first: &str) -> Diagnostic {
    let message = format!("the tables `{first}` and `{}` would be the same in a database", excerpt(table));
    Diagnostic::new(Code::CollidingNames, span, message)
        .label(shared)
        .help("give one of the two another name in `target`")
}
