//! What typed arguments mean: opens the exports, the registry, the change sets, the sink and the engines they name.

mod addresses;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Uid, User};

use crate::change_set::{self, ChangeSets};
use crate::cli::args::{AdoptArgs, DecisionArgs, EngineArgs, EngineName, ExportsArgs, OUT, OutArgs, StateArgs};
use crate::cli::remote::{self, AthenaNames};
use crate::delta;
use crate::engine::athena::StatementSource;
use crate::engine::{Engines, Limits};
use crate::error::{Error, IoContext as _, Result};
use crate::fs::folder_names;
use crate::invocation::{command, repeated};
use crate::keys::Environment;
use crate::name::{TableKey, printable_path};
use crate::run::Runner;
use crate::sink::database::DatabaseOptions;
#[cfg(feature = "postgres")]
use crate::sink::database::postgres::without_password;
use crate::sink::file::LocalPublishedFolder;
use crate::sink::{PublishedFolder, Sink, Sinks};
use crate::snapshot::local::Local;
use crate::snapshot::{Export, Snapshots};
use crate::store::sqlite::Sqlite;
use crate::store::{Decision, Registry, Setting};
use crate::table::Table;
#[cfg(feature = "postgres")]
use addresses::is_postgres;
use addresses::{SQLITE, files, is_database, is_remote, relative};
pub(super) use addresses::{database, is_folder, is_stream, published_files, sink_path, stream};

/// Where the registry and the change sets are unless `--state` says otherwise.
const STATE: &str = ".tidemark";

/// Opens the exports below a folder or an S3 prefix.
pub(super) fn exports(root: &Path) -> Result<Box<dyn Snapshots>> {
    if is_remote(root) {
        return remote::exports(&root.to_string_lossy());
    }
    Ok(Box::new(Local::new(root)?))
}

/// Opens a single export: a file, a folder or an S3 prefix.
pub(super) fn export(path: &Path) -> Result<Export> {
    if is_remote(path) { remote::export(&path.to_string_lossy()) } else { delta::export(path) }
}

/// Opens a folder of published parts, on this machine or in S3.
pub(super) fn published_folder(path: &Path) -> Result<Box<dyn PublishedFolder>> {
    if is_remote(path) {
        return remote::published_folder(&path.to_string_lossy());
    }
    Ok(Box::new(LocalPublishedFolder::new(path.into())))
}

/// Starts the flow for a tenant's table if a state machine runs it. Returns false if only a command runs it.
pub(super) fn start_execution(registry: &Registry, key: &TableKey) -> Result<bool> {
    let Some(machine) = registry.setting(Setting::Machine)? else { return Ok(false) };
    // The number grows with each write that makes a version runnable, so each such write starts an execution once.
    let pending = registry.pending(key)?;
    remote::start_execution(&machine, registry.id(), key, pending)?;
    Ok(true)
}

impl DecisionArgs {
    pub(super) fn decision(&self, state: &StateArgs) -> Result<Decision> {
        decision(self.by.as_deref(), self.because.as_deref(), state)
    }
}

impl AdoptArgs {
    pub(super) fn decision(&self, state: &StateArgs) -> Result<Decision> {
        decision(self.by.as_deref(), self.because.as_deref(), state)
    }
}

/// Who decides, and why. Unless typed, the caller's ARN if the registry is on AWS, or else this user.
fn decision(by: Option<&str>, because: Option<&str>, state: &StateArgs) -> Result<Decision> {
    let by = match (by, &state.store) {
        (Some(by), _) => by.into(),
        (None, Some(_)) => remote::caller()?,
        (None, None) => user(),
    };
    Ok(Decision { by, because: because.map(Into::into) })
}

/// The name of the operating system's user who runs this process, or its number if it has no name.
fn user() -> String {
    let id = Uid::current();
    let user = User::from_uid(id).ok().flatten();
    user.map_or_else(|| format!("user {id}"), |user| user.name)
}

impl ExportsArgs {
    /// The folder of the exports: the one that was typed, or the last run's.
    pub(super) fn root(&self, registry: &Registry) -> Result<PathBuf> {
        if let Some(typed) = &self.exports {
            return Ok(typed.clone());
        }
        registry
            .exports_root()?
            .map(PathBuf::from)
            .ok_or_else(|| Error::usage("", "the folder of the exports is unknown").help("name it with --exports DIR"))
    }

    pub(super) fn open(&self, registry: &Registry) -> Result<Box<dyn Snapshots>> {
        exports(&self.root(registry)?)
    }
}

impl StateArgs {
    /// The folder for what is always on this machine, such as temporary files.
    pub(super) fn folder(&self) -> PathBuf {
        match &self.state {
            Some(state) if !is_remote(state) => state.clone(),
            _ => STATE.into(),
        }
    }

