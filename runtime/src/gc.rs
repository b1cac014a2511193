//! Removes files below the state directory that are no longer needed.
//!
//! STATE/changes/TENANT/TABLE/VERSION/NAME is a change set, or what is left of one. The registry alone decides which
//! are needed: while the table's lease is held, whatever no record names is unused.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::error::{Error, Fault, IoContext as _, Result};
use crate::name::TableKey;
use crate::name::is_name;
use crate::run::Runner;
use crate::store::{Action, Decision, Status, Version};
use crate::telemetry::check_stop;

/// The age at which a named file in STATE/work is abandoned, see [`remove_work_files`].
const ABANDONED: Duration = Duration::from_secs(3600);

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// By tenant and table, without those where nothing happened.
    pub tables: Vec<TableReport>,
    /// Abandoned temporary files.
    pub work: Vec<Removed>,
    /// What could not be looked at or removed outside the tables.
    pub failed: Vec<Failed>,
    /// The total size, in bytes.
    pub bytes: u64,
}

/// What was removed of a tenant's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The tenant and the table.
    #[serde(flatten)]
    pub key: TableKey,
    /// The folders that were removed.
    pub removed: Vec<Removed>,
    /// Their size, in bytes.
    pub bytes: u64,
    /// The process that holds the lease; the table was skipped.
    pub locked_by: Option<String>,
    /// Whether a version arrived that no run is going to process: its run found the lease taken and left.
    pub came_meanwhile: bool,
    /// What could not be looked at or removed.
    pub failed: Vec<Failed>,
}

/// An error, as part of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The message.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// Whose fault it is.
    pub fault: Fault,
}

/// A file or folder that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Its path, relative to the state directory.
    pub path: PathBuf,
    /// The kind of file.
    pub kind: RemovedKind,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// The kind of a removed file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovedKind {
    /// A change set that a version's record names and that is no longer needed.
    ChangeSet,
    /// A file that no record names: left by a killed run, or by a version that was planned again or has ended.
    Leftover,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), help: error.next_step().map(str::to_owned), fault: error.fault() }
    }
}

impl TableReport {
    fn new(key: &TableKey) -> Self {
        Self {
            key: key.clone(),
            removed: Vec::new(),
            bytes: 0,
            locked_by: None,
            came_meanwhile: false,
            failed: Vec::new(),
        }
    }

    fn is_worth_reporting(&self) -> bool {
        !self.removed.is_empty() || self.locked_by.is_some() || self.came_meanwhile || !self.failed.is_empty()
    }
}

/// What `gc` is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number of newest succeeded versions per table whose change sets are kept for `replay`.
    pub keep: usize,
    /// Who decided to remove it; `None` to report only, and remove nothing.
    pub decision: Option<Decision>,
}

/// Removes what is no longer needed, table by table, each under its lease. `state` is the state directory. What cannot
/// be looked at or removed is reported, and everything else goes on.
pub fn collect(runner: &Runner, state: &Path, options: Options) -> Result<Collected> {
    let mut collected = Collected::default();
    for (key, is_known) in tables(runner, state, &mut collected.failed)? {
        check_stop()?;
        let mut report = TableReport::new(&key);
        if let Err(error) = collect_table(runner, state, is_known, &options, &mut report) {
            report.failed.push(error.into());
        }
        report.bytes = report.removed.iter().map(|removed| removed.bytes).sum();
        if report.is_worth_reporting() {
            collected.tables.push(report);
        }
    }
    check_stop()?;
    match remove_work_files(state, &options) {
        Ok(removed) => collected.work = removed,
        Err(error) => collected.failed.push(error.into()),
    }
    let in_tables = collected.tables.iter().map(|report| report.bytes);
    collected.bytes = in_tables.chain(collected.work.iter().map(|removed| removed.bytes)).sum();
    Ok(collected)
}

