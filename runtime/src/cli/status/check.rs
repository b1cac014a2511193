//! `status --check`: what somebody has to do something about.

use serde::Serialize;

use crate::cli::args::Format;
use crate::cli::output::{self, time};
use crate::clock;
use crate::error::{Error, Fault, Result};
use crate::inspect::open;
use crate::inspect::overdue::find_overdue;
use crate::invocation::command;
use crate::name::TableKey;
use crate::run::{PassedOver, Runner, is_superseded_unread};
use crate::store::{Registry, Status, Version, newest};
use crate::table::Table;

/// Something that needs attention.
#[derive(Debug, Serialize)]
struct Problem {
    /// The table, unless it is all of them.
    #[serde(flatten)]
    key: Option<TableKey>,
    /// The version, unless it is the whole table.
    version: Option<String>,
    status: Option<Status>,
    problem: String,
    #[serde(skip)]
    fault: Fault,
}

impl Problem {
    fn about_table(key: &TableKey, problem: String) -> Self {
        Self { key: Some(key.clone()), version: None, status: None, problem, fault: Fault::Input }
    }

    fn from_error(key: Option<&TableKey>, error: &Error) -> Self {
        Self { key: key.cloned(), version: None, status: None, problem: error.to_string(), fault: error.fault() }
    }
}

/// Prints every problem of these tables, a line each.
pub(super) fn check(
    registry: &Registry,
    runner: Result<Runner>,
    tables: &'static [&'static Table],
    keys: &[TableKey],
    format: Format,
) -> Result<Option<Fault>> {
    let mut problems = Vec::new();
    let runner = runner.map_err(|error| problems.push(Problem::from_error(None, &error))).ok();
    for key in keys {
        // A table whose records cannot be read does not hide the others.
        let found = table_problems(registry, runner.as_ref(), tables, key);
        problems.extend(found.unwrap_or_else(|error| vec![Problem::from_error(Some(key), &error)]));
    }
    match format {
        Format::Json => output::print_json(&problems)?,
        Format::Text => output::print(&problems.iter().map(line).collect::<String>())?,
    }
    Ok(problems.iter().map(|problem| problem.fault).max_by_key(|fault| *fault != Fault::Input))
}

fn line(problem: &Problem) -> String {
    let key = problem.key.as_ref().map(TableKey::to_string).unwrap_or_default();
    let version = problem.version.as_ref().map(|version| format!("/{version}")).unwrap_or_default();
    let status = problem.status.map(|status| format!("{status}  ")).unwrap_or_default();
    let gap = if key.is_empty() { "" } else { "  " };
    format!("{key}{version}{gap}{status}{}\n", problem.problem)
}

fn table_problems(
    registry: &Registry,
    runner: Option<&Runner>,
    tables: &'static [&'static Table],
    key: &TableKey,
) -> Result<Vec<Problem>> {
    let versions = registry.versions(key)?;
    let overdue = find_overdue(tables, key, &versions, clock::now_ms());
    let overdue = overdue.map(|overdue| Problem::about_table(key, overdue.to_string()));
    // Nothing can be wrong with a table that has no version.
    if versions.is_empty() {
        return Ok(overdue.into_iter().collect());
    }
    let is_worked_on = registry.holder(key)?.is_some();
    let versions_at_fault = open(&versions).filter_map(|version| {
        let problem = problem(&versions, version, is_worked_on)?;
        let (version, status) = (Some(version.version.clone()), Some(version.status));
        Some(Problem { version, status, ..Problem::about_table(key, problem) })
    });
    let mut problems: Vec<Problem> = versions_at_fault.chain(overdue).collect();
    if let Some(runner) = runner {
        problems.extend(runner.obstacles(key)?.iter().map(|error| Problem::from_error(Some(key), error)));
    }
    problems.extend(lock(registry, key)?.map(|problem| Problem::about_table(key, problem)));
    Ok(problems)
}

/// What is wrong with the table's lease.
fn lock(registry: &Registry, key: &TableKey) -> Result<Option<String>> {
    if let Some(holder) = registry.gone_holder(key)? {
        return Ok(Some(format!("locked by {holder}, which has ended; run again")));
    }
    Ok(registry.stuck_holder(key)?.map(|(holder, until)| {
        let (until, recover) = (time(until), command(&[&"recover"]));
        format!("locked by {holder} until {until}, for longer than any run locks it; to free all tables: {recover}")
    }))
}

fn problem(versions: &[Version], version: &Version, is_worked_on: bool) -> Option<String> {
    let reason = version.reason.clone().unwrap_or_default();
    match version.status {
        Status::Held | Status::Failed => Some(reason),
        Status::Publishing if !is_worked_on => Some("nobody goes on publishing it; run again".into()),
        Status::Superseded => match (PassedOver::find(versions, version), newest(versions)) {
            (Some(passed_over), Some(newest)) => Some(format!("{reason}; {}", passed_over.help(version, newest))),
            _ if is_superseded_unread(versions, version) => Some(format!("{reason}; it was never read")),
            _ => Some("it can be processed now; run again".into()),
        },
        _ => None,
    }
}
