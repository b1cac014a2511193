//! The deployment that a function belongs to, as its environment describes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::aws::s3::S3Uri;
use crate::aws::{Aws, flow};
use crate::breakpoint::env_override;
use crate::change_set;
use crate::clock;
use crate::engine::athena::{Athena, ScanBudget};
use crate::engine::{Choice, Engines, Limits};
use crate::error::{Error, Result};
use crate::lambda::environment::{not_set, number_variable, optional, optional_uri, uri_variable, variable};
use crate::lambda::output::Output;
use crate::lambda::secrets::Secrets;
use crate::lambda::table_clients::{Places, TableClients};
use crate::lambda::tables::Tables;
use crate::name::TableKey;
use crate::run::Runner;
use crate::sink::Sinks;
use crate::sink::kinesis::Stream;
use crate::sink::s3::S3Files;
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
    pub(super) tables: &'static Tables,
    /// Clients with the function's own role.
    pub(super) aws: Arc<Aws>,
    table_clients: TableClients,
    /// The storage of the registry, which can also list open versions.
    pub(super) dynamodb: Dynamodb,
    pub(super) registry: Registry,
    exports: S3Uri,
    /// What the names of secrets with the keys of pseudonyms begin with.
    secrets: String,
    changes: S3Uri,
    /// The stream that operations go to, if they go to one.
    stream_name: Option<String>,
    /// Where operations go as files, if they do.
    files: Option<S3Uri>,
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
    /// How many parts of a version are published at once.
    pub(super) parts_concurrency: u64,
    /// For how many days a published version can be replayed.
    pub(super) change_set_days: u64,
    /// For how many days the exports of versions that are done are kept; 0 if they do not expire.
    pub(super) export_days: u64,
    /// The last deadlines by which an export came, as far as this process has seen it.
    pub(super) kept_deadlines: Mutex<BTreeMap<TableKey, i64>>,
}

#[derive(Debug)]
struct AthenaNames {
    database: String,
    workgroup: String,
    results: S3Uri,
    account: String,
    cutoff: u64,
    /// How many bytes the queries of a table may read in a day; 0 if that is not limited.
    budget: u64,
}

impl AthenaNames {
    fn from_environment() -> Result<Self> {
        Ok(Self {
            database: variable("TIDEMARK_ATHENA_DATABASE")?,
            workgroup: variable("TIDEMARK_ATHENA_WORKGROUP")?,
            results: uri_variable("TIDEMARK_ATHENA_RESULTS")?,
            account: variable("TIDEMARK_ACCOUNT")?,
            cutoff: number_variable("TIDEMARK_ATHENA_CUTOFF")?,
            budget: number_variable("TIDEMARK_ATHENA_BUDGET")?,
        })
    }
}

