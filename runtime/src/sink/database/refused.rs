//! The row that a database refuses, by a constraint or a trigger. It is found by making the changes again, half of
//! those that are left at a time.

use super::cell::Cell;
use super::engine::Engine;
use super::statements::{OPERATIONS, Statements};
use crate::error::{ErrorKind, Result};
use crate::telemetry::check_stop;

/// The operations of one kind, numbered from 1.
const NUMBERED: &str = r#""_tidemark_numbered""#;

/// The key of the row that is refused when the changes of one kind are made, since the savepoint `changes`; `None` if
/// none is refused now. The transaction can only be rolled back afterwards.
pub(super) fn key<E: Engine>(
    engine: &mut E,
    statements: &Statements<'_>,
    op: &str,
) -> Result<Option<Vec<Cell<'static>>>> {
    engine.run_all("ROLLBACK TO SAVEPOINT changes")?;
    for earlier in OPERATIONS.iter().take_while(|earlier| **earlier != op) {
        engine.run(&statements.change(earlier))?;
    }
    engine.run_all(&format!(
        r#"CREATE TEMPORARY TABLE {NUMBERED} AS SELECT row_number() OVER () AS "_row", c.* FROM {} AS c WHERE c."_op" = '{op}'"#,
        Statements::CHANGES
    ))?;
    let (mut first, mut end) = (1, statements.count(engine, NUMBERED)? + 1);
    while end - first > 1 {
        let middle = first + (end - first) / 2;
        match is_refused(engine, statements, op, first..middle)? {
            true => end = middle,
            false => first = middle,
        }
    }
    match first < end && is_refused(engine, statements, op, first..end)? {
        true => statements.numbered_key(engine, NUMBERED, first),
        false => Ok(None),
    }
}

/// Makes some of the changes. Returns whether one of them is refused; then none is made.
fn is_refused<E: Engine>(
    engine: &mut E,
    statements: &Statements<'_>,
    op: &str,
    rows: std::ops::Range<u64>,
) -> Result<bool> {
    check_stop()?;
    let some = format!(r#"(SELECT * FROM {NUMBERED} WHERE "_row" >= {} AND "_row" < {})"#, rows.start, rows.end);
    engine.run_all("SAVEPOINT attempt")?;
    match engine.run(&statements.change_in(op, &some)) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::Diverged => {
            engine.run_all("ROLLBACK TO SAVEPOINT attempt")?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
