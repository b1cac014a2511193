//! `tidemark history`: every version of a table with the decisions about it, or everything about one version.

mod entries;
mod version;

use clap::Args;

use crate::cli::args::{Format, FormatArgs, StateArgs};
use crate::cli::lookup::{any_table_key, known_versions, name_of_one};
use crate::cli::output::{self, count, time};
use crate::error::{Fault, Result};
use crate::plan::Counts;
use crate::store::Version;
use entries::{VersionHistory, with_journal};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark history acme/orders
  cargo tidemark history acme/orders 20260103_V0001     everything that was found out about this version
  cargo tidemark history acme/orders --format json

Decisions (approve, reject, retry, resync, replay, gc, …) are shown below the version they are about;
those about the whole table below the version that was the last one registered.")]
pub(super) struct HistoryArgs {
    /// Tenant and table.
    #[arg(value_name = "TENANT/TABLE")]
    key: String,
    /// Only this version, with everything that was found out about it.
    #[arg(value_name = "VERSION")]
    version: Option<String>,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn history(args: &HistoryArgs) -> Result<Option<Fault>> {
    // A path as other commands take it, `TENANT/TABLE/VERSION`, is as good.
    let (key, version) = match (args.key.match_indices('/').nth(1), &args.version) {
        (Some((slash, _)), None) => (&args.key[..slash], Some(&args.key[slash + 1..])),
        (_, version) => (args.key.as_str(), version.as_deref()),
    };
    let key = any_table_key(key)?;
    let registry = args.state.registry()?;
    let versions = known_versions(&registry, &key)?;
    let version = version.map(|version| name_of_one(&key, &versions, version)).transpose()?;
    let mut histories = with_journal(&registry, versions)?;
    histories.retain(|history| version.as_ref().is_none_or(|name| *name == history.version.version));
    match (args.format.format, &version, &histories[..]) {
        (Format::Json, None, histories) => output::print_json(&histories)?,
        (Format::Json, Some(_), [history, ..]) => output::print_json(history)?,
        (Format::Text, Some(_), [history, ..]) => output::print(&version::text(history))?,
        (_, _, histories) => output::print(&text(histories))?,
    }
    Ok(None)
}

fn text(histories: &[VersionHistory]) -> String {
    let header = ["version", "status", "sequence", "rows", "inserted", "updated", "deleted", "since", ""];
    let grid = output::grid(&header, &[2, 3, 4, 5, 6], histories.iter().map(|history| row(&history.version)));
    let mut lines = grid.lines();
    let mut text: Vec<String> = lines.next().into_iter().map(str::to_owned).collect();
    for (line, history) in lines.zip(histories) {
        text.push(line.into());
        text.extend(history.further_entries().iter().map(|entry| format!("  {}", entry.text())));
    }
    text.join("\n") + "\n"
}

fn row(version: &Version) -> Vec<String> {
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
        version.sequence.map_or_else(String::new, |sequence| sequence.to_string()),
        number(|counts| counts.rows),
        number(|counts| counts.inserted),
        number(|counts| counts.updated),
        number(|counts| counts.deleted),
        time(version.updated_at),
        note,
    ]
}
