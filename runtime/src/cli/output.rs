//! How things look: tables of text, JSON, errors.

use std::io::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use serde::Serialize;

use crate::cli::Format;
use crate::error::{Error, IoContext as _, Result};
use crate::reject::Rejects;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// Writes to stdout; a closed pipe comes back as the error it is.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).at("cannot write to", Path::new("stdout"))
}

/// Writes a value as JSON to stdout.
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).expect("what is listed has string keys only");
    text.push('\n');
    print(&text)
}

/// Columns of text under a head, without lines; `right` are the columns of numbers.
pub(super) fn grid(head: &[&str], right: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    grid.set_header(head.to_vec());
    for row in rows {
        grid.add_row(row);
    }
    let last = head.len() - 1;
    for (place, column) in grid.column_iter_mut().enumerate() {
        column.set_padding((0, if place == last { 0 } else { 2 }));
        if right.contains(&place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// A count with commas between its thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 version`, `2 versions`.
pub(super) fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// A moment as ISO 8601 in UTC, to the second.
pub(super) fn moment(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| "?".into(), |moment| moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// An error on stderr, with its rows and with what to do next; for machines also on stdout.
pub(super) fn error(error: &Error, format: Format) {
    let rejects = error.rejects();
    if format == Format::Json {
        let json = serde_json::json!({ "error": {
            "message": error.to_string(), "help": error.next_step(), "fault": error.fault(), "rejects": rejects,
        }});
        // The exit status still tells when stdout is closed.
        let _ = print_json(&json);
    }
    complain(&error.to_string(), rejects, error.next_step());
}

/// A problem on stderr.
pub(super) fn complain(message: &str, rejects: Option<&Rejects>, help: Option<&str>) {
    anstream::eprintln!("{ERROR}error{ERROR:#}: {message}");
    if let Some(rejects) = rejects {
        offenders(rejects);
    }
    if let Some(text) = help {
        self::help(text);
    }
}

/// What to do next, on stderr.
pub(super) fn help(text: &str) {
    anstream::eprintln!("{HELP}help{HELP:#}: {text}");
}

/// Columns of text, each line indented, without a head.
pub(super) fn indented(rows: &[Vec<String>]) -> String {
    let Some(columns) = rows.first().map(Vec::len) else { return String::new() };
    let rows = rows.iter().map(|row| {
        let mut row = row.clone();
        row[0].insert_str(0, "  ");
        row
    });
    // The grid's head would be noise here; its first line is dropped.
    let text = grid(&vec![""; columns], &[], rows);
    text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

fn offenders(rejects: &Rejects) {
    let rows = rejects.offenders.iter().map(|offender| {
        let place = format!("{}:{}", offender.part, offender.line);
        vec![place, offender.column.clone().unwrap_or_default(), offender.message.clone()]
    });
    anstream::eprint!("{}", indented(&rows.collect::<Vec<_>>()));
    if rejects.total() > rejects.offenders.len() as u64 {
        let totals: Vec<String> =
            rejects.totals.iter().map(|(reason, total)| format!("{reason} {}", count(*total))).collect();
        anstream::eprintln!("  … and more, in all: {}", totals.join(", "));
    }
}
