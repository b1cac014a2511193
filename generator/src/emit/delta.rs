//! `generated/sql/<table>.delta.sql` and `<table>.first_import.sql`: the statements that compute a delta on Athena,
//! whose engine is Trino.
//!
//! Each column is one expression (`typed`). Everything after that works on arrays of texts, so that each column appears
//! only once in the statement.

mod decimal;
mod epoch;
mod sql;
mod typed;

use std::collections::BTreeMap;

use serde::Serialize;

use super::artifact::{Files, Origin};
use super::template;
use crate::model::{Column, Table};
use crate::names;
use sql::literal;
use typed::ColumnExpression;

/// The folder of the statements.
pub(super) const FOLDER: &str = "generated/sql";

pub(super) fn emit(table: &Table, origin: Origin<'_>, files: &mut Files) {
    if table.athena {
        for (name, with_baseline) in [("first_import", false), ("delta", true)] {
            files.insert(format!("{FOLDER}/{}.{name}.sql", table.name), statement(table, with_baseline, origin));
        }
    }
}

/// The view of the template.
#[derive(Serialize)]
struct View {
    header: String,
    title: &'static str,
    parameters: &'static str,
    reads: &'static str,
    /// For each scanned export, whether it is the new one.
    scans: &'static [&'static str],
    table: String,
    /// The raw columns.
    raw: String,
    /// Whether a row has as many fields as there are columns.
    has_all_fields: String,
    groups: Vec<Group>,
    /// Whether there is more than one group.
    is_split: bool,
    /// Whether a row is not an empty line.
    is_not_blank: String,
    /// The number of columns in the key.
    key_len: usize,
    /// The row bytes of the columns outside the key.
    values: String,
    /// The row bytes of the columns that are compared.
    compared: String,
    /// The hash that differs if two rows with the same key differ.
    distinguishing_hash: &'static str,
    /// The condition under which a text may be shown.
    is_shown: String,
    /// Whether keys that appear twice are refused even if their rows are the same.
    refuses_repeats: bool,
    reasons: Vec<Reason>,
    /// Whether a row repeats the header; `None` without a header.
    is_header: Option<String>,
    /// Whether an operation includes the old row.
    keeps_old_row: &'static str,
}

/// Columns that share one expression.
#[derive(Serialize)]
struct Group {
    /// The suffix of the group's names.
    suffix: String,
    /// The number of columns before the group.
    before: usize,
    columns: Vec<ColumnExpression>,
}

/// The maximum number of columns in one expression, and its maximum length. Trino compiles an expression to a Java
/// method of at most 64 KB of bytecode. On Trino 476, 150 string columns and 32 KB of other columns worked; 93 KB did
/// not.
const MAX_GROUP_COLUMNS: usize = 20;
const MAX_GROUP_BYTES: usize = 16 << 10;

fn groups(columns: Vec<ColumnExpression>) -> Vec<Group> {
    let (mut groups, mut bytes): (Vec<Group>, usize) = (Vec::new(), 0);
    for (before, column) in columns.into_iter().enumerate() {
        bytes += column.len();
        match groups.last_mut() {
            Some(group) if group.columns.len() < MAX_GROUP_COLUMNS && bytes <= MAX_GROUP_BYTES => {
                group.columns.push(column)
            }
            _ => {
                bytes = column.len();
                groups.push(Group { suffix: format!("_{}", groups.len() + 1), before, columns: vec![column] });
            }
        }
    }
    if let [only] = groups.as_mut_slice() {
        only.suffix = String::new();
    }
    groups
}

/// The reason why the value at `place` is rejected.
#[derive(Serialize)]
struct Reason {
    when: String,
    then: String,
}

/// The columns in the order of their places; those that are not published come last.
fn columns(table: &Table) -> Vec<&Column> {
    table.key_columns().chain(table.value_columns()).chain(table.unpublished_columns()).collect()
}

/// Renders the statement, without the UNLOAD around it.
pub(crate) fn statement(table: &Table, with_baseline: bool, origin: Origin<'_>) -> String {
    let (key_len, value_len) = (table.key_columns().count(), table.value_columns().count());
    let published = key_len + value_len;
    let columns = columns(table);
    let raw = Raw::new(table);
    let groups =
        groups(columns.iter().map(|column| typed::column(table, column, raw.column(table, &column.name))).collect());
    // Places count from 1, as in SQL.
    let compared: Vec<usize> =
        columns[..published].iter().zip(1..).filter(|(column, _)| column.compare).map(|(_, place)| place).collect();
    let (compares_all, publishes_all) = (compared.len() == published, published == columns.len());
    let Wording { title, parameters, reads, scans } = if with_baseline { DELTA } else { FIRST_IMPORT };
    let view = View {
        header: origin.table_header(table),
        title,
        parameters,
        reads,
        scans,
        table: names::sql(&table.name),
        is_header: is_header(table, &raw),
        raw: raw.list,
        has_all_fields: raw.has_all_fields,
        is_split: groups.len() > 1,
        groups,
        is_not_blank: raw.is_not_blank,
        key_len,
        values: format!("slice(bytes, {}, {value_len})", key_len + 1),
        compared: compared_bytes(&compared, published, columns.len()),
        distinguishing_hash: if compares_all { "hash" } else { "image_hash" },
        is_shown: if publishes_all { "place > 0".into() } else { format!("place BETWEEN 1 AND {published}") },
        refuses_repeats: table.source.refuse_duplicates,
        reasons: reasons(table, &columns, key_len),
        keeps_old_row: if table.before_image { "op IN ('UPDATE', 'DELETE')" } else { "op = 'UPDATE'" },
    };
    template::DELTA_SQL.render(&view)
}

