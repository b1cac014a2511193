//! What every function works with, as its environment says.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::aws::Aws;
use crate::aws::flow::start_execution;
use crate::aws::s3::S3Uri;
use crate::change_set;
use crate::clock;
use crate::engine::athena::{Athena, Statements};
use crate::engine::{Choice, Engines, Limits};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::run::Runner;
use crate::sink::kinesis::Stream;
use crate::snapshot::s3::S3;
use crate::store::dynamodb::Dynamodb;
use crate::store::{Registry, Setting};
use crate::table::Table;

/// How long what was seen of the stream counts. An account may look at its streams twenty times a second
/// (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>), which each step of each table would
/// soon exceed; a record size that was raised is to be known soon as well.
const SEEN: Duration = Duration::from_secs(60);

/// How much of an export that was written again a function reads to see whether it is the same: a few seconds' worth.
const COMPARED: u64 = 256 << 20;

/// The account and everything in it that the stacks made.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) tables: &'static [&'static Table],
    statements: &'static [Statements],
    /// Clients that act as the function.
    pub(super) aws: Arc<Aws>,
    /// Clients that act as one table, which may read its exports and nobody else's.
    of_tables: Mutex<HashMap<&'static str, Arc<Aws>>>,
    /// Where the registry is stored; it can also list open versions.
    pub(super) dynamodb: Dynamodb,
    pub(super) registry: Registry,
    exports: S3Uri,
    changes: S3Uri,
    sink: String,
    /// The stream, as it was when this function looked at it.
    stream: Mutex<Option<(Instant, Stream)>>,
    machine: String,
    /// Whether the command line was told of this account.
    is_introduced: AtomicBool,
    athena: AthenaNames,
    /// How many compressed bytes are left to the native engine.
    native_bytes: u64,
    /// How many bytes of what a statement left are read in one turn.
    pub(super) read_bytes: u64,
    /// How the names of the tables' roles begin.
    table_role: String,
}

#[derive(Debug)]
struct AthenaNames {
    database: String,
    workgroup: String,
    results: S3Uri,
    cutoff: u64,
}

