//! One row through all versions: the text as it was delivered, the value that was made of it, and what was published.

use std::path::Path;

use serde::Serialize;
use serde_json::Value as Json;

use crate::change_set::read_part;
use crate::engine::native;
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::operation::key_json;
use crate::row::{Layout, Looked};
use crate::snapshot::Export;
use crate::snapshot::local::Local;
use crate::store::{Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

/// What stands for a value that nobody may see.
const MASK: &str = "***";

/// One version's word on a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sight {
    /// The version.
    pub version: String,
    /// Where it stands.
    pub status: Status,
    /// Its number, once it is published.
    pub sequence: Option<u64>,
    /// Where the row stands in the export; nowhere when that does not have it.
    pub rows: Vec<Found>,
    /// The operation of this key; `None` when there is none.
    pub operation: Option<Operation>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// A row in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The part's file name.
    pub part: String,
    /// The line the row begins on, from 1.
    pub line: u64,
    /// Its columns, in the order of the schema.
    pub columns: Vec<Cell>,
}

/// A column of a row. Text and value of a `pii` column are masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The column's name.
    pub column: String,
    /// The text as it was delivered; `None` when the export is older than the column.
    pub text: Option<String>,
    /// The canonical value; `None` is NULL.
    pub value: Option<String>,
    /// Why the text is no value of the column.
    pub refused: Option<String>,
}

/// What was planned or published for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// INSERT, UPDATE or DELETE.
    pub op: String,
    /// Its id.
    pub id: String,
    /// The columns that an UPDATE changed.
    pub changed: Vec<String>,
}

/// The key of a row from the texts that somebody typed, read as the table's exports are. In row bytes.
pub fn key(table: &'static Table, texts: &[String]) -> Result<Vec<u8>> {
    let columns = table.primary_key.join(", ");
    if texts.len() != table.primary_key.len() {
        let (given, wanted) = (texts.len(), table.primary_key.len());
        return Err(Error::refused("", format!("{given} of {wanted} key columns"))
            .help(format!("give one argument for each of: {columns}")));
    }
    let layout = Layout::new(table);
    layout.key_of_texts(texts).map_err(|column| {
        let text = if column.pii { MASK.into() } else { format!("`{}`", column.name) };
        Error::refused("", format!("what is given for key column {text} is no value of it"))
            .help(format!("the key is: {columns}; see: cargo tidemark tables {}", table.name))
    })
}

/// Looks for a key in a version: in its export, as far as that is still there, and in its change set.
pub fn look(
    exports: &Local,
    changes: &Path,
    table: &'static Table,
    version: &Version,
    key: &[u8],
    watch: &Watch,
) -> Result<Sight> {
    let mut notes = Vec::new();
    let rows = in_export(exports, table, version, key, watch, &mut notes)?;
    let operation = in_changes(changes, table, version, key, watch, &mut notes)?;
    let (name, status, sequence) = (version.version.clone(), version.status, version.sequence);
    Ok(Sight { version: name, status, sequence, rows, operation, notes })
}

fn in_export(
    exports: &Local,
    table: &'static Table,
    version: &Version,
    key: &[u8],
    watch: &Watch,
    notes: &mut Vec<String>,
) -> Result<Vec<Found>> {
    let folder = exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let parts = exports
        .list(&version.key.tenant, &version.key.table, &version.version)
        .map(|listing| listing.parts)
        .unwrap_or_default();
    if parts.is_empty() {
        notes.push("its files are gone".into());
        return Ok(Vec::new());
    }
    let epoch = version.epoch.clone().unwrap_or_else(|| Epoch::of(table));
    if epoch.primary_key != table.primary_key {
        notes.push("it had another primary key".into());
        return Ok(Vec::new());
    }
    let layout = Layout::of_epoch(table, &epoch);
    let export = Export { label: version.to_string(), folder, parts, epoch: None };
    let mut rows = Vec::new();
    let done = native::look_for(&export, &layout, key, watch, |part, line, looked| {
        rows.push(Found { part: part.into(), line, columns: looked.into_iter().map(cell).collect() });
    });
    match done {
        Err(error) if error.fails_the_version() => notes.push(error.to_string()),
        done => done?,
    }
    Ok(rows)
}

fn cell(looked: Looked<'_>) -> Cell {
    let Looked { column, text, value } = looked;
    let shown = |bytes: &[u8]| match column.pii {
        true => MASK.to_owned(),
        false => String::from_utf8_lossy(bytes).into_owned(),
    };
    let (value, refused) = match value {
        Ok(value) => (value.map(|value| shown(&value)), None),
        Err(reason) => (None, Some(reason.to_string())),
    };
    Cell { column: column.name.into(), text: text.map(shown), value, refused }
}

fn in_changes(
    changes: &Path,
    table: &'static Table,
    version: &Version,
    key: &[u8],
    watch: &Watch,
    notes: &mut Vec<String>,
) -> Result<Option<Operation>> {
    let Some(plan) = &version.plan else { return Ok(None) };
    if !changes.is_dir() {
        notes.push("its change set is gone".into());
        return Ok(None);
    }
    let wanted = [br#""key":"#, &*key_json(&Layout::new(table), key)].concat();
    let mut found = None;
    for part in 0..plan.parts {
        watch.breathe(0)?;
        read_part(changes, part, |line| {
            if found.is_none() && memchr::memmem::find(line, &wanted).is_some() {
                found = operation(line);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

fn operation(line: &[u8]) -> Option<Operation> {
    let json: Json = serde_json::from_slice(line).ok()?;
    let names = json["changed"].as_array().into_iter().flatten();
    Some(Operation {
        op: json["op"].as_str()?.into(),
        id: json["id"].as_str()?.into(),
        changed: names.filter_map(|name| name.as_str().map(Into::into)).collect(),
    })
}
