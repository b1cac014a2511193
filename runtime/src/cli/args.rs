//! Arguments that several commands share, as typed. `resolve` says what they mean.

use std::ffi::OsStr;
use std::num::NonZero;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum, value_parser};

use crate::engine::{Choice, Limits};
use crate::sink::database::DatabaseOptions;

/// Where operations go unless `--out` says otherwise.
pub(super) const OUT: &str = "out";

/// More threads than any machine has processors for; far more would not start.
const MAX_THREADS: i64 = 1024;

/// The resources that a delta may use.
#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    /// Memory for each table that is compared, such as 512MiB; the rest goes to temporary files [default: a quarter of
    /// the machine's, or of what the container may use].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// Threads that read rows and write parts, in addition to decompression threads [default: one per processor].
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=MAX_THREADS))]
    threads: Option<u16>,
}

impl LimitArgs {
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let threads = self.threads.and_then(|threads| NonZero::new(threads.into())).unwrap_or(defaults.threads);
        Limits { memory: self.memory.unwrap_or(defaults.memory), threads, ..defaults }
    }
}

/// Parses a number of bytes: `4096`, `64KiB`, `512M`, `2GiB`. Units are powers of 1024.
fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("expected a number with a unit, such as 512MiB or 2GiB".into()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "expected a number above 0, such as 512MiB or 2GiB".into())
}

/// The output format.
#[derive(Debug, Args)]
pub(super) struct FormatArgs {
    /// Output format: `text` for people, `json` for programs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Where the registry and the change sets are.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// Folder of the registry and the change sets [default: .tidemark]. With --store: where the change sets are, such
    /// as s3://BUCKET/PREFIX [default: from the registry].
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Registry on AWS, instead of one in a folder.
    #[arg(long, value_name = "dynamodb:TABLE")]
    pub(super) store: Option<String>,
}

impl StateArgs {
    /// The options that were typed, for commands in messages.
    pub(super) fn typed(&self) -> Vec<(&'static str, &OsStr)> {
        let state = self.state.as_ref().map(|state| ("--state", state.as_os_str()));
        let store = self.store.as_ref().map(|store| ("--store", OsStr::new(store)));
        state.into_iter().chain(store).collect()
    }
}

/// Where operations go.
#[derive(Debug, Clone, Args)]
pub(super) struct OutArgs {
    /// Folder for operations, or s3://BUCKET/PREFIX: OUT/TENANT/TABLE/VERSION/SEQUENCE-part-00000.ndjson.gz [default:
    /// the last run's, or out].
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// `sqlite:FILE` or `postgres://USER@HOST/DATABASE` for the rows that operations lead to, `kinesis:STREAM` for
    /// operations; may be repeated, and go with --out [default: the last run's]. Consumers that cannot read aggregated
    /// records need `kinesis:STREAM?aggregate=off`.
    #[arg(long = "sink", value_name = "KIND:NAME")]
    pub(super) sinks: Vec<String>,
    /// How operations are applied to a database.
    #[arg(skip)]
    pub(super) database: DatabaseOptions,
}

impl OutArgs {
    /// For a command that publishes nothing.
    pub(super) fn unused() -> Self {
        Self { out: Some(OUT.into()), sinks: Vec::new(), database: DatabaseOptions::default() }
    }

    /// For a command that takes no `--out`: the registry knows where operations go.
    pub(super) fn from_registry() -> Self {
        Self { out: None, sinks: Vec::new(), database: DatabaseOptions::default() }
    }

    /// Returns whether the user typed any of it.
    pub(super) fn is_given(&self) -> bool {
        self.out.is_some() || !self.sinks.is_empty()
    }
}

/// How operations are applied to a database.
#[derive(Debug, Args)]
pub(super) struct DatabaseArgs {
    /// Create the database and the tables where they are missing.
    #[arg(long)]
    create: bool,
    /// Before a version is committed, add up all row hashes of its table, rather than what the version changes. It
    /// takes longer, and notices rows that somebody added or removed.
    #[arg(long)]
    recompute: bool,
}

impl DatabaseArgs {
    pub(super) fn options(&self) -> DatabaseOptions {
        DatabaseOptions { create: self.create, recompute: self.recompute }
    }
}

/// Where the exports are.
#[derive(Debug, Args)]
pub(super) struct ExportsArgs {
    /// Folder of the exports, or s3://BUCKET/PREFIX [default: the last run's folder].
    #[arg(long, value_name = "DIR")]
    pub(super) exports: Option<PathBuf>,
}

impl ExportsArgs {
    /// For a command that takes no `--exports`.
    pub(super) fn from_registry() -> Self {
        Self { exports: None }
    }

    /// Returns whether the user typed any of it.
    pub(super) fn is_given(&self) -> bool {
        self.exports.is_some()
    }
}

/// Who decides, and why, for the table's journal.
#[derive(Debug, Args)]
pub(super) struct DecisionArgs {
    /// Who decides, for the journal [default: this user; with --store, the caller's ARN].
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) by: Option<String>,
    /// The reason, for the journal.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(super) because: Option<String>,
}

/// Who decides to adopt an output, and why.
#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// Who decides to adopt, for the journal [default: this user; with --store, the caller's ARN].
    #[arg(long, value_name = "NAME", requires = "adopt", value_parser = NonEmptyStringValueParser::new())]
    pub(super) by: Option<String>,
    /// The reason to adopt, for the journal.
    #[arg(long, value_name = "TEXT", requires = "adopt", value_parser = NonEmptyStringValueParser::new())]
    pub(super) because: Option<String>,
}

/// The engine that computes a delta.
#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    /// Engine that computes the delta: `native` in this process, `athena` for exports in S3; `auto` uses Athena for
    /// more than 12 GB of exports.
    #[arg(long, value_enum, default_value_t = EngineName::Auto)]
    pub(super) engine: EngineName,
    /// Glue database of the tables [default: from the registry, or tidemark].
    #[arg(long, value_name = "NAME")]
    pub(super) athena_database: Option<String>,
    /// Athena workgroup [default: from the registry, or primary].
    #[arg(long, value_name = "NAME")]
    pub(super) athena_workgroup: Option<String>,
    /// S3 prefix for temporary query results [default: from the registry, or
    /// s3://BUCKET-OF-THE-EXPORTS/_tidemark/athena].
    #[arg(long, value_name = "URI")]
    pub(super) athena_results: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineName {
    Native,
    Athena,
    Auto,
}

impl EngineArgs {
    pub(super) fn choice(&self) -> Choice {
        match self.engine {
            EngineName::Native => Choice::Native,
            EngineName::Athena => Choice::Athena,
            EngineName::Auto => Choice::Auto,
        }
    }

    /// Returns whether the user typed any of it.
    pub(super) fn is_given(&self) -> bool {
        let names = [&self.athena_database, &self.athena_workgroup, &self.athena_results];
        self.engine != EngineName::Auto || names.into_iter().any(Option::is_some)
    }
}