impl Deployment {
    /// The account as the environment says. Every variable is set by the templates.
    pub(super) fn from_environment(
        tables: &'static [&'static Table],
        statements: &'static [Statements],
    ) -> Result<Self> {
        let aws = Arc::new(Aws::from_environment()?);
        let store = variable("TIDEMARK_STORE")?;
        let table = store.strip_prefix("dynamodb:").unwrap_or(&store);
        let dynamodb = Dynamodb::open(Arc::clone(&aws), table)?;
        Ok(Self {
            tables,
            statements,
            registry: Registry::new(dynamodb.clone()),
            dynamodb,
            aws,
            of_tables: Mutex::default(),
            exports: place("TIDEMARK_EXPORTS")?,
            changes: place("TIDEMARK_STATE")?,
            sink: variable("TIDEMARK_SINK")?,
            stream: Mutex::default(),
            machine: variable("TIDEMARK_MACHINE")?,
            is_introduced: AtomicBool::new(false),
            athena: AthenaNames {
                database: variable("TIDEMARK_ATHENA_DATABASE")?,
                workgroup: variable("TIDEMARK_ATHENA_WORKGROUP")?,
                results: place("TIDEMARK_ATHENA_RESULTS")?,
                cutoff: bytes("TIDEMARK_ATHENA_CUTOFF")?,
            },
            native_bytes: bytes("TIDEMARK_NATIVE_BYTES")?,
            read_bytes: bytes("TIDEMARK_READ_BYTES")?,
            table_role: variable("TIDEMARK_TABLE_ROLE")?,
        })
    }

    /// Tells the command line where everything is, so that it need know the registry alone; once in a process.
    pub(super) fn introduce(&self) -> Result<()> {
        if self.is_introduced.load(Ordering::Relaxed) {
            return Ok(());
        }
        let settings = [
            (Setting::Exports, self.exports.uri()),
            (Setting::Changes, self.changes.uri()),
            (Setting::Sink, self.sink.clone()),
            (Setting::Machine, self.machine.clone()),
            (Setting::AthenaDatabase, self.athena.database.clone()),
            (Setting::AthenaWorkgroup, self.athena.workgroup.clone()),
            (Setting::AthenaResults, self.athena.results.uri()),
        ];
        for (setting, value) in settings {
            if self.registry.setting(setting)?.as_ref() != Some(&value) {
                self.registry.remember(setting, &value)?;
            }
        }
        self.is_introduced.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The table of this name.
    pub(super) fn table(&self, name: &str) -> Result<&'static Table> {
        let known = || self.tables.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
        let table = self.tables.iter().copied().find(|table| table.name == name);
        table.ok_or_else(|| {
            Error::refused("", format!("unknown table `{}`; known are {}", name.escape_debug(), known()))
                .help("write its schema, run the generator and deploy; or take its exports away")
        })
    }

    /// What a table's steps work with: its exports, Glue and Athena under its own role; the registry, change sets and the
    /// stream as the function itself.
    pub(super) fn runner(&self, table: &'static Table) -> Result<Runner> {
        let of_table = self.of_table(table)?;
        let athena = Athena {
            aws: Arc::clone(&of_table),
            statements: self.statements,
            database: self.athena.database.clone(),
            workgroup: self.athena.workgroup.clone(),
            // Under its own role a table reaches no other table's.
            results: Some(self.athena.results.join(table.name)),
            cutoff: Some(self.athena.cutoff),
        };
        Ok(Runner {
            tables: self.tables,
            exports: Box::new(S3::new(of_table, self.exports.clone())),
            registry: self.registry.clone(),
            changes: Box::new(change_set::s3::S3::new(Arc::clone(&self.aws), self.changes.clone())),
            sink: Box::new(self.stream()?),
            work: PathBuf::from("/tmp/tidemark"),
            engines: Engines { choice: Choice::Bounded(self.native_bytes), athena: Some(athena) },
            limits: Limits { memory: memory(), compared: COMPARED, ..Limits::default() },
        })
    }

    /// Where operations go. Nothing is asked of it yet, and only now and then later on.
    pub(super) fn stream(&self) -> Result<Stream> {
        let mut known = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, stream)) = &*known
            && since.elapsed() < SEEN
        {
            return Ok(stream.clone());
        }
        let stream = Stream::new(Arc::clone(&self.aws), &self.sink)?;
        *known = Some((clock::instant(), stream.clone()));
        Ok(stream)
    }

    fn of_table(&self, table: &'static Table) -> Result<Arc<Aws>> {
        let mut of_tables = self.of_tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(aws) = of_tables.get(table.name) {
            return Ok(Arc::clone(aws));
        }
        let aws = Arc::new(Aws::under_role(&format!("{}{}", self.table_role, table.role))?);
        of_tables.insert(table.name, Arc::clone(&aws));
        Ok(aws)
    }

    /// Starts an execution of the flow for a table. For the same reason it is started once.
    pub(super) fn start(&self, key: &TableKey, reason: [&str; 2]) -> Result<()> {
        start_execution(&self.aws, &self.machine, self.registry.id(), key, reason)
    }
}

/// What deltas may take of a function's memory: half of it. Reading, compressing and the SDK need the rest.
fn memory() -> u64 {
    let megabytes = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok().and_then(|text| text.parse::<u64>().ok());
    megabytes.unwrap_or(1024) * (1 << 20) / 2
}

fn bytes(name: &str) -> Result<u64> {
    let text = variable(name)?;
    text.parse().map_err(|_| Error::refused(name, format!("`{text}` is no number of bytes")))
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::refused(name, "the environment variable is not set")
            .help("deploy with the generated templates, which set it")
    })
}

fn place(name: &str) -> Result<S3Uri> {
    let uri = variable(name)?;
    S3Uri::parse(&uri).ok_or_else(|| Error::refused(name, format!("`{uri}` names no place in S3")))
}
