//! The command line. It knows the tables it was linked with and nothing about any of them in particular.

mod delta;
mod gc;
mod listings;
mod lookup;
mod output;
mod plan;
mod resolve;
mod review;
mod run;
mod verify;
mod why;

use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::Limits;
use crate::engine::athena::Statements;
use crate::error::{Error, Fault};
use crate::table::Table;
use crate::telemetry;

/// Full table exports in, typed changes out.
///
/// Exports lie at DIR/TENANT/TABLE/VERSION/FILE, each a whole table. `run` compares each new version with the last one
/// that succeeded and publishes an INSERT, UPDATE or DELETE for every row that changed.
#[derive(Debug, Parser)]
#[command(
    name = "tidemark",
    bin_name = "tidemark",
    version,
    max_term_width = 110,
    after_help = "\
Start with:
  cargo tidemark run samples/exports     publish what is new
  cargo tidemark status                  see where every table stands
  cargo tidemark history acme/orders     see what each version brought

Exit status: 0 done, or nothing to do; 1 the input is at fault; 2 the tool or the machine failed."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish every pending export below a folder.
    Run(run::RunArgs),
    /// Print the operations between two exports; needs no registry and leaves no trace.
    Delta(delta::DeltaArgs),
    /// Show what a version would change, and why it is held; publishes nothing.
    Plan(plan::PlanArgs),
    /// Publish a HELD version exactly as its plan shows it.
    Approve(review::ApproveArgs),
    /// Refuse a HELD version for good; the next version is compared with the same baseline.
    Reject(review::RejectArgs),
    /// Publish a version once more, with the same ids and the same sequence.
    Replay(review::ReplayArgs),
    /// Publish the next version of a table whole, for when there is nothing left to compare it with.
    Resync(review::ResyncArgs),
    /// Show where every tenant's tables stand, and what needs attention.
    Status(listings::StatusArgs),
    /// Show every version of a tenant's table, with its counts.
    History(listings::HistoryArgs),
    /// Show one row through all versions: its text, its value, its operation.
    Why(why::WhyArgs),
    /// Hold exports and published operations against the registry.
    Verify(verify::VerifyArgs),
    /// Remove change sets and leftovers that nothing needs any more.
    Gc(gc::GcArgs),
    /// Let a FAILED version be tried again by the next run, for when its schema was mended.
    Retry(listings::RetryArgs),
    /// List the tables that have a schema, or the columns of one.
    Tables(listings::TablesArgs),
}

/// What a delta may take of the machine.
#[derive(Debug, Args)]
struct LimitArgs {
    /// How much memory each table that is compared may take, such as 512MiB; what has no room goes to temporary files.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_size)]
    memory: u64,
    /// How many threads read rows and write parts, beside those that inflate [default: one for each processor].
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let unless_told = Limits::default();
        Limits { memory: self.memory, threads: self.threads.unwrap_or(unless_told.threads), ..unless_told }
    }
}

/// A number of bytes: `4096`, `64KiB`, `512M`, `2GiB`. Units are powers of 1024.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("a size is a number with a unit, such as 512MiB or 2GiB".into()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "a size is a number above 0, such as 512MiB or 2GiB".into())
}

/// How output is written.
#[derive(Debug, Args)]
struct FormatArgs {
    /// `text` for people, `json` for machines.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command line on the arguments of this process, for these tables and what Athena is told of them.
pub fn main(tables: &'static [&'static Table], statements: &'static [Statements]) -> ExitCode {
    telemetry::init_logs();
    let cli = Cli::parse();
    let (format, done) = match cli.command {
        Command::Run(args) => (args.format.format, run::run(&args, tables, statements)),
        Command::Delta(args) => (args.format.format, delta::delta(&args, tables, statements)),
        Command::Plan(args) => (args.format.format, plan::plan(&args, tables, statements)),
        Command::Approve(args) => (args.format.format, review::approve(&args, tables, statements)),
        Command::Reject(args) => (args.format.format, review::reject(&args, tables)),
        Command::Replay(args) => (args.format.format, review::replay(&args, tables)),
        Command::Resync(args) => (args.format.format, review::resync(&args, tables)),
        Command::Status(args) => (args.format.format, listings::status(&args)),
        Command::History(args) => (args.format.format, listings::history(&args, tables)),
        Command::Why(args) => (args.format.format, why::why(&args, tables)),
        Command::Verify(args) => (args.format.format, verify::verify(&args, tables)),
        Command::Gc(args) => (args.format.format, gc::gc(&args, tables)),
        Command::Retry(args) => (args.format.format, listings::retry(&args, tables)),
        Command::Tables(args) => (args.format.format, listings::tables(&args, tables)),
    };
    match done {
        Ok(fault) => exit_code(fault),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, format);
            exit_code(Some(error.fault()))
        }
    }
}

fn exit_code(fault: Option<Fault>) -> ExitCode {
    ExitCode::from(match fault {
        None => 0,
        Some(Fault::Input) => 1,
        Some(Fault::Machine) => 2,
    })
}

/// Whoever reads our output may have seen enough.
fn is_closed_pipe(error: &Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A path as a person would type it.
fn shown(path: &Path) -> String {
    crate::name::shown_path(path)
}
