//! How a table of an earlier schema becomes that of today.

use super::cell::Cell;
use super::columns::{Alteration, ColumnDefinition};
use super::engine::Engine;
use super::made::Columns;
use super::shape::cell_of_default;
use crate::table::Table;

/// The steps; `None` if the primary key differs.
pub(super) fn alterations<E: Engine>(
    table: &'static Table,
    actual: &[ColumnDefinition],
    expected: &[ColumnDefinition],
) -> Option<Vec<Alteration>> {
    let formerly = |name: &str| {
        let column = table.columns.iter().find(|column| E::column_name(column.name) == name)?;
        find(actual, &E::column_name(column.formerly?)).filter(|old| find(expected, &old.name).is_none())
    };
    let mut steps = Vec::new();
    let mut renamed = Vec::new();
    for column in expected {
        let old = match find(actual, &column.name) {
            Some(old) => Some(old),
            None => formerly(&column.name).inspect(|old| {
                renamed.push(old.name.as_str());
                steps.push(Alteration::Rename { from: old.name.clone(), to: column.name.clone() });
            }),
        };
        match old {
            Some(old) if old.key_position != column.key_position => return None,
            Some(old) if old.ty != column.ty || old.is_nullable != column.is_nullable => {
                steps.push(Alteration::Change { column: column.clone() });
            }
            Some(_) => {}
            None if column.key_position > 0 => return None,
            None => {
                let value = cell_of_default::<E>(table, &column.name);
                steps.push(Alteration::Add { column: column.clone(), value });
            }
        }
    }
    let is_gone = |column: &&ColumnDefinition| find(expected, &column.name).is_none();
    let is_dropped = |column: &&ColumnDefinition| !renamed.contains(&column.name.as_str());
    let mut dropped = actual.iter().filter(is_gone).filter(is_dropped);
    let is_outside_key = |column: &ColumnDefinition| column.key_position == 0;
    let drop = |column: &ColumnDefinition| Alteration::Drop { name: column.name.clone() };
    steps.extend(dropped.clone().map(drop));
    dropped.all(is_outside_key).then_some(steps)
}

/// The steps for the history of a table, whose columns had these types in the schema before, and have these today.
///
/// Nothing is lost: a column that is gone stays, and one of another type is set aside under another name.
pub(super) fn history_alterations<E: Engine>(
    table: &'static Table,
    (before, today): (&Columns, &Columns),
    actual: &[ColumnDefinition],
    expected: &[ColumnDefinition],
) -> Vec<Alteration> {
    let formerly = |name: &str| {
        let column = table.columns.iter().find(|column| E::column_name(column.name) == name)?;
        let old = E::column_name(column.formerly?);
        let is_its_own = !before.contains_key(name) && !today.contains_key(&old) && before.get(&old) == today.get(name);
        find(actual, &old).filter(|_| is_its_own).map(|_| old)
    };
    let mut steps = Vec::new();
    for column in expected.iter().filter(|column| today.contains_key(&column.name)) {
        let name = &column.name;
        let old = find(actual, name);
        if column.key_position > 0 {
            let is_changed = old.is_some_and(|old| old.ty != column.ty);
            steps.extend(is_changed.then(|| Alteration::Change { column: column.clone() }));
        } else if before.get(name) != today.get(name) {
            steps.extend(old.map(|_| Alteration::Rename { from: name.clone(), to: set_aside(actual, name) }));
            steps.push(match formerly(name) {
                Some(old) => Alteration::Rename { from: old, to: name.clone() },
                None => Alteration::Add { column: column.clone(), value: Cell::Null },
            });
        }
    }
    steps
}

/// How the primary keys of two tables differ.
pub(super) fn key_differences(actual: &[ColumnDefinition], expected: &[ColumnDefinition]) -> Vec<String> {
    let position =
        |columns: &[ColumnDefinition], name: &str| find(columns, name).map_or(0, |column| column.key_position);
    let gone = actual.iter().filter(|column| find(expected, &column.name).is_none());
    let names = expected.iter().chain(gone).map(|column| column.name.as_str());
    let moved = names.filter(|name| position(actual, name) != position(expected, name));
    moved.map(|name| format!("column `{name}` has another place in the primary key")).collect()
}

/// The first free name for a column that is set aside. Names of a schema's columns begin with a letter.
fn set_aside(actual: &[ColumnDefinition], name: &str) -> String {
    let names = (1..).map(|number| format!("_{name}_{number}"));
    names.into_iter().find(|name| find(actual, name).is_none()).expect("numbers do not end")
}

/// What differs between two tables. The order of the columns does not matter.
pub(super) fn differences(actual: &[ColumnDefinition], expected: &[ColumnDefinition]) -> Vec<String> {
    let mut differences = lacks(actual, expected);
    let more = actual.iter().filter(|column| find(expected, &column.name).is_none());
    differences.extend(more.map(|column| format!("column `{}` is not in the schema", column.name)));
    differences
}

/// What a table lacks of another one.
pub(super) fn lacks(actual: &[ColumnDefinition], expected: &[ColumnDefinition]) -> Vec<String> {
    let mut differences = Vec::new();
    for column in expected {
        let name = &column.name;
        match find(actual, name) {
            None => differences.push(format!("column `{name}` is missing")),
            Some(other) if other.ty != column.ty => {
                differences.push(format!("column `{name}` is {}, and should be {}", other.ty, column.ty));
            }
            Some(other) if other.key_position != column.key_position => {
                differences.push(format!("column `{name}` has another place in the primary key"));
            }
            Some(other) if other.is_nullable != column.is_nullable => {
                let should = if column.is_nullable { "is NOT NULL, and should be nullable" } else { "is nullable" };
                differences.push(format!("column `{name}` {should}"));
            }
            Some(_) => {}
        }
    }
    differences
}

fn find<'c>(columns: &'c [ColumnDefinition], name: &str) -> Option<&'c ColumnDefinition> {
    columns.iter().find(|column| column.name == name)
}
