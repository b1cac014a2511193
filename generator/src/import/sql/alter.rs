//! `ALTER TABLE`: dumps declare keys and NOT NULL there.

use super::create::constraint;
use super::script::Contents;
use super::tokens::Cursor;
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::wording::excerpt;

/// Words after ADD that add no column.
const NOT_A_COLUMN: &[&str] = &[
    "constraint",
    "primary",
    "unique",
    "foreign",
    "check",
    "index",
    "key",
    "fulltext",
    "spatial",
    "exclude",
    "supplemental",
    "partition",
    "generated",
];

/// Reads `ALTER TABLE`.
pub(super) fn table(contents: &mut Contents, source: &Source, mut cursor: Cursor<'_>) -> Result<(), Diagnostic> {
    let start = cursor.parts.first().map_or(0, |part| part.span.start);
    cursor.eat(&["alter", "table"]);
    cursor.eat(&["if", "exists"]);
    cursor.eat(&["only"]);
    let Some((name, _)) = cursor.qualified_name(contents.dialect) else { return Ok(()) };
    let Some(table) = contents.find(&name) else { return Ok(()) };
    if cursor.eat(&["attach", "partition"]) {
        remove_partition(contents, source, cursor);
        return Ok(());
    }
    let is_applied = cursor.items().into_iter().fold(true, |applied, action| applied & apply(contents, table, action));
    if !is_applied {
        let line = source.position(start).line;
        let start = cursor.parts.first().map_or(start, |part| part.span.start);
        let end = cursor.parts.last().map_or(start, |part| part.span.end);
        let words = source.text[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
        let choice = format!("ALTER TABLE in line {line} changes columns and is not applied: {}", excerpt(&words));
        contents.tables[table].choices.push(choice);
    }
    Ok(())
}

fn remove_partition(contents: &mut Contents, source: &Source, mut cursor: Cursor<'_>) {
    let Some((name, span)) = cursor.qualified_name(contents.dialect) else { return };
    if let Some(index) = contents.find(&name) {
        contents.tables.remove(index);
        contents.skipped.push(format!("partition {} in line {}", name.join("."), source.position(span.start).line));
    }
}

/// Applies an action. Returns whether the table is as before in all that was not applied.
fn apply(contents: &mut Contents, table: usize, mut action: Cursor<'_>) -> bool {
    // SQL Server: WITH CHECK ADD CONSTRAINT …
    let _ = action.eat(&["with", "check"]) || action.eat(&["with", "nocheck"]);
    match action.word(0).as_str() {
        "add" => add(contents, table, action),
        "modify" => {
            action.next();
            action.eat(&["column"]);
            let items = action.parentheses().map_or_else(|| vec![action], |inside| inside.items());
            items.into_iter().fold(true, |applied, item| applied & modify(contents, table, item))
        }
        "alter" => {
            action.next();
            action.eat(&["column"]);
            let mut ahead = action;
            let is_kept = ahead.name(contents.dialect).is_some()
                && (ahead.is(&["set", "default"])
                    || ahead.is(&["set", "statistics"])
                    || ahead.is(&["set", "storage"])
                    || ahead.is(&["drop", "default"])
                    || ahead.is(&["add", "generated"]));
            is_kept || modify(contents, table, action)
        }
        "drop" => matches!(action.word(1).as_str(), "constraint" | "index" | "key" | "foreign" | "check"),
        "rename" | "change" | "inherit" => false,
        _ => true,
    }
}

fn add(contents: &mut Contents, table: usize, mut action: Cursor<'_>) -> bool {
    action.next();
    let items = action.parentheses().map_or_else(|| vec![action], |inside| inside.items());
    items.into_iter().fold(true, |applied, item| {
        let is_constraint = NOT_A_COLUMN.contains(&item.word(0).as_str());
        if is_constraint {
            constraint(contents, table, item);
        }
        applied & is_constraint
    })
}

/// Applies NOT NULL. Returns whether there is nothing else.
fn modify(contents: &mut Contents, table: usize, mut item: Cursor<'_>) -> bool {
    let Some(name) = item.name(contents.dialect) else { return false };
    let name = contents.column_name(table, &name);
    let is_alone = (item.is(&["not", "null"]) || item.is(&["set", "not", "null"]) || item.is(&["constraint"]))
        && item.parts.len() <= 6;
    let (mut is_required, mut is_same) = (false, is_alone);
    while !item.is_empty() {
        is_required |= item.is(&["not", "null"]);
        // As phpMyAdmin does it, the same column is written once more.
        is_same |= item.is(&["auto_increment"]);
        item.next();
    }
    match contents.tables[table].column_mut(&name) {
        Some(column) if is_required => column.is_nullable = false,
        _ => {}
    }
    is_same
}
