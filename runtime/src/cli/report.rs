//! `tidemark report`: what came, what changed, what is held and what is missing, as pages, Markdown or JSON.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

use crate::cli::apart::check_apart;
use crate::cli::args::{Format, StateArgs};
use crate::cli::output::{self, count, plural, time};
use crate::clock;
use crate::engine::Limits;
use crate::error::{Error, Fault, Result};
use crate::report::{self, Overview, Request};
use crate::store::Registry;
use crate::table::Table;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo tidemark report -o report                   pages to open in a browser: report/index.html
  cargo tidemark report --since 7d --format md      the last week, for mail or chat
  cargo tidemark report --since 2026-01-05T18:00Z --format json

The pages need no server and no network. The report shows what the registry knows, and changes nothing.
Values of `pii` columns are masked.")]
pub(super) struct ReportArgs {
    /// Since when versions are news: a duration such as 36h or 7d, a day, or a time with its zone. Days are in UTC.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Folder for the pages; it must be new, empty, or an earlier report.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) state: StateArgs,
    /// Output format: `text` for people, `md` for mail and chat, `json` for programs.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Text,
    Md,
    Json,
}

impl ReportArgs {
    /// The format of errors.
    pub(super) fn format(&self) -> Format {
        if self.format == ReportFormat::Json { Format::Json } else { Format::Text }
    }
}

pub(super) fn report(args: &ReportArgs, tables: &'static [&'static Table]) -> Result<Option<Fault>> {
    let now = clock::now_ms();
    let since = since(&args.since, now)?;
    let registry = args.state.registry()?;
    check_folder(args, &registry)?;
    let threads = Limits::default().threads;
    let request = Request { tables, since, now, folder: args.output.as_deref(), threads };
    let (overview, errors) = report::report(&registry, &request)?;
    let printed = match args.format {
        ReportFormat::Json => output::print_json(&overview),
        ReportFormat::Md => output::print(&report::markdown(&overview)),
        ReportFormat::Text => output::print(&text(&overview, args)),
    };
    if args.output.is_some() {
        output::done(printed)?
    } else {
        printed?
    }
    for error in &errors {
        output::problem(error);
    }
    Ok(errors.first().map(Error::fault))
}

/// The pages must not be read as exports.
fn check_folder(args: &ReportArgs, registry: &Registry) -> Result<()> {
    match (&args.output, registry.exports_root()?) {
        (Some(folder), Some(exports)) => check_apart(exports.as_ref(), "the report", folder),
        _ => Ok(()),
    }
}

/// What `--since` means, in milliseconds since 1970.
fn since(text: &str, now: i64) -> Result<i64> {
    let before_now = || {
        let span: Span = text.parse().ok()?;
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let since = i128::from(now) - span.as_millis();
        i64::try_from(since).ok().filter(|_| span.is_positive())
    };
    let time = || text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    let day = || Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    before_now().or_else(time).or_else(day).ok_or_else(|| {
        Error::usage("--since", format!("`{}` is neither a duration nor a time", text.escape_debug()))
            .help("write it like 36h, 7d, 2026-01-05 or 2026-01-05T18:00Z")
    })
}

fn text(overview: &Overview, args: &ReportArgs) -> String {
    let totals = &overview.totals;
    let mut text = format!(
        "Since {}: {} came, {} published: {} inserted, {} updated, {} deleted.\n",
        time(overview.since),
        plural(totals.came, "version"),
        count(totals.published),
        plural(totals.inserted, "row"),
        count(totals.updated),
        count(totals.deleted)
    );
    for table in &overview.tables {
        let key = format!("{}/{}", table.tenant, table.table);
        text.extend(table.error.iter().map(|_| format!("{key}  cannot be read, see below\n")));
        text.extend(table.overdue.iter().map(|overdue| format!("{key}  OVERDUE  {overdue}\n")));
        text.extend(table.open.iter().map(|version| {
            let reason = version.reason.as_deref().unwrap_or_default();
            format!("{key}/{}  {}  {reason}", version.version, version.status).trim_end().to_owned() + "\n"
        }));
    }
    if let Some(folder) = &args.output {
        text += &format!("The report is in {}.\n", crate::name::printable_path(&folder.join("index.html")));
    }
    text
}