fn collect_table(
    runner: &Runner,
    state: &Path,
    is_known: bool,
    options: &Options,
    report: &mut TableReport,
) -> Result<()> {
    let key = report.key.clone();
    // Looking needs no lease: without a holder, nobody is writing.
    if options.decision.is_none() {
        report.locked_by = runner.registry.holder(&key)?;
    }
    if report.locked_by.is_some() {
        return Ok(());
    }
    // A table that the registry does not know has no lease, and no run that could take one.
    if !is_known || options.decision.is_none() {
        return remove_change_sets(runner, state, is_known, options, report);
    }
    match runner.with_lease(&key, |_, _| remove_change_sets(runner, state, is_known, options, report))? {
        Some(((), came_meanwhile)) => report.came_meanwhile = came_meanwhile,
        None => report.locked_by = Some(runner.holder(&key)?),
    }
    Ok(())
}

/// Every tenant's table that has a folder, and whether the registry knows it.
///
/// The folders are listed before the registry is read. A run creates its record before its folder, so a folder that is
/// listed here has its record, if it will ever have one.
fn tables(runner: &Runner, state: &Path, failed: &mut Vec<Failed>) -> Result<Vec<(TableKey, bool)>> {
    let changes = state.join("changes");
    let mut keys = Vec::new();
    for tenant in listed(folders(&changes), failed) {
        let tables = listed(folders(&changes.join(&tenant)), failed);
        keys.extend(tables.into_iter().map(|table| TableKey { tenant: tenant.clone(), table }));
    }
    let known: BTreeSet<TableKey> = runner.registry.tables()?.into_iter().collect();
    Ok(keys.into_iter().map(|key| (key.clone(), known.contains(&key))).collect())
}

/// The names in a folder; none if it cannot be listed, which is reported.
fn listed(names: Result<Vec<String>>, failed: &mut Vec<Failed>) -> Vec<String> {
    names.unwrap_or_else(|error| {
        failed.push(error.into());
        Vec::new()
    })
}

/// Removes a table's change sets that are not needed. If the registry knows the table, its lease is held.
fn remove_change_sets(
    runner: &Runner,
    state: &Path,
    is_known: bool,
    options: &Options,
    report: &mut TableReport,
) -> Result<()> {
    let key = report.key.clone();
    let versions = if is_known { runner.registry.versions(&key)? } else { Vec::new() };
    let unneeded = unneeded(&versions, state, &key, options.keep, &mut report.failed)?;
    let Some(decision) = &options.decision else {
        report.removed.extend(unneeded);
        return Ok(());
    };
    if !unneeded.is_empty() {
        let bytes: u64 = unneeded.iter().map(|unneeded| unneeded.bytes).sum();
        let details = json!({ "keep": options.keep, "removed": unneeded.len(), "bytes": bytes });
        runner.registry.append(&decision.entry(Action::Gc, &key, None, details))?;
    }
    for unneeded in unneeded {
        check_stop()?;
        match remove(&state.join(&unneeded.path)) {
            Ok(()) => report.removed.push(unneeded),
            Err(error) => report.failed.push(error.into()),
        }
    }
    let table_folder = state.join("changes").join(&key.tenant).join(&key.table);
    for version in folders(&table_folder)? {
        remove_empty(&table_folder.join(version))?;
    }
    remove_empty(&table_folder)?;
    remove_empty(&state.join("changes").join(&key.tenant))
}

/// Lists a table's change sets that are not needed. What cannot be looked at is reported.
fn unneeded(
    versions: &[Version],
    state: &Path,
    key: &TableKey,
    keep: usize,
    failed: &mut Vec<Failed>,
) -> Result<Vec<Removed>> {
    let needed = needed(versions, keep);
    let table_folder = Path::new("changes").join(&key.tenant).join(&key.table);
    let mut unneeded = Vec::new();
    for version in folders(&state.join(&table_folder))? {
        for name in listed(folders(&state.join(&table_folder).join(&version)), failed) {
            if needed.contains(&(version.as_str(), name.as_str())) {
                continue;
            }
            check_stop()?;
            let path = table_folder.join(&version).join(&name);
            let is_named = versions.iter().any(|v| v.version == version && v.changes.as_ref() == Some(&name));
            let kind = if is_named { RemovedKind::ChangeSet } else { RemovedKind::Leftover };
            match size(&state.join(&path)) {
                Ok(bytes) => unneeded.push(Removed { path, kind, bytes }),
                Err(error) => failed.push(error.into()),
            }
        }
    }
    Ok(unneeded)
}

