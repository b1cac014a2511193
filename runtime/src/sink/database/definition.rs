//! The table in the database: created where it is missing, altered where the schema has changed, and otherwise compared
//! with what was generated.

use super::alteration::{alterations, differences, history_alterations, lacks};
use super::columns::ColumnDefinition;
use super::engine::Engine;
use super::history::{as_of_name, history_name};
use super::made::{self, Columns, Made};
use super::shape::quoted_path;
use super::{marks, versions};
use crate::error::{Error, Result};
use crate::invocation::repeated;
use crate::table::Table;

/// What a database lacks for a table.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// The statements to run.
    pub(super) statements: Vec<String>,
    /// Whether the table does not exist; otherwise it is that of an earlier schema.
    pub(super) is_new: bool,
    /// The statement that records the table's columns, if nothing else is missing.
    pub(super) record: Option<String>,
}

impl Missing {
    /// What a database lacks that does not exist.
    pub(super) fn everything<E: Engine>(table: &Table, statements: &str) -> Self {
        let own = own_tables(table).into_iter().map(|(_, statement)| statement.to_owned());
        let mut all: Vec<String> = own.chain([statements.to_owned()]).collect();
        all.extend(table.target.history.iter().flat_map(E::history_statements).map(str::to_owned));
        all.push(made::record(table, &made::today::<E>(table)));
        Self { statements: all, is_new: true, record: None }
    }
}

/// The tables in which the database remembers something about a table, and the statements that create them.
fn own_tables(table: &Table) -> Vec<(&'static str, &'static str)> {
    let always = [(marks::TABLE, marks::STATEMENT), (made::TABLE, made::STATEMENT)];
    let of_history = table.target.history.iter().map(|_| (versions::TABLE, versions::STATEMENT));
    always.into_iter().chain(of_history).collect()
}

/// Finds out what a database lacks for a table. Fails if the table is another one, although the schema has not changed.
pub(super) fn missing<E: Engine>(
    engine: &mut E,
    table: &'static Table,
    statements: &str,
    place: &str,
) -> Result<Missing> {
    let mut missing = Missing::default();
    for (name, statement) in own_tables(table) {
        match engine.columns(name)?.is_empty() {
            true => missing.statements.push(statement.to_owned()),
            false => engine.check_rights(name)?,
        }
    }
    let (made, today) = (made::read(engine, table)?, made::today::<E>(table));
    let own = table_lacks(engine, table, statements, made.as_ref(), place)?;
    missing.is_new = own.is_new;
    missing.statements.extend(own.statements);
    missing.statements.extend(history_lacks(engine, table, made.as_ref().unwrap_or(&today), &today, place)?);
    let record = (made.as_ref() != Some(&today)).then(|| made::record(table, &today));
    match missing.statements.is_empty() {
        true => missing.record = record,
        false => missing.statements.extend(record),
    }
    Ok(missing)
}

/// What a database lacks of the table itself.
fn table_lacks<E: Engine>(
    engine: &mut E,
    table: &'static Table,
    statements: &str,
    made: Option<&Made>,
    place: &str,
) -> Result<Missing> {
    let name = E::table_name(&table.target);
    let actual = engine.columns(&name)?;
    if actual.is_empty() {
        let schema = engine.missing_schema(&table.target)?;
        let statements = schema.into_iter().chain([statements.to_owned()]).collect();
        return Ok(Missing { statements, is_new: true, record: None });
    }
    let expected = engine.expected_columns(&name, statements)?;
    let mut differences = differences(&actual, &expected);
    if differences.is_empty() {
        return Ok(Missing::default());
    }
    let added = added_by_others(&actual, &expected, made.map(|made| &made.columns));
    let has_changed = match made {
        Some(made) => made.schema != table.schema,
        // An earlier release made it.
        None => {
            let has_marks = !engine.columns(marks::TABLE)?.is_empty();
            has_marks && marks::has_other_schema(engine, table)?
        }
    };
    if has_changed && !added.is_empty() {
        differences = added;
    } else if has_changed && let Some(steps) = alterations::<E>(table, &actual, &expected) {
        let statements = steps.iter().flat_map(|step| E::alter(&quoted_path(&name), step)).collect();
        return Ok(Missing { statements, ..Missing::default() });
    }
    Err(not_as_generated(place, &name, &differences))
}

/// The columns that were not made for the table, as differences. Nothing of somebody else is dropped.
fn added_by_others(actual: &[ColumnDefinition], expected: &[ColumnDefinition], made: Option<&Columns>) -> Vec<String> {
    let Some(made) = made else { return Vec::new() };
    let is_expected = |name: &String| expected.iter().any(|column| column.name == *name);
    let names = actual.iter().map(|column| &column.name);
    let added = names.filter(|name| !is_expected(name) && !made.contains_key(*name));
    added.map(|name| format!("column `{name}` is not in the schema")).collect()
}

/// The statements that a database lacks for the history of a table.
fn history_lacks<E: Engine>(
    engine: &mut E,
    table: &'static Table,
    made: &Made,
    today: &Made,
    place: &str,
) -> Result<Vec<String>> {
    let Some(history) = &table.target.history else { return Ok(Vec::new()) };
    let name = history_name::<E>(&table.target);
    let [create, view] = E::history_statements(history);
    let actual = engine.columns(&name)?;
    if actual.is_empty() {
        return Ok(vec![versions::forget(table.name), create.to_owned(), view.to_owned()]);
    }
    let expected = engine.expected_columns(&name, create)?;
    let steps = history_alterations::<E>(table, (&made.columns, &today.columns), &actual, &expected);
    if steps.is_empty() {
        // What earlier schemas had is still there.
        let lacks = lacks(&actual, &expected);
        return if lacks.is_empty() { Ok(Vec::new()) } else { Err(not_as_generated(place, &name, &lacks)) };
    }
    let mut statements = vec![format!("DROP VIEW IF EXISTS {};\n", quoted_path(&as_of_name::<E>(&table.target)))];
    statements.extend(steps.iter().flat_map(|step| E::alter(&quoted_path(&name), step)));
    statements.push(view.to_owned());
    Ok(statements)
}

fn not_as_generated(place: &str, name: &str, differences: &[String]) -> Error {
    let problem = format!("the table there is not as generated: {}", differences.join("; "));
    Error::diverged(format!("{place} {name}"), problem)
        .help("put it back as it was; or drop it, and run again with --create: it is filled again")
}

/// The error of a database that lacks these statements.
pub(super) fn refuse<E: Engine>(missing: Missing, place: &str, table: &Table) -> Error {
    let problem = match missing.is_new {
        true => "the table does not exist; nothing was planned",
        false => "the table is not that of today's schema; nothing was planned",
    };
    let name = E::table_name(&table.target);
    Error::refused(format!("{place} {name}"), problem).statements(missing.statements).help(format!(
        "run these statements there, or: {}",
        repeated(("".as_ref(), "".as_ref()), &[("--create", None)])
    ))
}
