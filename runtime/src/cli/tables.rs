//! `tidemark tables`: the tables that have a schema, and their columns.

use clap::Args;

use crate::cli::args::{Format, FormatArgs};
use crate::cli::lookup::find_table;
use crate::cli::output::{self, count};
use crate::error::{Fault, Result};
use crate::table::{Column, Completeness, Compression, Table};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark tables
  cargo tidemark tables orders

To add a table, write schemas/<table>.yaml and run: cargo run -p generator")]
pub(super) struct TablesArgs {
    /// Show the columns of this table.
    table: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn tables(args: &TablesArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    match (&args.table, args.format.format) {
        (None, Format::Json) => output::print_json(&tables.iter().map(|table| as_json(table)).collect::<Vec<_>>())?,
        (Some(name), Format::Json) => output::print_json(&as_json(find_table(tables, name)?))?,
        (None, Format::Text) => {
            let rows = tables.iter().flat_map(|table| {
                let tenants = table.tenants.iter();
                let tenants = tenants.map(|own| (format!("{}/{}", own.name, table.name), &own.table));
                std::iter::once((table.name.to_owned(), *table)).chain(tenants).map(|(name, table)| row(name, table))
            });
            output::print(&output::grid(
                &["table", "primary key", "columns", "files", "complete", "schema"],
                &[2],
                rows,
            ))?;
        }
        (Some(name), Format::Text) => {
            let table = find_table(tables, name)?;
            let rows = table
                .columns
                .iter()
                .map(|column| vec![column.name.into(), column.source_type().to_string(), table.traits_of(column)]);
            output::print(&output::grid(&["column", "type", ""], &[], rows))?;
        }
    }
    Ok(None)
}

fn row(name: String, table: &Table) -> Vec<String> {
    let key = table.primary_key.join(", ");
    let columns = count(table.columns.len() as u64);
    vec![name, key, columns, files(table), complete(table), table.schema[..8].into()]
}

fn as_json(table: &Table) -> serde_json::Value {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| {
            serde_json::json!({
                "name": column.name, "type": column.source_type().to_string(), "nullable": column.nullable,
                "compare": column.compare, "pii": column.pii, "publish": published(column),
            })
        })
        .collect();
    let mut json = serde_json::json!({
        "table": table.name, "schema": table.schema_id(), "primary_key": table.primary_key, "columns": columns,
    });
    if !table.tenants.is_empty() {
        let schemas = table.tenants.iter().map(|own| (own.name.to_owned(), own.table.schema_id().into()));
        json["tenants"] = serde_json::Value::Object(schemas.collect());
    }
    json
}

/// The option `publish` of a column.
fn published(column: &Column) -> serde_json::Value {
    if column.hmac.is_some() { "hmac".into() } else { column.publish.into() }
}

fn files(table: &Table) -> String {
    let compression = match table.source.compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::None => "plain",
    };
    let first = char::from(table.source.delimiter).to_string();
    let delimiter = table.source.long_delimiter.unwrap_or(&first).escape_debug();
    format!("{compression} `{delimiter}`{}", if table.source.header { "" } else { ", no header" })
}

fn complete(table: &Table) -> String {
    match table.source.complete {
        Completeness::Single => "single".into(),
        Completeness::Marker(name) => format!("marker {name}"),
        Completeness::Manifest => "manifest".into(),
        Completeness::RedshiftManifest(name) => format!("redshift_manifest {name}"),
        Completeness::Count(count) => format!("count {count}"),
    }
}
