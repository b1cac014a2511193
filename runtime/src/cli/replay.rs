//! `tidemark replay`: publishes a version again.

use clap::Args;

use crate::cli::args::{DecisionArgs, ExportsArgs, Format, FormatArgs, OutArgs, StateArgs};
use crate::cli::lookup::known_version;
use crate::cli::output;
use crate::error::{Fault, Result};
use crate::table::Table;
use crate::telemetry;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark replay acme/orders/20260102_V0001 --out /tmp/again

For a consumer that lost the version. Other consumers ignore it: its sequence is not higher than the
last one they applied to each key.")]
pub(super) struct ReplayArgs {
    /// The SUCCEEDED version.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn replay(args: &ReplayArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (table, version) = known_version(&registry, tables, &args.version)?;
    let runner = args.state.runner(registry, &args.exports, &args.out, tables)?;
    let decision = args.decision.decision(&args.state)?;
    telemetry::listen_for_ctrl_c();
    runner.replay(table, &version, &decision)?;
    output::done(match args.format.format {
        Format::Json => output::print_json(&version),
        Format::Text => output::print(&format!("{version} was published again. {}\n", runner.sinks.summary())),
    })?;
    Ok(None)
}
