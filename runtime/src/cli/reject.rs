//! `tidemark reject`: ends a HELD or WAITING version without publishing it.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::lookup::{check_status, recorded_version};
use crate::cli::output;
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::store::Status;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark reject acme/orders/20260103_V0001

If the version is delivered again with other files, it starts over.")]
pub(super) struct RejectArgs {
    /// The HELD version, or a WAITING one that will never be complete or has no schema.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn reject(args: &RejectArgs) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let version = recorded_version(&registry, &args.version)?;
    check_status(&version, &[Status::Held, Status::Waiting], "only a HELD or WAITING version can be rejected")?;
    if !registry.reject(&version, &args.decision.decision(&args.state)?)? {
        let problem = "it changed during the rejection";
        return Err(Error::refused(version.to_string(), problem).help(format!(
            "look at it again: {}",
            command(&[&"history", &version.key.to_string(), &version.version])
        )));
    }
    output::done(match args.format.format {
        Format::Json => output::print_json(
            &serde_json::json!({ "tenant": version.key.tenant, "table": version.key.table, "version": version.version,
                "status": Status::Rejected }),
        ),
        Format::Text => output::print(&format!("{version} is REJECTED; none of it was published.\n")),
    })?;
    Ok(None)
}
