//! The commands that look: `status`, `history`, `tables`; and `retry`, which changes one word in the registry.

use clap::Args;
use serde::Serialize;

use super::{Format, FormatArgs};
use crate::cli::lookup::{find_table, known_version, known_versions, table_key};
use crate::cli::output::{self, count, moment};
use crate::cli::resolve::{self, StateArgs};
use crate::error::{Error, Fault, Result};
use crate::name::TableKey;
use crate::plan::Counts;
use crate::store::{Registry, Status, Version};
use crate::table::{Column, Completeness, Compression, Table};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark status
  cargo tidemark status --tenant acme --format json

`baseline` is the newest version that succeeded; the next one is compared with it.")]
pub(super) struct StatusArgs {
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this table.
    #[arg(long)]
    table: Option<String>,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark history acme/orders
  cargo tidemark history acme/orders --format json")]
pub(super) struct HistoryArgs {
    /// The tenant and the table.
    #[arg(value_name = "TENANT/TABLE")]
    key: String,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark retry acme/orders/20260104_V0001

A version that is delivered again, with other files, is tried again without this.")]
pub(super) struct RetryArgs {
    /// The version that FAILED.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark tables
  cargo tidemark tables orders

To add one, write schemas/<table>.yaml and run: cargo run -p generator")]
pub(super) struct TablesArgs {
    /// Show the columns of this table.
    table: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// One tenant's table in `status`.
#[derive(Debug, Serialize)]
struct TableStatus {
    #[serde(flatten)]
    key: TableKey,
    baseline: Option<String>,
    rows: Option<u64>,
    sequence: Option<u64>,
    published_at: Option<String>,
    locked_by: Option<String>,
    /// Whether the next version is to be published whole.
    resync: bool,
    /// The versions that are not done.
    open: Vec<OpenVersion>,
}

#[derive(Debug, Serialize)]
struct OpenVersion {
    version: String,
    status: Status,
    reason: Option<String>,
}

pub(super) fn status(args: &StatusArgs) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let mut keys = registry.tables()?;
    let known = keys.len();
    keys.retain(|key| is(&args.tenant, &key.tenant) && is(&args.table, &key.table));
    if keys.is_empty() && known > 0 {
        let problem = format!("none of the {} that are known", output::plural(known, "table"));
        return Err(Error::refused("", problem).help("without --tenant and --table all are shown"));
    }
    let tables: Vec<TableStatus> = keys.into_iter().map(|key| table_status(&registry, key)).collect::<Result<_>>()?;
    if args.format.format == Format::Json {
        output::print_json(&tables)?;
        return Ok(None);
    }
    let rows = tables.iter().flat_map(|table| {
        let first = vec![
            table.key.tenant.clone(),
            table.key.table.clone(),
            table.baseline.clone().unwrap_or_else(|| "-".into()),
            table.rows.map_or_else(String::new, count),
            table.sequence.map_or_else(String::new, count),
            table.published_at.clone().unwrap_or_default(),
            notes(table),
        ];
        let open = table.open.iter().map(|open| {
            let note =
                open.reason.as_ref().map_or_else(|| open.status.to_string(), |why| format!("{}  {why}", open.status));
            let (tenant, name) = (table.key.tenant.clone(), table.key.table.clone());
            vec![tenant, name, open.version.clone(), String::new(), String::new(), String::new(), note]
        });
        std::iter::once(first).chain(open).collect::<Vec<_>>()
    });
    let head = ["tenant", "table", "baseline", "rows", "sequence", "published", ""];
    output::print(&output::grid(&head, &[3, 4], rows))?;
    Ok(None)
}

fn notes(table: &TableStatus) -> String {
    let locked = table.locked_by.as_ref().map(|owner| format!("locked by {owner}"));
    let resync = table.resync.then(|| "the next version is published whole".to_owned());
    locked.into_iter().chain(resync).collect::<Vec<_>>().join("; ")
}

fn table_status(registry: &Registry, key: TableKey) -> Result<TableStatus> {
    let versions = registry.versions(&key)?;
    let baseline = versions.iter().rev().find(|version| version.status == Status::Succeeded);
    let is_open = |version: &&Version| !matches!(version.status, Status::Succeeded | Status::Superseded);
    Ok(TableStatus {
        baseline: baseline.map(|version| version.version.clone()),
        rows: baseline.and_then(|version| version.plan.as_ref()).map(|plan| plan.counts.rows),
        sequence: baseline.and_then(|version| version.sequence),
        published_at: baseline.map(|version| moment(version.updated_at)),
        locked_by: registry.holder(&key)?,
        resync: registry.resync(&key)?,
        open: versions
            .iter()
            .filter(is_open)
            .map(|v| OpenVersion { version: v.version.clone(), status: v.status, reason: v.reason.clone() })
            .collect(),
        key,
    })
}

pub(super) fn history(args: &HistoryArgs, tables: &[&'static Table]) -> Result<Option<Fault>> {
    let key = table_key(tables, &args.key)?;
    let versions = known_versions(&args.state.registry()?, &key)?;
    if args.format.format == Format::Json {
        output::print_json(&versions)?;
        return Ok(None);
    }
    let rows = versions.iter().map(|version| {
        let number =
            |pick: fn(&Counts) -> u64| version.plan.as_ref().map_or_else(String::new, |plan| count(pick(&plan.counts)));
        let note = match (&version.reason, &version.refused_parts) {
            (Some(reason), _) => reason.clone(),
            (None, Some(_)) => "a revision was refused".into(),
            (None, None) => String::new(),
        };
        vec![
            version.version.clone(),
            version.status.to_string(),
            version.sequence.map_or_else(String::new, count),
            number(|counts| counts.rows),
            number(|counts| counts.inserted),
            number(|counts| counts.updated),
            number(|counts| counts.deleted),
            moment(version.updated_at),
            note,
        ]
    });
    let head = ["version", "status", "sequence", "rows", "inserted", "updated", "deleted", "since", ""];
    output::print(&output::grid(&head, &[2, 3, 4, 5, 6], rows))?;
    Ok(None)
}

pub(super) fn retry(args: &RetryArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (_, version) = known_version(&registry, tables, &args.version)?;
    if version.status != Status::Failed || !registry.retry(&version)? {
        let problem = format!("it is {}; only a FAILED version can be tried again", version.status);
        return Err(Error::refused(version.to_string(), problem));
    }
    let is_on_its_way = resolve::start_execution(&registry, &version.key)?;
    let root = crate::name::shown(&registry.exports_root()?.unwrap_or_else(|| "DIR".into()));
    match args.format.format {
        Format::Json => {
            let TableKey { tenant, table } = &version.key;
            let (name, status) = (&version.version, Status::Registered);
            output::print_json(
                &serde_json::json!({ "tenant": tenant, "table": table, "version": name, "status": status }),
            )?
        }
        Format::Text if is_on_its_way => output::print(&format!("{version} is REGISTERED again, and begun.\n"))?,
        Format::Text => {
            output::print(&format!("{version} is REGISTERED again. Go on with: cargo tidemark run {root}\n"))?
        }
    }
    Ok(None)
}

pub(super) fn tables(args: &TablesArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    match (&args.table, args.format.format) {
        (None, Format::Json) => output::print_json(&tables.iter().map(|table| as_json(table)).collect::<Vec<_>>())?,
        (Some(name), Format::Json) => output::print_json(&as_json(find_table(tables, name)?))?,
        (None, Format::Text) => {
            let rows = tables.iter().map(|table| {
                let key = table.primary_key.join(", ");
                let columns = count(table.columns.len() as u64);
                vec![table.name.into(), key, columns, files(table), complete(table), table.schema[..8].into()]
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
                .map(|column| vec![column.name.into(), column.ty.to_string(), traits(table, column)]);
            output::print(&output::grid(&["column", "type", ""], &[], rows))?;
        }
    }
    Ok(None)
}

fn as_json(table: &Table) -> serde_json::Value {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| {
            serde_json::json!({
                "name": column.name, "type": column.ty.to_string(), "nullable": column.nullable,
                "compare": column.compare, "pii": column.pii,
            })
        })
        .collect();
    serde_json::json!({
        "table": table.name, "schema": table.schema_id(), "primary_key": table.primary_key, "columns": columns,
    })
}

fn files(table: &Table) -> String {
    let compression = match table.source.compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::None => "plain",
    };
    let delimiter = char::from(table.source.delimiter).escape_default();
    format!("{compression} `{delimiter}`{}", if table.source.header { "" } else { ", no header" })
}

fn complete(table: &Table) -> String {
    match table.source.complete {
        Completeness::Single => "single".into(),
        Completeness::Marker(name) => format!("marker {name}"),
        Completeness::Manifest => "manifest".into(),
        Completeness::Count(count) => format!("count {count}"),
    }
}

fn traits(table: &Table, column: &Column) -> String {
    let traits = [
        (table.is_key(column), "key"),
        (column.nullable, "nullable"),
        (!column.compare, "not compared"),
        (column.pii, "pii"),
    ];
    traits.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
