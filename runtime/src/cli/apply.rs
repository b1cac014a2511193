//! `tidemark apply`: applies published operations to a database.

use std::path::PathBuf;

use clap::Args;

use crate::apply::stream::{self, AppliedTable, Selection};
use crate::apply::{self, AppliedVersion, VersionRange};
use crate::cli::args::{DatabaseArgs, Format, FormatArgs};
use crate::cli::dead_letters::DeadLetters;
use crate::cli::lookup::{checked_name, find_table};
use crate::cli::output::{self, count, plural};
use crate::cli::resolve;
use crate::error::{Error, Fault, Result};
use crate::invocation::command;
use crate::name::{TableKey, is_name};
use crate::sink::any_order::{State, TakesAnyOrder};
use crate::sink::{PublishedFiles, Sink};
use crate::table::Table;
use crate::telemetry;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark apply out --to sqlite:shop.db --create
  cargo tidemark apply /ops --to sqlite:shop.db --table orders --until 20260102_V0001
  cargo tidemark-aws apply s3://my-operations --to sqlite:shop.db
  cargo tidemark-aws apply kinesis:operations --to sqlite:shop.db
  cargo tidemark-aws apply kinesis:operations --to sqlite:shop.db --dead-letters rejected.ndjson

Applies published files in the order of their sequences, a version at a time, without a registry and
without the exports. What the database holds already is skipped, so that it can be run again and again. It
starts with the last version in full, or goes on from what the database holds.

Applies a stream, or lines that it is given, in any order: an operation counts if its sequence is larger
than that of its key. It goes on where it stopped, and ends when nothing more is there. A record that cannot
be applied is an error that names its place in the stream, unless there is a file for such records.

Exit status: 0 done, or nothing to do; 1 the input is at fault, records could not be applied, or rows are not
those of the newest version on the stream; 2 the command line is wrong, or the machine failed.")]
pub(super) struct ApplyArgs {
    /// Published operations: a folder or `s3://BUCKET/PREFIX` with TENANT/TABLE/VERSION/SEQUENCE-part-00000.ndjson.gz,
    /// `kinesis:STREAM`, or `-` for lines on standard input.
    #[arg(value_name = "SOURCE")]
    source: String,
    /// The database: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`.
    #[arg(long, value_name = "KIND:NAME")]
    to: String,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only this table.
    #[arg(long)]
    table: Option<String>,
    /// The first version to apply, of files.
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,
    /// The last version to apply, of files.
    #[arg(long, value_name = "VERSION")]
    until: Option<String>,
    /// File to which records of a stream are appended that cannot be applied, so that the others are. It contains
    /// values of rows.
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

pub(super) fn apply(args: &ApplyArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let sink = resolve::database(&args.to, args.database.options())?;
    args.tenant.as_deref().map(|tenant| checked_name("tenant", tenant)).transpose()?;
    args.table.as_deref().map(|table| checked_name("table", table)).transpose()?;
    telemetry::listen_for_ctrl_c();
    match resolve::is_stream(&args.source) {
        true => apply_stream(args, tables, &*sink),
        false => apply_files(args, tables, &*sink),
    }
}

fn apply_files(args: &ApplyArgs, tables: &'static [&'static Table], sink: &dyn Sink) -> Result<Option<Fault>> {
    if args.dead_letters.is_some() {
        return Err(Error::usage(
            &args.source,
            "--dead-letters is for streams: of files, versions are applied as a whole",
        )
        .help("leave it out"));
    }
    let files = resolve::published_files(args.source.as_ref(), std::num::NonZero::<usize>::MIN)?;
    let range = VersionRange { from: args.from.as_deref(), until: args.until.as_deref() };
    let mut applied = Vec::new();
    for key in keys(args, &*files)? {
        let table = find_table(tables, &key.table)?;
        applied.extend(apply::apply(&*files, table, &key, sink, range)?);
    }
    output::done(match args.format.format {
        Format::Json => output::print_json(&applied),
        Format::Text => output::print(&text(&applied, sink)),
    })?;
    Ok(None)
}

