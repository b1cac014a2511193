//! `tidemark plan`: what a version would change, before it is published.

use std::sync::Arc;

use clap::Args;

use crate::cli::args::{EngineArgs, ExportsArgs, Format, FormatArgs, LimitArgs, OutArgs, StateArgs};
use crate::cli::lookup::known_version;
use crate::cli::output::{self, SHORT_HASH, count, plural, short_hash};
use crate::engine::athena::StatementSource;
use crate::epoch::Drift;
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::plan::{Counts, Findings, Plan, Reset, RowSample, Scan};
use crate::run::guard::{GuardBreach, OperationKind, breaches, percent, ratio};
use crate::store::{Status, Version};
use crate::table::Table;

/// The maximum number of columns on a line.
const LINE_COLUMNS: usize = 5;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark plan acme/orders/20260103_V0001
  cargo tidemark plan acme/orders/20260103_V0001 --format json

Shows counts, ratios, how often each column changed, a few operations, and the guards that are broken.
Plans the version first if that has not happened yet. Values of `pii` columns are masked.")]
pub(super) struct PlanArgs {
    /// The version to show.
    #[arg(value_name = "TENANT/TABLE/VERSION")]
    version: String,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn plan(
    args: &PlanArgs,
    tables: &'static [&'static Table],
    statements: Arc<dyn StatementSource>,
) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let for_display = registry.clone();
    let (table, mut version) = known_version(&registry, tables, &args.version)?;
    if matches!(version.status, Status::Registered | Status::Planned) {
        let root = args.exports.root(&registry)?;
        let mut runner = args.state.runner(registry, &args.exports, &OutArgs::from_registry(), tables)?;
        runner.engines = args.engine.engines(statements, &[&root], Some(&runner.registry))?;
        runner.limits = args.limits.limits();
        version = runner.plan_only(table, version)?;
    }
    let Some(plan) = &version.plan else {
        let problem = format!("it is {} and has no plan", version.status);
        return Err(Error::refused(version.to_string(), problem)
            .help(format!("see: {}", command(&[&"history", &version.key.to_string()]))));
    };
    match args.format.format {
        Format::Json => output::print_json(&version)?,
        Format::Text => {
            let published = for_display.published_before(&version.key, &version.version)?;
            let breaches = breaches(&table.guards, &published, &version, plan);
            output::print(&text(&version, plan, &breaches))?;
        }
    }
    Ok(None)
}

/// What Athena read, and how long it took.
fn scan(scan: &Scan) -> String {
    format!("athena     {:.1} MB read in {:.1} s", scan.bytes as f64 / 1e6, scan.millis as f64 / 1e3)
}

/// Renders a plan in about ten lines.
fn text(version: &Version, plan: &Plan, breaches: &[GuardBreach]) -> String {
    let Counts { baseline_rows, rows, .. } = plan.counts;
    let collapsed = output::collapsed(&plan.counts).map(|note| format!("   {note}")).unwrap_or_default();
    let from = plan.previous.as_deref().unwrap_or("none");
    let mut lines = vec![
        format!("{}  {from} → {}      {}   plan {}", version.key, version.version, version.status, short_hash(plan)),
        format!("rows       {} → {}{collapsed}", count(baseline_rows), count(rows)),
    ];
    lines.extend(plan.findings.scan.as_ref().map(scan));
    lines.extend(plan.reset.as_ref().map(reset_line));
    lines.extend(plan.drift.as_ref().map(|drift| schema(drift, plan)));
    lines.extend(operations(plan, breaches));
    lines.extend(samples(&plan.findings));
    lines.extend(common(&plan.findings));
    lines.extend(block(&plan.findings, plan.counts.deleted));
    if breaches.iter().any(GuardBreach::may_be_a_rename) {
        lines.push("If a column was renamed, write `formerly: OLD_NAME` next to its new name and run again.".into());
    }
    if version.status == Status::Held {
        let path = version.path();
        lines.push(format!("to publish it    {}", command(&[&"approve", &path, &short_hash(plan)])));
        lines.push(format!("to reject it     {}", command(&[&"reject", &path])));
    }
    lines.join("\n") + "\n"
}

/// The number of operations of each kind, and the guards that they break.
fn operations(plan: &Plan, breaches: &[GuardBreach]) -> Vec<String> {
    let Counts { baseline_rows, inserted, updated, deleted, .. } = plan.counts;
    let marked = |kind: Option<OperationKind>| {
        breaches.iter().filter(move |breach| breach.kind() == kind).map(|breach| format!("   ✗ {breach}"))
    };
    let mut lines = Vec::new();
    for (word, kind, number) in [
        ("inserted", OperationKind::Inserts, inserted),
        ("updated", OperationKind::Updates, updated),
        ("deleted", OperationKind::Deletes, deleted),
    ] {
        let share = if plan.previous.is_some() { percent(ratio(number, baseline_rows)) } else { String::new() };
        let mut line = format!("{word:<9}{:>9}  {share:>8}", count(number));
        if kind == OperationKind::Updates {
            line += &columns(&plan.findings);
        }
        line.extend(marked(Some(kind)));
        lines.push(line.trim_end().to_owned());
        if kind == OperationKind::Updates {
            lines.extend(epoch_updates(&plan.findings));
        }
    }
    lines.extend(marked(None));
    lines
}

