//! `tidemark resync`: has the next version of a table published in full.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::lookup::{known_versions, table_key};
use crate::cli::{output, resolve};
use crate::error::{Fault, Result};
use crate::invocation::command;
use crate::store::Status;
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark resync acme/orders
  cargo tidemark resync acme/orders --cancel

For a table whose baseline is lost or whose primary key changed, or for consumers that hold wrong data.
The oldest version that is not published yet, or else the next one to arrive, is published as INSERTs
under a BEGIN with `reset`; nothing is compared. At its END, consumers drop every key whose last
sequence is lower. Later versions are compared with it as usual.")]
pub(super) struct ResyncArgs {
    /// Tenant and table.
    #[arg(value_name = "TENANT/TABLE")]
    key: String,
    /// Cancel a resync that has not happened yet.
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn resync(args: &ResyncArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let key = table_key(tables, &args.key)?;
    let registry = args.state.registry()?;
    let versions = known_versions(&registry, &key)?;
    let was_requested = registry.resync(&key)?;
    // Taking back what nobody asked for is no decision.
    if !args.cancel || was_requested {
        registry.set_resync(&key, !args.cancel, &args.decision.decision(&args.state)?)?;
    }
    let is_started = !args.cancel && resolve::start_execution(&registry, &key)?;
    let next = versions.iter().find(|version| matches!(version.status, Status::Registered | Status::Planned));
    let root = registry.exports_root()?.unwrap_or_else(|| "DIR".into());
    let text = match (args.cancel, was_requested, next) {
        (true, false, _) => format!("No resync of {key} was requested.\n"),
        (true, true, _) => format!("The resync of {key} is cancelled; the next version is compared as usual.\n"),
        (false, _, Some(next)) if is_started => format!("{next} is being published in full.\n"),
        (false, _, Some(next)) => {
            format!("{next} will be published in full. To continue: {}\n", command(&[&"run", &root]))
        }
        (false, _, None) => format!("The next version of {key} to arrive will be published in full.\n"),
    };
    let json = serde_json::json!({ "tenant": key.tenant, "table": key.table, "resync": !args.cancel });
    output::done(match args.format.format {
        Format::Json => output::print_json(&json),
        Format::Text => output::print(&text),
    })?;
    Ok(None)
}
