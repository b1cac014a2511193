//! `generated/ddl/<table>.sql`: the external table through which Athena reads exports, and the same as a `TableInput`
//! of Glue's data catalog, `<table>.json`.
//!
//! All columns are strings; the delta applies the types. An extra column receives everything after the last one, so
//! that a row with too many fields is detected. The query injects the partitions, so nothing needs to be created when
//! an export arrives.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::artifact::{Files, Origin};
use super::template;
use crate::model::Table;

/// The folder of the DDL.
pub(super) const FOLDER: &str = "generated/ddl";

const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";
const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

pub(super) fn emit(table: &Table, origin: Origin<'_>, files: &mut Files) {
    if table.athena {
        files.insert(format!("{FOLDER}/{}.sql", table.name), template::TABLE_SQL.render(&View::new(table, origin)));
        files.insert(format!("{FOLDER}/{}.json", table.name), glue(table, origin));
    }
}

/// A table in the data catalog.
#[derive(Serialize)]
pub(super) struct View {
    header: String,
    table: String,
    description: Option<String>,
    columns: Vec<Column>,
    pub(super) serde: &'static str,
    pub(super) input_format: &'static str,
    pub(super) output_format: &'static str,
    serde_properties: Vec<Property>,
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Column {
    name: String,
    comment: Option<String>,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

impl View {
    pub(super) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The table's properties, with `BUCKET` in place of the bucket.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.properties.iter().map(|property| (property.name, unescaped(&property.value)))
    }

    /// The properties of its SerDe.
    pub(super) fn serde_properties(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.serde_properties.iter().map(|property| (property.name, unescaped(&property.value)))
    }

    pub(super) fn new(table: &Table, origin: Origin<'_>) -> Self {
        Self {
            header: origin.table_header(table),
            table: table.name.clone(),
            description: table.description.as_deref().map(quoted),
            columns: columns(table),
            serde: if table.source.quote.is_some() { OPEN_CSV } else { LAZY_SIMPLE },
            input_format: INPUT_FORMAT,
            output_format: OUTPUT_FORMAT,
            serde_properties: serde_properties(table),
            properties: properties(table),
        }
    }
}

const INPUT_FORMAT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";

/// The table as input for Glue's API.
pub(crate) fn glue(table: &Table, origin: Origin<'_>) -> String {
    let view = View::new(table, origin);
    let map = |properties: &[Property]| -> Map<String, Value> {
        properties.iter().map(|property| (property.name.to_owned(), Value::from(unescaped(&property.value)))).collect()
    };
    let column = |column: &Column| json!({ "Name": column.name, "Type": "string" });
    let mut parameters = map(&view.properties);
    parameters.insert("EXTERNAL".into(), "TRUE".into());
    let input = json!({
        // The first field, so that the mark is in the first lines of the file.
        "Description": origin.table_header(table),
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [{ "Name": "_tenant", "Type": "string" }, { "Name": "_version", "Type": "string" }],
        "StorageDescriptor": {
            "Columns": view.columns.iter().map(column).collect::<Vec<_>>(),
            "Location": "s3://BUCKET/",
            "InputFormat": INPUT_FORMAT,
            "OutputFormat": OUTPUT_FORMAT,
            "SerdeInfo": { "SerializationLibrary": view.serde, "Parameters": map(&view.serde_properties) },
        },
    });
    serde_json::to_string_pretty(&input).expect("plain data is always JSON") + "\n"
}

/// The character that an escape in the DDL stands for.
fn unescaped(text: &str) -> String {
    match text {
        "\\u0000" => "\0".into(),
        "\\n" => "\n".into(),
        "\\t" => "\t".into(),
        "\\'" => "'".into(),
        "\\\\" => "\\".into(),
        _ => text.into(),
    }
}

/// The columns, with names in lower case as Glue requires.
fn columns(table: &Table) -> Vec<Column> {
    if table.source.quote.is_none() {
        let comment = Some("The whole line; the delta splits it.".to_owned());
        return vec![Column { name: "line".into(), comment }];
    }
    let column = |column: &crate::model::Column| {
        let ty = column.ty.name();
        let comment = column.description.as_deref().map_or(ty.clone(), |description| format!("{ty}. {description}"));
        Column { name: column.name.to_lowercase(), comment: Some(quoted(&comment)) }
    };
    let rest =
        Column { name: "_rest".into(), comment: Some("Everything after the last column; NULL in a valid row.".into()) };
    table.columns.iter().map(column).chain([rest]).collect()
}

fn serde_properties(table: &Table) -> Vec<Property> {
    let property = |name, value: String| Property { name, value };
    match table.source.quote {
        Some(quote) => vec![
            property("separatorChar", delimiter(table.source.delimiter)),
            property("quoteChar", quoted(&char::from(quote).to_string())),
            // By default, a backslash would escape the next character.
            property("escapeChar", "\\u0000".into()),
        ],
        None => vec![
            // A line contains no line feed, so the whole line is one field and never NULL.
            property("field.delim", "\\n".into()),
            property("serialization.null.format", "\\n".into()),
        ],
    }
}

fn delimiter(byte: u8) -> String {
    match byte {
        b'\t' => "\\t".into(),
        _ => quoted(&char::from(byte).to_string()),
    }
}

fn properties(table: &Table) -> Vec<Property> {
    let property = |name, value: &str| Property { name, value: value.into() };
    let mut properties = vec![
        property("projection.enabled", "true"),
        property("projection._tenant.type", "injected"),
        property("projection._version.type", "injected"),
        Property {
            name: "storage.location.template",
            value: format!("s3://BUCKET/${{_tenant}}/{}/${{_version}}/", table.name),
        },
    ];
    if table.source.header {
        properties.push(property("skip.header.line.count", "1"));
    }
    properties
}

/// Escapes a text for single quotes in DDL.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'").replace(['\n', '\r'], " ")
}
