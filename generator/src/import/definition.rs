//! A table as a definition describes it, before it is a schema.

use std::collections::BTreeSet;

use super::mapped::Mapped;
use crate::diagnostic::Span;
use crate::names;
use crate::schema_text;

/// One table.
#[derive(Debug)]
pub(super) struct Definition {
    /// Its name as the definition spells it, with its schema.
    pub(super) name: Vec<String>,
    /// Where the definition names it.
    pub(super) span: Span,
    pub(super) description: Option<String>,
    pub(super) columns: Vec<Column>,
    /// The names of the key columns, in the key's order; empty if nothing was said.
    pub(super) key: Vec<String>,
    /// Names of columns that are unique together.
    pub(super) uniques: Vec<Vec<String>>,
    /// Further fields of the schema, with values as YAML.
    pub(super) options: Vec<(String, String)>,
    /// Questions about the table that the definition leaves open.
    pub(super) choices: Vec<String>,
    /// Questions about the key.
    pub(super) key_choices: Vec<String>,
    /// The program that wrote the definition, such as `PostgreSQL`.
    pub(super) writer: String,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    /// Its name as the database knows it.
    pub(super) name: String,
    pub(super) ty: Mapped,
    /// The type as the definition spells it.
    pub(super) spelling: String,
    pub(super) is_nullable: bool,
    pub(super) description: Option<String>,
}

impl Definition {
    pub(super) fn new(name: Vec<String>, span: Span, writer: impl Into<String>) -> Self {
        Self {
            name,
            span,
            description: None,
            columns: Vec::new(),
            key: Vec::new(),
            uniques: Vec::new(),
            options: Vec::new(),
            choices: Vec::new(),
            key_choices: Vec::new(),
            writer: writer.into(),
        }
    }

    /// The table's name in the schema.
    pub(super) fn table(&self) -> String {
        let spelled = self.name.last().map_or("", String::as_str);
        let name = if names::is_table_name(spelled) {
            spelled.to_owned()
        } else {
            schema_text::identifier(&names::module(spelled), "table")
        };
        if names::is_reserved_module(&name) { name + "_table" } else { name }
    }

    pub(super) fn column_mut(&mut self, name: &str) -> Option<&mut Column> {
        self.columns.iter_mut().find(|column| column.name == name)
    }

    /// Decides what identifies a row, and makes these columns fit for a key.
    pub(super) fn settle_key(&mut self) {
        if self.key.is_empty() {
            let choice = self.guess_key();
            self.key_choices.push(choice);
        }
        for name in self.key.clone() {
            if let Some(column) = self.column_mut(&name) {
                column.ty = column.ty.clone().in_key();
                column.is_nullable = false;
            }
        }
    }

    /// Takes what comes closest to a key, and says so.
    fn guess_key(&mut self) -> String {
        let required: BTreeSet<&String> =
            self.columns.iter().filter(|column| !column.is_nullable).map(|column| &column.name).collect();
        let unique = self.uniques.iter().find(|names| names.iter().all(|name| required.contains(name)));
        let (key, choice) = if let Some(unique) = unique {
            (unique.clone(), "no columns are the primary key; these are unique and not NULL in it")
        } else if required.is_empty() {
            let all = self.columns.iter().map(|column| column.name.clone()).collect();
            (all, "no columns are the primary key, and a key has no NULL: write the columns that identify a row")
        } else {
            let choice = "no columns are the primary key. All columns without NULL are here; write those that \
                          identify a row";
            let names = self.columns.iter().map(|column| &column.name);
            (names.filter(|name| required.contains(name)).cloned().collect(), choice)
        };
        self.key = key;
        choice.to_owned()
    }
}
