//! The commands that decide: approve or reject a version that is held, publish one once more, publish the next one whole.

use clap::Args;

use super::plan::{SHORT_HASH, short};
use super::{Format, FormatArgs};
use crate::cli::lookup::{known_version, known_versions, table_key};
use crate::cli::output;
use crate::cli::resolve::{self, EngineArgs, ExportsArgs, OutArgs, StateArgs};
use crate::clock;
use crate::engine::athena::Statements;
use crate::error::{Error, Fault, Result};
use crate::run::Runner;
use crate::store::{Registry, Setting, Status, Version};
use crate::table::Table;
use crate::telemetry::{self, Progress};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark approve acme/orders/20260103_V0001 9f3c21ab

The hash is what `plan` shows: what was looked at is what is published. It is refused when the
baseline, the schema or the export is no longer what the plan was made from.")]
pub(super) struct ApproveArgs {
    /// The version that is HELD.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    /// The plan's hash, its first eight digits or more.
    hash: String,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark reject acme/orders/20260103_V0001

Delivered again with other files, the version is looked at anew.")]
pub(super) struct RejectArgs {
    /// The version that is HELD.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark replay acme/orders/20260102_V0001 --out /tmp/again

For a consumer that lost what it had. One that did not lose it notices nothing: no sequence is larger
than what its keys have seen.")]
pub(super) struct ReplayArgs {
    /// The version that SUCCEEDED.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark resync acme/orders
  cargo tidemark resync acme/orders --cancel

The way on when the baseline is lost or its primary key changed, or when consumers went wrong. Nothing
is compared: the oldest version that is not published yet, or the next one that is delivered, is
published as INSERTs under a BEGIN that says `reset`; at its END consumers drop every key whose last
sequence is lower. Later versions are compared with it as ever.")]
pub(super) struct ResyncArgs {
    /// The tenant and the table.
    #[arg(value_name = "TENANT/TABLE")]
    key: String,
    /// Take back a resync that was asked for and has not happened yet.
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn resync(args: &ResyncArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let key = table_key(tables, &args.key)?;
    let registry = args.state.registry()?;
    let versions = known_versions(&registry, &key)?;
    let was_wanted = registry.resync(&key)?;
    registry.set_resync(&key, !args.cancel)?;
    let is_on_its_way = !args.cancel && resolve::start_execution(&registry, &key)?;
    if args.format.format == Format::Json {
        output::print_json(&serde_json::json!({ "tenant": key.tenant, "table": key.table, "resync": !args.cancel }))?;
        return Ok(None);
    }
    let next = versions.iter().find(|version| matches!(version.status, Status::Registered | Status::Planned));
    let root = registry.exports_root()?.unwrap_or_else(|| "DIR".into());
    output::print(&match (args.cancel, was_wanted, next) {
        (true, false, _) => format!("No resync of {key} was asked for.\n"),
        (true, true, _) => format!("The resync of {key} is taken back; the next version is compared as ever.\n"),
        (false, _, Some(next)) if is_on_its_way => format!("{next} will be published whole; that has begun.\n"),
        (false, _, Some(next)) => format!("{next} will be published whole. Go on with: cargo tidemark run {root}\n"),
        (false, _, None) => format!("The next version of {key} that is delivered will be published whole.\n"),
    })?;
    Ok(None)
}

pub(super) fn replay(args: &ReplayArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (table, version) = known_version(&registry, tables, &args.version)?;
    let runner = args.state.runner(registry, &args.exports, &args.out, tables)?;
    telemetry::listen_for_ctrl_c();
    runner.replay(table, &version)?;
    match args.format.format {
        Format::Json => output::print_json(&version)?,
        Format::Text => {
            output::print(&format!("{version} is published again. Operations are in {}.\n", runner.sink.shown()))?;
        }
    }
    Ok(None)
}

pub(super) fn approve(
    args: &ApproveArgs,
    tables: &'static [&'static Table],
    statements: &'static [Statements],
) -> Result<Option<Fault>> {
    let begun = clock::instant();
    let registry = args.state.registry()?;
    let (table, version) = known_version(&registry, tables, &args.version)?;
    check_approval(&registry, table, &version, &args.hash)?;
    if registry.setting(Setting::Machine)?.is_some() {
        approve_there(args, &registry, &version)?;
        return Ok(None);
    }
    let root = args.exports.root(&registry)?;
    let engines = args.engine.engines(statements, &[&root], Some(&registry))?;
    args.exports.open(&registry)?;
    record_approval(&registry, &version)?;
    telemetry::listen_for_ctrl_c();
    let runner = args.state.runner(registry, &args.exports, &args.out, tables)?;
    let runner = Runner { engines, ..runner };
    let key = &version.key;
    let progress = Progress::new(args.format.format == Format::Text);
    let report = runner.run(|tenant, table| tenant == key.tenant && table == key.table, &progress)?;
    match args.format.format {
        Format::Json => output::print_json(&report)?,
        Format::Text => super::run::print(&report, &runner.sink.shown(), begun.elapsed())?,
    }
    super::run::complain(&report);
    Ok(report.fault())
}

fn record_approval(registry: &Registry, version: &Version) -> Result<()> {
    if registry.approve(version)? {
        return Ok(());
    }
    Err(Error::refused(version.to_string(), "it changed while it was approved").help("look at its plan again"))
}

/// Approves a version that a machine on AWS publishes.
fn approve_there(args: &ApproveArgs, registry: &Registry, version: &Version) -> Result<()> {
    if args.out.is_given() || args.exports.is_given() || args.engine.is_given() {
        let problem = "a state machine publishes it, from and to where it was deployed for";
        return Err(Error::refused(version.to_string(), problem)
            .help("leave out --exports, --out, --sink, --engine and --athena-…"));
    }
    record_approval(registry, version)?;
    resolve::start_execution(registry, &version.key)?;
    match args.format.format {
        Format::Json => output::print_json(&serde_json::json!({
            "tenant": version.key.tenant, "table": version.key.table, "version": version.version, "approved": true,
        })),
        Format::Text => output::print(&format!(
            "{version} is approved, and its publication has begun. To see how it goes: cargo tidemark-aws history {}\n",
            version.key
        )),
    }
}

pub(super) fn reject(args: &RejectArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (_, version) = known_version(&registry, tables, &args.version)?;
    check_held(&version)?;
    if !registry.reject(&version)? {
        return Err(
            Error::refused(version.to_string(), "it changed while it was rejected").help("look at its plan again")
        );
    }
    match args.format.format {
        Format::Json => output::print_json(
            &serde_json::json!({ "tenant": version.key.tenant, "table": version.key.table, "version": version.version,
                "status": Status::Rejected }),
        )?,
        Format::Text => output::print(&format!("{version} is REJECTED; nothing of it was published.\n"))?,
    }
    Ok(None)
}

fn check_held(version: &Version) -> Result<()> {
    if version.status == Status::Held {
        return Ok(());
    }
    let problem = format!("it is {}; only a HELD version can be approved or rejected", version.status);
    Err(Error::refused(version.to_string(), problem).help(format!("see: cargo tidemark history {}", version.key)))
}

/// What was looked at must be what would be published.
fn check_approval(registry: &Registry, table: &Table, version: &Version, hash: &str) -> Result<()> {
    check_held(version)?;
    let again = format!("look at it again: cargo tidemark plan {}", version.path());
    let refuse = |problem: &str| Err(Error::refused(version.to_string(), problem).help(&again));
    let Some(plan) = &version.plan else { return refuse("it has no plan") };
    if hash.len() < SHORT_HASH {
        return refuse(&format!("`{}` is too short; it takes {SHORT_HASH} digits", hash.escape_debug()));
    }
    if !plan.hash.starts_with(hash) {
        return refuse(&format!("its plan is {}, not {}", short(plan), hash.escape_debug()));
    }
    let resync = registry.resync(&version.key)?;
    if resync && plan.reset.is_none() {
        return refuse(
            "a resync was asked for since it was planned: the next version that is delivered is published whole",
        );
    }
    let versions = registry.versions(&version.key)?;
    let baseline = versions.iter().rev().find(|other| other.status == Status::Succeeded && !resync);
    if plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) {
        return refuse("the baseline moved since it was planned; run again, and it is planned anew");
    }
    if plan.schema != table.schema {
        return refuse("the schema changed since it was planned; run again, and it is planned anew");
    }
    Ok(())
}
