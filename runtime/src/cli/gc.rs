//! `tidemark gc`: removes what is no longer needed.

use clap::Args;
use serde::Serialize;

use crate::cli::args::{DecisionArgs, Format, FormatArgs, OutArgs, StateArgs};
use crate::cli::output::{self, count, plural};
use crate::engine::Limits;
use crate::error::{Fault, Result};
use crate::gc::{self, Collected, Options, Removed, RemovedKind, TableReport};
use crate::snapshot::local::Local;
use crate::table::Table;
use crate::telemetry;

/// How many versions of a table can be replayed by default.
const KEEP: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark gc --dry-run      show what would be removed
  cargo tidemark gc                keep what `replay` needs for the ten newest versions of each table
  cargo tidemark gc --keep 0       keep only what a run or a decision still needs

Removes change sets of finished versions, and what killed runs left behind. Whatever a PLANNED, HELD or
PUBLISHING version needs is kept; exports and published files are never touched. Locked tables are
skipped and listed.")]
pub(super) struct GcArgs {
    /// Number of newest published versions of each table whose change sets are kept.
    #[arg(long, value_name = "N", default_value_t = KEEP)]
    keep: usize,
    /// Show what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    decision: DecisionArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    #[serde(flatten)]
    collected: &'a Collected,
}

pub(super) fn gc(args: &GcArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let state = args.state.local_folder()?;
    telemetry::listen_for_ctrl_c();
    // No export is read, so their folder need not exist: it may be on a disk that is not mounted.
    let exports = Box::new(Local::new(&state)?);
    let registry = args.state.registry()?;
    let runner = args.state.runner_for(registry, exports, &OutArgs::unused(), tables, Limits::default())?;
    let decision = (!args.dry_run).then(|| args.decision.decision(&args.state)).transpose()?;
    let collected = gc::collect(&runner, &state, Options { keep: args.keep, decision })?;
    let printed = match args.format.format {
        Format::Json => output::print_json(&Report { dry_run: args.dry_run, collected: &collected }),
        Format::Text => output::print(&text(&collected, args.dry_run)),
    };
    let in_tables =
        collected.tables.iter().flat_map(|table| table.failed.iter().map(|failed| (Some(&table.key), failed)));
    let failed: Vec<_> = in_tables.chain(collected.failed.iter().map(|failed| (None, failed))).collect();
    for (key, failed) in &failed {
        let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
        output::to_stderr("");
        output::report(&format!("{key}{}", failed.message), None, failed.help.as_deref());
    }
    if args.dry_run { printed } else { output::done(printed) }?;
    Ok(failed.iter().map(|(_, failed)| failed.fault).max_by_key(|fault| *fault == Fault::Machine))
}

fn text(collected: &Collected, dry_run: bool) -> String {
    let in_tables = collected.tables.iter().flat_map(|table| &table.removed);
    let all: Vec<&Removed> = in_tables.chain(&collected.work).collect();
    let verb = if dry_run { "would be removed" } else { "removed" };
    let mut total = match all.is_empty() {
        true => format!("nothing {}", if dry_run { "would be removed" } else { "to remove" }),
        false => format!("{} {verb}, {}", kinds(&all), plural(collected.bytes, "byte")),
    };
    total += ".\n";
    let work = (!collected.work.is_empty()).then(|| {
        let (number, bytes) = (collected.work.len(), collected.work.iter().map(|removed| removed.bytes).sum());
        vec!["(work)".into(), String::new(), String::new(), count(number as u64), count(bytes), String::new()]
    });
    let rows: Vec<Vec<String>> = collected.tables.iter().map(row).chain(work).collect();
    if rows.is_empty() {
        return total;
    }
    output::grid(&["tenant", "table", "change sets", "leftovers", "bytes", ""], &[2, 3, 4], rows) + "\n" + &total
}

fn row(report: &TableReport) -> Vec<String> {
    let note = match (&report.locked_by, report.failed.is_empty()) {
        (Some(holder), _) => format!("skipped: locked by {holder}"),
        (None, false) => "see below".into(),
        (None, true) if report.came_meanwhile => "a version arrived meanwhile; run `tidemark run`".into(),
        (None, true) => String::new(),
    };
    let number = |kind: RemovedKind| match report.removed.iter().filter(|removed| removed.kind == kind).count() {
        0 => String::new(),
        number => count(number as u64),
    };
    let bytes = if report.removed.is_empty() { String::new() } else { count(report.bytes) };
    vec![
        report.key.tenant.clone(),
        report.key.table.clone(),
        number(RemovedKind::ChangeSet),
        number(RemovedKind::Leftover),
        bytes,
        note,
    ]
}

/// `3 change sets and 1 leftover`.
fn kinds(all: &[&Removed]) -> String {
    let number = |kind: RemovedKind| all.iter().filter(|removed| removed.kind == kind).count();
    let parts = [(number(RemovedKind::ChangeSet), "change set"), (number(RemovedKind::Leftover), "leftover")];
    let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| plural(*number as u64, noun));
    parts.collect::<Vec<_>>().join(" and ")
}
