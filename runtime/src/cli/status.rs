//! `tidemark status`: the state of every table.

use clap::Args;
use serde::Serialize;

use crate::cli::args::{Format, FormatArgs, StateArgs};
use crate::cli::output::{self, count, time};
use crate::error::{Error, Fault, Result};
use crate::name::TableKey;
use crate::store::{Registry, Status, Version};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark status
  cargo tidemark status --tenant acme --format json

`baseline` is the newest version that succeeded; the next version is compared with it.")]
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
    /// Whether the next version will be published in full.
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
    let matches = |typed: &Option<String>, name: &str| typed.as_ref().is_none_or(|typed| typed == name);
    let mut keys = registry.tables()?;
    let known = keys.len();
    keys.retain(|key| matches(&args.tenant, &key.tenant) && matches(&args.table, &key.table));
    if keys.is_empty() && known > 0 {
        let problem = format!("no table matches; the registry has {}", output::plural(known, "table"));
        return Err(Error::refused("", problem).help("omit --tenant and --table to show all"));
    }
    let tables: Vec<TableStatus> = keys.into_iter().map(|key| table_status(&registry, key)).collect::<Result<_>>()?;
    if args.format.format == Format::Json {
        output::print_json(&tables)?;
        return Ok(None);
    }
    let header = ["tenant", "table", "baseline", "rows", "sequence", "published", ""];
    output::print(&output::grid(&header, &[3, 4], tables.iter().flat_map(rows)))?;
    Ok(None)
}

/// A row for the table, and one for each version that is not done.
fn rows(table: &TableStatus) -> Vec<Vec<String>> {
    let first = vec![
        table.key.tenant.clone(),
        table.key.table.clone(),
        table.baseline.clone().unwrap_or_else(|| "-".into()),
        table.rows.map_or_else(String::new, count),
        table.sequence.map_or_else(String::new, |sequence| sequence.to_string()),
        table.published_at.clone().unwrap_or_default(),
        notes(table),
    ];
    let open = table.open.iter().map(|open| {
        let status = open.status.to_string();
        let note = open.reason.as_ref().map_or_else(|| status.clone(), |reason| format!("{status}  {reason}"));
        let (tenant, name) = (table.key.tenant.clone(), table.key.table.clone());
        vec![tenant, name, open.version.clone(), String::new(), String::new(), String::new(), note]
    });
    std::iter::once(first).chain(open).collect()
}

fn notes(table: &TableStatus) -> String {
    let locked = table.locked_by.as_ref().map(|owner| format!("locked by {owner}"));
    let resync = table.resync.then(|| "the next version is published in full".to_owned());
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
        published_at: baseline.map(|version| time(version.updated_at)),
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