impl Deployment {
    /// Reads the environment variables, which the templates set.
    pub(super) fn from_environment(tables: &'static Tables) -> Result<Self> {
        let aws = Arc::new(Aws::from_environment()?);
        let store = variable("TIDEMARK_STORE")?;
        let table = store.strip_prefix("dynamodb:").unwrap_or(&store);
        let dynamodb = Dynamodb::open(Arc::clone(&aws), table)?;
        let (exports, athena) = (uri_variable("TIDEMARK_EXPORTS")?, AthenaNames::from_environment()?);
        let role_prefix = variable("TIDEMARK_TABLE_ROLE")?;
        let secrets = variable("TIDEMARK_HMAC_SECRETS")?;
        let places = Places { exports: exports.clone(), results: athena.results.clone(), secrets: secrets.clone() };
        let clients = TableClients::new(Arc::clone(&aws), role_prefix, places);
        let (stream_name, files) = (optional("TIDEMARK_SINK"), optional_uri("TIDEMARK_OUT")?);
        if stream_name.is_none() && files.is_none() {
            return Err(not_set("TIDEMARK_SINK or TIDEMARK_OUT"));
        }
        Ok(Self {
            tables,
            registry: Registry::new(dynamodb.clone()),
            dynamodb,
            table_clients: clients,
            aws,
            exports,
            secrets,
            changes: uri_variable("TIDEMARK_STATE")?,
            stream_name,
            files,
            stream: Mutex::default(),
            state_machine: variable("TIDEMARK_MACHINE")?,
            is_introduced: AtomicBool::new(false),
            athena,
            native_bytes: number_variable("TIDEMARK_NATIVE_BYTES")?,
            read_bytes: number_variable("TIDEMARK_READ_BYTES")?,
            parts_concurrency: number_variable("TIDEMARK_PARTS_CONCURRENCY")?,
            change_set_days: number_variable("TIDEMARK_CHANGE_SET_DAYS")?,
            export_days: number_variable("TIDEMARK_EXPORT_DAYS")?,
            kept_deadlines: Mutex::default(),
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
            (Setting::Sink, self.sink_names()),
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

    /// Where operations go, as the command line remembers it.
    fn sink_names(&self) -> String {
        let names = self.files.iter().map(S3Uri::uri).chain(self.stream_name.clone());
        names.collect::<Vec<_>>().join(Setting::SEPARATOR)
    }

    /// The definition of a tenant's table, if it is deployed.
    pub(super) fn find_table(&self, key: &TableKey) -> Result<Option<&'static Table>> {
        Ok(self.tables.find(&key.table)?.map(|table| table.for_tenant(&key.tenant)))
    }

    /// The definition of a tenant's table, which must be deployed.
    pub(super) fn table(&self, key: &TableKey) -> Result<&'static Table> {
        let known = || self.tables.names().collect::<Vec<_>>().join(", ");
        self.find_table(key)?.ok_or_else(|| {
            Error::refused("", format!("unknown table `{}`; known tables are {}", key.table.escape_debug(), known()))
                .help("write its schema, run the generator and deploy; or remove its exports")
        })
    }

    /// A runner for a tenant's table, used by an execution or a function. It uses the exports, Glue and Athena with the
    /// table's role; the registry, the change sets and the outputs with the function's own.
    pub(super) fn runner(&self, table: &'static Table, key: &TableKey, who: &str) -> Result<Runner> {
        let table_client = self.table_clients.get(table.role, key, who);
        let athena = Athena {
            aws: Arc::clone(&table_client),
            statements: Arc::new(self.tables),
            database: self.athena.database.clone(),
            workgroup: self.athena.workgroup.clone(),
            // The table's role can access no other prefix.
            results: Some(self.athena.results.join(table.name)),
            account: Some(self.athena.account.clone()),
            cutoff: Some(self.athena.cutoff),
            budget: self.scan_budget(),
        };
        Ok(Runner {
            tables: self.tables.only(table.name)?,
            exports: Box::new(S3::new(Arc::clone(&table_client), self.exports.clone())),
            registry: self.registry.clone(),
            changes: Box::new(change_set::s3::S3::new(Arc::clone(&self.aws), self.changes.clone())),
            keys: Box::new(Secrets::new(Arc::clone(&table_client), self.secrets.clone())),
            sinks: Sinks::new(self.outputs()?.into_iter().map(Output::into_sink).collect()),
            work: PathBuf::from("/tmp/tidemark"),
            adopt: None,
            engines: Engines { choice: Choice::Bounded(self.native_bytes), athena: Some(athena) },
            limits: Limits {
                memory: memory(),
                compared: env_override("TIDEMARK_MAX_COMPARED", MAX_COMPARED),
                ..Limits::default()
            },
        })
    }

    fn scan_budget(&self) -> Option<ScanBudget> {
        let bytes = Some(self.athena.budget).filter(|bytes| *bytes > 0)?;
        Some(ScanBudget { registry: self.dynamodb.clone(), bytes })
    }

    /// The exports of all tables, to be listed: the function's own role may read none of them.
    pub(super) fn exports(&self) -> S3 {
        S3::new(Arc::clone(&self.aws), self.exports.clone())
    }

    /// The prefix of a table's change sets.
    pub(super) fn changes_of(&self, key: &TableKey) -> S3Uri {
        self.changes.join(&key.tenant).join(&key.table)
    }

    /// The prefix of a table's exports.
    pub(super) fn exports_of(&self, key: &TableKey) -> S3Uri {
        self.exports.join(&key.tenant).join(&key.table)
    }

    /// Where operations go.
    pub(super) fn outputs(&self) -> Result<Vec<Output>> {
        let threads = Limits::default().threads;
        let files = self.files.iter().map(|root| S3Files::new(Arc::clone(&self.aws), root.clone(), threads));
        let stream = self.stream_name.as_deref().map(|name| self.stream(name)).transpose()?;
        Ok(files.map(Output::Files).chain(stream.map(Output::Stream)).collect())
    }

    /// The stream. It describes itself when that is first needed; the description is cached across steps.
    fn stream(&self, name: &str) -> Result<Stream> {
        let mut cached = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, stream)) = &*cached
            && since.elapsed() < STREAM_CACHE
        {
            return Ok(stream.clone());
        }
        let stream = Stream::new(Arc::clone(&self.aws), name)?;
        *cached = Some((clock::instant(), stream.clone()));
        Ok(stream)
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
