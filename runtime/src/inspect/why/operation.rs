//! What was planned or published for a key, as far as the version's change set is still there.

use std::io;

use serde::Serialize;
use serde_json::Value as Json;

use crate::change_set::{ChangeSets, read_part};
use crate::error::{Error, Result};
use crate::inspect::why::{Key, MASK, Sight, masked};
use crate::operation::has_key;
use crate::run::Runner;
use crate::store::Version;
use crate::table::{Column, Table};
use crate::telemetry::{Watch, check_stop};

/// What is left of a version's change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeSet {
    /// The version has none: it was not planned, or is not any more.
    None,
    /// It was read.
    Read,
    /// It was taken away.
    Gone,
    /// It is there and cannot be read; the notes say why.
    Damaged,
}

/// What was planned or published for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// INSERT, UPDATE or DELETE.
    pub op: String,
    /// Its id.
    pub id: String,
    /// What an UPDATE changed.
    pub changed: Vec<Changed>,
}

/// A column of an UPDATE. Values of `pii` columns are masked, but for NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The column's name.
    pub column: String,
    /// The value before: from the operation, or from the export it was compared with. It is left out when neither can
    /// tell any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Json>,
    /// The value since.
    pub new: Json,
}

/// SecondPass for the operation of a key in a version's change set.
pub(super) fn look(
    runner: &Runner,
    table: &Table,
    version: &Version,
    key: &Key,
    before: &[Sight],
    watch: &Watch,
    sight: &mut Sight,
) -> Result<()> {
    let (Some(plan), Some(_)) = (&version.plan, &version.changes) else { return Ok(()) };
    let changes = &*runner.changes;
    sight.change_set = ChangeSet::Gone;
    if !changes.exists(version)? {
        return Ok(());
    }
    let line = match find(changes, version, plan.parts, key, watch) {
        Ok(line) => line,
        // `gc` may take it away while it is read.
        Err(_) if !changes.exists(version)? => return Ok(()),
        Err(error) if is_damaged(&error) => {
            sight.change_set = ChangeSet::Damaged;
            sight.notes.push(format!("its change set cannot be read: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    sight.change_set = ChangeSet::Read;
    let previous = before.iter().find(|sight| Some(&sight.version) == plan.previous.as_ref());
    sight.operation = line.and_then(|line| operation(table, &line, previous));
    Ok(())
}

/// The line of the key's operation. There is at most one.
fn find(changes: &dyn ChangeSets, version: &Version, parts: u32, key: &Key, watch: &Watch) -> Result<Option<Vec<u8>>> {
    let mut found = None;
    for part in 0..parts {
        watch.checkpoint(0)?;
        read_part(changes, version, part, |line| {
            if has_key(line, &key.json) {
                found = Some(line.to_vec());
            }
            check_stop()
        })?;
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

/// Whether it is the change set that is at fault, rather than the machine: a part is missing or was not whole.
fn is_damaged(error: &Error) -> bool {
    let is_damage = |error: &io::Error| error.raw_os_error().is_none() || error.kind() == io::ErrorKind::NotFound;
    error.io_error().is_some_and(is_damage)
}

fn operation(table: &Table, line: &[u8], previous: Option<&Sight>) -> Option<Operation> {
    let json: Json = serde_json::from_slice(line).ok()?;
    let names = json["changed"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let changed = names.map(|name| {
        let column = today(table, name);
        let old = match &json["before"] {
            Json::Object(before) => before.get(name).map(|value| shown(column, value)),
            _ => column.and_then(|column| in_export(previous?, column)),
        };
        Changed { column: name.into(), old, new: shown(column, &json["after"][name]) }
    });
    Some(Operation { op: json["op"].as_str()?.into(), id: json["id"].as_str()?.into(), changed: changed.collect() })
}

/// The column of an operation that may be older than today's schema.
fn today<'t>(table: &'t Table, name: &str) -> Option<&'t Column> {
    table.column(name).or_else(|| table.columns.iter().find(|column| column.formerly == Some(name)))
}

/// A value of the column; of one that the schema does not have any more nobody knows whether it may be seen.
fn shown(column: Option<&Column>, value: &Json) -> Json {
    match column {
        Some(column) => masked(column, value.clone()),
        None if value.is_null() => Json::Null,
        None => MASK.into(),
    }
}

/// The old value as the export tells it: the text where today's type cannot read it. It is masked already.
fn in_export(previous: &Sight, column: &Column) -> Option<Json> {
    let cell = previous.cell(column.name)?;
    cell.value.clone().or_else(|| cell.raw.clone().map(Json::from))
}
