//! One column of `CREATE TABLE`.

use sqlparser::tokenizer::Token;

use super::lexical::is_blank;
use super::tokens::Cursor;
use crate::diagnostic::{Code, Diagnostic};
use crate::import::definition::Column;
use crate::import::dialect::Dialect;
use crate::import::mapped::Mapped;
use crate::import::types;
use crate::source::Source;

/// A column, and what its definition says about keys.
pub(super) struct ColumnItem {
    pub(super) column: Column,
    pub(super) is_key: bool,
    pub(super) is_unique: bool,
}

/// Reads a name, a type, and what follows them.
pub(super) fn read(source: &Source, dialect: Dialect, mut item: Cursor<'_>) -> Result<ColumnItem, Diagnostic> {
    let start = item.parts.first().map_or(0..0, |part| part.span.clone());
    let Some(name) = item.name(dialect) else {
        let diagnostic = Diagnostic::new(Code::BrokenSql, &start, "this is neither a column nor a key");
        return Err(diagnostic.label("expected the name of a column").help("quote a name that is not a plain word"));
    };
    let is_computed = item.is(&["as"]) || item.is(&["generated"]);
    let spelling = if is_computed { String::new() } else { spelling(source, &mut item) };
    let (ty, is_serial) = match spelling.as_str() {
        "" if is_computed => (Mapped::text("the definition names no type, since the database computes it"), false),
        "" => {
            let message = format!("column `{name}` has no type");
            return Err(Diagnostic::new(Code::BrokenSql, &start, message).label("expected a type after the name"));
        }
        spelling => (types::map(spelling, dialect), spelling.to_lowercase().contains("serial")),
    };
    let column = Column { name, ty, spelling, is_nullable: !is_serial, description: None };
    let mut read = ColumnItem { column, is_key: false, is_unique: false };
    while !item.is_empty() {
        read.option(&mut item, dialect);
    }
    read.column.is_nullable &= !read.is_key;
    Ok(read)
}

impl ColumnItem {
    /// Reads what a schema can say, and skips everything else.
    fn option(&mut self, item: &mut Cursor<'_>, dialect: Dialect) {
        let column = &mut self.column;
        if item.eat(&["not", "null"]) || item.eat(&["identity"]) || item.eat(&["auto_increment"]) {
            column.is_nullable = false;
        } else if item.eat(&["primary", "key"]) {
            self.is_key = true;
        } else if item.eat(&["unique"]) {
            self.is_unique = true;
            item.eat(&["key"]);
        } else if dialect == Dialect::Mysql && item.eat(&["key"]) {
            self.is_key = true;
        } else if item.eat(&["comment"]) {
            column.description = item.text().or(column.description.take());
        } else if item.eat(&["as"]) {
            if item.parentheses().is_some() && !column.spelling.is_empty() {
                column.ty.choices.push("computed by the database; remove it if exports lack it".into());
            }
        } else if item.parentheses().is_none() {
            item.next();
        }
    }
}

/// Words that continue a type.
const CONTINUATIONS: &[&str] = &[
    "precision",
    "varying",
    "char",
    "character",
    "varchar",
    "large",
    "object",
    "unsigned",
    "signed",
    "zerofill",
    "raw",
    "array",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "to",
];

/// The type as it is spelled, on one line.
fn spelling(source: &Source, item: &mut Cursor<'_>) -> String {
    let Some(start) = item.parts.first().map(|part| part.span.start) else { return String::new() };
    let before = item.parts;
    // The words of a type are not names, so their case does not matter.
    if item.qualified_name(Dialect::Generic).is_none() {
        return String::new();
    }
    while continues(item) {}
    let end = before[..before.len() - item.parts.len()].last().map_or(start, |part| part.span.end);
    source.text[start..end].split(is_blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Skips the next part of a type, if there is one.
fn continues(item: &mut Cursor<'_>) -> bool {
    let word = item.word(0);
    let is_charset = word == "character" && item.word(1) == "set";
    if CONTINUATIONS.contains(&word.as_str()) && !is_charset {
        return item.next().is_some();
    }
    let zones: &[&[&str]] =
        &[&["with", "time", "zone"], &["without", "time", "zone"], &["with", "local", "time", "zone"]];
    if item.parentheses().is_some() || zones.iter().any(|words| item.eat(words)) {
        return true;
    }
    match item.parts.first().map(|part| &part.token) {
        Some(Token::LBracket) => skip_to(item, &Token::RBracket),
        Some(Token::Lt) => skip_nested(item),
        _ => return false,
    }
    true
}

fn skip_to(item: &mut Cursor<'_>, end: &Token) {
    while item.next().is_some_and(|part| part.token != *end) {}
}

/// Skips `<…>`, whose ends may be written as one token.
fn skip_nested(item: &mut Cursor<'_>) {
    let mut depth = 0;
    while let Some(part) = item.next() {
        depth += match part.token {
            Token::Lt => 1,
            Token::ShiftLeft => 2,
            Token::Gt => -1,
            Token::ShiftRight => -2,
            _ => 0,
        };
        if depth <= 0 {
            return;
        }
    }
}
