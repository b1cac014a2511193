//! `tidemark gc`: takes away what nobody needs any more.

use clap::Args;
use serde::Serialize;

use super::{Format, FormatArgs};
use crate::cli::output::{self, count, plural};
use crate::cli::resolve::{OutArgs, StateArgs};
use crate::engine::Limits;
use crate::error::{Fault, Result};
use crate::gc::{self, Collected, How, Kind, OfTable, Removed};
use crate::snapshot::local::Local;
use crate::table::Table;
use crate::telemetry;

/// How many versions of a table can still be replayed, unless told.
const KEEP: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark gc --dry-run      show what would be removed
  cargo tidemark gc                keep what `replay` needs for the ten newest versions of each table
  cargo tidemark gc --keep 0       keep only what a run or a decision still needs

Removes change sets of versions that are done with, and what killed runs left. What a version needs
that is PLANNED, HELD or PUBLISHING always stays; exports and published files are never touched. A
table that somebody is working on is left alone, and told.")]
pub(super) struct GcArgs {
    /// For how many of the newest published versions of each table the change set stays.
    #[arg(long, value_name = "N", default_value_t = KEEP)]
    keep: usize,
    /// Only show what would be removed.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    state: StateArgs,
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
    // No export is looked at: they may lie on a disk that is not there today.
    let exports = Box::new(Local::new(&state)?);
    let runner = args.state.runner_of(args.state.registry()?, exports, &OutArgs::none(), tables, Limits::default())?;
    let collected = gc::collect(&runner, &state, How { keep: args.keep, dry_run: args.dry_run })?;
    match args.format.format {
        Format::Json => output::print_json(&Report { dry_run: args.dry_run, collected: &collected })?,
        Format::Text => output::print(&text(&collected, args.dry_run))?,
    }
    let failed = || collected.tables.iter().filter_map(|table| Some((&table.key, table.failed.as_ref()?)));
    for (key, failed) in failed() {
        eprintln!();
        output::complain(&format!("{key}: {}", failed.message), None, failed.help.as_deref());
    }
    Ok(failed().map(|(_, failed)| failed.fault).max_by_key(|fault| *fault == Fault::Machine))
}

fn text(collected: &Collected, dry_run: bool) -> String {
    let of_tables = || collected.tables.iter().flat_map(|table| &table.removed);
    let all: Vec<&Removed> = of_tables().chain(&collected.work).collect();
    let verb = if dry_run { "would be removed" } else { "removed" };
    let mut total = match all.is_empty() {
        true => format!("nothing {}", if dry_run { "would be removed" } else { "to remove" }),
        false => format!("{} {verb}, {} bytes", kinds(&all), count(collected.bytes)),
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

fn row(of: &OfTable) -> Vec<String> {
    let note = match (&of.locked_by, &of.failed) {
        (Some(holder), _) => format!("{holder} is working on it; left alone"),
        (None, Some(_)) => "see below".into(),
        (None, None) if of.came_meanwhile => "a version came meanwhile; run again".into(),
        (None, None) => String::new(),
    };
    let number = |kind: Kind| match of.removed.iter().filter(|removed| removed.kind == kind).count() {
        0 => String::new(),
        number => count(number as u64),
    };
    let bytes = if of.removed.is_empty() { String::new() } else { count(of.bytes) };
    vec![of.key.tenant.clone(), of.key.table.clone(), number(Kind::ChangeSet), number(Kind::Leftover), bytes, note]
}

/// `3 change sets and 1 leftover`.
fn kinds(all: &[&Removed]) -> String {
    let number = |kind: Kind| all.iter().filter(|removed| removed.kind == kind).count();
    let parts = [(number(Kind::ChangeSet), "change set"), (number(Kind::Leftover), "leftover")];
    let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| plural(*number, noun));
    parts.collect::<Vec<_>>().join(" and ")
}
