//! How a table of an earlier schema becomes that of today.

use super::columns::{Alteration, ColumnDefinition};
use super::engine::Engine;
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
    for column in actual.iter().filter(is_gone).filter(|column| !renamed.contains(&column.name.as_str())) {
        steps.push(Alteration::Drop { name: column.name.clone() });
    }
    Some(steps)
}

/// What differs between two tables. The order of the columns does not matter.
pub(super) fn differences(actual: &[ColumnDefinition], expected: &[ColumnDefinition]) -> Vec<String> {
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
    let more = actual.iter().filter(|column| find(expected, &column.name).is_none());
    differences.extend(more.map(|column| format!("column `{}` is not in the schema", column.name)));
    differences
}

fn find<'c>(columns: &'c [ColumnDefinition], name: &str) -> Option<&'c ColumnDefinition> {
    columns.iter().find(|column| column.name == name)
}
