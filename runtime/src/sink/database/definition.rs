//! The table in the database: created where it is missing, altered where the schema has changed, and otherwise compared
//! with what was generated.

use super::alteration::{alterations, differences, history_alterations, key_differences, lacks};
use super::columns::{Alteration, ColumnDefinition};
use super::engine::Engine;
use super::history::{as_of_name, history_name};
use super::made::{self, Columns, Made};
use super::shape::quoted_path;
use super::tenants::made_name;
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
    /// Whether the rows have to be read again, because the history does not know them as they are now.
    pub(super) reads_again: bool,
    /// The statements that record what was made, if nothing else is missing.
    pub(super) record: Vec<String>,
    /// The tables in which the database remembers something, if nothing but them is missing.
    own: Vec<&'static str>,
}

impl Missing {
    /// What a database lacks that does not exist.
    pub(super) fn everything<E: Engine>(table: &Table, statements: &str) -> Self {
        let own = own_tables(table).into_iter().map(|(_, statement)| statement.to_owned());
        let mut all: Vec<String> = own.chain([statements.to_owned()]).collect();
        all.extend(table.target.history.iter().flat_map(E::history_statements).map(str::to_owned));
        all.extend(records::<E>(table).iter().map(|(name, made)| made::record(name, made)));
        Self { statements: all, is_new: true, ..Self::default() }
    }
}

/// The tables in which the database remembers something about a table, and the statements that create them.
fn own_tables(table: &Table) -> Vec<(&'static str, &'static str)> {
    let always = [(marks::TABLE, marks::STATEMENT), (made::TABLE, made::STATEMENT)];
    let of_history = table.target.history.iter().map(|_| (versions::TABLE, versions::STATEMENT));
    always.into_iter().chain(of_history).collect()
}

/// What is recorded about a table that was made, by the names of the rows.
fn records<E: Engine>(table: &Table) -> Vec<(String, Made)> {
    let of_history = table.target.history.iter().map(|_| (made::history_row(table), made::today::<E>(table)));
    let place = (made::place_row(table), made::place::<E>(table));
    [(made_name(table), made::today::<E>(table)), place].into_iter().chain(of_history).collect()
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
            true => {
                missing.statements.push(statement.to_owned());
                missing.own.push(name);
            }
            false => engine.check_rights(name)?,
        }
    }
    let (made, today) = (made::read(engine, &made_name(table))?, made::today::<E>(table));
    let own = table_lacks(engine, table, statements, made.as_ref(), place)?;
    let of_history = history_lacks(engine, table, made.as_ref(), &today, place)?;
    if !own.statements.is_empty() || !of_history.statements.is_empty() {
        missing.own.clear();
    }
    (missing.is_new, missing.reads_again) = (own.is_new, of_history.reads_again);
    let drop_view = dropped_view(engine, table, &own, &of_history)?;
    missing.statements.extend(drop_view.into_iter().chain(own.statements).chain(of_history.statements));
    let mut record = Vec::new();
    for (name, today) in records::<E>(table) {
        let known = made::read(engine, &name)?;
        record.extend((known.as_ref() != Some(&today)).then(|| made::record(&name, &today)));
    }
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
        return Ok(Missing { statements, is_new: true, ..Missing::default() });
    }
    if made::read(engine, &made::place_row(table))?.is_some_and(|place| place != made::place::<E>(table)) {
        let problem = "the table was this one before it had another name, and holds the rows of then";
        return Err(Error::diverged(format!("{place} {name}"), problem)
            .help("drop it, or rename it, and run again with --create: it is filled again"));
    }
    let expected = engine.expected_columns(&name, statements)?;
    let differences = differences(&actual, &expected);
    if differences.is_empty() {
        return Ok(Missing::default());
    }
    let added = added_by_others(&actual, &expected, made.map(|made| &made.columns));
    if has_other_schema(engine, table, made)? {
        if !added.is_empty() {
            return Err(not_as_generated(place, &name, &added));
        }
        if let Some(steps) = alterations::<E>(table, &actual, &expected) {
            let dropped = if made.is_none() { dropped(&steps) } else { Vec::new() };
            if !dropped.is_empty() {
                return Err(not_as_generated(place, &name, &dropped));
            }
            let statements = steps.iter().flat_map(|step| E::alter(&quoted_path(&name), step)).collect();
            return Ok(Missing { statements, ..Missing::default() });
        }
    }
    Err(not_as_generated(place, &name, &differences))
}

