//! `tidemark gc`: takes away what nobody needs any more.

use clap::Args;

use super::show::{self, count, plural};
use super::{ExportsArgs, Format, FormatArgs, OUT, StateArgs};
use crate::error::{Fault, Result};
use crate::run::Removed;
use crate::table::Table;

/// How many versions of a table can still be published again, unless told.
const KEEP: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark gc --dry-run       show what would go
  cargo tidemark gc --keep 3        keep what `replay` needs for the last three versions of each table

Takes away change sets that are published, superseded, rejected or left by runs that were killed, and
nothing else: never one that is PLANNED, HELD or PUBLISHING, no export, nothing that was published. A
table that somebody is working on is left alone.")]
pub(super) struct GcArgs {
    /// How many published versions of each table keep their change set.
    #[arg(long, value_name = "N", default_value_t = KEEP)]
    keep: usize,
    /// Take nothing away.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn gc(args: &GcArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let registry = args.state.registry()?;
    let runner = args.state.runner(registry, &args.exports, OUT.as_ref(), tables)?;
    let removed = runner.collect_garbage(args.keep, args.dry_run)?;
    match args.format.format {
        Format::Json => show::print_json(&removed)?,
        Format::Text => show::print(&text(&removed, args.dry_run))?,
    }
    Ok(None)
}

fn text(removed: &[Removed], dry_run: bool) -> String {
    let touched = removed.iter().filter(|removed| !removed.folders.is_empty() || removed.locked_by.is_some());
    let rows: Vec<Vec<String>> = touched
        .map(|removed| {
            let note = removed.locked_by.as_ref().map(|by| format!("{by} is working on it")).unwrap_or_default();
            let folders = count(removed.folders.len() as u64);
            vec![removed.key.tenant.clone(), removed.key.table.clone(), folders, count(removed.bytes), note]
        })
        .collect();
    let folders = removed.iter().map(|removed| removed.folders.len()).sum();
    let bytes = removed.iter().map(|removed| removed.bytes).sum();
    let verb = if dry_run { "would be removed" } else { "removed" };
    let total = format!("{} {verb}, {} bytes.\n", plural(folders, "change set"), count(bytes));
    if rows.is_empty() {
        return total;
    }
    format!("{}\n{total}", show::grid(&["tenant", "table", "change sets", "bytes", ""], &[2, 3], rows))
}
