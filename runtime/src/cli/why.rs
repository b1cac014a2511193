//! `tidemark why`: one row in every version.

mod text;

use clap::Args;
use serde::Serialize;

use crate::cli::args::{ExportsArgs, Format, FormatArgs, OutArgs, StateArgs};
use crate::cli::lookup::{known_versions, table_key, table_of};
use crate::cli::output;
use crate::error::{Fault, Result};
use crate::inspect::why::{self, ChangeSet, Files, Key, RowInVersion};
use crate::keys;
use crate::name::TableKey;
use crate::run::Runner;
use crate::store::Version;
use crate::table::Table;
use crate::telemetry::{self, Progress, Watch};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark why acme/orders eu-west 17
  cargo tidemark why acme/orders eu-west 17 --format json
  cargo tidemark why acme/orders --exports /archive -- -x 17      a value that starts with `-`

Shows for each version where the row is, the text of each column as delivered, its value if that is
different, and the operation. Rejected rows are found too. A `~` marks a column that differs from the
version before; an unchanged row takes one line. Values of `pii` columns are masked. Every export that
still exists is read once; nothing is written.")]
pub(super) struct WhyArgs {
    /// Tenant and table.
    #[arg(value_name = "TENANT/TABLE")]
    table: String,
    /// Key of the row: one value per key column, in the key's order, as an export has it.
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: Vec<String>,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    table: &'a TableKey,
    key: &'a str,
    versions: &'a [RowInVersion],
}

pub(super) fn why(args: &WhyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let table_key = table_key(tables, &args.table)?;
    let table = table_of(tables, &table_key)?;
    let hmac_key = keys::find(&keys::Environment, table, &table_key.tenant)?;
    let key = Key::parse(&table_key, table, &args.key, hmac_key.as_ref())?;
    let registry = args.state.registry()?;
    let runner = args.state.runner(registry, &args.exports, &OutArgs::unused(), tables)?;
    telemetry::listen_for_ctrl_c();
    let versions = known_versions(&runner.registry, &table_key)?;
    let progress = Progress::new(args.format.format == Format::Text);
    let watch = progress.table(&table_key.tenant, &table_key.table, versions.len() as u64);
    let rows = rows(&runner, table, &versions, &key, &watch);
    watch.finish();
    let rows = rows?;
    match args.format.format {
        Format::Json => output::print_json(&Row { table: &table_key, key: &key.shown, versions: &rows })?,
        Format::Text => output::print(&text::render(&table_key, &key.shown, &rows))?,
    }
    let is_unreadable = |row: &RowInVersion| row.export == Files::Unreadable || row.change_set == ChangeSet::Unreadable;
    Ok(rows.iter().any(is_unreadable).then_some(Fault::Machine))
}

fn rows(
    runner: &Runner,
    table: &'static Table,
    versions: &[Version],
    key: &Key,
    watch: &Watch,
) -> Result<Vec<RowInVersion>> {
    let mut rows = Vec::new();
    for version in versions {
        rows.push(why::inspect(runner, table, version, key, &rows, watch)?);
        watch.version_done();
    }
    Ok(rows)
}
