//! The deployment that a function belongs to, as its environment describes it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::aws::s3::S3Uri;
use crate::aws::{Aws, flow};
use crate::change_set;
use crate::clock;
use crate::engine::athena::{Athena, Statements};
use crate::engine::{Choice, Engines, Limits};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::run::Runner;
use crate::sink::Sinks;
use crate::sink::kinesis::Stream;
use crate::snapshot::s3::S3;
use crate::store::dynamodb::Dynamodb;
use crate::store::{Registry, Setting};
use crate::table::Table;

/// How long the description of the stream is cached. An account may describe its streams twenty times a second
/// (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>), which the steps of many tables
/// would exceed; but a raised record size should take effect soon.
const STREAM_CACHE: Duration = Duration::from_secs(60);

/// How many bytes of a rewritten export a function reads to find out whether it has changed: a few seconds' worth.
const MAX_COMPARED: u64 = 256 << 20;

/// The resources that the stacks created.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) tables: &'static [&'static Table],
    statements: &'static [Statements],
    /// Clients with the function's own role.
    pub(super) aws: Arc<Aws>,
    /// Clients with the role of a table, which may read the exports of that table only.
    table_clients: Mutex<HashMap<&'static str, Arc<Aws>>>,
    /// The storage of the registry, which can also list open versions.
    pub(super) dynamodb: Dynamodb,
    pub(super) registry: Registry,
    exports: S3Uri,
    changes: S3Uri,
    sink: String,
    /// The stream, and when it was described.
    stream: Mutex<Option<(Instant, Stream)>>,
    state_machine: String,
    /// Whether this process has written the settings for the command line.
    is_introduced: AtomicBool,
    athena: AthenaNames,
    /// The largest delta for the native engine, in compressed bytes.
    native_bytes: u64,
    /// How many bytes of a query's results are read per turn.
    pub(super) read_bytes: u64,
    /// The prefix of the names of the tables' roles.
    table_role_prefix: String,
}

#[derive(Debug)]
struct AthenaNames {
    database: String,
    workgroup: String,
    results: S3Uri,
    cutoff: u64,
}

impl Deployment {
    /// Reads the environment variables, which the templates set.
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
            table_clients: Mutex::default(),
            exports: uri_variable("TIDEMARK_EXPORTS")?,
            changes: uri_variable("TIDEMARK_STATE")?,
            sink: variable("TIDEMARK_SINK")?,
            stream: Mutex::default(),
            state_machine: variable("TIDEMARK_MACHINE")?,
            is_introduced: AtomicBool::new(false),
            athena: AthenaNames {
                database: variable("TIDEMARK_ATHENA_DATABASE")?,
                workgroup: variable("TIDEMARK_ATHENA_WORKGROUP")?,
                results: uri_variable("TIDEMARK_ATHENA_RESULTS")?,
                cutoff: byte_variable("TIDEMARK_ATHENA_CUTOFF")?,
            },
            native_bytes: byte_variable("TIDEMARK_NATIVE_BYTES")?,
            read_bytes: byte_variable("TIDEMARK_READ_BYTES")?,
            table_role_prefix: variable("TIDEMARK_TABLE_ROLE")?,
        })
    }

    /// Writes the settings of the deployment to the registry, so that the command line only needs the registry's name.
    /// Does so once per process.
    pub(super) fn introduce(&self) -> Result<()> {
        if self.is_introduced.load(Ordering::Relaxed) {
            return Ok(());
        }
        let settings = [
            (Setting::Exports, self.exports.uri()),
            (Setting::Changes, self.changes.uri()),
            (Setting::Sink, self.sink.clone()),
            (Setting::Machine, self.state_machine.clone()),
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

    /// The definition of a tenant's table, if it is deployed.
    pub(super) fn find_table(&self, key: &TableKey) -> Option<&'static Table> {
        let table = self.tables.iter().copied().find(|table| table.name == key.table);
        table.map(|table| table.for_tenant(&key.tenant))
    }

    /// The definition of a tenant's table, which must be deployed.
    pub(super) fn table(&self, key: &TableKey) -> Result<&'static Table> {
        let known = || self.tables.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
        self.find_table(key).ok_or_else(|| {
            Error::refused("", format!("unknown table `{}`; known tables are {}", key.table.escape_debug(), known()))
                .help("write its schema, run the generator and deploy; or remove its exports")
        })
    }

    /// A runner for a table. It uses the exports, Glue and Athena with the table's role; the registry, the change sets
    /// and the stream with the function's own.
    pub(super) fn runner(&self, table: &'static Table) -> Result<Runner> {
        let table_client = self.table_client(table)?;
        let athena = Athena {
            aws: Arc::clone(&table_client),
            statements: self.statements,
            database: self.athena.database.clone(),
            workgroup: self.athena.workgroup.clone(),
            // The table's role can access no other prefix.
            results: Some(self.athena.results.join(table.name)),
            cutoff: Some(self.athena.cutoff),
        };
        Ok(Runner {
            tables: self.tables,
            exports: Box::new(S3::new(table_client, self.exports.clone())),
            registry: self.registry.clone(),
            changes: Box::new(change_set::s3::S3::new(Arc::clone(&self.aws), self.changes.clone())),
            sinks: Sinks::new(vec![Box::new(self.stream()?)]),
            work: PathBuf::from("/tmp/tidemark"),
            adopt: None,
            engines: Engines { choice: Choice::Bounded(self.native_bytes), athena: Some(athena) },
            limits: Limits { memory: memory(), compared: MAX_COMPARED, ..Limits::default() },
        })
    }

    /// The stream. It describes itself when that is first needed; the description is cached across steps.
    pub(super) fn stream(&self) -> Result<Stream> {
        let mut cached = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, stream)) = &*cached
            && since.elapsed() < STREAM_CACHE
        {
            return Ok(stream.clone());
        }
        let stream = Stream::new(Arc::clone(&self.aws), &self.sink)?;
        *cached = Some((clock::instant(), stream.clone()));
        Ok(stream)
    }

    fn table_client(&self, table: &'static Table) -> Result<Arc<Aws>> {
        let mut clients = self.table_clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(aws) = clients.get(table.name) {
            return Ok(Arc::clone(aws));
        }
        let aws = Arc::new(Aws::under_role(&format!("{}{}", self.table_role_prefix, table.role))?);
        clients.insert(table.name, Arc::clone(&aws));
        Ok(aws)
    }

    /// Starts an execution of the flow for a table, once per reason.
    pub(super) fn start_execution(&self, key: &TableKey, reason: [&str; 2]) -> Result<()> {
        flow::start_execution(&self.aws, &self.state_machine, self.registry.id(), key, reason)
    }
}

/// The memory for deltas, in bytes: half of the function's. Reading, compressing and the SDK need the other half.
fn memory() -> u64 {
    let megabytes = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok().and_then(|text| text.parse::<u64>().ok());
    megabytes.unwrap_or(1024) * (1 << 20) / 2
}

fn byte_variable(name: &str) -> Result<u64> {
    let text = variable(name)?;
    text.parse().map_err(|_| Error::refused(name, format!("`{text}` is not a number of bytes")))
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        Error::refused(name, "the environment variable is not set")
            .help("deploy with the generated templates, which set it")
    })
}

fn uri_variable(name: &str) -> Result<S3Uri> {
    let uri = variable(name)?;
    S3Uri::parse(&uri).ok_or_else(|| Error::refused(name, format!("`{uri}` is not an S3 URI")))
}
