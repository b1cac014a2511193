//! The command line of the generator.

mod convert;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::diagnostic::Diagnostic;
use crate::output::{self, Change};
use crate::render::{self, Color};
use crate::source::{self, SCHEMAS, Source};
use crate::{COMMAND, Error, counted};
use terminal::{Exit, Format, print, to_stderr};

/// Generate typed Rust, SQL, CloudFormation templates and the JSON Schema for editors from schemas/*.yaml.
///
/// All mistakes in all schemas are reported in one run, and then nothing is written. Only files that change are
/// written. Files of tables that no longer have a schema are removed.
#[derive(Debug, Parser)]
#[command(name = "generator", after_help = EXAMPLES)]
struct Arguments {
    /// Write nothing; print a diff of every file that is stale or was edited by hand, and exit with 1 if there is one
    #[arg(long)]
    check: bool,
    /// How to report mistakes: as text on stderr, or as a JSON array on stdout
    #[arg(long, value_enum, default_value = "human", global = true)]
    format: Format,
    /// The folder that contains schemas/ and generated/ [default: the workspace]
    #[arg(long, value_name = "DIR", global = true)]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(convert::ImportArguments),
    Export(convert::ExportArguments),
}

const EXAMPLES: &str = "\
Examples:
  cargo run -p generator                     generate everything
  cargo run -p generator -- --check          for CI: check that the committed files are up to date
  cargo run -p generator -- --format json    report mistakes to an editor or a bot
  cargo run -p generator -- import shop.sql  write schemas for the tables of a database

To add a table, write schemas/<table>.yaml:
  # yaml-language-server: $schema=table.schema.json
  table: customers
  primary_key: [id]
  columns:
    - { name: id,   type: bigint }
    - { name: name, type: string, nullable: true }

Exit status: 0 success, 1 a schema is invalid or a file is stale, 2 a file could not be read or written.";

/// Runs the generator with the arguments of this process. `command` is how it is called, for its messages and for the
/// headers of what it writes.
pub fn main(command: &str) -> ExitCode {
    let matches = for_command(Arguments::command(), command).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let exit = run(&arguments, command).unwrap_or_else(|error| {
        to_stderr(&format!("error: {error}\n"));
        Exit::IoFailure
    });
    ExitCode::from(exit as u8)
}

/// The arguments, with examples as this generator is called.
fn for_command(arguments: clap::Command, command: &str) -> clap::Command {
    let examples = arguments.get_after_help().map(|help| help.to_string().replace(COMMAND, command));
    let arguments = if let Some(examples) = examples { arguments.after_help(examples) } else { arguments };
    arguments.mut_subcommands(|arguments| for_command(arguments, command))
}

fn run(arguments: &Arguments, command: &str) -> Result<Exit, Error> {
    let root = arguments.root.clone().unwrap_or_else(workspace);
    if arguments.check && arguments.command.is_some() {
        let message = "--check is for generating; leave it out here";
        Arguments::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    match &arguments.command {
        None => generate(arguments, &root, command),
        Some(Command::Import(import)) => convert::import(import, arguments.format, &root),
        Some(Command::Export(export)) => convert::export(export, arguments.format, &root, command),
    }
}

fn generate(arguments: &Arguments, root: &Path, command: &str) -> Result<Exit, Error> {
    let sources = source::read_all(root)?;
    let schemas = match crate::read(&sources) {
        Ok(schemas) => schemas,
        Err(diagnostics) => {
            match arguments.format {
                Format::Human => to_stderr(&render::human(&diagnostics, &sources, Color::Always)),
                Format::Json => print(&render::json(&diagnostics, &sources)),
            }
            return Ok(Exit::InvalidInput);
        }
    };
    report_warnings(arguments.format, &schemas.warnings, &sources);
    let changes = output::compare(root, &crate::emit_by(command, &schemas.tables))?;
    let tables = counted(sources.len(), "table");
    if changes.is_empty() {
        to_stderr(&format!("{tables}, everything is up to date\n"));
        Ok(Exit::Success)
    } else if arguments.check {
        Ok(report_stale(arguments.format, &changes, command))
    } else {
        output::apply(root, &changes)?;
        for change in &changes {
            to_stderr(&format!("{} {}\n", change.kind.name(), change.path));
        }
        to_stderr(&format!("{tables}, {} changed\n", counted(changes.len(), "file")));
        Ok(Exit::Success)
    }
}

/// Reports what is probably wrong in valid schemas.
fn report_warnings(format: Format, warnings: &[Diagnostic], sources: &[Source]) {
    match format {
        Format::Human if warnings.is_empty() => {}
        Format::Human => to_stderr(&render::human(warnings, sources, Color::Always)),
        Format::Json if warnings.is_empty() => print("[]\n"),
        Format::Json => print(&render::json(warnings, sources)),
    }
}

/// Reports what `--check` found.
fn report_stale(format: Format, changes: &[Change], command: &str) -> Exit {
    if format == Format::Human {
        changes.iter().for_each(|change| print(&change.diff()));
    }
    let verb = if changes.len() == 1 { "is stale or was" } else { "are stale or were" };
    to_stderr(&format!(
        "{} {verb} edited by hand; change {SCHEMAS}/*.yaml if needed, then run: {command}\n",
        counted(changes.len(), "file"),
    ));
    Exit::InvalidInput
}

/// Finds the workspace: the folder above this crate when cargo runs it, otherwise the nearest folder with schemas from
/// the current one upwards.
fn workspace() -> PathBuf {
    let has_schemas = |folder: &Path| folder.join(SCHEMAS).is_dir();
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    if let Some(workspace) = crate_folder.as_deref().and_then(Path::parent).filter(|folder| has_schemas(folder)) {
        return workspace.to_owned();
    }
    let current = std::env::current_dir().unwrap_or_default();
    current.ancestors().find(|folder| has_schemas(folder)).map_or_else(|| PathBuf::from("."), Path::to_owned)
}
