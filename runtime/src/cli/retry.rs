//! `tidemark retry`: lets a FAILED version be processed again.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::lookup::known_version;
use crate::cli::{output, resolve};
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::name::TableKey;
use crate::store::{Registry, Status, Version};
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
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn retry(args: &RetryArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (_, version) = known_version(&registry, tables, &args.version)?;
    check_order(&registry, &version)?;
    if version.status != Status::Failed || !registry.retry(&version, &args.decision.decision(&args.state)?)? {
        let problem = format!("it is {}; only a FAILED version can be retried", version.status);
        return Err(Error::refused(version.to_string(), problem)
            .help(format!("see: {}", command(&[&"history", &version.key.to_string()]))));
    }
    let is_started = resolve::start_execution(&registry, &version.key)?;
    let root = registry.exports_root()?.unwrap_or_else(|| "DIR".into());
    output::done(match args.format.format {
        Format::Json => {
            let TableKey { tenant, table } = &version.key;
            let (name, status) = (&version.version, Status::Registered);
            output::print_json(
                &serde_json::json!({ "tenant": tenant, "table": table, "version": name, "status": status }),
            )
        }
        Format::Text if is_started => {
            output::print(&format!("{version} is REGISTERED again and is being processed.\n"))
        }
        Format::Text => {
            output::print(&format!("{version} is REGISTERED again. To continue: {}\n", command(&[&"run", &root])))
        }
    })?;
    Ok(None)
}

/// Fails for a version that can never be published, because a newer one has succeeded.
fn check_order(registry: &Registry, version: &Version) -> Result<()> {
    let versions = registry.versions(&version.key)?;
    let newer = versions.iter().skip_while(|other| other.version != version.version).skip(1);
    match newer.filter(|other| other.status == Status::Succeeded).last() {
        Some(newest) if version.status == Status::Failed => {
            let problem = format!("{} is newer and has succeeded, so this one cannot become current", newest.version);
            Err(Error::refused(version.to_string(), problem)
                .help(format!("if its rows are needed, deliver them as a version after {}", newest.version)))
        }
        _ => Ok(()),
    }
}
