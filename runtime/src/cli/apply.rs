//! `tidemark apply`: applies published operations to a database.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::apply::{self, AppliedVersion, VersionRange};
use crate::cli::args::{Format, FormatArgs};
use crate::cli::lookup::{checked_name, find_table};
use crate::cli::output::{self, count, plural};
use crate::cli::resolve;
use crate::error::{Error, Fault, Result};
use crate::fs::folder_names;
use crate::name::{TableKey, is_name, printable_path};
use crate::sink::Sink;
use crate::table::Table;
use crate::telemetry;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark apply out --to sqlite:shop.db --create
  cargo tidemark apply /ops --to sqlite:shop.db --table orders --until 20260102_V0001

Applies what `run --out` published, in the order of its sequences, without a registry and without the
exports. What the database holds already is skipped, so that it can be run again and again. It starts with
the last version in full, or goes on from what the database holds.")]
pub(super) struct ApplyArgs {
    /// Folder of published operations: DIR/TENANT/TABLE/VERSION/SEQUENCE-part-00000.ndjson.gz.
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// The database: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`.
    #[arg(long, value_name = "KIND:NAME")]
    to: String,
    /// Create the database and the tables where they are missing.
    #[arg(long)]
    create: bool,
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this table.
    #[arg(long)]
    table: Option<String>,
    /// The first version to apply.
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,
    /// The last version to apply.
    #[arg(long, value_name = "VERSION")]
    until: Option<String>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn apply(args: &ApplyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let sink = resolve::database(&args.to, args.create)?;
    let range = VersionRange { from: args.from.as_deref(), until: args.until.as_deref() };
    telemetry::listen_for_ctrl_c();
    let mut applied = Vec::new();
    for key in keys(args)? {
        let table = find_table(tables, &key.table)?;
        applied.extend(apply::apply(&args.source, table, &key, &*sink, range)?);
    }
    output::done(match args.format.format {
        Format::Json => output::print_json(&applied),
        Format::Text => output::print(&text(&applied, &*sink)),
    })?;
    Ok(None)
}

/// The selected tables below the folder.
fn keys(args: &ApplyArgs) -> Result<Vec<TableKey>> {
    let tenant = args.tenant.as_deref().map(|tenant| checked_name("tenant", tenant)).transpose()?;
    let table = args.table.as_deref().map(|table| checked_name("table", table)).transpose()?;
    let mut keys = Vec::new();
    for tenant in names(&args.source)?.into_iter().filter(|name| tenant.as_ref().is_none_or(|tenant| tenant == name)) {
        let selected = |name: &String| table.as_ref().is_none_or(|table| table == name);
        let tables = names(&args.source.join(&tenant))?.into_iter().filter(selected);
        keys.extend(tables.map(|table| TableKey { tenant: tenant.clone(), table }));
    }
    if keys.is_empty() {
        let problem = "no operations are published there";
        return Err(Error::usage(printable_path(&args.source), problem).help(
            "name the folder that `run --out` writes to; operations are expected at DIR/TENANT/TABLE/VERSION/FILE",
        ));
    }
    keys.sort();
    Ok(keys)
}

/// The names of tenants or tables in a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let names = folder_names(folder).map_err(|error| Error::named_path(error, "cannot list", folder))?;
    Ok(names.into_iter().filter(|name| is_name(name) && folder.join(name).is_dir()).collect())
}

fn text(applied: &[AppliedVersion], sink: &dyn Sink) -> String {
    if applied.is_empty() {
        return format!("nothing to do: {} holds everything that was published\n", sink.display_name());
    }
    let rows = applied.iter().map(|version| {
        let counts = &version.counts;
        let numbers = [counts.rows, counts.inserted, counts.updated, counts.deleted].map(count);
        let names = [version.key.tenant.clone(), version.key.table.clone(), version.version.clone()];
        names.into_iter().chain(numbers).collect()
    });
    let header = ["tenant", "table", "version", "rows", "inserted", "updated", "deleted"];
    let total = plural(applied.len() as u64, "version");
    output::grid(&header, &[3, 4, 5, 6], rows) + &format!("\n{total}. Rows are in {}.\n", sink.display_name())
}
