//! Finds the operation for a key in a version's change set.

use std::io;

use serde_json::Value as Json;

use crate::change_set::{ChangeSets, read_part};
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::why::key::Key;
use crate::inspect::why::row::{ChangeSet, Changed, MASK, Operation, RowInVersion, masked};
use crate::operation::has_key;
use crate::run::Runner;
use crate::store::Version;
use crate::table::{Column, Table};
use crate::telemetry::{Watch, check_stop};

/// Searches a version's change set for the key's operation.
pub(super) fn inspect(
    runner: &Runner,
    table: &Table,
    version: &Version,
    key: &Key,
    before: &[RowInVersion],
    watch: &Watch,
    row: &mut RowInVersion,
) -> Result<()> {
    let (Some(plan), Some(_)) = (&version.plan, &version.changes) else { return Ok(()) };
    let changes = &*runner.changes;
    let found = match changes.exists(version) {
        Ok(false) => {
            row.change_set = ChangeSet::Gone;
            return Ok(());
        }
        Ok(true) => find(changes, version, plan.parts, key, watch),
        Err(error) => Err(error),
    };
    // `gc` may remove it while it is read.
    let (change_set, line) = match (found, changes.exists(version)) {
        (Ok(line), _) => (ChangeSet::Read, line),
        (Err(error), _) if error.kind() == ErrorKind::Interrupted => return Err(error),
        (Err(_), Ok(false)) => (ChangeSet::Gone, None),
        (Err(error), exists) => {
            row.notes.push(format!("its change set cannot be read: {error}"));
            let is_damaged = exists.is_ok() && is_damaged(&error);
            (if is_damaged { ChangeSet::Damaged } else { ChangeSet::Unreadable }, None)
        }
    };
    row.change_set = change_set;
    let previous = before.iter().find(|row| Some(&row.version) == plan.previous.as_ref());
    row.operation = line.and_then(|line| operation(table, &line, previous));
    Ok(())
}

/// The line of the key's operation. There is at most one.
fn find(changes: &dyn ChangeSets, version: &Version, parts: u32, key: &Key, watch: &Watch) -> Result<Option<Vec<u8>>> {
    let mut operation = None;
    for part in 0..parts {
        watch.checkpoint(0)?;
        read_part(changes, version, part, |line| {
            if has_key(line, &key.json) {
                operation = Some(line.to_vec());
            }
            check_stop()
        })?;
        if operation.is_some() {
            break;
        }
    }
    Ok(operation)
}

/// Returns whether the change set is at fault rather than the machine: a part is missing or incomplete.
fn is_damaged(error: &Error) -> bool {
    let is_damage = |error: &io::Error| error.raw_os_error().is_none() || error.kind() == io::ErrorKind::NotFound;
    error.io_error().is_some_and(is_damage)
}

fn operation(table: &Table, line: &[u8], previous: Option<&RowInVersion>) -> Option<Operation> {
    let json: Json = serde_json::from_slice(line).ok()?;
    let names = json["changed"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let changed = names.map(|name| {
        let column = current_column(table, name);
        let old = match &json["before"] {
            Json::Object(before) => before.get(name).map(|value| value_or_mask(column, value)),
            _ => column.and_then(|column| old_value_in_export(previous?, column)),
        };
        Changed { column: name.into(), old, new: value_or_mask(column, &json["after"][name]) }
    });
    Some(Operation { op: json["op"].as_str()?.into(), id: json["id"].as_str()?.into(), changed: changed.collect() })
}

/// The current column for a name in an operation, which may be older than the schema.
fn current_column<'t>(table: &'t Table, name: &str) -> Option<&'t Column> {
    table.column(name).or_else(|| table.columns.iter().find(|column| column.formerly == Some(name)))
}

/// A value of a column, masked if the column is `pii` or no longer in the schema: it may have been `pii`.
fn value_or_mask(column: Option<&Column>, value: &Json) -> Json {
    match column {
        Some(column) => masked(column, value.clone()),
        None if value.is_null() => Json::Null,
        None => MASK.into(),
    }
}

/// The old value in the export, or its text if the current type cannot read it. It is masked already.
fn old_value_in_export(previous: &RowInVersion, column: &Column) -> Option<Json> {
    let cell = previous.cell(column.name)?;
    cell.value.clone().or_else(|| cell.raw.clone().map(Json::from))
}
