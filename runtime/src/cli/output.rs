//! How output is rendered: text tables, JSON, errors.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use indicatif::HumanCount;
use serde::Serialize;

use crate::cli::args::Format;
pub(super) use crate::clock::readable_time as time;
use crate::error::{Error, IoContext as _, Result};
use crate::plan::{Counts, Plan};
use crate::reject::Rejects;
use crate::wording::noun;

/// How many digits of a plan's hash are shown, and how many `approve` needs at least.
pub(super) const SHORT_HASH: usize = 8;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// Writes to stdout. A closed pipe is an error like any other here.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).at("cannot write to", Path::new("stdout"))
}

/// Writes a value as JSON to stdout.
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).expect("every map has string keys");
    text.push('\n');
    print(&text)
}

/// The outcome of a command that has changed something, after its report was printed. If that failed, the error says
/// that the command is done all the same.
pub(super) fn done(printed: Result<()>) -> Result<()> {
    printed
        .map_err(|error| error.help("what was asked for is done, and need not be done again; only its report is lost"))
}

/// Columns of text below a header, without rules. `right` lists the columns to align right.
pub(super) fn grid(header: &[&str], right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    grid.set_header(header.to_vec());
    for row in rows {
        grid.add_row(row);
    }
    let last = header.len() - 1;
    for (index, column) in grid.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// A count with commas between thousands.
pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// The first digits of a plan's hash.
pub(super) fn short_hash(plan: &Plan) -> &str {
    plan.hash.get(..SHORT_HASH).unwrap_or(&plan.hash)
}

/// `1 version`, `2 versions`.
pub(super) fn plural(number: u64, singular: &str) -> String {
    format!("{} {}", count(number), noun(number, singular))
}

/// Describes rows of the snapshot that repeat another one; `None` if none does.
pub(super) fn collapsed(counts: &Counts) -> Option<String> {
    let rows = || plural(counts.duplicates, "repeated row");
    (counts.duplicates > 0).then(|| format!("{} counted once, how many is not compared", rows()))
}

/// Writes a line to stderr, and goes on if stderr is full or closed: the exit status still reports the failure.
pub(super) fn to_stderr(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Reports an error on stderr, with its rows, the statements that a database needs, and the next step; as JSON also on
/// stdout.
pub(super) fn error(error: &Error, format: Format) {
    let rejects = error.rejects();
    if format == Format::Json {
        let json = serde_json::json!({ "error": {
            "message": error.to_string(), "help": error.next_step(), "fault": error.fault(), "rejects": rejects,
        }});
        // If stdout is closed, the exit status still reports the failure.
        let _ = print_json(&json);
    }
    report(&error.to_string(), rejects, None);
    statements(error.needed_statements());
    if let Some(text) = error.next_step() {
        help(text);
    }
}

/// Reports one of several errors on stderr, after what was printed.
pub(super) fn problem(error: &Error) {
    to_stderr("");
    report(&error.to_string(), None, error.next_step());
}

/// Reports a problem on stderr.
pub(super) fn report(message: &str, rejects: Option<&Rejects>, help: Option<&str>) {
    to_stderr(&format!("{ERROR}error{ERROR:#}: {message}"));
    if let Some(rejects) = rejects {
        offenders(rejects);
    }
    if let Some(text) = help {
        self::help(text);
    }
}

/// Prints the statements that a database needs on stderr, to be copied.
pub(super) fn statements(statements: &[String]) {
    statements.iter().flat_map(|statements| statements.lines()).for_each(|line| to_stderr(&format!("  {line}")));
}

/// Says on stderr what is no error but worth knowing.
pub(super) fn note(text: &str) {
    to_stderr(&format!("{NOTE}note{NOTE:#}: {text}"));
}

/// Says what is worth knowing for a person at a terminal; nothing if stderr goes elsewhere.
pub(super) fn hint(text: &str) {
    if std::io::stderr().is_terminal() {
        to_stderr(&format!("{HELP}hint{HELP:#}: {text}"));
    }
}

/// Prints the next step on stderr.
pub(super) fn help(text: &str) {
    to_stderr(&format!("{HELP}help{HELP:#}: {text}"));
}

/// Indented columns of text, without a header.
pub(super) fn indented(rows: &[Vec<String>]) -> String {
    let Some(columns) = rows.first().map(Vec::len) else { return String::new() };
    let rows = rows.iter().map(|row| {
        let mut row = row.clone();
        row[0].insert_str(0, "  ");
        row
    });
    // The first line is the empty header.
    let text = grid(&vec![""; columns], &[], rows);
    text.split_once('\n').map(|(_, lines)| lines.to_owned()).unwrap_or_default()
}

fn offenders(rejects: &Rejects) {
    offender_lines(rejects).iter().for_each(|line| to_stderr(line));
}

/// The first rows that were refused, indented, and how many there are of each kind.
pub(super) fn offender_lines(rejects: &Rejects) -> Vec<String> {
    let rows = rejects.offenders.iter().map(|offender| {
        let location = format!("{}:{}", offender.part, offender.line);
        vec![location, offender.column.clone().unwrap_or_default(), offender.message.clone()]
    });
    let mut lines: Vec<String> = indented(&rows.collect::<Vec<_>>()).lines().map(str::to_owned).collect();
    if rejects.total() > rejects.offenders.len() as u64 {
        let totals: Vec<String> =
            rejects.totals.iter().map(|(reason, total)| format!("{reason} {}", count(*total))).collect();
        lines.push(format!("  … and more; in total: {}", totals.join(", ")));
    }
    lines
}
