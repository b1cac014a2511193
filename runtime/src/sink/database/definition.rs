//! The table in the database: created where it is missing, and otherwise compared with what was generated.

use super::engine::{ColumnDefinition, Engine};
use super::marks;
use crate::error::{Error, Result};
use crate::invocation::repeated;
use crate::table::Table;

/// Checks that a database has a table as it was generated. Returns the statements that are missing for it, or fails if
/// the table is another one.
pub(super) fn missing<E: Engine>(engine: &mut E, table: &Table, statements: &str, place: &str) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    if engine.columns(marks::TABLE)?.is_empty() {
        missing.push(marks::STATEMENT.to_owned());
    }
    let actual = engine.columns(table.target.name)?;
    if actual.is_empty() {
        missing.push(statements.to_owned());
        return Ok(missing);
    }
    let differences = differences(&actual, &engine.expected_columns(&table.target)?);
    if differences.is_empty() {
        return Ok(missing);
    }
    let problem = format!("the table there is not as generated: {}", differences.join("; "));
    Err(Error::diverged(format!("{place} {}", table.target.name), problem)
        .help("put it back as it was; or drop it, and run again with --create: it is filled again"))
}

/// The error of a database that lacks these statements.
pub(super) fn refuse_missing(missing: Vec<String>, place: &str, table: &Table) -> Error {
    let problem = "the table does not exist; nothing was planned";
    Error::refused(format!("{place} {}", table.target.name), problem).statements(missing).help(format!(
        "run these statements there, or: {}",
        repeated(("".as_ref(), "".as_ref()), &[("--create", None)])
    ))
}

/// What differs between two tables. The order of the columns does not matter.
fn differences(actual: &[ColumnDefinition], expected: &[ColumnDefinition]) -> Vec<String> {
    let find = |columns: &[ColumnDefinition], name: &str| columns.iter().find(|column| column.name == name).cloned();
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
