//! `tidemark status`: the state of every table, and what needs attention.

mod check;

use clap::Args;
use serde::Serialize;

use crate::cli::args::{ExportsArgs, Format, FormatArgs, OutArgs, StateArgs};
use crate::cli::output::{self, count, time};
use crate::clock::{self, iso_time};
use crate::error::{Error, Fault, Result};
use crate::inspect::open;
use crate::inspect::overdue::{Overdue, find_overdue, never_delivered};
use crate::name::TableKey;
use crate::store::{Registry, Status, Version, baseline};
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark status
  cargo tidemark status --tenant acme --format json
  cargo tidemark status --check     for a monitor: exit status 1 if somebody has to do something

`baseline` is the version that was published last; the next version is compared with it.")]
pub(super) struct StatusArgs {
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this table.
    #[arg(long)]
    table: Option<String>,
    /// Show only what needs attention, a line each, and exit with 1 if there is any: versions that are HELD or FAILED,
    /// that were superseded although they were delivered in turn, that could not be read, or that nobody goes on
    /// publishing; exports that have not come although `expect` in the schema says so; and tables that cannot go on:
    /// their baseline has changed, their output is not theirs, or their lease is left behind.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

impl StatusArgs {
    /// Only the check looks at exports and outputs; most of the rest is in the registry.
    pub(super) fn needs_tables(&self) -> Option<bool> {
        self.check.then_some(true)
    }
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
    /// The export that should have arrived by now.
    overdue: Option<Overdue>,
    /// When the baseline was published, for people.
    #[serde(skip)]
    published: String,
    /// Why nothing is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl TableStatus {
    fn unknown(key: TableKey) -> Self {
        Self {
            key,
            baseline: None,
            rows: None,
            sequence: None,
            published_at: None,
            published: String::new(),
            locked_by: None,
            resync: false,
            open: Vec::new(),
            overdue: None,
            error: None,
        }
    }
}

#[derive(Debug, Serialize)]
struct OpenVersion {
    version: String,
    status: Status,
    reason: Option<String>,
}

pub(super) fn status(args: &StatusArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let matches = |typed: &Option<String>, name: &str| typed.as_ref().is_none_or(|typed| typed == name);
    let mut keys = registry.tables()?;
    let known = keys.len();
    keys.extend(never_delivered(tables, &keys));
    keys.sort();
    keys.retain(|key| matches(&args.tenant, &key.tenant) && matches(&args.table, &key.table));
    if keys.is_empty() && known > 0 {
        let problem = format!("no table matches; the registry has {}", output::plural(known as u64, "table"));
        return Err(Error::usage("", problem).help("omit --tenant and --table to show all"));
    }
    if args.check {
        let (exports, out) = (ExportsArgs::from_registry(), OutArgs::from_registry());
        let runner = args.state.runner(registry.clone(), &exports, &out, tables);
        return check::check(&registry, runner, tables, &keys, args.format.format);
    }
    let (shown, errors) = all(&registry, tables, keys);
    if args.format.format == Format::Json {
        output::print_json(&shown)?;
    } else {
        let header = ["tenant", "table", "baseline", "rows", "sequence", "published", ""];
        output::print(&output::grid(&header, &[3, 4], shown.iter().flat_map(rows)))?;
    }
    for error in &errors {
        output::problem(error);
    }
    Ok(errors.first().map(Error::fault))
}

/// The tables, and why some of them are unknown.
fn all(registry: &Registry, tables: &'static [&'static Table], keys: Vec<TableKey>) -> (Vec<TableStatus>, Vec<Error>) {
    let (mut shown, mut errors) = (Vec::new(), Vec::new());
    for key in keys {
        // A table whose records cannot be read does not hide the others.
        match table_status(registry, tables, key.clone()) {
            Ok(table) => shown.push(table),
            Err(error) => {
                shown.push(TableStatus { error: Some(error.to_string()), ..TableStatus::unknown(key) });
                errors.push(error);
            }
        }
    }
    (shown, errors)
}

/// A row for the table, and one for each version that is not done.
fn rows(table: &TableStatus) -> Vec<Vec<String>> {
    let first = vec![
        table.key.tenant.clone(),
        table.key.table.clone(),
        table.baseline.clone().unwrap_or_else(|| "-".into()),
        table.rows.map_or_else(String::new, count),
        table.sequence.map_or_else(String::new, |sequence| sequence.to_string()),
        table.published.clone(),
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
    if table.error.is_some() {
        return "see below".into();
    }
    let locked = table.locked_by.as_ref().map(|owner| format!("locked by {owner}"));
    let resync = table.resync.then(|| "the next version is published in full".to_owned());
    let overdue = table.overdue.as_ref().map(Overdue::to_string);
    locked.into_iter().chain(resync).chain(overdue).collect::<Vec<_>>().join("; ")
}

fn table_status(registry: &Registry, tables: &'static [&'static Table], key: TableKey) -> Result<TableStatus> {
    let versions = registry.outlines(&key)?;
    let baseline = baseline(&versions);
    let published_at = baseline.and_then(Version::publication);
    Ok(TableStatus {
        baseline: baseline.map(|version| version.version.clone()),
        rows: baseline.and_then(|version| version.plan.as_ref()).map(|plan| plan.counts.rows),
        sequence: baseline.and_then(|version| version.sequence),
        published_at: published_at.map(iso_time),
        published: published_at.map(time).unwrap_or_default(),
        locked_by: registry.holder(&key)?,
        resync: registry.resync(&key)?,
        open: open(&versions).map(OpenVersion::new).collect(),
        overdue: find_overdue(tables, &key, &versions, clock::now_ms()),
        error: None,
        key,
    })
}

impl OpenVersion {
    fn new(version: &Version) -> Self {
        Self { version: version.version.clone(), status: version.status, reason: version.reason.clone() }
    }
}
