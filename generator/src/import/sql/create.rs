//! `CREATE TABLE`: names, columns and keys.

use sqlparser::tokenizer::Token;

use super::column;
use super::script::{Contents, KINDS, unknown_columns};
use super::tokens::Cursor;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::import::definition::Definition;
use crate::import::dialect::Dialect;
use crate::source::Source;

/// Reads `CREATE TABLE`.
pub(super) fn table(contents: &mut Contents, source: &Source, mut cursor: Cursor<'_>) -> Result<(), Diagnostic> {
    cursor.eat(&["create"]);
    let mut is_temporary = false;
    while KINDS.contains(&cursor.word(0).as_str()) {
        is_temporary |= matches!(cursor.word(0).as_str(), "temp" | "temporary");
        cursor.next();
    }
    let at = cursor.parts.first().map_or(0..0, |part| part.span.clone());
    cursor.eat(&["table"]);
    cursor.eat(&["if", "not", "exists"]);
    let Some((name, span)) = cursor.qualified_name(contents.dialect) else {
        return Err(Diagnostic::new(Code::BrokenSql, &at, "this table has no name").label("expected a name after it"));
    };
    is_temporary |= name.last().is_some_and(|name| name.starts_with('#'));
    let kind =
        if is_temporary { Some("temporary table") } else { cursor.is(&["partition", "of"]).then_some("partition") };
    if let Some(kind) = kind {
        let line = source.position(span.start).line;
        contents.skipped.push(format!("{kind} {} in line {line}", name.join(".")));
        return Ok(());
    }
    let inside = body(&mut cursor, &span)?;
    if has_word(&cursor, "inherits") {
        return Err(unknown_columns(&span, "it inherits some from another table"));
    }
    let mut definition = Definition::new(name, span.clone(), contents.dialect.name());
    definition.description = table_comment(cursor);
    contents.tables.push(definition);
    let added = contents.tables.len() - 1;
    let result = inside.items().into_iter().try_for_each(|item| add(contents, source, added, item));
    let is_empty = contents.tables[added].columns.is_empty();
    let result = result.and_then(|()| if is_empty { Err(unknown_columns(&span, "there are none")) } else { Ok(()) });
    if result.is_err() {
        contents.tables.pop();
    }
    result
}

/// What is in the parentheses after the name.
fn body<'a>(cursor: &mut Cursor<'a>, table: &Span) -> Result<Cursor<'a>, Diagnostic> {
    let opening = cursor.parts.first().filter(|part| part.token == Token::LParen);
    if let Some(inside) = cursor.parentheses() {
        return if inside.is(&["select"]) || inside.is(&["with"]) {
            Err(unknown_columns(table, "they are those of a query"))
        } else {
            Ok(inside)
        };
    }
    Err(match opening {
        Some(opening) => Diagnostic::new(Code::BrokenSql, &opening.span, "this parenthesis is never closed")
            .label("the columns begin here")
            .help("close it before the statement ends"),
        None => unknown_columns(table, "no list of columns follows the name"),
    })
}

fn has_word(cursor: &Cursor<'_>, word: &str) -> bool {
    (0..cursor.parts.len()).any(|index| cursor.word(index) == word)
}

/// The comment among the options after the columns.
fn table_comment(mut cursor: Cursor<'_>) -> Option<String> {
    while !cursor.is_empty() {
        if cursor.eat(&["comment"]) {
            cursor.eat_mark(&Token::Eq);
            return cursor.text();
        }
        if cursor.parentheses().is_none() {
            cursor.next();
        }
    }
    None
}

/// Adds a column or a key.
fn add(contents: &mut Contents, source: &Source, table: usize, item: Cursor<'_>) -> Result<(), Diagnostic> {
    if item.is(&["like"]) {
        return Err(unknown_columns(&contents.tables[table].span, "they are like those of another table"));
    }
    if is_constraint(&item, contents.dialect) {
        constraint(contents, table, item);
        return Ok(());
    }
    let column = column::read(source, contents.dialect, item)?;
    let definition = &mut contents.tables[table];
    if column.is_key {
        definition.key.push(column.column.name.clone());
    }
    if column.is_unique {
        definition.uniques.push(vec![column.column.name.clone()]);
    }
    definition.columns.push(column.column);
    Ok(())
}

/// Returns whether an item is not a column. Some of these words are names in other databases.
fn is_constraint(item: &Cursor<'_>, dialect: Dialect) -> bool {
    match item.word(0).as_str() {
        "constraint" | "unique" | "check" => true,
        "primary" | "foreign" => item.word(1) == "key",
        "key" | "fulltext" | "spatial" => dialect == Dialect::Mysql,
        "index" => matches!(dialect, Dialect::Mysql | Dialect::SqlServer),
        "exclude" => item.word(1) == "using" || item.parts.get(1).is_some_and(|part| part.token == Token::LParen),
        "period" => item.word(1) == "for",
        "supplemental" => item.word(1) == "log",
        _ => false,
    }
}

/// Adds the key that a constraint declares; the others say nothing that a schema has.
pub(super) fn constraint(contents: &mut Contents, table: usize, mut item: Cursor<'_>) {
    if item.eat(&["constraint"]) && !matches!(item.word(0).as_str(), "primary" | "unique" | "foreign" | "check") {
        item.next();
    }
    let is_primary = item.eat(&["primary", "key"]);
    if !is_primary && !item.eat(&["unique"]) {
        return;
    }
    while !item.is_empty() {
        let Some(inside) = item.parentheses() else {
            item.next();
            continue;
        };
        let columns = contents.key_columns(table, &inside);
        let definition = &mut contents.tables[table];
        match columns {
            Some(columns) if is_primary => definition.key = columns,
            Some(columns) => definition.uniques.push(columns),
            None if is_primary => definition.key_choices.push("the primary key is of parts of columns".into()),
            None => {}
        }
        return;
    }
}
