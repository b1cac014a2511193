//! `tidemark recover`: goes on after the registry was restored from an older copy.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::output::{self, plural};
use crate::error::{Fault, Result};
use crate::name::TableKey;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark recover
  cargo tidemark-aws recover --store dynamodb:tidemark-registry

Run it once, before anything else uses the restored registry. What was published after the copy was made
is not in it, so its sequences would repeat. They continue above the present time in milliseconds, which is
above all that it has assigned, and the next version of every table is published in full, under a `reset`.
Also for a new registry whose operations go to a stream that an older one has used.")]
pub(super) struct RecoverArgs {
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn recover(args: &RecoverArgs) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let tables = registry.recover(&args.decision.decision(&args.state)?)?;
    output::done(match args.format.format {
        Format::Json => output::print_json(&serde_json::json!({ "tables": tables })),
        Format::Text => output::print(&text(&tables)),
    })?;
    Ok(None)
}

fn text(tables: &[TableKey]) -> String {
    let list: String = tables.iter().map(|table| format!("  {table}\n")).collect();
    let total = plural(tables.len() as u64, "table");
    format!("Sequences go on above everything that was published. {total} to publish in full next:\n{list}")
}
