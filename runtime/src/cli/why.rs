//! `tidemark why`: one row through all versions.

use clap::Args;

use super::named::{find_table, known_versions, table_key};
use super::show;
use super::{ExportsArgs, Format, FormatArgs, OUT, StateArgs};
use crate::error::{Fault, Result};
use crate::look::why::{self, Cell, Sight};
use crate::row::Layout;
use crate::table::Table;
use crate::telemetry::{self, Progress};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark why acme/orders eu-west 17
  cargo tidemark why acme/orders eu-west 17 --format json

Shows, for every version whose files are still there, where the row stands, the text as it was
delivered, the value that was made of it, and the operation. A key that begins with `-` goes behind
`--`. Values of `pii` columns are masked. It takes one look through every export.")]
pub(super) struct WhyArgs {
    /// The tenant and the table.
    #[arg(value_name = "TENANT/TABLE")]
    table: String,
    /// The key: one argument for each column of the primary key.
    #[arg(required = true, value_name = "KEY")]
    key: Vec<String>,
    #[command(flatten)]
    exports: ExportsArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn why(args: &WhyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let of = table_key(tables, &args.table)?;
    let table = find_table(tables, &of.table)?;
    let key = why::key(table, &args.key)?;
    let registry = args.state.registry()?;
    let versions = known_versions(&registry, &of)?;
    let runner = args.state.runner(registry, &args.exports, OUT.as_ref(), tables)?;
    telemetry::listen_for_ctrl_c();
    let watch = Progress::new(args.format.format == Format::Text).table(&of.tenant, &of.table, versions.len() as u64);
    let mut sights = Vec::new();
    for version in &versions {
        sights.push(why::look(&runner.exports, &runner.change_set(version), table, version, &key, &watch)?);
        watch.version_done();
    }
    watch.finish();
    match args.format.format {
        Format::Json => show::print_json(&sights)?,
        Format::Text => show::print(&text(&format!("{of} {}", Layout::new(table).shown_key(&key)), &sights))?,
    }
    Ok(None)
}

fn text(title: &str, sights: &[Sight]) -> String {
    let width = sights.iter().map(|sight| sight.version.len()).max().unwrap_or_default();
    let mut text = format!("{title}\n");
    let mut before: &[Cell] = &[];
    for sight in sights {
        text += &format!("{:<width$}  {:<10}  {}\n", sight.version, sight.status, summary(sight));
        for row in &sight.rows {
            // What did not change since the version before is not worth a line.
            let cells: Vec<&Cell> = row.columns.iter().filter(|cell| !before.contains(cell)).collect();
            text += &show::indented(&cells.iter().map(|cell| words(cell)).collect::<Vec<_>>());
        }
        for note in &sight.notes {
            text += &format!("  {note}\n");
        }
        if let Some(row) = sight.rows.last() {
            before = &row.columns;
        }
    }
    text
}

/// Where the row stands, and what came of it.
fn summary(sight: &Sight) -> String {
    let places: Vec<String> = sight.rows.iter().map(|row| format!("{}:{}", row.part, row.line)).collect();
    let place = if places.is_empty() { "not in the export".into() } else { places.join(", ") };
    match &sight.operation {
        Some(operation) if operation.changed.is_empty() => format!("{place}  {}  {}", operation.op, operation.id),
        Some(operation) => {
            format!("{place}  {} {}  {}", operation.op, operation.changed.join(", "), operation.id)
        }
        None => format!("{place}  no operation"),
    }
}

/// The column, its text, and its value where that is not the same.
fn words(cell: &Cell) -> Vec<String> {
    let quoted = |text: &str| format!("`{}`", text.escape_debug());
    let text = cell.text.as_deref().map_or_else(|| "(not there yet)".into(), quoted);
    let value = match (&cell.refused, &cell.value) {
        (Some(reason), _) => reason.clone(),
        (None, None) => "NULL".into(),
        (None, Some(value)) if cell.text.as_ref() == Some(value) => String::new(),
        (None, Some(value)) => quoted(value),
    };
    vec![cell.column.clone(), text, value]
}
