//! The command line. It knows the tables it was linked with, and nothing particular about any of them.

mod apart;
mod apply;
mod approve;
mod args;
mod completions;
mod dead_letters;
mod delta;
mod doctor;
mod gc;
mod history;
mod infer;
mod init;
mod lookup;
mod man;
mod output;
mod plan;
mod reconcile;
mod recover;
mod reject;
mod remote;
mod replay;
mod report;
mod resolve;
mod resync;
mod retire;
mod retry;
mod run;
mod run_report;
mod schemas;
mod status;
mod tables;
mod usage;
mod verify;
mod why;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cli::args::{Format, StateArgs};
use crate::cli::schemas::SchemaFolder;
use crate::engine::athena::{StatementSource, Statements};
use crate::error::{Error, Fault, Result};
use crate::invocation;
use crate::table::Table;
use crate::telemetry;

/// Full table exports in, typed changes out.
///
/// Exports are at DIR/TENANT/TABLE/VERSION/FILE, and each version is a whole table. `run` compares each new version
/// with the last one that succeeded and publishes an INSERT, UPDATE or DELETE for every row that changed.
#[derive(Debug, Parser)]
#[command(
    name = "tidemark",
    bin_name = "tidemark",
    max_term_width = 110,
    after_help = "\
Start with:
  cargo tidemark init shop orders.csv    make a project of your own
  cargo tidemark run samples/exports     publish what is new
  cargo tidemark status                  show the state of every table
  cargo tidemark history acme/orders     show what each version changed

Exit status: 0 done, or nothing to do; 1 the input is at fault; 2 the command line is wrong, or the
tool or the machine failed."
)]
struct Cli {
    /// Folder of schemas [default: this program's own tables, or ./schemas if it has none].
    #[arg(long, value_name = "DIR", global = true)]
    schemas: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish every new export in a folder.
    Run(run::RunArgs),
    /// Print the operations between two exports; needs no registry and leaves nothing behind.
    Delta(delta::DeltaArgs),
    /// Show what a version would change and why it is held; publishes nothing.
    Plan(plan::PlanArgs),
    /// Publish a HELD version exactly as its plan shows it.
    Approve(approve::ApproveArgs),
    /// Reject a HELD or WAITING version for good; the next version is compared with the same baseline.
    Reject(reject::RejectArgs),
    /// Publish a version again, with the same ids and the same sequence.
    Replay(replay::ReplayArgs),
    /// Publish the next version of a table in full, without comparing it.
    Resync(resync::ResyncArgs),
    /// Apply published operations to a database; needs no registry.
    Apply(apply::ApplyArgs),
    /// Compare the rows in a database with the export that was published last, and put them right.
    Reconcile(reconcile::ReconcileArgs),
    /// Go on after the registry was restored from an older copy.
    Recover(recover::RecoverArgs),
    /// Let the name of a published version no longer count, because it was mistyped.
    Retire(retire::RetireArgs),
    /// Show the state of every table, and what needs attention.
    Status(status::StatusArgs),
    /// Write pages about what came, what changed, what is held and what is missing.
    Report(report::ReportArgs),
    /// Show every version of a table, with its counts.
    History(history::HistoryArgs),
    /// Show one row in every version: its text, its value, its operation.
    Why(why::WhyArgs),
    /// Check exports and published operations against the registry.
    Verify(verify::VerifyArgs),
    /// Remove change sets and temporary files that are no longer needed.
    Gc(gc::GcArgs),
    /// Let the next run process a FAILED version again, after its schema was fixed.
    Retry(retry::RetryArgs),
    /// Write the schema of a table from its exports.
    Infer(infer::InferArgs),
    /// List the tables that have a schema, or the columns of one.
    Tables(tables::TablesArgs),
    /// Make a project of your own: schemas, a folder for exports, and what a repository has around them.
    Init(init::InitArgs),
    /// Check that everything a run needs is there; changes nothing.
    Doctor(doctor::DoctorArgs),
    /// Print what completes commands and options in a shell.
    Completions(completions::CompletionsArgs),
    /// Write the manual pages.
    Man(man::ManArgs),
}

/// Runs the command line with the arguments of this process, for these tables and their Athena statements.
pub fn main(tables: &'static [&'static Table], statements: impl StatementSource + 'static) -> ExitCode {
    start(tables, Arc::new(statements), env!("CARGO_PKG_VERSION"))
}

/// The same for a program without tables, which reads the schemas in the folder `schemas` where it runs. `version` is
/// what `--version` prints.
pub fn main_without_tables(version: &'static str) -> ExitCode {
    let statements: &[Statements] = &[];
    start(&[], Arc::new(statements), version)
}

fn start(tables: &'static [&'static Table], statements: Arc<dyn StatementSource>, version: &'static str) -> ExitCode {
    telemetry::init_logs();
    let command = || Cli::command().version(version);
    let parse = |command: clap::Command| Cli::from_arg_matches(&command.try_get_matches()?);
    // Help and mistakes name the program as it was called. To rewrite the help takes a sixth of a short command.
    let cli = match parse(command()).or_else(|_| parse(usage::as_called(command()))) {
        Ok(cli) => cli,
        Err(error) => return exit(usage::explain(&error), Format::Text),
    };
    let format = cli.command.format();
    let folder = match &cli.schemas {
        Some(typed) => SchemaFolder::Typed(typed),
        None if tables.is_empty() => SchemaFolder::default_for(cli.command.needs_tables()),
        None => SchemaFolder::Unused,
    };
    invocation::remember(&cli.typed(), version, folder.path());
    // The doctor reports what is wrong with the schemas along with everything else.
    let read = if matches!(cli.command, Command::Doctor(_)) { Ok(None) } else { schemas::tables(folder, format) };
    let (tables, statements) = match read {
        Ok(None) => (tables, statements),
        Ok(Some(schemas)) => (schemas.tables, schemas.statements),
        Err(fault) => return exit_code(Some(fault)),
    };
    exit(cli.command.execute(tables, statements, folder), format)
}

