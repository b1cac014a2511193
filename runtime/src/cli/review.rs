//! The commands about one version: look at its plan; approve or reject it when it is held; publish it once more.

use std::path::PathBuf;

use clap::Args;

use super::named::known_version;
use super::show::{self, count};
use super::{ExportsArgs, Format, FormatArgs, OUT, StateArgs};
use crate::change_set::{Counts, Findings, Plan};
use crate::clock;
use crate::error::{Error, Fault, Result};
use crate::run::guard::{percent, ratio};
use crate::run::{Runner, guard};
use crate::sink::file::Files;
use crate::store::sqlite::Sqlite;
use crate::store::{Status, Version};
use crate::table::{Guards, Table};
use crate::telemetry::{self, Progress};

/// How many digits of a plan's hash are shown, and at least asked for.
const SHORT_HASH: usize = 8;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark plan acme/orders/20260103_V0001
  cargo tidemark plan acme/orders/20260103_V0001 --format json

Counts, ratios, how often each column changed, a few operations, and what the guards say. A version
that nobody has looked at yet is planned first. Values of `pii` columns are masked.")]
pub(super) struct PlanArgs {
    /// The version to look at.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

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
    /// The folder that operations go to.
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    #[command(flatten)]
    exports: ExportsArgs,
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
    /// The folder that operations go to.
    #[arg(long, value_name = "DIR", default_value = OUT)]
    out: PathBuf,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn replay(args: &ReplayArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (table, version) = known_version(&registry, tables, &args.version)?;
    let exports = args.exports.local(&registry)?;
    let sink = Files::new(&args.out);
    let runner = Runner { tables, exports, store: registry, sink, state: args.state.state.clone() };
    telemetry::listen_for_ctrl_c();
    runner.replay(table, &version)?;
    match args.format.format {
        Format::Json => show::print_json(&version)?,
        Format::Text => {
            show::print(&format!("{version} is published again. Operations are in {}.\n", super::shown(&args.out)))?;
        }
    }
    Ok(None)
}

pub(super) fn plan(args: &PlanArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let (table, mut version) = known_version(&registry, tables, &args.version)?;
    if matches!(version.status, Status::Registered | Status::Planned) {
        let exports = args.exports.local(&registry)?;
        let sink = Files::new(OUT.as_ref());
        let runner = Runner { tables, exports, store: registry, sink, state: args.state.state.clone() };
        version = runner.plan_only(table, version)?;
    }
    let Some(plan) = &version.plan else {
        let problem = format!("it is {} and has no plan", version.status);
        return Err(
            Error::refused(version.to_string(), problem).help(format!("see: cargo tidemark history {}", version.key))
        );
    };
    match args.format.format {
        Format::Json => show::print_json(&version)?,
        Format::Text => show::print(&text(&version, plan, &table.guards))?,
    }
    Ok(None)
}

pub(super) fn approve(args: &ApproveArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let begun = clock::instant();
    let registry = args.state.registry()?;
    let (table, version) = known_version(&registry, tables, &args.version)?;
    check_approval(&registry, table, &version, &args.hash)?;
    let exports = args.exports.local(&registry)?;
    if !registry.approve(&version)? {
        return Err(
            Error::refused(version.to_string(), "it changed while it was approved").help("look at its plan again")
        );
    }
    telemetry::listen_for_ctrl_c();
    let sink = Files::new(&args.out);
    let runner = Runner { tables, exports, store: registry, sink, state: args.state.state.clone() };
    let key = &version.key;
    let progress = Progress::new(args.format.format == Format::Text);
    let report = runner.run(|tenant, table| tenant == key.tenant && table == key.table, &progress)?;
    match args.format.format {
        Format::Json => show::print_json(&report)?,
        Format::Text => super::run::print(&report, &args.out, begun.elapsed())?,
    }
    super::run::complain(&report);
    Ok(report.fault())
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
        Format::Json => show::print_json(
            &serde_json::json!({ "key": version.key, "version": version.version, "status": Status::Rejected }),
        )?,
        Format::Text => show::print(&format!("{version} is REJECTED; nothing of it was published.\n"))?,
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
fn check_approval(registry: &Sqlite, table: &Table, version: &Version, hash: &str) -> Result<()> {
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
    let versions = registry.versions(&version.key)?;
    let baseline = versions.iter().rev().find(|other| other.status == Status::Succeeded);
    if plan.previous.as_ref() != baseline.map(|baseline| &baseline.version) {
        return refuse("the baseline moved since it was planned; run again, and it is planned anew");
    }
    if plan.schema != table.schema {
        return refuse("the schema changed since it was planned; run again, and it is planned anew");
    }
    Ok(())
}

fn short(plan: &Plan) -> &str {
    &plan.hash[..SHORT_HASH]
}

/// A plan in about ten lines.
fn text(version: &Version, plan: &Plan, guards: &Guards) -> String {
    let Counts { baseline_rows, rows, inserted, updated, deleted, .. } = plan.counts;
    let from = plan.previous.as_deref().unwrap_or("none");
    let mut lines = vec![
        format!("{}  {from} → {}      {}   plan {}", version.key, version.version, version.status, short(plan)),
        format!("rows       {} → {}", count(baseline_rows), count(rows)),
    ];
    let broken = guard::broken(guards, &plan.counts, plan.previous.is_some());
    for (word, kind, number) in
        [("inserted", "inserts", inserted), ("updated", "updates", updated), ("deleted", "deletes", deleted)]
    {
        let share = if plan.previous.is_some() { percent(ratio(number, baseline_rows)) } else { String::new() };
        let mut line = format!("{word:<9}{:>9}  {share:>8}", count(number));
        if kind == "updates" {
            line += &columns(&plan.findings);
        }
        for reason in broken.iter().filter(|reason| reason.starts_with(kind)) {
            line += &format!("   ✗ {reason}");
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.extend(broken.iter().filter(|reason| reason.contains("rows")).map(|reason| format!("   ✗ {reason}")));
    lines.extend(samples(&plan.findings));
    lines.extend(block(&plan.findings));
    if version.status == Status::Held {
        let path = version.path();
        lines.push(format!("publish it    cargo tidemark approve {path} {}", short(plan)));
        lines.push(format!("refuse it     cargo tidemark reject  {path}"));
    }
    lines.join("\n") + "\n"
}

fn columns(findings: &Findings) -> String {
    let mut columns: Vec<_> = findings.changed.iter().collect();
    columns.sort_by_key(|(name, number)| (std::cmp::Reverse(**number), *name));
    let texts: Vec<String> = columns.iter().map(|(name, number)| format!("{name} {}", count(**number))).collect();
    if texts.is_empty() { String::new() } else { format!("   {}", texts.join(" · ")) }
}

fn samples(findings: &Findings) -> Vec<String> {
    let keys = |sign: char, keys: &[String]| (!keys.is_empty()).then(|| format!("  {sign} {}", keys.join("   ")));
    let update = findings.updates.first().map(|sample| {
        let changes = sample.changes.iter().map(|(column, old, new)| format!("{column}  {old} → {new}"));
        format!("  ~ {}   {}", sample.key, changes.collect::<Vec<_>>().join(" · "))
    });
    keys('+', &findings.inserts).into_iter().chain(update).chain(keys('−', &findings.deletes)).collect()
}

/// What the place of the deleted rows tells. A few rows in a row are nothing to speak of.
fn block(findings: &Findings) -> Option<String> {
    let block = findings.deleted_block.as_ref().filter(|_| findings.deletes.len() > 1)?;
    let place = match (&block.after, block.at_the_end) {
        (None, true) => return Some("Every row of the baseline is deleted.".into()),
        (None, false) => "at the beginning of the baseline".to_owned(),
        (Some(after), false) => format!("behind key {after}"),
        (Some(after), true) => {
            return Some(format!(
                "The export ends after key {after}: the deleted keys are one block at the end. It may be truncated."
            ));
        }
    };
    Some(format!("The deleted keys are one block, {place}."))
}
