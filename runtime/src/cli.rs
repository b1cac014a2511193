//! The command line. It knows the tables it was linked with, and nothing particular about any of them.

mod apart;
mod apply;
mod approve;
mod args;
mod delta;
mod gc;
mod history;
mod infer;
mod lookup;
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
mod verify;
mod why;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cli::args::{Format, StateArgs};
use crate::engine::athena::Statements;
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
    version,
    max_term_width = 110,
    after_help = "\
Start with:
  cargo tidemark run samples/exports     publish what is new
  cargo tidemark status                  show the state of every table
  cargo tidemark history acme/orders     show what each version changed

Exit status: 0 done, or nothing to do; 1 the input is at fault; 2 the command line is wrong, or the
tool or the machine failed."
)]
struct Cli {
    /// Folder of schemas [default: the tables that were compiled into this program].
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
    /// Reject a HELD version for good; the next version is compared with the same baseline.
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
}

/// Runs the command line with the arguments of this process, for these tables and their Athena statements.
pub fn main(tables: &'static [&'static Table], statements: &'static [Statements]) -> ExitCode {
    telemetry::init_logs();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain_usage(&error),
    };
    invocation::remember(&cli.typed());
    let format = cli.command.format();
    let (tables, statements) = match schemas::tables(cli.schemas.as_deref(), format) {
        Ok(None) => (tables, statements),
        Ok(Some(schemas)) => (schemas.tables, schemas.statements),
        Err(fault) => return exit_code(Some(fault)),
    };
    exit(cli.command.execute(tables, statements), format)
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

/// Prints the help that was asked for, or what is wrong with the command line; as JSON as well, if that was asked for.
fn explain_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return exit(output::print(&error.render().ansi().to_string()).map(|()| None), Format::Text);
    }
    // The exit status says the same as an output that is closed or full.
    let _ = error.print();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let is_json = |pair: &[OsString]| pair[0] == "--format" && pair[1] == "json";
    if arguments.windows(2).any(is_json) || arguments.iter().any(|argument| argument == "--format=json") {
        let message = error.render().to_string();
        let json = serde_json::json!({ "error": {
            "message": message.trim(), "help": "add --help to the command", "fault": Fault::Usage, "rejects": null,
        }});
        let _ = output::print_json(&json);
    }
    exit_code(Some(Fault::Usage))
}

impl Cli {
    /// The options that were typed and that every command needs to find the same tables and registry.
    fn typed(&self) -> Vec<(&'static str, &OsStr)> {
        let schemas = self.schemas.as_ref().map(|folder| ("--schemas", folder.as_os_str()));
        schemas.into_iter().chain(self.command.state().map(StateArgs::typed).unwrap_or_default()).collect()
    }
}

impl Command {
    fn execute(&self, tables: &'static [&'static Table], statements: &'static [Statements]) -> Result<Option<Fault>> {
        match self {
            Command::Run(args) => run::run(args, tables, statements),
            Command::Delta(args) => delta::delta(args, tables, statements),
            Command::Plan(args) => plan::plan(args, tables, statements),
            Command::Approve(args) => approve::approve(args, tables, statements),
            Command::Reject(args) => reject::reject(args, tables),
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
            Command::Apply(_) | Command::Delta(_) | Command::Infer(_) | Command::Tables(_) => None,
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
