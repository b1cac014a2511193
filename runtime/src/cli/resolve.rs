//! Where exports, the registry, change sets and operations are, as it is typed: a path, `s3://…`, `dynamodb:…` or
//! `kinesis:…`; and what computes a delta.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::change_set::{self, ChangeSets};
use crate::delta;
use crate::engine::athena::Statements;
use crate::engine::{Choice, Engines, Limits};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::run::Runner;
use crate::sink::Sink;
use crate::sink::file::Files;
use crate::snapshot::local::Local;
use crate::snapshot::{Export, Snapshots};
use crate::store::sqlite::Sqlite;
use crate::store::{Registry, Setting};
use crate::table::Table;

/// Where the registry and the change sets lie unless `--state` says otherwise.
const STATE: &str = ".tidemark";

/// Where operations go unless `--out` says otherwise.
const OUT: &str = "out";

/// Where the registry and change sets are.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// The folder of the registry and of change sets [default: .tidemark]. With --store: where change sets are, such as
    /// s3://BUCKET/PREFIX [default: as the registry remembers].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The registry, where it is on AWS.
    #[arg(long, value_name = "dynamodb:TABLE")]
    store: Option<String>,
}

/// Where operations go.
#[derive(Debug, Args)]
pub(super) struct OutArgs {
    /// The folder that operations go to: OUT/TENANT/TABLE/VERSION/part-00000.ndjson.gz [default: out].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A stream that operations go to instead [default with --store: as the registry remembers]. A consumer that cannot
    /// read aggregated records needs `kinesis:STREAM?aggregate=off`.
    #[arg(long, value_name = "kinesis:STREAM", conflicts_with = "out")]
    sink: Option<String>,
}

/// Where the exports are.
#[derive(Debug, Args)]
pub(super) struct ExportsArgs {
    /// The folder of the exports, or s3://BUCKET/PREFIX; that of the last run unless told.
    #[arg(long, value_name = "DIR")]
    exports: Option<PathBuf>,
}

impl ExportsArgs {
    /// Whether anything of it was typed.
    pub(super) fn is_given(&self) -> bool {
        self.exports.is_some()
    }

    pub(super) fn root(&self, registry: &Registry) -> Result<PathBuf> {
        if let Some(named) = &self.exports {
            return Ok(named.clone());
        }
        registry.exports_root()?.map(PathBuf::from).ok_or_else(|| {
            Error::refused("", "the folder of the exports is not known").help("name it with --exports DIR")
        })
    }

    pub(super) fn open(&self, registry: &Registry) -> Result<Box<dyn Snapshots>> {
        exports(&self.root(registry)?)
    }
}

impl StateArgs {
    /// The folder for what stays on this machine: the registry, change sets, temporary files.
    fn folder(&self) -> PathBuf {
        match &self.state {
            Some(state) if !is_remote(state) => state.clone(),
            _ => STATE.into(),
        }
    }

    /// The same, for a command that is about nothing else.
    pub(super) fn local_folder(&self) -> Result<PathBuf> {
        if self.state.as_deref().is_some_and(is_remote) || self.store.is_some() {
            return Err(Error::refused("", "change sets in S3 are removed by the life cycle of their bucket")
                .help("see `ChangeSetDays` in infra/README.md"));
        }
        Ok(self.folder())
    }

    fn registry_path(&self) -> PathBuf {
        self.folder().join("registry.sqlite")
    }

    /// The registry, which must be there: nothing but `run` makes one.
    pub(super) fn registry(&self) -> Result<Registry> {
        if let Some(store) = &self.store {
            return remote::store(store);
        }
        let path = self.registry_path();
        match Sqlite::open_existing(&path)? {
            Some(registry) => Ok(Registry::new(registry)),
            None => Err(Error::refused(path.display().to_string(), "there is no registry yet")
                .help("run exports first (cargo tidemark run DIR), or name its folder with --state")),
        }
    }

    /// The registry, which is made on this machine where there is none.
    pub(super) fn registry_or_new(&self) -> Result<Registry> {
        match &self.store {
            Some(_) => self.registry(),
            None => Ok(Registry::new(Sqlite::open(&self.registry_path())?)),
        }
    }

    fn changes(&self, registry: &Registry) -> Result<Box<dyn ChangeSets>> {
        let remembered = if self.store.is_some() { registry.setting(Setting::Changes)? } else { None };
        let place = match (&self.state, remembered) {
            (Some(named), _) if is_remote(named) => named.clone(),
            (None, Some(remembered)) => remembered.into(),
            _ => return Ok(Box::new(change_set::local::Local::new(&self.folder().join("changes")))),
        };
        if is_remote(&place) {
            return remote::changes(&place.to_string_lossy());
        }
        Ok(Box::new(change_set::local::Local::new(&place)))
    }

