//! Descriptions of tables and columns in statements of their own.

use sqlparser::tokenizer::Token;

use super::script::Contents;
use super::tokens::Cursor;
use crate::diagnostic::Diagnostic;
use crate::source::Source;

/// Reads `COMMENT ON`.
pub(super) fn on(contents: &mut Contents, _: &Source, mut cursor: Cursor<'_>) -> Result<(), Diagnostic> {
    cursor.eat(&["comment", "on"]);
    let is_column = cursor.eat(&["column"]);
    if !is_column && !cursor.eat(&["table"]) {
        return Ok(());
    }
    let Some((mut name, _)) = cursor.qualified_name(contents.dialect) else { return Ok(()) };
    let column = if is_column { name.pop() } else { None };
    cursor.eat(&["is"]);
    describe(contents, &name, column.as_deref(), cursor.text());
    Ok(())
}

/// Reads the property in which SQL Server keeps descriptions: `EXEC sp_addextendedproperty @name = N'MS_Description' …`
pub(super) fn extended_property(contents: &mut Contents, _: &Source, mut cursor: Cursor<'_>) -> Result<(), Diagnostic> {
    cursor.next();
    let name = cursor.qualified_name(contents.dialect).map(|(name, _)| name).unwrap_or_default();
    if name.last().is_none_or(|name| !name.eq_ignore_ascii_case("sp_addextendedproperty")) {
        return Ok(());
    }
    let items = cursor.items();
    let value = |wanted: &str| {
        items.iter().find_map(|item| {
            let mut item = *item;
            let is_wanted = item.name(contents.dialect)?.eq_ignore_ascii_case(wanted);
            (is_wanted && item.eat_mark(&Token::Eq)).then(|| item.text())?
        })
    };
    let is = |name: &str, wanted: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    if !is("@name", "MS_Description") || !is("@level1type", "TABLE") {
        return Ok(());
    }
    let name: Vec<String> = [value("@level0name"), value("@level1name")].into_iter().flatten().collect();
    let (column, text) = (value("@level2name"), value("@value"));
    describe(contents, &name, column.as_deref(), text);
    Ok(())
}

fn describe(contents: &mut Contents, name: &[String], column: Option<&str>, text: Option<String>) {
    let Some(table) = contents.find(name) else { return };
    match column {
        None => contents.tables[table].description = text,
        Some(column) => {
            let name = contents.column_name(table, column);
            if let Some(column) = contents.tables[table].column_mut(&name) {
                column.description = text;
            }
        }
    }
}