    /// The state folder, for a command that works on it alone. Fails if the state is on AWS.
    pub(super) fn local_folder(&self) -> Result<PathBuf> {
        if self.state.as_deref().is_some_and(is_remote) || self.store.is_some() {
            return Err(Error::usage("", "change sets in S3 are removed by the daily check of the deployment")
                .help("see `ChangeSetDays` in docs/operations.md"));
        }
        Ok(self.folder())
    }

    /// The registry, if it is on this machine.
    pub(super) fn registry_path(&self) -> PathBuf {
        self.folder().join("registry.sqlite")
    }

    /// Opens the registry, which must exist: only `run` creates one.
    pub(super) fn registry(&self) -> Result<Registry> {
        if let Some(store) = &self.store {
            return remote::store(store);
        }
        let path = self.registry_path();
        match Sqlite::open_existing(&path)? {
            Some(registry) => Ok(Registry::new(registry)),
            None if self.has_change_sets()? => Err(self.lost(&command(&[&"run", &"DIR", &"--adopt"]))),
            None => Err(Error::usage(path.display().to_string(), "there is no registry yet").help(format!(
                "run exports first: {}; or name the folder of the registry with --state",
                command(&[&"run", &"DIR"])
            ))),
        }
    }

    /// Opens the registry; a local one is created if it does not exist. Next to change sets, an empty one means that
    /// theirs was lost, which only a run that adopts what was published may pass over.
    pub(super) fn registry_or_new(&self, adopt: bool) -> Result<Registry> {
        if self.store.is_some() {
            return self.registry();
        }
        let (path, may_be_lost) = (self.registry_path(), !adopt && self.has_change_sets()?);
        if may_be_lost && !path.try_exists().at("cannot find", &path)? {
            return Err(self.lost(&repeated(("".as_ref(), "".as_ref()), &[("--adopt", None)])));
        }
        let registry = Registry::new(Sqlite::open(&path)?);
        if may_be_lost && registry.tables()?.is_empty() {
            return Err(self.lost(&repeated(("".as_ref(), "".as_ref()), &[("--adopt", None)])));
        }
        Ok(registry)
    }

    fn has_change_sets(&self) -> Result<bool> {
        let folder = self.folder().join("changes");
        match folder_names(&folder) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            names => Ok(!names.at("cannot list", &folder)?.is_empty()),
        }
    }

    fn lost(&self, adopting: &str) -> Error {
        let changes = printable_path(&self.folder().join("changes"));
        let problem = format!("the registry is gone or empty, but there are change sets in {changes}: it was lost");
        Error::refused(printable_path(&self.registry_path()), problem).help(format!(
            "restore it from a backup. If there is none, start a new one, which goes on above everything that was \
             published: {adopting}"
        ))
    }

    fn changes(&self, registry: &Registry) -> Result<Box<dyn ChangeSets>> {
        let recorded = if self.store.is_some() { registry.setting(Setting::Changes)? } else { None };
        let root = match (&self.state, recorded) {
            (Some(typed), _) if is_remote(typed) => typed.clone(),
            (None, Some(recorded)) => recorded.into(),
            _ => return Ok(Box::new(change_set::local::Local::new(&self.folder().join("changes")))),
        };
        if is_remote(&root) {
            return remote::changes(&root.to_string_lossy());
        }
        Ok(Box::new(change_set::local::Local::new(&root)))
    }

    /// A runner for a version that the registry knows, with default limits.
    pub(super) fn runner(
        &self,
        registry: Registry,
        exports: &ExportsArgs,
        out: &OutArgs,
        tables: &'static [&'static Table],
    ) -> Result<Runner> {
        let exports = exports.open(&registry)?;
        self.runner_for(registry, exports, out, tables, Limits::default())
    }

    /// A runner for these exports, with these limits.
    pub(super) fn runner_for(
        &self,
        registry: Registry,
        exports: Box<dyn Snapshots>,
        out: &OutArgs,
        tables: &'static [&'static Table],
        limits: Limits,
    ) -> Result<Runner> {
        let (changes, sinks) = (self.changes(&registry)?, out.sinks(&registry, limits)?);
        let work = self.folder().join("work");
        let (engines, adopt) = (Engines::default(), None);
        let keys = Box::new(Environment);
        Ok(Runner { tables, exports, registry, changes, sinks, work, adopt, engines, limits, keys })
    }

    /// Records where change sets are and where operations go, so that later commands and other machines go on with the
    /// same.
    pub(super) fn remember(&self, runner: &Runner, out: &OutArgs) -> Result<()> {
        let registry = &runner.registry;
        if self.store.is_some() {
            runner.remember(Setting::Changes, &runner.changes.root()?)?;
        }
        if out.is_given() || registry.setting(Setting::Sink)?.is_none() {
            runner.remember(Setting::Sink, &out.texts().join(Setting::SEPARATOR))?;
        }
        Ok(())
    }
}

