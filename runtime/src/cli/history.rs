//! `tidemark history`: every version of a table.

use clap::Args;

use crate::cli::args::{Format, FormatArgs, StateArgs};
use crate::cli::lookup::{known_versions, table_key};
use crate::cli::output::{self, count, time};
use crate::error::{Fault, Result};
use crate::plan::Counts;
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark history acme/orders
  cargo tidemark history acme/orders --format json")]
pub(super) struct HistoryArgs {
    /// Tenant and table.
    #[arg(value_name = "TENANT/TABLE")]
    key: String,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn history(args: &HistoryArgs, tables: &[&'static Table]) -> Result<Option<Fault>> {
    let key = table_key(tables, &args.key)?;
    let versions = known_versions(&args.state.registry()?, &key)?;
    if args.format.format == Format::Json {
        output::print_json(&versions)?;
        return Ok(None);
    }
    let rows = versions.iter().map(|version| {
        let number =
            |pick: fn(&Counts) -> u64| version.plan.as_ref().map_or_else(String::new, |plan| count(pick(&plan.counts)));
        let note = match (&version.reason, &version.refused_parts) {
            (Some(reason), _) => reason.clone(),
            (None, Some(_)) => "a revision was refused".into(),
            (None, None) => String::new(),
        };
        vec![
            version.version.clone(),
            version.status.to_string(),
            version.sequence.map_or_else(String::new, count),
            number(|counts| counts.rows),
            number(|counts| counts.inserted),
            number(|counts| counts.updated),
            number(|counts| counts.deleted),
            time(version.updated_at),
            note,
        ]
    });
    let header = ["version", "status", "sequence", "rows", "inserted", "updated", "deleted", "since", ""];
    output::print(&output::grid(&header, &[2, 3, 4, 5, 6], rows))?;
    Ok(None)
}