/// The selected tables among the files.
fn keys(args: &ApplyArgs, files: &dyn PublishedFiles) -> Result<Vec<TableKey>> {
    let is =
        |wanted: &Option<String>, name: &String| is_name(name) && wanted.as_ref().is_none_or(|wanted| wanted == name);
    let mut keys = Vec::new();
    for tenant in files.folders("")?.into_iter().filter(|name| is(&args.tenant, name)) {
        let tables = files.folders(&tenant)?.into_iter().filter(|name| is(&args.table, name));
        keys.extend(tables.map(|table| TableKey { tenant: tenant.clone(), table }));
    }
    if keys.is_empty() {
        let problem = "no operations are published there";
        return Err(Error::usage(files.display_name(), problem).help(
            "name the folder that `run --out` writes to; operations are expected at DIR/TENANT/TABLE/VERSION/FILE",
        ));
    }
    keys.sort();
    Ok(keys)
}

fn apply_stream(
    args: &ApplyArgs,
    tables: &'static [&'static Table],
    sink: &dyn TakesAnyOrder,
) -> Result<Option<Fault>> {
    if args.from.is_some() || args.until.is_some() {
        return Err(Error::usage(&args.source, "--from and --until are for files: versions interleave on a stream")
            .help("leave them out"));
    }
    if args.database.options().recompute {
        let problem = "--recompute is for files: rows are as of a version only once everything of it has arrived";
        return Err(Error::usage(&args.source, problem).help("leave it out; `reconcile` compares every row"));
    }
    let mut source = resolve::stream(&args.source)?;
    let selection = Selection { tenant: args.tenant.as_deref(), table: args.table.as_deref() };
    let mut rejects = DeadLetters::new(args.dead_letters.as_deref());
    let applied = stream::apply(&mut *source, sink, selection, &|name| find_table(tables, name), &mut rejects)?;
    output::done(match args.format.format {
        Format::Json => output::print_json(&applied),
        Format::Text => output::print(&stream_text(&applied, &args.source, sink)),
    })?;
    let has_rejects = rejects.report();
    let differs = applied.iter().any(|table| table.standing.state == State::Differs);
    Ok((differs || has_rejects).then_some(Fault::Input))
}

fn text(applied: &[AppliedVersion], sink: &dyn Sink) -> String {
    if applied.is_empty() {
        return format!("nothing to do: {} holds everything that was published\n", sink.display_name());
    }
    let rows = applied.iter().map(|version| {
        let counts = &version.counts;
        let numbers = [counts.rows, counts.inserted, counts.updated, counts.deleted].map(count);
        let names = [version.key.tenant.clone(), version.key.table.clone(), version.version.clone()];
        names.into_iter().chain(numbers).collect()
    });
    let header = ["tenant", "table", "version", "rows", "inserted", "updated", "deleted"];
    let total = plural(applied.len() as u64, "version");
    output::grid(&header, &[3, 4, 5, 6], rows) + &format!("\n{total}. Rows are in {}.\n", sink.display_name())
}

fn stream_text(applied: &[AppliedTable], source: &str, sink: &dyn TakesAnyOrder) -> String {
    if applied.is_empty() {
        return format!("nothing to do: {source} has no operations\n");
    }
    let rows = applied.iter().map(|AppliedTable { standing, applied, .. }| {
        let version = standing.version.clone().unwrap_or_default();
        let names = [standing.key.tenant.clone(), standing.key.table.clone(), version];
        let state = match standing.state {
            State::Complete => "complete",
            State::Arriving => "arriving",
            State::Differs => "DIFFERS",
        };
        names.into_iter().chain([count(standing.rows), count(*applied), state.to_owned()]).collect()
    });
    let header = ["tenant", "table", "version", "rows", "applied", "state"];
    let total = plural(applied.iter().map(|table| table.applied).sum(), "operation");
    let notes: String = applied.iter().filter_map(note).collect();
    let table = output::grid(&header, &[3, 4], rows);
    format!("{table}\n{total}. Rows are in {}.\n{notes}", sink.display_name())
}

/// What to do about a table whose rows are not those of the newest version.
fn note(AppliedTable { standing, other_schema, .. }: &AppliedTable) -> Option<String> {
    let key = standing.key.to_string();
    let skipped = (*other_schema > 0).then(|| {
        let skipped = plural(*other_schema, "operation");
        format!(
            "{skipped} of {key} were skipped: they were published under another schema, and today's cannot read them.\n"
        )
    });
    let differs = (standing.state == State::Differs).then(|| {
        let version = standing.version.as_deref().unwrap_or_default();
        let resync = command(&[&"resync", &key]);
        format!("{key} is not as of {version}. To have the next version published in full: {resync}\n")
    });
    (skipped.is_some() || differs.is_some()).then(|| skipped.into_iter().chain(differs).collect())
}
