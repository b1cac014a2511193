//! `tidemark why`: one row through all versions.

mod text;

use clap::Args;
use serde::Serialize;

use super::{Format, FormatArgs};
use crate::cli::lookup::{find_table, known_versions, table_key};
use crate::cli::output;
use crate::cli::resolve::{ExportsArgs, OutArgs, StateArgs};
use crate::error::{Fault, Result};
use crate::inspect::why::{self, Key, Sight};
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
  cargo tidemark why acme/orders --exports /archive -- -x 17      a value that begins with `-`

Shows for each version where the row stands, each column's text as it was delivered, its value where
that is something else, and the operation. Rows that were refused are found too. Columns with a `~`
differ from the version before; where nothing does, one line says so. Values of `pii` columns are
masked. Every export that is still there is read once; nothing is written.")]
pub(super) struct WhyArgs {
    /// The tenant and the table.
    #[arg(value_name = "TENANT/TABLE")]
    table: String,
    /// The row's key: a value for each key column, in the key's order, as an export writes it.
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    key: Vec<String>,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    of: &'a TableKey,
    key: &'a str,
    versions: &'a [Sight],
}

pub(super) fn why(args: &WhyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let of = table_key(tables, &args.table)?;
    let table = find_table(tables, &of.table)?;
    let key = Key::read(&of, table, &args.key)?;
    let registry = args.state.registry()?;
    let runner = args.state.runner(registry, &args.exports, &OutArgs::none(), tables)?;
    telemetry::listen_for_ctrl_c();
    let versions = known_versions(&runner.registry, &of)?;
    let progress = Progress::new(args.format.format == Format::Text);
    let watch = progress.table(&of.tenant, &of.table, versions.len() as u64);
    let sights = look(&runner, table, &versions, &key, &watch);
    watch.finish();
    let sights = sights?;
    match args.format.format {
        Format::Json => output::print_json(&Row { of: &of, key: &key.shown, versions: &sights })?,
        Format::Text => output::print(&text::of(&of, &key.shown, &sights))?,
    }
    Ok(None)
}

fn look(runner: &Runner, table: &'static Table, versions: &[Version], key: &Key, watch: &Watch) -> Result<Vec<Sight>> {
    let mut sights = Vec::new();
    for version in versions {
        sights.push(why::look(runner, table, version, key, &sights, watch)?);
        watch.version_done();
    }
    Ok(sights)
}