/// Returns whether a table was made for another schema than today's.
fn has_other_schema<E: Engine>(engine: &mut E, table: &'static Table, made: Option<&Made>) -> Result<bool> {
    if let Some(made) = made {
        return Ok(made.schema != table.schema);
    }
    // An earlier release made it.
    Ok(!engine.columns(marks::TABLE)?.is_empty() && marks::has_other_schema(engine, table)?)
}

/// The columns that would be dropped, as differences: if it is not known who made them, none is.
fn dropped(steps: &[Alteration]) -> Vec<String> {
    let name = |step: &Alteration| match step {
        Alteration::Drop { name } => Some(format!("column `{name}` is not in the schema")),
        _ => None,
    };
    steps.iter().filter_map(name).collect()
}

/// The columns that were not made for the table, as differences. Nothing of somebody else is dropped.
fn added_by_others(actual: &[ColumnDefinition], expected: &[ColumnDefinition], made: Option<&Columns>) -> Vec<String> {
    let Some(made) = made else { return Vec::new() };
    let is_expected = |name: &String| expected.iter().any(|column| column.name == *name);
    let names = actual.iter().map(|column| &column.name);
    let added = names.filter(|name| !is_expected(name) && !made.contains_key(*name));
    added.map(|name| format!("column `{name}` is not in the schema")).collect()
}

/// What a database lacks for the history of a table.
#[derive(Debug, Default)]
struct OfHistory {
    /// Whether its view is dropped first.
    drops_view: bool,
    statements: Vec<String>,
    /// Whether it does not know the rows as they are now.
    reads_again: bool,
}

/// What a database lacks for the history of a table, which was `made` like that.
fn history_lacks<E: Engine>(
    engine: &mut E,
    table: &'static Table,
    made: Option<&Made>,
    today: &Made,
    place: &str,
) -> Result<OfHistory> {
    let Some(history) = &table.target.history else { return Ok(OfHistory::default()) };
    let name = history_name::<E>(&table.target);
    let [create, view] = E::history_statements(history);
    let actual = engine.columns(&name)?;
    if actual.is_empty() {
        let statements = vec![versions::forget(table), create.to_owned(), view.to_owned()];
        return Ok(OfHistory { drops_view: true, statements, reads_again: false });
    }
    let expected = engine.expected_columns(&name, create)?;
    let recorded = made::read(engine, &made::history_row(table))?;
    let before = match &recorded {
        Some(recorded) => recorded.columns.clone(),
        None => still_there(made.unwrap_or(today), &actual, &expected),
    };
    // What earlier schemas had is still there.
    let is_same = |column: &&ColumnDefinition| before.get(&column.name) == today.columns.get(&column.name);
    let same: Vec<ColumnDefinition> = expected.iter().filter(is_same).cloned().collect();
    for differences in [key_differences(&actual, &expected), lacks(&actual, &same)] {
        if !differences.is_empty() {
            return Err(history_not_as_generated(place, &name, &differences));
        }
    }
    let steps = history_alterations::<E>(table, (&before, &today.columns), &actual, &expected);
    let has_view = !engine.columns(&as_of_name::<E>(&table.target))?.is_empty();
    let mut statements: Vec<String> = steps.iter().flat_map(|step| E::alter(&quoted_path(&name), step)).collect();
    statements.extend((!steps.is_empty() || !has_view).then(|| view.to_owned()));
    // While it was off, the rows may have been read again under another schema.
    let reads_again = if recorded.is_some() { recorded.as_ref() != made } else { !steps.is_empty() };
    Ok(OfHistory { drops_view: !steps.is_empty(), statements, reads_again })
}

