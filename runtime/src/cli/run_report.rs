//! The report of a run, for people: a table of outcomes on stdout, problems on stderr.

use std::time::Duration;

use crate::cli::output::{self, count, plural};
use crate::error::Result;
use crate::invocation::command;
use crate::name::printable_path;
use crate::plan::Counts;
use crate::run::{Outcome, Report};
use crate::sink::Sinks;
use crate::snapshot::IGNORE_FILE;
use crate::store::Status;

/// Prints what a run did, and a summary. `sinks` is where operations went.
pub(super) fn print(report: &Report, sinks: &Sinks, took: Duration) -> Result<()> {
    let outcomes = &report.outcomes;
    let header = ["tenant", "table", "version", "rows", "inserted", "updated", "deleted", "status", ""];
    let mut text = output::grid(&header, &[3, 4, 5, 6], outcomes.iter().map(row));
    let versions = outcomes.iter().filter(|outcome| outcome.version.is_some()).count();
    let mut summary = vec![plural(versions as u64, "version")];
    for (status, word) in [
        (Status::Held, "held"),
        (Status::Failed, "failed"),
        (Status::Waiting, "waiting"),
        (Status::Superseded, "superseded"),
    ] {
        let number = outcomes.iter().filter(|outcome| outcome.status == Some(status)).count();
        if number > 0 {
            summary.push(format!("{number} {word}"));
        }
    }
    summary.push(format!("{:.1} s", took.as_secs_f64()));
    text.push_str(&format!("\n{}. {}\n", summary.join(", "), sinks.summary()));
    output::print(&text)?;
    hint(report);
    Ok(())
}

fn row(outcome: &Outcome) -> Vec<String> {
    let number =
        |pick: fn(&Counts) -> u64| outcome.counts.as_ref().map_or_else(String::new, |counts| count(pick(counts)));
    // An error is too long for the table; it follows on stderr.
    let reason = if outcome.is_error { "see below" } else { outcome.note.as_deref().unwrap_or_default() };
    let collapsed = outcome.counts.as_ref().and_then(output::collapsed);
    let notes = [Some(reason.to_owned()).filter(|reason| !reason.is_empty()), collapsed];
    let note = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
    vec![
        outcome.key.tenant.clone(),
        outcome.key.table.clone(),
        outcome.version.clone().unwrap_or_default(),
        number(|counts| counts.rows),
        number(|counts| counts.inserted),
        number(|counts| counts.updated),
        number(|counts| counts.deleted),
        outcome.status.map_or_else(String::new, |status| status.to_string()),
        note,
    ]
}

/// Reports everything that went wrong, on stderr.
pub(super) fn print_problems(report: &Report) {
    for outcome in report.outcomes.iter().filter(|outcome| outcome.fault.is_some()) {
        if !outcome.is_error {
            outcome.help.iter().for_each(|help| output::help(help));
            continue;
        }
        output::to_stderr("");
        output::report(&message(outcome), outcome.rejects.as_ref(), None);
        output::statements(&outcome.statements);
        if outcome.status == Some(Status::Failed) {
            let baseline = match &outcome.baseline {
                Some(baseline) => format!("the baseline is still {baseline}"),
                None => "there is no baseline yet".into(),
            };
            output::to_stderr(&format!("The version is FAILED; {baseline}."));
        }
        if let Some(help) = &outcome.help {
            output::help(help);
        }
    }
    for tenant in &report.unreadable {
        output::to_stderr("");
        output::report(&tenant.message, None, tenant.help.as_deref());
    }
    print_strays(report);
}

/// Says on a terminal what to look at next, if a version was published and nothing else is to be done.
fn hint(report: &Report) {
    let published = report.outcomes.iter().rfind(|outcome| outcome.status == Some(Status::Succeeded));
    if let (None, Some(outcome)) = (report.fault(), published) {
        output::hint(&format!("to see what changed, run: {}", command(&[&"history", &outcome.key.to_string()])));
    }
}

/// Reports what is among the exports without being part of one: one by one, or many in one line.
fn print_strays(report: &Report) {
    let Some(first) = report.strays.first() else { return };
    output::to_stderr("");
    if report.more_strays == 0 {
        for stray in &report.strays {
            let help = stray.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            output::note(&format!("{}: {}{help}", printable_path(&stray.path), stray.problem));
        }
    } else {
        const EXAMPLES: usize = 3;
        let total = count(report.more_strays + report.strays.len() as u64);
        let examples: Vec<String> =
            report.strays.iter().take(EXAMPLES).map(|stray| printable_path(&stray.path)).collect();
        let problem = &first.problem;
        output::note(&format!(
            "{total} files and folders are not exports, such as {} ({problem})",
            examples.join(", ")
        ));
    }
    output::help(&format!(
        "move them away, or list them in {IGNORE_FILE} at the root of the exports; they are reported once"
    ));
}

/// The outcome's note, after the name of the table or version unless the note starts with it, or with a path in it.
fn message(outcome: &Outcome) -> String {
    let (name, path) = match &outcome.version {
        Some(version) => (format!("{} {version}", outcome.key), format!("{}/{version}", outcome.key)),
        None => (outcome.key.to_string(), outcome.key.to_string()),
    };
    let note = outcome.note.as_deref().unwrap_or_default();
    let is_named = outcome.subject.contains(&name) || outcome.subject.contains(&path);
    if is_named { note.into() } else { format!("{name}: {note}") }
}
