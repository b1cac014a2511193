//! A row's versions, for people: one line each, followed by the columns if something changed.

use serde_json::Value as Json;

use crate::cli::output::{count, grid};
use crate::inspect::why::{Cell, ChangeSet, Changed, Files, Occurrence, RowInVersion, SHOWN};
use crate::name::{TableKey, printable};
use crate::store::Status;

/// Longest piece of a text that is shown, in characters; JSON output has all of it.
const MAX_TEXT: usize = 60;

/// Renders a row in all its versions.
pub(super) fn render(table: &TableKey, key: &str, versions: &[RowInVersion]) -> String {
    let mut text = format!("{table}  {key}\n\n");
    let mut before: Option<&RowInVersion> = None;
    for (version, prefix) in versions.iter().zip(prefixes(versions)) {
        let is_unchanged = before.is_some_and(|before| version.is_unchanged_since(before));
        text += format!("{prefix}  {}", summary(version, is_unchanged)).trim_end();
        text.push('\n');
        if !is_unchanged {
            text += &details(version, before);
        }
        if version.export == Files::Read {
            before = Some(version);
        }
    }
    if versions.iter().all(|version| version.rows.is_empty() && version.operation.is_none()) {
        text += "\nNo version that can still be read has this key.\n";
    }
    text
}

/// Name and status of each version, padded to one width.
fn prefixes(versions: &[RowInVersion]) -> Vec<String> {
    let width =
        |text: fn(&RowInVersion) -> String| versions.iter().map(|version| text(version).len()).max().unwrap_or(0);
    let (name, status) = (width(|version| version.version.clone()), width(|version| version.status.to_string()));
    versions.iter().map(|version| format!("{:<name$}  {:<status$}", version.version, version.status)).collect()
}

/// Where the row is and what was done to it, in one line.
fn summary(version: &RowInVersion, is_unchanged: bool) -> String {
    let mut words = vec![location(version)];
    if is_unchanged && !version.rows.is_empty() {
        words.push("unchanged".into());
    }
    words.push(operation(version));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

fn location(version: &RowInVersion) -> String {
    match (version.export, version.rows.as_slice()) {
        (Files::Gone, _) if version.status == Status::Waiting => "no files yet".into(),
        (Files::Gone, _) => "its files are gone".into(),
        (Files::OtherKey, _) => "its rows had another key".into(),
        (Files::Unreadable, []) => "its files cannot be read".into(),
        (Files::Read, []) if !version.notes.is_empty() => "not found".into(),
        (Files::Read, []) => "not in the export".into(),
        (Files::Read | Files::Unreadable, [row]) => line(row),
        (Files::Read | Files::Unreadable, rows) if are_equal(rows) && version.places <= SHOWN as u64 => {
            rows.iter().map(line).collect::<Vec<_>>().join(", ")
        }
        (Files::Read | Files::Unreadable, _) => format!("at {} places", count(version.places)),
    }
}

fn line(row: &Occurrence) -> String {
    format!("{}:{}", row.part, row.line)
}

/// Returns whether all occurrences are readable and have the same columns.
fn are_equal(rows: &[Occurrence]) -> bool {
    rows.iter().all(|row| row.error.is_none() && row.columns == rows[0].columns)
}

fn operation(version: &RowInVersion) -> String {
    let state = match version.sequence {
        Some(sequence) => format!("sequence {sequence}"),
        None => "not published".to_owned(),
    };
    match (&version.operation, version.change_set) {
        (Some(operation), _) => format!("{}  {state}  id {}", operation.op, operation.id),
        (None, ChangeSet::Read) => "no operation".into(),
        (None, ChangeSet::Gone) => "its change set is gone".into(),
        (None, ChangeSet::Damaged) => "its change set is damaged".into(),
        (None, ChangeSet::Unreadable) => "its change set cannot be read".into(),
        (None, ChangeSet::None) if version.export == Files::OtherKey => String::new(),
        (None, ChangeSet::None) => "not planned".into(),
    }
}

/// The columns of each occurrence, and the notes.
fn details(version: &RowInVersion, before: Option<&RowInVersion>) -> String {
    let before = before.and_then(|before| before.rows.first()).map(|row| row.columns.as_slice());
    let changed = version.operation.iter().flat_map(|operation| &operation.changed).collect::<Vec<_>>();
    let mut text = match version.rows.as_slice() {
        [] => indented(changed.iter().map(|changed| {
            vec!["~".into(), changed.column.clone(), format!("{} → {}", old(changed), bare(&changed.new))]
        })),
        [row, ..] if are_equal(&version.rows) => columns(row, before, &changed),
        [Occurrence { error: Some(error), .. }] => format!("    {error}\n"),
        rows => occurrences(rows, version.places, before, &changed),
    };
    for note in &version.notes {
        text += &format!("    {note}\n");
    }
    text
}

/// Rows that differ: the first is compared with the version before, the others with the first.
fn occurrences(rows: &[Occurrence], total: u64, before: Option<&[Cell]>, changed: &[&Changed]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let before = if index == 0 { before } else { Some(rows[0].columns.as_slice()) };
        let error = row.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
        text += &format!("    {}{error}\n{}", line(row), columns(row, before, changed));
    }
    let more = total - rows.len() as u64;
    if more > 0 {
        text += &format!("    … and at {} more\n", count(more));
    }
    text
}

fn columns(row: &Occurrence, before: Option<&[Cell]>, changed: &[&Changed]) -> String {
    indented(row.columns.iter().map(|cell| {
        let old = before.and_then(|before| before.iter().find(|old| old.column == cell.column));
        let is_new = old.is_some_and(|old| old.mark != cell.mark);
        let was = changed.iter().find(|changed| changed.column == cell.column);
        let was = was.map(|changed| format!("was {}", self::old(changed))).unwrap_or_default();
        vec![if is_new { "~" } else { "" }.into(), cell.column.clone(), raw(cell), value(cell), was]
    }))
}

/// A table without a header, indented.
fn indented(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let Some(width) = rows.first().map(Vec::len) else { return String::new() };
    let text = grid(&vec![""; width], &[], rows);
    text.lines().skip(1).map(|line| format!("    {line}\n")).collect()
}

/// The text as it is in the file.
fn raw(cell: &Cell) -> String {
    match &cell.raw {
        None => "(not in this export)".into(),
        Some(text) if cell.quoted => format!("\"{}\"", cut(text)),
        Some(text) if text.is_empty() => "(empty)".into(),
        Some(text) => cut(text),
    }
}

/// The value, unless it is the same as the text.
fn value(cell: &Cell) -> String {
    match (&cell.mismatch, &cell.value) {
        (Some(mismatch), _) => format!("✗ {mismatch}"),
        (None, Some(value)) if cell.raw.is_some() && cell.raw == plain(value) => String::new(),
        (None, Some(value)) => format!("= {}", bare(value)),
        (None, None) => String::new(),
    }
}

/// The old value of an UPDATE.
fn old(changed: &Changed) -> String {
    changed.old.as_ref().map_or_else(|| "?".into(), bare)
}

/// The text of a value; `None` for NULL.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A value without JSON quotes.
fn bare(value: &Json) -> String {
    match plain(value) {
        None => "NULL".into(),
        Some(text) if text.is_empty() => "(empty)".into(),
        Some(text) => cut(&text),
    }
}

fn cut(text: &str) -> String {
    let cut = printable(&text.chars().take(MAX_TEXT).collect::<String>());
    if text.chars().nth(MAX_TEXT).is_some() { cut + "…" } else { cut }
}