/// The statement that drops the view of a history: in SQLite, no table can be altered while a view lacks what it is
/// about.
fn dropped_view<E: Engine>(
    engine: &mut E,
    table: &'static Table,
    own: &Missing,
    of_history: &OfHistory,
) -> Result<Option<String>> {
    let is_altered = !own.is_new && !own.statements.is_empty();
    let is_dropped = of_history.drops_view || (is_altered && has_lost_history(engine, table)?);
    let view = quoted_path(&as_of_name::<E>(&table.target));
    Ok(is_dropped.then(|| format!("DROP VIEW IF EXISTS {view};\n")))
}

/// Returns whether the history of a table is off, and somebody dropped it, but not its view.
fn has_lost_history<E: Engine>(engine: &mut E, table: &'static Table) -> Result<bool> {
    let was_made = table.target.history.is_none() && made::read(engine, &made::history_row(table))?.is_some();
    Ok(was_made && engine.columns(&history_name::<E>(&table.target))?.is_empty())
}

/// The columns that a history has as they were made. An earlier release did not record which ones it had.
fn still_there(made: &Made, actual: &[ColumnDefinition], expected: &[ColumnDefinition]) -> Columns {
    let ty = |columns: &[ColumnDefinition], name: &String| {
        columns.iter().find(|column| column.name == *name).map(|column| column.ty.clone())
    };
    let is_there = |name: &String| match (ty(actual, name), ty(expected, name)) {
        (Some(actual), Some(expected)) => actual == expected,
        (actual, _) => actual.is_some(),
    };
    made.columns.iter().filter(|(name, _)| is_there(name)).map(|(name, ty)| (name.clone(), ty.clone())).collect()
}

fn not_as_generated(place: &str, name: &str, differences: &[String]) -> Error {
    let problem = format!("the table there is not as generated: {}", differences.join("; "));
    Error::diverged(format!("{place} {name}"), problem)
        .help("put it back as it was; or drop it, and run again with --create: it is filled again")
}

/// The same for a history, of which nothing but what holds now can be made again.
fn history_not_as_generated(place: &str, name: &str, differences: &[String]) -> Error {
    not_as_generated(place, name, differences).help(
        "put it back as it was; or rename it, which keeps its states, and run again with --create: another one begins \
         with the rows that are there. To drop it loses every earlier state",
    )
}

/// The error of a database that lacks these statements.
pub(super) fn refuse<E: Engine>(missing: Missing, place: &str, table: &Table) -> Error {
    let problem = match missing.own.as_slice() {
        _ if missing.is_new => "the table does not exist".to_owned(),
        [] => "the table is not that of today's schema".into(),
        own => format!("the database lacks `{}`, which this version needs", own.join("` and `")),
    };
    let problem = format!("{problem}; nothing was planned");
    let name = E::table_name(&table.target);
    // Not every command has the option, but a run always does.
    let help = match missing.own.is_empty() || missing.is_new {
        true => {
            format!("run these statements there, or: {}", repeated(("".as_ref(), "".as_ref()), &[("--create", None)]))
        }
        false => "run these statements there; or run once with --create, which runs them".to_owned(),
    };
    Error::refused(format!("{place} {name}"), problem).statements(missing.statements).help(help)
}

/// The error of a database that lacks tables in which it remembers something, with the statements that create them.
pub(super) fn refuse_own(place: &str, missing: &[(&str, &str)]) -> Error {
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let problem = format!("the database lacks `{}`; nothing was applied", names.join("`, `"));
    let create = repeated(("".as_ref(), "".as_ref()), &[("--create", None)]);
    Error::refused(place, problem)
        .statements(missing.iter().map(|(_, statement)| (*statement).to_owned()).collect())
        .help(format!("run these statements there, or: {create}"))
}