    /// What a command works with that is about something the registry knows.
    pub(super) fn runner(
        &self,
        registry: Registry,
        exports: &ExportsArgs,
        out: &OutArgs,
        tables: &'static [&'static Table],
    ) -> Result<Runner> {
        let exports = exports.open(&registry)?;
        self.runner_of(registry, exports, out, tables, Limits::default())
    }

    /// The same, of exports that were named and with limits.
    pub(super) fn runner_of(
        &self,
        registry: Registry,
        exports: Box<dyn Snapshots>,
        out: &OutArgs,
        tables: &'static [&'static Table],
        limits: Limits,
    ) -> Result<Runner> {
        let (changes, sink) = (self.changes(&registry)?, out.sink(self, &registry, limits)?);
        let work = self.folder().join("work");
        Ok(Runner { tables, exports, registry, changes, sink, work, engines: Engines::default(), limits })
    }

    /// Keeps where change sets are and where operations go, so that another machine may go on with what this one began.
    pub(super) fn remember(&self, runner: &Runner, out: &OutArgs) -> Result<()> {
        if self.store.is_none() {
            return Ok(());
        }
        runner.registry.remember(Setting::Changes, &runner.changes.root()?)?;
        // As it was typed: whether operations are aggregated is part of it.
        out.sink.iter().try_for_each(|sink| runner.registry.remember(Setting::Sink, sink))
    }
}

/// Starts the flow of a tenant's table where a machine on AWS runs it. False where it runs by a command.
pub(super) fn start_execution(registry: &Registry, key: &TableKey) -> Result<bool> {
    let Some(machine) = registry.setting(Setting::Machine)? else { return Ok(false) };
    // Each write that makes something runnable is one more: the name is that of what is to be done.
    let pending = registry.pending(key)?;
    remote::start(&machine, registry.id(), key, pending)?;
    Ok(true)
}

impl OutArgs {
    /// Where the operations of a command go that publishes none.
    pub(super) fn none() -> Self {
        Self { out: Some(OUT.into()), sink: None }
    }

    /// Where operations go that nobody said anything about.
    pub(super) fn remembered() -> Self {
        Self { out: None, sink: None }
    }

    /// Whether anything of it was typed.
    pub(super) fn is_given(&self) -> bool {
        self.out.is_some() || self.sink.is_some()
    }

    fn sink(&self, state: &StateArgs, registry: &Registry, limits: Limits) -> Result<Box<dyn Sink>> {
        let remembered = if state.store.is_some() { registry.setting(Setting::Sink)? } else { None };
        match (&self.out, self.sink.as_ref().or(remembered.as_ref())) {
            (None, Some(sink)) => remote::sink(sink),
            (out, _) => {
                let out = out.as_deref().unwrap_or(OUT.as_ref());
                Ok(Box::new(Files::new(out, limits.threads)))
            }
        }
    }
}

/// What computes a delta.
#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    /// What computes the delta: this process, or Athena for exports in S3; `auto` takes Athena beyond 12 GB of exports.
    #[arg(long, value_enum, default_value_t = Name::Auto)]
    engine: Name,
    /// The database of Glue's data catalog that has the tables [default: as the registry remembers, or tidemark].
    #[arg(long, value_name = "NAME")]
    athena_database: Option<String>,
    /// The work group that statements run in [default: as the registry remembers, or primary].
    #[arg(long, value_name = "NAME")]
    athena_workgroup: Option<String>,
    /// Where statements leave what they write until it is read [default: as the registry remembers, or
    /// s3://BUCKET-OF-THE-EXPORTS/_tidemark/athena].
    #[arg(long, value_name = "URI")]
    athena_results: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Native,
    Athena,
    Auto,
}

/// Whether something is in S3 rather than on this machine.
fn is_remote(place: &Path) -> bool {
    place.to_string_lossy().starts_with("s3://")
}

/// The tree of exports that somebody named.
pub(super) fn exports(root: &Path) -> Result<Box<dyn Snapshots>> {
    if is_remote(root) {
        return remote::exports(&root.to_string_lossy());
    }
    Ok(Box::new(Local::new(root)?))
}

/// The export that somebody named.
pub(super) fn export(place: &Path) -> Result<Export> {
    if is_remote(place) { remote::export(&place.to_string_lossy()) } else { delta::export(place) }
}

/// Where Athena finds things.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "without AWS there is no Athena"))]
struct Names {
    database: String,
    workgroup: String,
    results: Option<String>,
}

impl EngineArgs {
    fn choice(&self) -> Choice {
        match self.engine {
            Name::Native => Choice::Native,
            Name::Athena => Choice::Athena,
            Name::Auto => Choice::Auto,
        }
    }

    /// Whether anything of it was typed.
    pub(super) fn is_given(&self) -> bool {
        let names = [&self.athena_database, &self.athena_workgroup, &self.athena_results];
        self.engine != Name::Auto || names.into_iter().any(Option::is_some)
    }

