//! `tidemark doctor`: whether everything that a run needs is there. It only reads.

mod check;
mod machine;
mod storage;

use clap::Args;
use serde::Serialize;

use crate::cli::args::{Format, FormatArgs, StateArgs};
use crate::cli::output;
use crate::cli::schemas::{SchemaFolder, no_folder, problem};
use crate::error::{Fault, Result};
use crate::invocation::{self, command};
use crate::name::printable_path;
use crate::schemas;
use crate::table::Table;
use crate::wording::plural;
use check::{Check, State};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark doctor                        this folder's schemas, registry, exports and outputs
  cargo tidemark doctor --state /var/lib/tidemark --format json

Exits with 1 if there is a problem that would keep a run from working.")]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

#[derive(Debug, Serialize)]
struct Report {
    /// Whether a run would work.
    ok: bool,
    checks: Vec<Check>,
}

pub(super) fn doctor(args: &DoctorArgs, tables: &[&Table], folder: SchemaFolder<'_>) -> Result<Option<Fault>> {
    let mut checks = vec![program(), tables_of(tables, folder)];
    let (of_storage, registry) = storage::checks(&args.state);
    checks.extend(of_storage);
    checks.extend(machine::checks(&args.state, registry.as_ref()));
    let report = Report { ok: checks.iter().all(|check| check.state != State::Problem), checks };
    match args.format.format {
        Format::Json => output::print_json(&report)?,
        Format::Text => output::print(&text(&report))?,
    }
    Ok((!report.ok).then_some(Fault::Input))
}

fn program() -> Check {
    let version = invocation::version();
    let parts = match (cfg!(feature = "aws"), cfg!(feature = "postgres")) {
        (true, true) => "with AWS and PostgreSQL",
        (true, false) => "with AWS, without PostgreSQL",
        (false, true) => "with PostgreSQL, without AWS",
        (false, false) => "without AWS and PostgreSQL",
    };
    Check::ok("program", format!("tidemark {version}, {parts}"))
}

fn tables_of(tables: &[&Table], folder: SchemaFolder<'_>) -> Check {
    const CHECK: &str = "schemas";
    let Some(path) = folder.path() else {
        return Check::ok(CHECK, format!("{}, compiled into the program", plural(tables.len() as u64, "table")));
    };
    if matches!(folder, SchemaFolder::Default) && !path.exists() {
        return Check::error(CHECK, &no_folder());
    }
    let shown = printable_path(path);
    match schemas::read(path) {
        Ok(schemas) => Check::ok(CHECK, format!("{} in {shown}", plural(schemas.tables.len() as u64, "table"))),
        Err(schemas::Problem::Mistakes(_, mistakes)) => {
            let number = plural(mistakes.len() as u64, "mistake");
            let help = format!("they are shown by: {}", command(&[&"tables"]));
            Check::problem(CHECK, format!("{number} in the schemas of {shown}"), help)
        }
        Err(other) => Check::error(CHECK, &problem(path, &other)),
    }
}

fn text(report: &Report) -> String {
    let mut rows = Vec::new();
    for Check { check, state, found, help } in &report.checks {
        let state = match state {
            State::Ok => "ok",
            State::Note => "note",
            State::Problem => "PROBLEM",
        };
        rows.push(vec![(*check).to_owned(), state.to_owned(), found.clone()]);
        rows.extend(help.iter().map(|help| vec![String::new(), String::new(), help.clone()]));
    }
    let problems = report.checks.iter().filter(|check| check.state == State::Problem).count();
    let summary = match problems {
        0 => "nothing would keep a run from working".to_owned(),
        number => format!("{} would keep a run from working", plural(number as u64, "problem")),
    };
    format!("{}\n{summary}\n", output::grid(&["check", "", ""], &[], rows))
}