/// Version and name of every change set that must be kept.
fn needed(versions: &[Version], keep: usize) -> BTreeSet<(&str, &str)> {
    let mut left = keep;
    let is_needed = |version: &&Version| match version.status {
        // A later run or a decision may need it.
        Status::Waiting | Status::Registered | Status::Planned | Status::Held | Status::Publishing => true,
        Status::Succeeded | Status::Retired if left > 0 => {
            left -= 1;
            true
        }
        Status::Succeeded | Status::Retired => false,
        Status::Superseded | Status::Failed | Status::Rejected => false,
    };
    let needed = versions.iter().rev().filter(is_needed);
    needed.filter_map(|version| Some((version.version.as_str(), version.changes.as_deref()?))).collect()
}

/// Removes a folder. It is renamed first, so that an interrupted removal never leaves half a change set under a name
/// that `replay` trusts.
fn remove(folder: &Path) -> Result<()> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = if name.starts_with(ASIDE) { folder.into() } else { folder.with_file_name(format!("{ASIDE}{name}")) };
    if aside != folder {
        fs::rename(folder, &aside).at("cannot rename", folder)?;
    }
    fs::remove_dir_all(&aside).at("cannot remove", &aside)
}

/// The prefix of change sets that are being written or removed.
const ASIDE: &str = "aside-";

/// Removes a folder if it is empty.
fn remove_empty(folder: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => Ok(()),
        done => done.at("cannot remove", folder),
    }
}

/// Removes abandoned temporary files.
///
/// A delta keeps old rows here in files without a name (`O_TMPFILE`). On a file system without such files they have a
/// name for the instant between creation and removal. So a file that has had a name for an hour was left by a process
/// that was killed in that instant, or was put here by somebody. If it is in use after all, no harm is done: an open
/// file outlives its name. Folders are never created here, and STATE/work itself stays, because a run may be about to
/// use it.
fn remove_work_files(state: &Path, options: &Options) -> Result<Vec<Removed>> {
    let folder = state.join("work");
    let mut removed = Vec::new();
    for name in names(&folder)? {
        let path = folder.join(&name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            metadata => metadata.at("cannot inspect", &path)?,
        };
        let modified = metadata.modified().at("cannot inspect", &path)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = clock::now_ms() - modified.as_millis() as i64;
        if !metadata.is_file() || age < ABANDONED.as_millis() as i64 {
            continue;
        }
        if options.decision.is_some() {
            fs::remove_file(&path).at("cannot remove", &path)?;
        }
        removed.push(Removed {
            path: Path::new("work").join(name),
            kind: RemovedKind::Leftover,
            bytes: metadata.len(),
        });
    }
    Ok(removed)
}

/// The sorted names of the folders in a folder that a run could have created; none if the folder does not exist. Links
/// are not followed.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for name in names(folder)?.into_iter().filter(|name| is_name(name)) {
        let path = folder.join(&name);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            metadata => folders.extend(metadata.at("cannot inspect", &path)?.is_dir().then_some(name)),
        }
    }
    Ok(folders)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = match crate::fs::folder_names(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        names => names.at("cannot list", folder)?,
    };
    names.sort();
    Ok(names)
}

/// The size of all files in a folder, in bytes.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for name in names(folder)? {
        let path = folder.join(name);
        bytes += fs::symlink_metadata(&path).at("cannot inspect", &path)?.len();
    }
    Ok(bytes)
}