/// The line about a version that is published in full.
fn reset_line(reset: &Reset) -> String {
    match &reset.version {
        Some(version) => {
            format!("resync     published in full; it replaces the {} of {version}", plural(reset.rows, "row"))
        }
        None => "resync     published in full".into(),
    }
}

/// The changes of the schema since the baseline was read.
fn schema(drift: &Drift, plan: &Plan) -> String {
    let list = |word: &str, names: &[String]| (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")));
    let renamed = drift.renamed.iter().map(|(old, new)| format!("renamed {old} → {new}"));
    let retyped = drift.retyped.iter().map(|(column, old, new)| format!("retyped {column} {old} → {new}"));
    let changes: Vec<String> = list("added", &drift.added)
        .into_iter()
        .chain(list("removed", &drift.removed))
        .chain(renamed)
        .chain(retyped)
        .collect();
    let changes = if changes.is_empty() { "same columns, read differently".into() } else { changes.join(" · ") };
    format!("schema     {} → {}   {changes}", &drift.from[..SHORT_HASH], &plan.schema[..SHORT_HASH])
}

/// UPDATEs whose cause is the schema rather than the source.
fn epoch_updates(findings: &Findings) -> Vec<String> {
    let backfilled = (findings.backfilled > 0)
        .then(|| format!("           {} of these in added columns only", count(findings.backfilled)));
    let unreadable = findings.unreadable.iter().map(|(column, number)| {
        let are = if *number == 1 { "is" } else { "are" };
        format!("           {} of {column} {are} not valid for its current type", plural(*number, "old value"))
    });
    backfilled.into_iter().chain(unreadable).collect()
}

fn columns(findings: &Findings) -> String {
    let mut columns: Vec<_> = findings.changed.iter().collect();
    columns.sort_by_key(|(name, number)| (std::cmp::Reverse(**number), *name));
    let texts: Vec<String> = columns.iter().map(|(name, number)| format!("{name} {}", count(**number))).collect();
    if texts.is_empty() { String::new() } else { format!("   {}", texts.join(" · ")) }
}

/// The first sample of each kind with its values, and the keys of the others.
fn samples(findings: &Findings) -> Vec<String> {
    let rows = |sign: char, samples: &[RowSample]| {
        let first = samples.first().map(|sample| {
            let values = sample.values.iter().map(|(column, value)| format!("{column}  {value}")).collect();
            format!("  {sign} {}   {}", sample.key, joined(values, sample.more)).trim_end().to_owned()
        });
        let keys: Vec<&str> = samples.iter().skip(1).map(|sample| sample.key.as_str()).collect();
        let others = (!keys.is_empty()).then(|| format!("  {sign} {}", keys.join("   ")));
        [first, others].into_iter().flatten()
    };
    let update = findings.updates.first().map(|sample| {
        let changes = sample.changes.iter().map(|(column, old, new)| format!("{column}  {old} → {new}")).collect();
        format!("  ~ {}   {}", sample.key, joined(changes, sample.more))
    });
    rows('+', &findings.inserts).chain(update).chain(rows('−', &findings.deletes)).collect()
}

/// As many columns as a line takes, and how many more there are.
fn joined(mut columns: Vec<String>, more: usize) -> String {
    let more = more + columns.len().saturating_sub(LINE_COLUMNS);
    columns.truncate(LINE_COLUMNS);
    columns.extend((more > 0).then(|| format!("and {more} more")));
    columns.join(" · ")
}

/// The line about values that all deleted rows share; `None` if they share none.
fn common(findings: &Findings) -> Option<String> {
    let values = findings.deleted_common.iter().map(|(column, value)| format!("{column} = {value}"));
    let values: Vec<String> = values.collect();
    (!values.is_empty()).then(|| format!("All deleted rows have {}.", joined(values, 0)))
}

/// Where most of the deleted rows are, if a block of more than one row has most of them.
fn block(findings: &Findings, deleted: u64) -> Option<String> {
    let block = findings.deleted_block.as_ref()?;
    let rows = if block.rows == 0 { deleted } else { block.rows };
    if rows < 2 || 2 * rows < deleted {
        return None;
    }
    let which = match deleted - rows {
        0 => "the deleted keys".to_owned(),
        _ => format!("{} of {} deleted keys", count(rows), count(deleted)),
    };
    let location = match (&block.after, block.at_the_end) {
        (None, true) => return Some("Every row of the baseline is deleted.".into()),
        (None, false) => "at the beginning of the baseline".to_owned(),
        (Some(after), false) => format!("after key {after}"),
        (Some(after), true) => {
            return Some(format!(
                "The export ends after key {after}: {which} are one block at the end. It may be truncated."
            ));
        }
    };
    let mut line = format!("{which} are one block, {location}.");
    line[..1].make_ascii_uppercase();
    Some(line)
}