/// The row bytes of the columns that are compared, of so many that are published, of so many in all.
fn compared_bytes(compared: &[usize], published: usize, all: usize) -> String {
    match compared.len() {
        number if number == all => "bytes".into(),
        number if number == published => format!("slice(bytes, 1, {published})"),
        _ => format!("transform(ARRAY{compared:?}, place -> bytes[place])"),
    }
}

/// The parts of the view that depend on the kind of statement.
struct Wording {
    title: &'static str,
    parameters: &'static str,
    reads: &'static str,
    scans: &'static [&'static str],
}

const FIRST_IMPORT: Wording = Wording {
    title: "Every row of an export as an INSERT, the rejected rows, and the totals.",
    parameters: "tenant, version",
    reads: "The export is read once.",
    scans: &["true"],
};

const DELTA: Wording = Wording {
    title: "The operations that turn one export into another, the rejected rows, and the totals.",
    parameters: "tenant, version of the baseline, tenant, version of the snapshot",
    reads: "Each export is read once.",
    scans: &["false", "true"],
};

/// The raw columns of a table, as Athena's reader returns them.
struct Raw {
    list: String,
    has_all_fields: String,
    is_not_blank: String,
}

impl Raw {
    fn new(table: &Table) -> Self {
        let names: Vec<String> = table.columns.iter().map(|column| names::sql(&column.name)).collect();
        if table.source.quote.is_none() {
            let delimiter = literal(&char::from(table.source.delimiter).to_string());
            return Self {
                list: format!("line, split(line, {delimiter}) AS fields"),
                has_all_fields: format!("cardinality(fields) = {}", names.len()),
                is_not_blank: "line <> ''".into(),
            };
        }
        // A missing field is NULL, an empty one is not.
        let (first, last) = (&names[0], &names[names.len() - 1]);
        let second = names.get(1).map_or("_rest", String::as_str);
        Self {
            list: table.columns.iter().map(selected).chain(["_rest".into()]).collect::<Vec<_>>().join(", "),
            has_all_fields: format!("{last} IS NOT NULL AND _rest IS NULL"),
            is_not_blank: format!("NOT ({first} = '' AND {second} IS NULL)"),
        }
    }

    /// The expression for the raw text of a column.
    fn column(&self, table: &Table, name: &str) -> String {
        if table.source.quote.is_some() {
            return names::sql(name);
        }
        let index = table.columns.iter().position(|column| column.name == name).expect("a column of the table");
        let field = format!("element_at(fields, {})", index + 1);
        if table.columns[index].trim { trimmed(&field) } else { field }
    }
}

/// How many elements of an array are written in one constructor. Trino allows up to 254.
const MAX_ELEMENTS: usize = 100;

/// The condition that a row repeats the header, with its names in any order.
fn is_header(table: &Table, raw: &Raw) -> Option<String> {
    if !table.source.header {
        return None;
    }
    let any_case = table.source.any_header_case;
    let name = |column: &Column| {
        let name = column.header.as_ref().unwrap_or(&column.name);
        literal(&if any_case { name.to_lowercase() } else { name.clone() })
    };
    let text = |column: &Column| {
        let text = raw.column(table, &column.name);
        if any_case { format!("lower({text})") } else { text }
    };
    let names: Vec<String> = table.columns.iter().map(name).collect();
    let texts: Vec<String> = table.columns.iter().map(text).collect();
    Some(format!(
        "{} AND {} IN ({}) AND cardinality(array_except({}, {})) = 0",
        raw.has_all_fields,
        texts[0],
        names.join(", "),
        array(&names),
        array(&texts)
    ))
}

fn array(elements: &[String]) -> String {
    let arrays = elements.chunks(MAX_ELEMENTS).map(|chunk| format!("ARRAY[{}]", chunk.join(", ")));
    arrays.collect::<Vec<_>>().join(" || ")
}

/// A column as it is selected from a table with quoted fields.
fn selected(column: &Column) -> String {
    let name = names::sql(&column.name);
    if column.trim { format!("{} AS {name}", trimmed(&name)) } else { name }
}

fn trimmed(text: &str) -> String {
    format!("regexp_replace({text}, '^[ \\t]+|[ \\t]+$', '')")
}

/// The reasons for invalid values, of which the first that applies counts. `columns` are in the order of their places.
fn reasons(table: &Table, columns: &[&Column], key_len: usize) -> Vec<Reason> {
    let mut places_of: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
    for (column, place) in columns.iter().zip(1..) {
        places_of.entry(table.nulls_of(column)).or_default().push(place);
    }
    let is_shared = places_of.len() == 1;
    let mut reasons: Vec<Reason> = Vec::new();
    for (nulls, places) in places_of.iter().filter(|(nulls, _)| !nulls.is_empty()) {
        let is_null = format!("substr(texts[place], 2) IN ({})", sql::literals(nulls));
        reasons.push(Reason {
            when: if is_shared { is_null } else { format!("contains(ARRAY{places:?}, place) AND {is_null}") },
            then: format!("IF(place <= {key_len}, 'null-key', 'null-value')"),
        });
    }
    reasons.push(Reason { when: "strpos(texts[place], chr(65533)) > 0".into(), then: "'not-utf8'".into() });
    reasons
}
