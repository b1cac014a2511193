//! `status --check`: what somebody has to do something about.

use serde::Serialize;

use super::open::open;
use crate::cli::args::Format;
use crate::cli::output;
use crate::error::{Fault, Result};
use crate::name::TableKey;
use crate::run::is_passed_over;
use crate::store::{Registry, Status, Version, newest};

/// Something that needs attention.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(flatten)]
    key: TableKey,
    /// The version, unless it is the whole table.
    version: Option<String>,
    status: Option<Status>,
    problem: String,
}

/// Prints every problem of these tables, a line each.
pub(super) fn check(registry: &Registry, keys: &[TableKey], format: Format) -> Result<Option<Fault>> {
    let (mut problems, mut failed) = (Vec::new(), None);
    for key in keys {
        match table_problems(registry, key) {
            Ok(found) => problems.extend(found),
            // A table whose records cannot be read does not hide the others.
            Err(error) => {
                failed = failed.or(Some(error.fault()));
                problems.push(Problem { key: key.clone(), version: None, status: None, problem: error.to_string() });
            }
        }
    }
    match format {
        Format::Json => output::print_json(&problems)?,
        Format::Text => output::print(&problems.iter().map(line).collect::<String>())?,
    }
    Ok(failed.or((!problems.is_empty()).then_some(Fault::Input)))
}

fn line(problem: &Problem) -> String {
    let version = problem.version.as_ref().map(|version| format!("/{version}")).unwrap_or_default();
    let status = problem.status.map(|status| format!("{status}  ")).unwrap_or_default();
    format!("{}{version}  {status}{}\n", problem.key, problem.problem)
}

fn table_problems(registry: &Registry, key: &TableKey) -> Result<Vec<Problem>> {
    let versions = registry.versions(key)?;
    let is_worked_on = registry.holder(key)?.is_some();
    let versions_at_fault = open(&versions).filter_map(|version| {
        let problem = problem(&versions, version, is_worked_on)?;
        let (version, status) = (Some(version.version.clone()), Some(version.status));
        Some(Problem { key: key.clone(), version, status, problem })
    });
    let mut problems: Vec<Problem> = versions_at_fault.collect();
    problems.extend(registry.gone_holder(key)?.map(|holder| {
        let problem = format!("locked by {holder}, which has ended; run again");
        Problem { key: key.clone(), version: None, status: None, problem }
    }));
    Ok(problems)
}

fn problem(versions: &[Version], version: &Version, is_worked_on: bool) -> Option<String> {
    let reason = version.reason.clone().unwrap_or_default();
    match version.status {
        Status::Held | Status::Failed => Some(reason),
        Status::Publishing if !is_worked_on => Some("nobody goes on publishing it; run again".into()),
        Status::Superseded if is_passed_over(versions, version) => {
            let newest = newest(versions).map_or("?", |newest| &newest.version);
            Some(format!("{reason}; if the name of {newest} is mistyped, retire it"))
        }
        Status::Superseded => Some("it can be processed now; run again".into()),
        _ => None,
    }
}
