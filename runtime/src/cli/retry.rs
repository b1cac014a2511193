//! `tidemark retry`: lets a FAILED version be processed again.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::lookup::known_version;
use crate::cli::{output, resolve};
use crate::error::{Error, Fault, Result};
use crate::name::{TableKey, printable};
use crate::store::Status;
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark retry acme/orders/20260104_V0001

Not needed after a new delivery: a version with other files is processed again anyway.")]
pub(super) struct RetryArgs {
    /// The FAILED version.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn retry(args: &RetryArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (_, version) = known_version(&registry, tables, &args.version)?;
    if version.status != Status::Failed || !registry.retry(&version, &args.decision.decision(&args.state)?)? {
        let problem = format!("it is {}; only a FAILED version can be retried", version.status);
        return Err(
            Error::refused(version.to_string(), problem).help(format!("see: cargo tidemark history {}", version.key))
        );
    }
    let is_started = resolve::start_execution(&registry, &version.key)?;
    let root = printable(&registry.exports_root()?.unwrap_or_else(|| "DIR".into()));
    match args.format.format {
        Format::Json => {
            let TableKey { tenant, table } = &version.key;
            let (name, status) = (&version.version, Status::Registered);
            output::print_json(
                &serde_json::json!({ "tenant": tenant, "table": table, "version": name, "status": status }),
            )?
        }
        Format::Text if is_started => {
            output::print(&format!("{version} is REGISTERED again and is being processed.\n"))?
        }
        Format::Text => {
            output::print(&format!("{version} is REGISTERED again. To continue: cargo tidemark run {root}\n"))?
        }
    }
    Ok(None)
}
