//! The command line of the generator.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use generator::Error;
use generator::diagnostic::{self, Look};
use generator::output::{self, Change};
use generator::source::{self, SCHEMAS};

/// Turns schemas/*.yaml into typed Rust, the registry of all tables, and the JSON Schema that editors use.
///
/// Every mistake in every schema is told in one run, and then nothing is written. Only files that change are written;
/// files of tables that are gone are removed.
#[derive(Debug, Parser)]
#[command(name = "generator", after_help = EXAMPLES)]
struct Arguments {
    /// Write nothing; print what is stale or edited by hand as a diff, and exit with 1 if anything is
    #[arg(long)]
    check: bool,
    /// How mistakes in schemas are shown: for people on stderr, or as a JSON array on stdout
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// The folder that holds schemas/ and generated/ [default: the workspace]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  cargo run -p generator                     generate everything
  cargo run -p generator -- --check          for CI: is what is committed up to date?
  cargo run -p generator -- --format json    mistakes for an editor or a bot

A new table takes one file, schemas/<table>.yaml:
  # yaml-language-server: $schema=table.schema.json
  table: customers
  primary_key: [id]
  columns:
    - { name: id,   type: bigint }
    - { name: name, type: string, nullable: true }

Exit status: 0 done, 1 a schema is invalid or an artifact is stale, 2 a file could not be read or written.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// How the program ends.
#[derive(Debug, Clone, Copy)]
enum Exit {
    /// Everything is up to date now.
    Done = 0,
    /// The input is at fault: an invalid schema, or with `--check` a stale artifact.
    Input = 1,
    /// The machine is at fault: a file that cannot be read or written.
    Machine = 2,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = run(&arguments).unwrap_or_else(|error| {
        anstream::eprintln!("error: {error}");
        Exit::Machine
    });
    ExitCode::from(exit as u8)
}

fn run(arguments: &Arguments) -> Result<Exit, Error> {
    let root = arguments.root.clone().unwrap_or_else(workspace);
    let sources = source::read_all(&root)?;
    let files = match generator::generate(&sources) {
        Ok(files) => files,
        Err(diagnostics) => {
            match arguments.format {
                Format::Human => anstream::eprint!("{}", diagnostic::human(&diagnostics, &sources, Look::Coloured)),
                Format::Json => print(&diagnostic::json(&diagnostics, &sources)),
            }
            return Ok(Exit::Input);
        }
    };
    if arguments.format == Format::Json {
        print("[]\n");
    }
    let changes = output::compare(&root, &files)?;
    let tables = counted(sources.len(), "table");
    if changes.is_empty() {
        anstream::eprintln!("{tables}, everything is up to date");
        Ok(Exit::Done)
    } else if arguments.check {
        Ok(stale(arguments.format, &changes))
    } else {
        output::apply(&root, &changes)?;
        for change in &changes {
            anstream::eprintln!("{} {}", change.kind.name(), change.path);
        }
        anstream::eprintln!("{tables}, {} changed", counted(changes.len(), "file"));
        Ok(Exit::Done)
    }
}

/// What `--check` says when something is not as it should be.
fn stale(format: Format, changes: &[Change]) -> Exit {
    if format == Format::Human {
        changes.iter().for_each(|change| print(&change.diff()));
    }
    let are = if changes.len() == 1 { "is" } else { "are" };
    anstream::eprintln!(
        "{} {are} stale or edited by hand. Change {SCHEMAS}/*.yaml if need be, then: cargo run -p generator",
        counted(changes.len(), "file"),
    );
    Exit::Input
}

/// Writes to stdout. Whoever closed the pipe has read enough.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The folder above this crate when cargo runs it, or else the nearest one with schemas, from here upwards.
fn workspace() -> PathBuf {
    let has_schemas = |folder: &Path| folder.join(SCHEMAS).is_dir();
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    if let Some(workspace) = crate_folder.as_deref().and_then(Path::parent).filter(|folder| has_schemas(folder)) {
        return workspace.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    here.ancestors().find(|folder| has_schemas(folder)).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
