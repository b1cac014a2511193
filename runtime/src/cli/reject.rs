//! `tidemark reject`: ends a HELD version without publishing it.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::lookup::{check_held, known_version};
use crate::cli::output;
use crate::error::{Error, Fault, Result};
use crate::store::Status;
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark reject acme/orders/20260103_V0001

If the version is delivered again with other files, it is planned again.")]
pub(super) struct RejectArgs {
    /// The HELD version.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn reject(args: &RejectArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (_, version) = known_version(&registry, tables, &args.version)?;
    check_held(&version)?;
    if !registry.reject(&version, &args.decision.decision(&args.state)?)? {
        let problem = "it changed during the rejection";
        return Err(Error::refused(version.to_string(), problem).help("review its plan again"));
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