impl OutArgs {
    /// The folder that was typed, or the default if there is no sink either.
    fn folder(&self) -> Option<&Path> {
        self.out.as_deref().or(self.sinks.is_empty().then_some(OUT.as_ref()))
    }

    /// The sinks that were typed, as the registry remembers them.
    fn texts(&self) -> Vec<String> {
        let sink = |sink: &String| match sink.strip_prefix(SQLITE) {
            Some(file) => format!("{SQLITE}{}", absolute(file.as_ref())),
            #[cfg(feature = "postgres")]
            None if is_postgres(sink) => without_password(sink),
            // As typed, because the text also says whether operations are aggregated.
            None => sink.clone(),
        };
        self.folder().map(absolute).into_iter().chain(self.sinks.iter().map(sink)).collect()
    }

    /// The sinks that were typed, or those that the registry remembers.
    pub(super) fn sinks(&self, registry: &Registry, limits: Limits) -> Result<Sinks> {
        let recorded = if self.is_given() { None } else { registry.setting(Setting::Sink)? };
        let sinks = match recorded {
            Some(texts) => {
                texts.split(Setting::SEPARATOR).map(|sink| self.sink(sink, limits)).collect::<Result<Vec<_>>>()?
            }
            None => {
                let folder = self.folder().map(|folder| files(folder, limits));
                folder
                    .into_iter()
                    .chain(self.sinks.iter().map(|sink| self.sink(sink, limits)))
                    .collect::<Result<_>>()?
            }
        };
        self.check(&sinks)?;
        Ok(Sinks::new(sinks))
    }

    fn sink(&self, sink: &str, limits: Limits) -> Result<Box<dyn Sink>> {
        match sink {
            sink if is_database(sink) => database(sink, self.database).map(|database| database as _),
            folder if is_folder(folder) => files(relative(Path::new(folder)), limits),
            sink => remote::sink(sink),
        }
    }

    fn check(&self, sinks: &[Box<dyn Sink>]) -> Result<()> {
        let DatabaseOptions { create, recompute } = self.database;
        let unused = [(create, "--create", "nothing to create"), (recompute, "--recompute", "nothing to add up")];
        for (_, option, nothing) in unused.into_iter().filter(|(is_given, ..)| *is_given) {
            if !sinks.iter().any(|sink| sink.holds_rows()) {
                let problem = format!("there is {nothing}: operations do not go to a database");
                return Err(Error::usage(option, problem).help("name one with --sink sqlite:FILE"));
            }
        }
        let names: Vec<String> = sinks.iter().map(|sink| sink.name()).collect();
        match (1..names.len()).find(|index| names[..*index].contains(&names[*index])) {
            Some(twice) => Err(Error::usage(&names[twice], "it is named twice").help("name each sink once")),
            None => Ok(()),
        }
    }
}

/// A folder as the registry remembers it.
fn absolute(path: &Path) -> String {
    match std::path::absolute(path) {
        Ok(absolute) if !is_remote(path) => absolute.to_string_lossy().into_owned(),
        _ => path.to_string_lossy().into_owned(),
    }
}

impl EngineArgs {
    /// The engines for exports at these paths. The registry supplies what was not typed.
    pub(super) fn engines(
        &self,
        statements: Arc<dyn StatementSource>,
        exports: &[&Path],
        registry: Option<&Registry>,
    ) -> Result<Engines> {
        if self.engine == EngineName::Native || !exports.iter().any(|path| is_remote(path)) {
            // Works without AWS credentials.
            return Ok(Engines::without_athena(self.choice()));
        }
        let typed_or_recorded = |typed: &Option<String>, setting| match (typed, registry) {
            (None, Some(registry)) => registry.setting(setting),
            (typed, _) => Ok(typed.clone()),
        };
        let database = typed_or_recorded(&self.athena_database, Setting::AthenaDatabase)?;
        let workgroup = typed_or_recorded(&self.athena_workgroup, Setting::AthenaWorkgroup)?;
        let names = AthenaNames {
            database: database.unwrap_or_else(|| "tidemark".into()),
            workgroup: workgroup.unwrap_or_else(|| "primary".into()),
            results: typed_or_recorded(&self.athena_results, Setting::AthenaResults)?,
        };
        remote::engines(self.choice(), names, statements)
    }
}
