//! `tidemark approve`: publishes a HELD version exactly as planned.

use std::sync::Arc;

use clap::Args;

use crate::cli::args::{DecisionArgs, EngineArgs, ExportsArgs, Format, FormatArgs, OutArgs, StateArgs};
use crate::cli::lookup::{check_held, known_version};
use crate::cli::output::{self, SHORT_HASH, short_hash};
use crate::cli::{resolve, run_report};
use crate::clock;
use crate::engine::athena::StatementSource;
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::run::Runner;
use crate::snapshot::discover::Selection;
use crate::store::{Decision, Registry, Setting, Status, Version, baseline};
use crate::table::Table;
use crate::telemetry::{self, Progress};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo tidemark approve acme/orders/20260103_V0001 9f3c21ab

The hash is the one that `plan` shows, so that what was reviewed is what is published. An approval is
refused if the baseline, the schema or the export has changed since the plan was made.")]
pub(super) struct ApproveArgs {
    /// The HELD version.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    /// Hash of the plan, at least its first eight digits.
    hash: String,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn approve(
    args: &ApproveArgs,
    tables: &'static [&'static Table],
    statements: Arc<dyn StatementSource>,
) -> Result<Option<Fault>> {
    let started = clock::instant();
    let registry = args.state.registry()?;
    let (table, version) = known_version(&registry, tables, &args.version)?;
    check_approval(&registry, table, &version, &args.hash)?;
    let decision = args.decision.decision(&args.state)?;
    if registry.setting(Setting::Machine)?.is_some() {
        approve_on_aws(args, &registry, &version, &decision)?;
        return Ok(None);
    }
    let root = args.exports.root(&registry)?;
    let engines = args.engine.engines(statements, &[&root], Some(&registry))?;
    // Fails before the approval is recorded if the exports cannot be reached.
    args.exports.open(&registry)?;
    record_approval(&registry, &version, &decision)?;
    telemetry::listen_for_ctrl_c();
    let runner = args.state.runner(registry, &args.exports, &args.out, tables)?;
    let runner = Runner { engines, ..runner };
    let key = &version.key;
    let progress = Progress::new(args.format.format == Format::Text);
    let selection = Selection { tenant: Some(key.tenant.clone()), table: Some(key.table.clone()) };
    let report = runner.run(&selection, &progress)?;
    let printed = match args.format.format {
        Format::Json => output::print_json(&report),
        Format::Text => run_report::print(&report, &runner.sinks, started.elapsed()),
    };
    run_report::print_problems(&report);
    check_approved(&runner.registry, &version)?;
    output::done(printed)?;
    Ok(report.fault())
}

/// Fails if the approval is void, because the export is no longer the one that was reviewed.
fn check_approved(registry: &Registry, version: &Version) -> Result<()> {
    let now = registry.version(&version.key, &version.version)?;
    let is_void = |now: &Version| matches!(now.status, Status::Waiting | Status::Registered) && !now.is_approved();
    match now.filter(is_void) {
        None => Ok(()),
        Some(now) => {
            let problem = format!("its files changed after the review; it is {} and was not published", now.status);
            let help = format!("see: {}", command(&[&"history", &version.key.to_string()]));
            Err(Error::refused(version.to_string(), problem).help(help))
        }
    }
}

fn record_approval(registry: &Registry, version: &Version, decision: &Decision) -> Result<()> {
    if registry.approve(version, decision)? {
        return Ok(());
    }
    Err(Error::refused(version.to_string(), "it changed during the approval").help("review its plan again"))
}

/// Approves a version that the state machine on AWS publishes.
fn approve_on_aws(args: &ApproveArgs, registry: &Registry, version: &Version, decision: &Decision) -> Result<()> {
    if args.out.is_given() || args.exports.is_given() || args.engine.is_given() {
        let problem = "the state machine publishes it, with the exports, stream and engine of its deployment";
        return Err(
            Error::usage(version.to_string(), problem).help("omit --exports, --out, --sink, --engine and --athena-…")
        );
    }
    record_approval(registry, version, decision)?;
    resolve::start_execution(registry, &version.key)?;
    output::done(match args.format.format {
        Format::Json => output::print_json(&serde_json::json!({
            "tenant": version.key.tenant, "table": version.key.table, "version": version.version, "approved": true,
        })),
        Format::Text => output::print(&format!(
            "{version} is approved and is being published. To follow it: {}\n",
            command(&[&"history", &version.key.to_string()])
        )),
    })
}

/// Checks that the reviewed plan is the one that would be published.
fn check_approval(registry: &Registry, table: &Table, version: &Version, hash: &str) -> Result<()> {
    check_held(version)?;
    let help = format!("review it again: {}", command(&[&"plan", &version.path()]));
    let refuse = |problem: &str| Err(Error::refused(version.to_string(), problem).help(&help));
    let Some(plan) = &version.plan else { return refuse("it has no plan") };
    if hash.len() < SHORT_HASH {
        return refuse(&format!("`{}` is too short; give at least {SHORT_HASH} digits", hash.escape_debug()));
    }
    if !plan.hash.starts_with(hash) {
        return refuse(&format!("its plan is {}, not {}", short_hash(plan), hash.escape_debug()));
    }
    let resync = registry.resync(&version.key)?;
    if resync && plan.reset.is_none() {
        let problem = "a resync was requested after it was planned: the next version to arrive is published in full";
        let cancel = command(&[&"resync", &version.key.to_string(), &"--cancel"]);
        return Err(Error::refused(version.to_string(), problem).help(format!("to publish this one instead: {cancel}")));
    }
    let versions = registry.versions(&version.key)?;
    let baseline = baseline(&versions).filter(|_| !resync);
    if plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) {
        return refuse("the baseline has changed since it was planned; run again to plan it again");
    }
    if plan.schema != table.schema {
        return refuse("the schema has changed since it was planned; run again to plan it again");
    }
    Ok(())
}
