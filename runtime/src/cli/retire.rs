//! `tidemark retire`: the way out after a version with a mistyped name was published.

use clap::Args;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, StateArgs};
use crate::cli::lookup::known_version;
use crate::cli::output::{self, plural};
use crate::cli::resolve;
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::store::{Registry, Status, Version, newest};
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark retire acme/orders/20290102_V0001 --because 'meant 2026'

For a version whose name is mistyped, so that whatever is delivered after it is superseded. Its name no
longer counts, and what it superseded is processed by the next run. Consumers hold it, so the next
version is compared with it: leave its files where they are until then.")]
pub(super) struct RetireArgs {
    /// The newest version that SUCCEEDED.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn retire(args: &RetireArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (_, version) = known_version(&registry, tables, &args.version)?;
    let reopened = check(&version, &registry.versions(&version.key)?)?;
    if !registry.retire(&version, &args.decision.decision(&args.state)?)? {
        return Err(Error::refused(version.to_string(), "it changed meanwhile").help("try again"));
    }
    let is_started = resolve::start_execution(&registry, &version.key)?;
    output::done(match args.format.format {
        Format::Json => output::print_json(&serde_json::json!({
            "tenant": version.key.tenant, "table": version.key.table, "version": version.version,
            "status": Status::Retired, "reopened": reopened,
        })),
        Format::Text => output::print(&text(&registry, &version, &reopened, is_started)?),
    })?;
    Ok(None)
}

/// Checks that retiring a version changes something. Returns the versions that can be processed after that.
fn check(version: &Version, versions: &[Version]) -> Result<Vec<String>> {
    let refuse = |problem: String| {
        Err(Error::refused(version.to_string(), problem)
            .help(format!("see: {}", command(&[&"history", &version.key.to_string()]))))
    };
    if version.status != Status::Succeeded {
        return refuse(format!("it is {}; only a version that SUCCEEDED can be retired", version.status));
    }
    if newest(versions).is_some_and(|newest| newest.version != version.version) {
        return refuse("a newer version SUCCEEDED, so its name no longer matters".into());
    }
    let older = versions.iter().take_while(|other| other.version != version.version).collect::<Vec<_>>();
    let last = older.iter().rposition(|other| other.status == Status::Succeeded).map_or(0, |last| last + 1);
    let superseded = older[last..].iter().filter(|other| other.status == Status::Superseded);
    Ok(superseded.map(|other| other.version.clone()).collect())
}

fn text(registry: &Registry, version: &Version, reopened: &[String], is_started: bool) -> Result<String> {
    let versions = format!("{} that it superseded ({})", plural(reopened.len() as u64, "version"), reopened.join(", "));
    let root = registry.exports_root()?.unwrap_or_else(|| "DIR".into());
    let next = match (reopened.is_empty(), is_started) {
        (true, _) => "The next version is compared with it.".into(),
        (false, true) => format!("What comes next: {versions}, which the state machine processes now."),
        (false, false) => format!("What comes next: {versions}. To continue: {}", command(&[&"run", &root])),
    };
    Ok(format!("{version} is RETIRED: its name no longer counts. {next}\n"))
}
