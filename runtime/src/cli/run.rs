//! `tidemark run`: the pipeline for a folder of exports.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::apart::check_apart;
use crate::cli::args::{AdoptArgs, DatabaseArgs, EngineArgs, Format, FormatArgs, LimitArgs, OutArgs, StateArgs};
use crate::cli::lookup::{checked_name, find_table};
use crate::cli::output::{self, plural};
use crate::cli::{resolve, run_report};
use crate::clock;
use crate::engine::athena::StatementSource;
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::name::printable_path;
use crate::run::{Report, Runner, find_exports};
use crate::sink::Sink;
use crate::snapshot::discover::Selection;
use crate::snapshot::{IGNORE_FILE, Snapshots};
use crate::store::Status;
use crate::table::Table;
use crate::telemetry::{self, Progress};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark run samples/exports                        every tenant, every table
  cargo tidemark run samples/exports --table orders         one table of every tenant
  cargo tidemark run samples/exports --sink sqlite:shop.db --create   rows in a database
  cargo tidemark run /exports --out /ops --state /var/lib/tidemark --format json
  cargo tidemark-aws run s3://exports                       exports in S3; large deltas run on Athena

Versions of a table are published in natural order (V9 before V10), tables in parallel.
Running again publishes what is new; an interrupted run resumes where it stopped.")]
pub(super) struct RunArgs {
    /// Folder of the exports: DIR/TENANT/TABLE/VERSION/FILE; or s3://BUCKET/PREFIX.
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
    database: DatabaseArgs,
    /// Go on in an output that a lost registry published into: above its highest sequence, the next version of each
    /// table in full.
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    decision: AdoptArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
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
    statements: Arc<dyn StatementSource>,
) -> Result<Option<Fault>> {
    let started = clock::instant();
    let tenant = args.tenant.as_deref().map(|tenant| checked_name("tenant", tenant)).transpose()?;
    let table = args.table.as_deref().map(|table| find_table(tables, table)).transpose()?;
    let exports = resolve::exports(&args.exports)?;
    let selection = Selection { tenant, table: table.map(|table| table.name.into()) };
    let progress = Progress::new(args.format.format == Format::Text);
    // Before a registry is created: the folder may be the wrong one.
    let listing = progress.wait(&format!("listing the exports in {}", printable_path(&args.exports)));
    let found = find_exports(&*exports, tables, &selection).inspect_err(|_| listing.finish())?;
    listing.finish();
    telemetry::listen_for_ctrl_c();
    let runner = runner(args, exports, tables, statements)?;
    check_sinks(args, &runner)?;
    // A folder without exports may be a typo.
    if !found.tables.is_empty() {
        args.state.remember(&runner, &args.out)?;
    }
    let report = runner.run_found(found, &progress)?;
    if report.found == 0 && report.fault().is_none() {
        check_folder(args, &runner, &selection, report.ignored).inspect_err(|_| run_report::print_problems(&report))?;
    }
    let printed = match args.format.format {
        Format::Json => output::print_json(&report),
        Format::Text if report.outcomes.is_empty() && report.unreadable.is_empty() => {
            output::print(&nothing_to_do(args, &runner, &report)?)
        }
        Format::Text => run_report::print(&report, &runner.sinks, started.elapsed()),
    };
    run_report::print_problems(&report);
    output::done(printed).map(|()| report.fault())
}

/// What the arguments say to run with. Creates the registry if there is none.
fn runner(
    args: &RunArgs,
    exports: Box<dyn Snapshots>,
    tables: &'static [&'static Table],
    statements: Arc<dyn StatementSource>,
) -> Result<Runner> {
    let adopt = args.adopt.then(|| args.decision.decision(&args.state)).transpose()?;
    check_apart(&args.exports, "the registry and the change sets", &args.state.folder())?;
    let registry = args.state.registry_or_new(args.adopt)?;
    let out = OutArgs { database: args.database.options(), ..args.out.clone() };
    let runner = args.state.runner_for(registry, exports, &out, tables, args.limits.limits())?;
    let engines = args.engine.engines(statements, &[&args.exports], Some(&runner.registry))?;
    Ok(Runner { engines, adopt, ..runner })
}

/// Refuses a sink among the exports, and to adopt where there is nothing to adopt.
fn check_sinks(args: &RunArgs, runner: &Runner) -> Result<()> {
    for sink in runner.sinks.iter() {
        check_apart(&args.exports, "published operations", resolve::sink_path(&sink.name()))?;
    }
    if runner.adopt.is_none() || runner.sinks.iter().any(Sink::holds_marks) {
        return Ok(());
    }
    let names: Vec<String> = runner.sinks.iter().map(Sink::display_name).collect();
    let problem = "a stream does not remember its registry, so it cannot be adopted";
    Err(Error::refused(names.join(", "), problem)
        .help("run without --adopt: the sequences of a new registry are above those of older ones"))
}

/// Fails if the registry knows a selected table: then the folder without exports is the wrong one, or its disk is not
/// mounted, and running again may help; or the exports are ignored.
fn check_folder(args: &RunArgs, runner: &Runner, selection: &Selection, ignored: u64) -> Result<()> {
    let known = runner.registry.tables()?;
    let known = known.iter().filter(|key| selection.includes(key)).count();
    if known == 0 {
        return Ok(());
    }
    let known = plural(known as u64, "table");
    let (problem, help) = match ignored {
        0 => (
            format!("it has no exports, but the registry knows {known}"),
            "check that it is the right folder, and that its disk is mounted; exports are expected at \
             DIR/TENANT/TABLE/VERSION/FILE"
                .to_owned(),
        ),
        ignored => (
            format!(
                "it has no exports except what {IGNORE_FILE} hides ({}), but the registry knows {known}",
                plural(ignored, "name")
            ),
            format!("check the patterns in {IGNORE_FILE}, and that it is the right folder"),
        ),
    };
    Err(Error::missing_exports(printable_path(&args.exports), problem).help(help))
}

fn nothing_to_do(args: &RunArgs, runner: &Runner, report: &Report) -> Result<String> {
    if report.found == 0 {
        let of_tenant = args.tenant.as_ref().map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
        let of_table = args.table.as_ref().map(|table| format!(" of table {table}")).unwrap_or_default();
        let ignored = match report.ignored {
            0 => String::new(),
            ignored => format!("; {IGNORE_FILE} hides {}", plural(ignored, "name")),
        };
        return Ok(format!(
            "nothing to do: no exports{of_tenant}{of_table} in {}; they are expected at {0}/TENANT/TABLE/VERSION/FILE{ignored}\n",
            printable_path(&args.exports)
        ));
    }
    let (mut known, mut held, mut failed) = (0, 0, 0);
    for key in runner.registry.tables()? {
        let listed = runner.registry.list(&key)?;
        known += listed.count();
        held += listed.count_of(Status::Held);
        failed += listed.count_after_newest(Status::Failed);
    }
    let numbers = [(held, Status::Held), (failed, Status::Failed)].into_iter().filter(|(number, _)| *number > 0);
    let open: Vec<String> = numbers.map(|(number, status)| format!("{number} {status}")).collect();
    let open =
        if open.is_empty() { String::new() } else { format!(" ({}, see: {})", open.join(", "), command(&[&"status"])) };
    Ok(format!("nothing to do: {} known, none is new{open}\n", plural(known as u64, "version")))
}
