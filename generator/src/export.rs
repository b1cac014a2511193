//! A schema as a data contract of the Open Data Contract Standard:
//! <https://bitol-io.github.io/open-data-contract-standard>.
//!
//! The standard knows names, types, keys and descriptions. Everything else that the schema says is in a custom property
//! for the table and one for each column, word by word, so that a contract can be imported again without a loss.

use std::fmt::Write as _;

use crate::model::{Column, ColumnType, Table};
use crate::schema_text::{plain, quoted};
use crate::tree::{entries, flow, items};
use crate::yaml::Node;

/// The property that holds what only Tidemark knows.
pub(crate) const CUSTOM: &str = "tidemark";

/// The version of the standard, and what the versions begin with that can be imported.
const VERSION: &str = "v3.1.0";
pub(crate) const MAJOR_VERSION: &str = "3.";

/// Fields of a schema and of a column that the standard has itself.
const OF_TABLE: &[&str] = &["table", "description", "primary_key", "columns"];
const OF_COLUMN: &[&str] = &["name", "description", "nullable"];

/// The contract of a table. `root` is its schema as written.
pub(crate) fn odcs(table: &Table, root: &Node, command: &str) -> String {
    let name = &table.name;
    let mut yaml = format!("# Written by `{command} -- export --odcs` from schemas/{name}.yaml.\n");
    let head = [
        ("apiVersion", VERSION.to_owned()),
        ("kind", "DataContract".into()),
        ("id", format!("tidemark.{name}")),
        ("name", plain(name)),
        ("version", quoted(&table.schema_hash())),
        ("status", "active".into()),
    ];
    head.iter().for_each(|(field, value)| line(&mut yaml, 0, field, value));
    yaml.push_str("schema:\n");
    let _ = writeln!(yaml, "  - name: {}", plain(name));
    line(&mut yaml, 4, "logicalType", "object");
    line(&mut yaml, 4, "physicalType", "table");
    describe(&mut yaml, 4, table.description.as_deref());
    custom(&mut yaml, 4, root, OF_TABLE);
    yaml.push_str("    properties:\n");
    for (index, (column, node)) in table.columns.iter().zip(items(root, "columns")).enumerate() {
        property(&mut yaml, table, index, column, node);
    }
    yaml
}

fn property(yaml: &mut String, table: &Table, index: usize, column: &Column, node: &Node) {
    let _ = writeln!(yaml, "      - name: {}", plain(&column.name));
    if let Some(header) = column.header.as_deref().filter(|header| !header.is_empty()) {
        line(yaml, 8, "physicalName", &quoted(header));
    }
    let (logical, options) = logical_type(&column.ty);
    line(yaml, 8, "logicalType", logical);
    if !options.is_empty() {
        line(yaml, 8, "logicalTypeOptions", &format!("{{ {options} }}"));
    }
    line(yaml, 8, "physicalType", &plain(&column.ty.name()));
    line(yaml, 8, "required", if column.nullable { "false" } else { "true" });
    if let Some(position) = table.primary_key.iter().position(|key| *key == index) {
        line(yaml, 8, "primaryKey", "true");
        line(yaml, 8, "primaryKeyPosition", &(position + 1).to_string());
    }
    describe(yaml, 8, column.description.as_deref());
    custom(yaml, 8, node, OF_COLUMN);
}

/// The type in the words of the standard, and what it says about it.
fn logical_type(ty: &ColumnType) -> (&'static str, String) {
    match ty {
        ColumnType::Boolean { .. } => ("boolean", String::new()),
        ColumnType::Tinyint => ("integer", "format: i8".into()),
        ColumnType::Smallint => ("integer", "format: i16".into()),
        ColumnType::Int => ("integer", "format: i32".into()),
        ColumnType::Bigint => ("integer", "format: i64".into()),
        ColumnType::Float => ("number", "format: f32".into()),
        ColumnType::Double => ("number", "format: f64".into()),
        ColumnType::Decimal { .. } => ("number", String::new()),
        ColumnType::Char(length) | ColumnType::Varchar(length) => ("string", format!("maxLength: {length}")),
        ColumnType::String => ("string", String::new()),
        ColumnType::Binary(_) => ("string", "format: binary".into()),
        ColumnType::Date { .. } => ("date", String::new()),
        ColumnType::Timestamp { .. } => ("timestamp", "timezone: false".into()),
        ColumnType::Timestamptz { .. } => ("timestamp", "timezone: true".into()),
    }
}

fn line(yaml: &mut String, indent: usize, field: &str, value: &str) {
    let _ = writeln!(yaml, "{:indent$}{field}: {value}", "");
}

fn describe(yaml: &mut String, indent: usize, description: Option<&str>) {
    if let Some(description) = description {
        line(yaml, indent, "description", &plain(description));
    }
}

/// The fields that the standard does not have, as they were written.
fn custom(yaml: &mut String, indent: usize, node: &Node, known: &[&str]) {
    let others = entries(node).filter(|(name, _)| !known.contains(name));
    let fields: Vec<String> = others.map(|(name, value)| format!("{}: {}", plain(name), flow(value))).collect();
    if !fields.is_empty() {
        let value = fields.join(", ");
        let _ = writeln!(yaml, "{:indent$}customProperties:", "");
        let _ = writeln!(yaml, "{:indent$}  - {{ property: {CUSTOM}, value: {{ {value} }} }}", "");
    }
}
