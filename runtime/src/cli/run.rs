//! `tidemark run`: the pipeline over a folder of exports.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Format, FormatArgs, LimitArgs, shown};
use crate::cli::lookup::{checked_name, find_table};
use crate::cli::output::{self, count, plural};
use crate::cli::resolve::{self, EngineArgs, OutArgs, StateArgs};
use crate::clock;
use crate::engine::athena::Statements;
use crate::error::{Fault, Result};
use crate::run::{Outcome, Report, Runner};
use crate::store::Status;
use crate::table::Table;
use crate::telemetry::{self, Progress};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark run samples/exports                        every tenant, every table
  cargo tidemark run samples/exports --table orders         one table of every tenant
  cargo tidemark run /exports --out /ops --state /var/lib/tidemark --format json
  cargo tidemark-aws run s3://exports                       from S3, on Athena what is too large for here

Versions of a table are published in natural order (V9 before V10), tables in parallel.
Running again publishes what is new; a run that was stopped goes on where it was.")]
pub(super) struct RunArgs {
    /// The folder of the exports: DIR/TENANT/TABLE/VERSION/FILE; or s3://BUCKET/PREFIX.
    #[arg(value_name = "DIR")]
    exports: PathBuf,
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this table.
    #[arg(long)]
    table: Option<String>,
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn run(
    args: &RunArgs,
    tables: &'static [&'static Table],
    statements: &'static [Statements],
) -> Result<Option<Fault>> {
    let begun = clock::instant();
    let tenant = args.tenant.as_deref().map(|tenant| checked_name("tenant", tenant)).transpose()?;
    let table = args.table.as_deref().map(|table| find_table(tables, table)).transpose()?;
    let exports = resolve::exports(&args.exports)?;
    telemetry::listen_for_ctrl_c();
    let limits = args.limits.limits();
    let runner = args.state.runner_of(args.state.registry_or_new()?, exports, &args.out, tables, limits)?;
    let engines = args.engine.engines(statements, &[&args.exports], Some(&runner.registry))?;
    let runner = Runner { engines, ..runner };
    args.state.remember(&runner, &args.out)?;
    let wanted = |of: &str, name: &str| {
        tenant.as_deref().is_none_or(|tenant| tenant == of) && table.is_none_or(|table| table.name == name)
    };
    let report = runner.run(wanted, &Progress::new(args.format.format == Format::Text))?;
    match args.format.format {
        Format::Json => output::print_json(&report)?,
        Format::Text if report.outcomes.is_empty() => output::print(&nothing_to_do(args, &runner, &report)?)?,
        Format::Text => print(&report, &runner.sink.shown(), begun.elapsed())?,
    }
    complain(&report);
    Ok(report.fault())
}

/// The table of what a run did, and a line that sums it up.
pub(super) fn print(report: &Report, out: &str, took: Duration) -> Result<()> {
    let outcomes = &report.outcomes;
    let head = ["tenant", "table", "version", "rows", "inserted", "updated", "deleted", "status", ""];
    let mut text = output::grid(&head, &[3, 4, 5, 6], outcomes.iter().map(row));
    let versions = outcomes.iter().filter(|outcome| outcome.version.is_some()).count();
    let mut summary = vec![plural(versions, "version")];
    for (status, word) in [
        (Status::Held, "held"),
        (Status::Failed, "failed"),
        (Status::Waiting, "waiting"),
        (Status::Superseded, "superseded"),
    ] {
        let of_status = outcomes.iter().filter(|outcome| outcome.status == Some(status)).count();
        if of_status > 0 {
            summary.push(format!("{of_status} {word}"));
        }
    }
    summary.push(format!("{:.1} s", took.as_secs_f64()));
    text.push_str(&format!("\n{}. Operations are in {}.\n", summary.join(", "), out));
    output::print(&text)
}

fn nothing_to_do(args: &RunArgs, runner: &Runner, report: &Report) -> Result<String> {
    if report.found == 0 {
        let of_tenant = args.tenant.as_ref().map(|tenant| format!(" of the tenant {tenant}")).unwrap_or_default();
        let of_table = args.table.as_ref().map(|table| format!(" of the table {table}")).unwrap_or_default();
        return Ok(format!(
            "nothing to do: no exports{of_tenant}{of_table} in {}; they are expected at {0}/TENANT/TABLE/VERSION/FILE\n",
            shown(&args.exports)
        ));
    }
    let mut known = Vec::new();
    for key in runner.registry.tables()? {
        known.extend(runner.registry.versions(&key)?);
    }
    let open: Vec<String> = [Status::Held, Status::Failed]
        .iter()
        .map(|status| (known.iter().filter(|version| version.status == *status).count(), status))
        .filter(|(number, _)| *number > 0)
        .map(|(number, status)| format!("{number} {status}"))
        .collect();
    let open =
        if open.is_empty() { String::new() } else { format!(" ({}, see: cargo tidemark status)", open.join(", ")) };
    Ok(format!("nothing to do: {} known, none is new{open}\n", plural(known.len(), "version")))
}

fn row(outcome: &Outcome) -> Vec<String> {
    let number = |pick: fn(&crate::plan::Counts) -> u64| {
        outcome.counts.as_ref().map_or_else(String::new, |counts| count(pick(counts)))
    };
    // What an error says stands below the grid, where it has room.
    let is_told_below = outcome.fault.is_some() && outcome.status != Some(Status::Held);
    let note = if is_told_below { "see below" } else { outcome.note.as_deref().unwrap_or_default() };
    vec![
        outcome.key.tenant.clone(),
        outcome.key.table.clone(),
        outcome.version.clone().unwrap_or_default(),
        number(|counts| counts.rows),
        number(|counts| counts.inserted),
        number(|counts| counts.updated),
        number(|counts| counts.deleted),
        outcome.status.map_or_else(String::new, |status| status.to_string()),
        note.into(),
    ]
}

/// Everything that went wrong, on stderr.
pub(super) fn complain(report: &Report) {
    for outcome in report.outcomes.iter().filter(|outcome| outcome.fault.is_some()) {
        if outcome.status == Some(Status::Held) {
            outcome.help.iter().for_each(|help| output::help(help));
            continue;
        }
        eprintln!();
        let subject = match &outcome.version {
            Some(version) => format!("{} {version}", outcome.key),
            None => outcome.key.to_string(),
        };
        let note = outcome.note.as_deref().unwrap_or_default();
        // A path of the export says as much as its name.
        let path = subject.replace(' ', "/");
        let message =
            if note.contains(&subject) || note.contains(&path) { note.into() } else { format!("{subject}: {note}") };
        output::complain(&message, outcome.rejects.as_ref(), None);
        if outcome.status == Some(Status::Failed) {
            let baseline = match &outcome.baseline {
                Some(baseline) => format!("the baseline is still {baseline}"),
                None => "there is no baseline yet".into(),
            };
            eprintln!("The version is FAILED; {baseline}.");
        }
        if let Some(help) = &outcome.help {
            output::help(help);
        }
    }
    for stray in &report.strays {
        eprintln!();
        output::complain(&format!("{}: {}", shown(&stray.path), stray.problem), None, stray.help.as_deref());
    }
}