/// Ends the program; reports the error that a command ended with.
fn exit(result: Result<Option<Fault>>, format: Format) -> ExitCode {
    match result {
        Ok(fault) => exit_code(fault),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, format);
            exit_code(Some(error.fault()))
        }
    }
}

impl Cli {
    /// The options that were typed and that every command needs to find the same tables and registry.
    fn typed(&self) -> Vec<(&'static str, &OsStr)> {
        let schemas = self.schemas.as_ref().map(|folder| ("--schemas", folder.as_os_str()));
        schemas.into_iter().chain(self.command.state().map(StateArgs::typed).unwrap_or_default()).collect()
    }
}

impl Command {
    fn execute(
        &self,
        tables: &'static [&'static Table],
        statements: Arc<dyn StatementSource>,
        folder: SchemaFolder<'_>,
    ) -> Result<Option<Fault>> {
        match self {
            Command::Run(args) => run::run(args, tables, statements),
            Command::Delta(args) => delta::delta(args, tables, statements),
            Command::Plan(args) => plan::plan(args, tables, statements),
            Command::Approve(args) => approve::approve(args, tables, statements),
            Command::Reject(args) => reject::reject(args),
            Command::Replay(args) => replay::replay(args, tables),
            Command::Resync(args) => resync::resync(args, tables),
            Command::Apply(args) => apply::apply(args, tables),
            Command::Reconcile(args) => reconcile::reconcile(args, tables),
            Command::Recover(args) => recover::recover(args),
            Command::Retire(args) => retire::retire(args, tables),
            Command::Status(args) => status::status(args, tables),
            Command::Report(args) => report::report(args, tables),
            Command::History(args) => history::history(args),
            Command::Why(args) => why::why(args, tables),
            Command::Verify(args) => verify::verify(args, tables),
            Command::Gc(args) => gc::gc(args, tables),
            Command::Retry(args) => retry::retry(args, tables),
            Command::Infer(args) => infer::infer(args),
            Command::Tables(args) => tables::tables(args, tables),
            Command::Init(args) => init::init(args, tables),
            Command::Completions(args) => completions::completions(args, usage::as_installed(Cli::command())),
            Command::Man(args) => man::man(args, usage::as_installed(Cli::command())),
            Command::Doctor(args) => doctor::doctor(args, tables, folder),
        }
    }

    /// Returns whether the command needs the schemas of tables; `None` if it works without, but says more with them.
    fn needs_tables(&self) -> Option<bool> {
        match self {
            Command::Status(args) => args.needs_tables(),
            Command::Infer(_) | Command::History(_) | Command::Recover(_) => Some(false),
            Command::Init(_) | Command::Completions(_) | Command::Man(_) => Some(false),
            _ => Some(true),
        }
    }

    fn format(&self) -> Format {
        match self {
            Command::Run(args) => args.format.format,
            Command::Delta(args) => args.format.format,
            Command::Plan(args) => args.format.format,
            Command::Approve(args) => args.format.format,
            Command::Reject(args) => args.format.format,
            Command::Replay(args) => args.format.format,
            Command::Resync(args) => args.format.format,
            Command::Recover(args) => args.format.format,
            Command::Apply(args) => args.format.format,
            Command::Reconcile(args) => args.format.format,
            Command::Retire(args) => args.format.format,
            Command::Status(args) => args.format.format,
            Command::Report(args) => args.format(),
            Command::History(args) => args.format.format,
            Command::Why(args) => args.format.format,
            Command::Verify(args) => args.format.format,
            Command::Gc(args) => args.format.format,
            Command::Retry(args) => args.format.format,
            Command::Infer(args) => args.format.format,
            Command::Tables(args) => args.format.format,
            Command::Init(args) => args.format.format,
            Command::Doctor(args) => args.format.format,
            Command::Completions(_) | Command::Man(_) => Format::Text,
        }
    }

    /// Where the registry is, for the commands that use one.
    fn state(&self) -> Option<&StateArgs> {
        match self {
            Command::Run(args) => Some(&args.state),
            Command::Plan(args) => Some(&args.state),
            Command::Approve(args) => Some(&args.state),
            Command::Reject(args) => Some(&args.state),
            Command::Replay(args) => Some(&args.state),
            Command::Resync(args) => Some(&args.state),
            Command::Status(args) => Some(&args.state),
            Command::Report(args) => Some(&args.state),
            Command::History(args) => Some(&args.state),
            Command::Why(args) => Some(&args.state),
            Command::Verify(args) => Some(&args.state),
            Command::Gc(args) => Some(&args.state),
            Command::Retry(args) => Some(&args.state),
            Command::Retire(args) => Some(&args.state),
            Command::Recover(args) => Some(&args.state),
            Command::Reconcile(args) => Some(&args.state),
            Command::Doctor(args) => Some(&args.state),
            Command::Apply(_) | Command::Delta(_) | Command::Infer(_) | Command::Tables(_) => None,
            Command::Init(_) | Command::Completions(_) | Command::Man(_) => None,
        }
    }
}

fn exit_code(fault: Option<Fault>) -> ExitCode {
    ExitCode::from(match fault {
        None => 0,
        Some(Fault::Input) => 1,
        Some(Fault::Machine | Fault::Usage) => 2,
    })
}

/// A reader such as `head` may close the pipe when it has enough, which is not a failure.
fn is_closed_pipe(error: &Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
