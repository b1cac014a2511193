//! Finds a row in a version's export.

use xxhash_rust::xxh3::Xxh3Default;

use crate::canonical::row::{InspectedColumn, Layout};
use crate::engine::native::{self, FoundRow};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::inspect::why::key::Key;
use crate::inspect::why::row::{Cell, Files, MASK, Occurrence, RowInVersion, SHOWN, masked};
use crate::operation::value_json;
use crate::reject;
use crate::run::Runner;
use crate::snapshot::{Export, Part};
use crate::store::Version;
use crate::table::Table;
use crate::telemetry::Watch;
use crate::wording::plural;

/// Searches a version's export for the key.
pub(super) fn inspect(
    runner: &Runner,
    layout: &Layout,
    version: &Version,
    key: &Key,
    watch: &Watch,
    row: &mut RowInVersion,
) -> Result<()> {
    let folder = runner.exports.folder(&version.key.tenant, &version.key.table, &version.version);
    let parts = match folder.list() {
        Err(error) => {
            row.export = Files::Unreadable;
            return note(error, row);
        }
        Ok(listing) => listing.parts,
    };
    if parts.is_empty() {
        return Ok(());
    }
    row.export = Files::Read;
    for gone in version.parts.iter().filter(|known| !parts.iter().any(|part| part.name == known.name)) {
        row.notes.push(format!("{} is gone", gone.name));
    }
    let export = Export { label: version.to_string(), folder, parts: Vec::new(), epoch: None };
    for part in &parts {
        match search(&export, part, layout, key, watch, row) {
            Ok(part) => row.notes.extend(difference(&part, &version.parts)),
            Err(error) => note(error, row)?,
        }
    }
    Ok(())
}

/// Searches one part for the key.
fn search(
    export: &Export,
    part: &Part,
    layout: &Layout,
    key: &Key,
    watch: &Watch,
    row: &mut RowInVersion,
) -> Result<Part> {
    let mut unreadable = Vec::new();
    let visit = |found: FoundRow<'_>| {
        row.places += 1;
        if row.places <= SHOWN as u64 {
            row.rows.push(occurrence(&part.name, layout.table, found));
        }
    };
    let read = native::find(export, part, layout, &key.bytes, watch, visit, |line| unreadable.push(line));
    row.notes.extend(unreadable_keys(&part.name, &unreadable));
    read
}

/// The rows that may be the one that is looked for, because their keys cannot be read.
fn unreadable_keys(part: &str, lines: &[u64]) -> Option<String> {
    let first = lines.first()?;
    let rows = plural(lines.len() as u64, "row");
    let (its, which) = if lines.len() == 1 { ("a key that", "at") } else { ("keys that", "the first at") };
    Some(format!("{rows} with {its} cannot be read, {which} {part}:{first}"))
}

/// How a part differs from the one in the registry.
fn difference(part: &Part, known: &[Part]) -> Option<String> {
    let Some(known) = known.iter().find(|known| known.name == part.name) else {
        return Some(format!("{} was added later", part.name));
    };
    known.has_other_content(part).then(|| format!("{} has changed since it was registered", part.name))
}

/// Notes what is wrong with a file. The others are read all the same.
fn note(error: Error, row: &mut RowInVersion) -> Result<()> {
    if error.kind() == ErrorKind::Interrupted {
        return Err(error);
    }
    if error.fault() == Fault::Machine {
        row.export = Files::Unreadable;
    }
    row.notes.push(error.to_string());
    Ok(())
}

fn occurrence(part: &str, table: &Table, row: FoundRow<'_>) -> Occurrence {
    let (columns, error) = match row.columns {
        Ok(columns) => (columns.into_iter().map(|column| cell(table, column)).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Occurrence { part: part.into(), line: row.line, columns, error }
}

fn cell(table: &Table, inspected: InspectedColumn<'_>) -> Cell {
    let InspectedColumn { column, field, value } = inspected;
    let mut mark = Xxh3Default::new();
    let texts = [field.map(|field| field.text()), value.as_ref().ok().and_then(Option::as_deref)];
    for text in texts {
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        mark.update(&length.to_le_bytes());
        mark.update(text.unwrap_or_default());
    }
    let raw = |text: &[u8]| if column.is_masked() { MASK.into() } else { String::from_utf8_lossy(text).into_owned() };
    let refused = value.as_ref().err().copied().zip(field);
    Cell {
        column: column.name.into(),
        raw: field.map(|field| raw(field.shown())),
        quoted: field.is_some_and(|field| field.quoted),
        refused: refused.map(|(reason, field)| reject::explain(table, column, field.shown(), reason)),
        mismatch: refused.map(|(reason, _)| reject::mismatch(column, reason)),
        value: value.ok().map(|text| masked(column, value_json(column, text.as_deref()))),
        mark: mark.digest128(),
    }
}
