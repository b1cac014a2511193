//! A row's versions for people: a line for each, and its columns where something about it is new.

use serde_json::Value as Json;

use crate::cli::output::{count, grid};
use crate::inspect::why::{Cell, ChangeSet, Changed, Files, Occurrence, SHOWN, Sight};
use crate::name::TableKey;
use crate::store::Status;

/// Longest piece of a text that is shown, in characters; JSON has all of it.
const SHOWN_TEXT: usize = 60;

/// Everything.
pub(super) fn of(of: &TableKey, key: &str, sights: &[Sight]) -> String {
    let mut text = format!("{of}  {key}\n\n");
    let mut before: Option<&Sight> = None;
    for (sight, head) in sights.iter().zip(heads(sights)) {
        let is_as_before = before.is_some_and(|before| sight.is_as_in(before));
        text += format!("{head}  {}", summary(sight, is_as_before)).trim_end();
        text.push('\n');
        if !is_as_before {
            text += &details(sight, before);
        }
        if sight.export == Files::Read {
            before = Some(sight);
        }
    }
    if sights.iter().all(|sight| sight.rows.is_empty() && sight.operation.is_none()) {
        text += "\nNo version that can still be looked at has this key.\n";
    }
    text
}

/// Version and status of each, padded to one width.
fn heads(sights: &[Sight]) -> Vec<String> {
    let width = |text: fn(&Sight) -> String| sights.iter().map(|sight| text(sight).len()).max().unwrap_or_default();
    let (version, status) = (width(|sight| sight.version.clone()), width(|sight| sight.status.to_string()));
    sights.iter().map(|sight| format!("{:<version$}  {:<status$}", sight.version, sight.status)).collect()
}

/// Where the row stands and what was done to it, in one line.
fn summary(sight: &Sight, is_as_before: bool) -> String {
    let mut words = vec![place(sight)];
    if is_as_before && !sight.rows.is_empty() {
        words.push("as before".into());
    }
    words.push(done(sight));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

fn place(sight: &Sight) -> String {
    match (sight.export, sight.rows.as_slice()) {
        (Files::Gone, _) if sight.status == Status::Waiting => "no file is there yet".into(),
        (Files::Gone, _) => "its files are gone".into(),
        (Files::OtherKey, _) => "its rows had another key".into(),
        (Files::Read, []) => "not in the export".into(),
        (Files::Read, [row]) => at(row),
        (Files::Read, rows) if are_the_same(rows) && sight.places <= SHOWN as u64 => {
            rows.iter().map(at).collect::<Vec<_>>().join(", ")
        }
        (Files::Read, _) => format!("at {} places", count(sight.places)),
    }
}

fn at(row: &Occurrence) -> String {
    format!("{}:{}", row.part, row.line)
}

/// Whether what stands at all places is one and the same row.
fn are_the_same(rows: &[Occurrence]) -> bool {
    rows.iter().all(|row| row.flaw.is_none() && row.columns == rows[0].columns)
}

fn done(sight: &Sight) -> String {
    let state = match (sight.status, sight.sequence) {
        (_, Some(sequence)) => format!("sequence {}", count(sequence)),
        _ => "not published".to_owned(),
    };
    match (&sight.operation, sight.change_set) {
        (Some(operation), _) => format!("{}  {state}  id {}", operation.op, operation.id),
        (None, ChangeSet::Read) => "no operation".into(),
        (None, ChangeSet::Gone) => "its change set is gone".into(),
        (None, ChangeSet::Damaged) => "its change set is damaged".into(),
        (None, ChangeSet::None) if sight.export == Files::OtherKey => String::new(),
        (None, ChangeSet::None) => "nothing is planned".into(),
    }
}

/// The columns of the row, wherever it stands, and what else there is to know.
fn details(sight: &Sight, before: Option<&Sight>) -> String {
    let before = before.and_then(|before| before.rows.first()).map(|row| row.columns.as_slice());
    let changed = sight.operation.iter().flat_map(|operation| &operation.changed).collect::<Vec<_>>();
    let mut text = String::new();
    match sight.rows.as_slice() {
        [] => {
            text += &lines(changed.iter().map(|changed| {
                vec!["~".into(), changed.column.clone(), format!("{} → {}", old(changed), bare(&changed.new))]
            }))
        }
        [row, ..] if are_the_same(&sight.rows) => text += &columns(row, before, &changed),
        [Occurrence { flaw: Some(flaw), .. }] => text += &format!("    {flaw}\n"),
        rows => {
            for (place, row) in rows.iter().enumerate() {
                // What tells it from the first one is what somebody wants to know.
                let before = if place == 0 { before } else { Some(rows[0].columns.as_slice()) };
                let flaw = row.flaw.as_ref().map(|flaw| format!("  {flaw}")).unwrap_or_default();
                text += &format!("    {}{flaw}\n{}", at(row), columns(row, before, &changed));
            }
            let more = sight.places - rows.len() as u64;
            if more > 0 {
                text += &format!("    … and at {} more\n", count(more));
            }
        }
    }
    for note in &sight.notes {
        text += &format!("    {note}\n");
    }
    text
}

fn columns(row: &Occurrence, before: Option<&[Cell]>, changed: &[&Changed]) -> String {
    lines(row.columns.iter().map(|cell| {
        let old = before.and_then(|before| before.iter().find(|old| old.column == cell.column));
        let is_new = old.is_some_and(|old| old.mark != cell.mark);
        let was = changed.iter().find(|changed| changed.column == cell.column);
        let was = was.map(|changed| format!("was {}", self::old(changed))).unwrap_or_default();
        vec![if is_new { "~" } else { "" }.into(), cell.column.clone(), raw(cell), value(cell), was]
    }))
}

/// Lines of several columns, indented.
fn lines(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let Some(width) = rows.first().map(Vec::len) else { return String::new() };
    let text = grid(&vec![""; width], &[], rows);
    text.lines().skip(1).map(|line| format!("    {line}\n")).collect()
}

/// The text as it stands in the file.
fn raw(cell: &Cell) -> String {
    match &cell.raw {
        None => "(the export is older)".into(),
        Some(text) if cell.quoted => format!("\"{}\"", cut(text)),
        Some(text) if text.is_empty() => "(empty)".into(),
        Some(text) => cut(text),
    }
}

/// The value, where that is not the text over again.
fn value(cell: &Cell) -> String {
    match (&cell.refused, &cell.value) {
        // The text stands beside it already.
        (Some(refused), _) => format!("✗ {}", refused.rfind("is not a").map_or(refused.as_str(), |at| &refused[at..])),
        (None, Some(value)) if cell.raw.is_some() && cell.raw == plain(value) => String::new(),
        (None, Some(value)) => format!("= {}", bare(value)),
        (None, None) => String::new(),
    }
}

/// The old value of an UPDATE.
fn old(changed: &Changed) -> String {
    changed.old.as_ref().map_or_else(|| "?".into(), bare)
}

/// The text behind a value.
fn plain(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A value without the quotes of JSON.
fn bare(value: &Json) -> String {
    match plain(value) {
        None => "NULL".into(),
        Some(text) if text.is_empty() => "(empty)".into(),
        Some(text) => cut(&text),
    }
}

fn cut(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_TEXT).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_TEXT).is_some() { cut + "…" } else { cut }
}
