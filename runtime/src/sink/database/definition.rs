//! The table in the database: created where it is missing, altered where the schema has changed, and otherwise compared
//! with what was generated.

use super::alteration::{alterations, differences};
use super::engine::Engine;
use super::marks;
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
}

/// Finds out what a database lacks for a table. Fails if the table is another one, although the schema has not changed.
pub(super) fn missing<E: Engine>(
    engine: &mut E,
    table: &'static Table,
    statements: &str,
    place: &str,
) -> Result<Missing> {
    let mut missing = Missing::default();
    let has_marks = !engine.columns(marks::TABLE)?.is_empty();
    if !has_marks {
        missing.statements.push(marks::STATEMENT.to_owned());
    }
    let actual = engine.columns(table.target.name)?;
    if actual.is_empty() {
        missing.statements.push(statements.to_owned());
        missing.is_new = true;
        return Ok(missing);
    }
    let expected = engine.expected_columns(&table.target)?;
    let differences = differences(&actual, &expected);
    if differences.is_empty() {
        return Ok(missing);
    }
    let has_changed = has_marks && marks::has_other_schema(engine, table)?;
    match alterations::<E>(table, &actual, &expected).filter(|_| has_changed) {
        Some(alterations) => {
            missing.statements.extend(alterations.iter().flat_map(|alteration| E::alter(table, alteration)))
        }
        None => {
            let problem = format!("the table there is not as generated: {}", differences.join("; "));
            return Err(Error::diverged(format!("{place} {}", table.target.name), problem)
                .help("put it back as it was; or drop it, and run again with --create: it is filled again"));
        }
    }
    Ok(missing)
}

/// The error of a database that lacks these statements.
pub(super) fn refuse(missing: Missing, place: &str, table: &Table) -> Error {
    let problem = match missing.is_new {
        true => "the table does not exist; nothing was planned",
        false => "the table is not that of today's schema; nothing was planned",
    };
    Error::refused(format!("{place} {}", table.target.name), problem).statements(missing.statements).help(format!(
        "run these statements there, or: {}",
        repeated(("".as_ref(), "".as_ref()), &[("--create", None)])
    ))
}