    /// The engines, for exports that lie in these places; what was not typed is as the registry remembers it.
    pub(super) fn engines(
        &self,
        statements: &'static [Statements],
        places: &[&Path],
        registry: Option<&Registry>,
    ) -> Result<Engines> {
        if self.engine == Name::Native || !places.iter().any(|place| is_remote(place)) {
            // Without AWS, nothing asks for an account.
            return Ok(Engines { choice: self.choice(), ..Engines::default() });
        }
        let known = |typed: &Option<String>, setting| match (typed, registry) {
            (None, Some(registry)) => registry.setting(setting),
            (typed, _) => Ok(typed.clone()),
        };
        let names = Names {
            database: known(&self.athena_database, Setting::AthenaDatabase)?.unwrap_or_else(|| "tidemark".into()),
            workgroup: known(&self.athena_workgroup, Setting::AthenaWorkgroup)?.unwrap_or_else(|| "primary".into()),
            results: known(&self.athena_results, Setting::AthenaResults)?,
        };
        remote::engines(self.choice(), names, statements)
    }
}

#[cfg(feature = "aws")]
mod remote {
    use std::sync::{Arc, OnceLock};

    use crate::aws::Aws;
    use crate::aws::s3::S3Uri;
    use crate::change_set::{self, ChangeSets};
    use crate::cli::resolve::Names;
    use crate::delta;
    use crate::engine::athena::{Athena, Statements};
    use crate::engine::{Choice, Engines};
    use crate::error::{Error, Result};
    use crate::name::TableKey;
    use crate::sink::Sink;
    use crate::sink::kinesis::Stream;
    use crate::snapshot::s3::{S3, S3Folder};
    use crate::snapshot::{Export, Snapshots};
    use crate::store::Registry;
    use crate::store::dynamodb::Dynamodb;

    /// The one account of this program.
    fn aws() -> Result<Arc<Aws>> {
        static AWS: OnceLock<Arc<Aws>> = OnceLock::new();
        if let Some(aws) = AWS.get() {
            return Ok(Arc::clone(aws));
        }
        let aws = Arc::new(Aws::from_environment()?);
        Ok(Arc::clone(AWS.get_or_init(|| aws)))
    }

    fn place(uri: &str) -> Result<S3Uri> {
        S3Uri::parse(uri).ok_or_else(|| {
            Error::refused(uri, "it names no bucket").help("name a place in S3 as s3://BUCKET or s3://BUCKET/PREFIX")
        })
    }

    pub(super) fn exports(root: &str) -> Result<Box<dyn Snapshots>> {
        Ok(Box::new(S3::new(aws()?, place(root)?)))
    }

    pub(super) fn changes(root: &str) -> Result<Box<dyn ChangeSets>> {
        Ok(Box::new(change_set::s3::S3::new(aws()?, place(root)?)))
    }

    pub(super) fn store(name: &str) -> Result<Registry> {
        match name.strip_prefix("dynamodb:").filter(|table| !table.is_empty()) {
            Some(table) => Ok(Registry::new(Dynamodb::open(aws()?, table)?)),
            None => Err(Error::refused(name, "it is no registry on AWS").help("name one as dynamodb:TABLE")),
        }
    }

    pub(super) fn start(machine: &str, registry: &str, key: &TableKey, pending: u64) -> Result<()> {
        crate::aws::flow::start_execution(&*aws()?, machine, registry, key, ["#pending", &pending.to_string()])
    }

    pub(super) fn sink(name: &str) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Stream::new(aws()?, name)?))
    }

    pub(super) fn export(uri: &str) -> Result<Export> {
        delta::whole(uri.trim_end_matches('/').into(), Arc::new(S3Folder::new(aws()?, place(uri)?)))
    }

    pub(super) fn engines(choice: Choice, names: Names, statements: &'static [Statements]) -> Result<Engines> {
        let Names { database, workgroup, results } = names;
        let results = results.as_deref().map(place).transpose()?;
        let athena = Athena { aws: aws()?, statements, database, workgroup, results, cutoff: None };
        Ok(Engines { choice, athena: Some(athena) })
    }
}

#[cfg(not(feature = "aws"))]
mod remote {
    use crate::change_set::ChangeSets;
    use crate::cli::resolve::Names;
    use crate::engine::athena::Statements;
    use crate::engine::{Choice, Engines};
    use crate::error::{Error, Result};
    use crate::name::TableKey;
    use crate::sink::Sink;
    use crate::snapshot::{Export, Snapshots};
    use crate::store::Registry;

    pub(super) fn changes(_: &str) -> Result<Box<dyn ChangeSets>> {
        Err(Error::without_aws("S3"))
    }

    pub(super) fn store(_: &str) -> Result<Registry> {
        Err(Error::without_aws("DynamoDB"))
    }

    pub(super) fn start(_: &str, _: &str, _: &TableKey, _: u64) -> Result<()> {
        Err(Error::without_aws("Step Functions"))
    }

    pub(super) fn sink(_: &str) -> Result<Box<dyn Sink>> {
        Err(Error::without_aws("Kinesis"))
    }

    pub(super) fn exports(_: &str) -> Result<Box<dyn Snapshots>> {
        Err(Error::without_aws("S3"))
    }

    pub(super) fn export(_: &str) -> Result<Export> {
        Err(Error::without_aws("S3"))
    }

    pub(super) fn engines(_: Choice, _: Names, _: &'static [Statements]) -> Result<Engines> {
        Err(Error::without_aws("S3"))
    }
}
