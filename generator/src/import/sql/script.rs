//! What has been read of a script, which its further statements add to.

use super::tokens::Cursor;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::import::definition::Definition;
use crate::import::dialect::Dialect;

/// What a script contains.
#[derive(Debug)]
pub(in crate::import) struct Contents {
    pub(in crate::import) tables: Vec<Definition>,
    /// Tables that are no tables of their own: temporary ones, and partitions.
    pub(in crate::import) skipped: Vec<String>,
    pub(in crate::import) diagnostics: Vec<Diagnostic>,
    pub(super) dialect: Dialect,
}

/// Words between CREATE and TABLE.
pub(super) const KINDS: &[&str] = &[
    "or",
    "replace",
    "global",
    "local",
    "temp",
    "temporary",
    "unlogged",
    "external",
    "foreign",
    "private",
    "transient",
    "volatile",
    "multiset",
    "set",
    "column",
    "row",
    "immutable",
    "blockchain",
    "sharded",
    "duplicated",
    "hybrid",
];

impl Contents {
    /// The table that a statement names, if it is known.
    pub(super) fn find(&self, name: &[String]) -> Option<usize> {
        let ignores_case = !matches!(self.dialect, Dialect::Postgres | Dialect::Oracle);
        let is_same = |a: &String, b: &String| a == b || (ignores_case && a.eq_ignore_ascii_case(b));
        self.tables.iter().rposition(|table| {
            let pairs = table.name.iter().rev().zip(name.iter().rev());
            pairs.into_iter().all(|(a, b)| is_same(a, b))
        })
    }

    /// The spelling of a column that a statement names.
    pub(super) fn column_name(&self, table: usize, name: &str) -> String {
        let ignores_case = !matches!(self.dialect, Dialect::Postgres | Dialect::Oracle);
        let columns = &self.tables[table].columns;
        let exact = columns.iter().find(|column| column.name == name);
        let alike = || columns.iter().find(|column| ignores_case && column.name.eq_ignore_ascii_case(name));
        exact.or_else(alike).map_or_else(|| name.to_owned(), |column| column.name.clone())
    }

    /// The columns in the parentheses of a key; `None` if one is an expression or the beginning of a text.
    pub(super) fn key_columns(&self, table: usize, inside: &Cursor<'_>) -> Option<Vec<String>> {
        let columns = inside.items().into_iter().map(|mut item| {
            let name = item.name(self.dialect)?;
            let is_whole = item.is_empty() || item.eat(&["asc"]) || item.eat(&["desc"]);
            is_whole.then(|| self.column_name(table, &name))
        });
        columns.collect()
    }
}

/// A statement that has no columns to read.
pub(super) fn unknown_columns(span: &Span, why: &str) -> Diagnostic {
    Diagnostic::new(Code::UnknownColumns, span, format!("the columns of this table are not in the file: {why}"))
        .label("this table")
        .help("import what the database says about the table, such as the output of pg_dump or SHOW CREATE TABLE")
}
