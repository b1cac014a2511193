//! `generated/sql/<table>.delta.sql` and `<table>.first_import.sql`: the statements that compute a delta on Athena, whose engine is Trino.
//!
//! Each column is one expression (`typed`); everything behind it works on arrays of texts, so that a statement grows with
//! the columns only once.

mod typed;

use serde::Serialize;

use super::{Files, header, render};
use crate::model::{Column, Source, Table};
use crate::names;
use typed::{Typed, literal};

/// Where the statements stand.
pub(super) const FOLDER: &str = "generated/sql";

pub(super) fn emit(tables: &[Table], files: &mut Files) {
    for table in tables.iter().filter(|table| table.athena) {
        for (name, with_baseline) in [("first_import", false), ("delta", true)] {
            files.insert(format!("{FOLDER}/{}.{name}.sql", table.name), statement(table, with_baseline));
        }
    }
}

/// What the template is told.
#[derive(Serialize)]
struct View {
    header: String,
    title: String,
    parameters: &'static str,
    scans: &'static str,
    /// For each export, whether it is the new one.
    legs: &'static [&'static str],
    table: String,
    /// The raw columns, as the statement names them.
    raw: String,
    /// Whether a row has as many fields as there are columns.
    is_whole: String,
    /// The columns, and whether there is more than one group of them.
    groups: Vec<Group>,
    is_split: bool,
    /// What a row must not be to count at all.
    blank: String,
    /// How many columns the key has.
    keys: usize,
    /// The row bytes of the columns outside the key, and of those that are compared.
    rest: String,
    compared: String,
    /// What differs where two rows of one key do.
    differ: &'static str,
    reasons: Vec<Reason>,
    /// Which operations carry the old row.
    keeps_old: &'static str,
}

/// Columns that are one expression.
#[derive(Serialize)]
struct Group {
    /// What its names end in.
    suffix: String,
    /// How many columns stand before it.
    before: usize,
    columns: Vec<Typed>,
}

/// The most columns in one expression, and the most text: on Trino 476, whose methods may have 64 KB of byte code, 150
/// columns of text and 32 KB of any columns passed; 93 KB did not.
const GROUP: usize = 20;
const GROUP_TEXT: usize = 16 << 10;

fn groups(columns: Vec<Typed>) -> Vec<Group> {
    let (mut groups, mut text): (Vec<Group>, usize) = (Vec::new(), 0);
    for (before, column) in columns.into_iter().enumerate() {
        text += column.length();
        match groups.last_mut() {
            Some(group) if group.columns.len() < GROUP && text <= GROUP_TEXT => group.columns.push(column),
            _ => {
                text = column.length();
                groups.push(Group { suffix: format!("_{}", groups.len() + 1), before, columns: vec![column] });
            }
        }
    }
    if let [only] = groups.as_mut_slice() {
        only.suffix = String::new();
    }
    groups
}

/// Why a value at `place` is refused.
#[derive(Serialize)]
struct Reason {
    when: String,
    then: String,
}

/// The statement, without the UNLOAD around it.
pub(crate) fn statement(table: &Table, with_baseline: bool) -> String {
    let (key, rest): (Vec<_>, Vec<_>) = (table.key_columns().collect(), table.value_columns().collect());
    let raw = Raw::of(table);
    let columns: Vec<Typed> = key
        .iter()
        .chain(&rest)
        .map(|column| typed::column(table, column, raw.of_column(table, &column.name)))
        .collect();
    let places: Vec<usize> = key.iter().chain(&rest).zip(1..).filter(|(c, _)| c.compare).map(|(_, at)| at).collect();
    let all = key.len() + rest.len();
    let groups = groups(columns);
    let view = View {
        header: header(table),
        title: if with_baseline {
            "The operations that lead from one export to another, whatever was rejected, and the totals.".into()
        } else {
            "Every row of an export as an INSERT, whatever was rejected, and the totals.".into()
        },
        parameters: if with_baseline {
            "tenant, version of the baseline, tenant, version of the snapshot"
        } else {
            "tenant, version"
        },
        scans: if with_baseline { "Each export is read once." } else { "The export is read once." },
        legs: if with_baseline { &["false", "true"] } else { &["true"] },
        table: names::sql(&table.name),
        raw: raw.list,
        is_whole: raw.is_whole,
        is_split: groups.len() > 1,
        groups,
        blank: raw.blank,
        keys: key.len(),
        rest: format!("slice(bytes, {}, {})", key.len() + 1, rest.len()),
        compared: if places.len() == all {
            "bytes".into()
        } else {
            format!("transform(ARRAY{places:?}, place -> bytes[place])")
        },
        differ: if places.len() == all { "hash" } else { "image_hash" },
        reasons: reasons(&table.source, key.len()),
        keeps_old: if table.before_image { "op IN ('UPDATE', 'DELETE')" } else { "op = 'UPDATE'" },
    };
    render("delta.sql", &view)
}

/// The raw columns of a table, as its reader in Athena gives them.
struct Raw {
    list: String,
    is_whole: String,
    blank: String,
}

impl Raw {
    fn of(table: &Table) -> Self {
        let names: Vec<String> = table.columns.iter().map(|column| names::sql(&column.name)).collect();
        if table.source.quote.is_none() {
            let delimiter = literal(&char::from(table.source.delimiter).to_string());
            return Self {
                list: format!("line, split(line, {delimiter}) AS fields"),
                is_whole: format!("cardinality(fields) = {}", names.len()),
                blank: "line <> ''".into(),
            };
        }
        // A field that is not there is NULL; one that is empty is not.
        let (first, last) = (&names[0], &names[names.len() - 1]);
        let second = names.get(1).map_or("_rest", String::as_str);
        Self {
            list: table.columns.iter().map(trimmed).chain(["_rest".into()]).collect::<Vec<_>>().join(", "),
            is_whole: format!("{last} IS NOT NULL AND _rest IS NULL"),
            blank: format!("NOT ({first} = '' AND {second} IS NULL)"),
        }
    }

    /// How the statement names the text of a column.
    fn of_column(&self, table: &Table, name: &str) -> String {
        if table.source.quote.is_some() {
            return names::sql(name);
        }
        let place = table.columns.iter().position(|column| column.name == name).expect("it is a column of the table");
        let field = format!("element_at(fields, {})", place + 1);
        if table.columns[place].trim { without_blanks(&field) } else { field }
    }
}

/// A column of a quoted dialect as it is read.
fn trimmed(column: &Column) -> String {
    let name = names::sql(&column.name);
    if column.trim { format!("{} AS {name}", without_blanks(&name)) } else { name }
}

fn without_blanks(text: &str) -> String {
    format!("regexp_replace({text}, '^[ \\t]+|[ \\t]+$', '')")
}

fn reasons(source: &Source, keys: usize) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !source.nulls.is_empty() {
        reasons.push(Reason {
            when: format!("substr(texts[place], 2) IN ({})", typed::literals(&source.nulls)),
            then: format!("IF(place <= {keys}, 'null-key', 'null-value')"),
        });
    }
    reasons.push(Reason { when: "strpos(texts[place], chr(65533)) > 0".into(), then: "'not-utf8'".into() });
    reasons
}
