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
use crate::error::{Fault, IoContext as _, Result};
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
    /// The error that stopped it.
    pub failed: Option<Failed>,
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

impl TableReport {
    fn is_worth_reporting(&self) -> bool {
        !self.removed.is_empty() || self.locked_by.is_some() || self.came_meanwhile || self.failed.is_some()
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

/// Removes what is no longer needed, table by table, each under its lease. `state` is the state directory. An error in
/// one table is reported with that table, and the others go on.
pub fn collect(runner: &Runner, state: &Path, options: Options) -> Result<Collected> {
    let mut collected = Collected::default();
    for (key, is_known) in tables(runner, state)? {
        check_stop()?;
        let report = collect_table(runner, state, &key, is_known, &options)?;
        if report.is_worth_reporting() {
            collected.tables.push(report);
        }
    }
    check_stop()?;
    collected.work = remove_work_files(state, &options)?;
    let in_tables = collected.tables.iter().map(|report| report.bytes);
    collected.bytes = in_tables.chain(collected.work.iter().map(|removed| removed.bytes)).sum();
    Ok(collected)
}

fn collect_table(
    runner: &Runner,
    state: &Path,
    key: &TableKey,
    is_known: bool,
    options: &Options,
) -> Result<TableReport> {
    let mut report = TableReport {
        key: key.clone(),
        removed: Vec::new(),
        bytes: 0,
        locked_by: None,
        came_meanwhile: false,
        failed: None,
    };
    // Looking needs no lease: without a holder, nobody is writing.
    if options.decision.is_none()
        && let Some(holder) = runner.registry.holder(key)?
    {
        report.locked_by = Some(holder);
        return Ok(report);
    }
    let needs_lease = is_known && options.decision.is_some();
    let mut remove = || remove_change_sets(runner, state, key, is_known, options, &mut report.removed);
    // A table that the registry does not know has no lease, and no run that could take one.
    let result =
        if needs_lease { runner.with_lease(key, |_, _| remove()) } else { remove().map(|()| Some(((), false))) };
    match result {
        Ok(Some(((), came_meanwhile))) => report.came_meanwhile = came_meanwhile,
        Ok(None) => report.locked_by = Some(runner.holder(key)?),
        Err(error) => {
            let (message, help, fault) = (error.to_string(), error.next_step().map(str::to_owned), error.fault());
            report.failed = Some(Failed { message, help, fault });
        }
    }
    report.bytes = report.removed.iter().map(|removed| removed.bytes).sum();
    Ok(report)
}

/// Every tenant's table that has a folder, and whether the registry knows it.
///
/// The folders are listed before the registry is read. A run creates its record before its folder, so a folder that is
/// listed here has its record, if it will ever have one.
fn tables(runner: &Runner, state: &Path) -> Result<Vec<(TableKey, bool)>> {
    let changes = state.join("changes");
    let mut keys = Vec::new();
    for tenant in folders(&changes)? {
        let tables = folders(&changes.join(&tenant))?;
        keys.extend(tables.into_iter().map(|table| TableKey { tenant: tenant.clone(), table }));
    }
    let known: BTreeSet<TableKey> = runner.registry.tables()?.into_iter().collect();
    Ok(keys.into_iter().map(|key| (key.clone(), known.contains(&key))).collect())
}

/// Removes a table's change sets that are not needed. If the registry knows the table, its lease is held.
fn remove_change_sets(
    runner: &Runner,
    state: &Path,
    key: &TableKey,
    is_known: bool,
    options: &Options,
    removed: &mut Vec<Removed>,
) -> Result<()> {
    let versions = if is_known { runner.registry.versions(key)? } else { Vec::new() };
    let unneeded = unneeded(&versions, state, key, options.keep)?;
    let Some(decision) = &options.decision else {
        removed.extend(unneeded);
        return Ok(());
    };
    if !unneeded.is_empty() {
        let bytes: u64 = unneeded.iter().map(|unneeded| unneeded.bytes).sum();
        let details = json!({ "keep": options.keep, "removed": unneeded.len(), "bytes": bytes });
        runner.registry.append(&decision.entry(Action::Gc, key, None, details))?;
    }
    for unneeded in unneeded {
        check_stop()?;
        remove(&state.join(&unneeded.path))?;
        removed.push(unneeded);
    }
    let table_folder = state.join("changes").join(&key.tenant).join(&key.table);
    for version in folders(&table_folder)? {
        remove_empty(&table_folder.join(version))?;
    }
    remove_empty(&table_folder)?;
    remove_empty(&state.join("changes").join(&key.tenant))
}

/// Lists a table's change sets that are not needed.
fn unneeded(versions: &[Version], state: &Path, key: &TableKey, keep: usize) -> Result<Vec<Removed>> {
    let needed = needed(versions, keep);
    let table_folder = Path::new("changes").join(&key.tenant).join(&key.table);
    let mut unneeded = Vec::new();
    for version in folders(&state.join(&table_folder))? {
        for name in folders(&state.join(&table_folder).join(&version))? {
            if needed.contains(&(version.as_str(), name.as_str())) {
                continue;
            }
            check_stop()?;
            let path = table_folder.join(&version).join(&name);
            let is_named = versions.iter().any(|v| v.version == version && v.changes.as_ref() == Some(&name));
            let kind = if is_named { RemovedKind::ChangeSet } else { RemovedKind::Leftover };
            unneeded.push(Removed { bytes: size(&state.join(&path))?, path, kind });
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
    let mut folders = names(folder)?;
    folders.retain(|name| {
        is_name(name) && fs::symlink_metadata(folder.join(name)).is_ok_and(|metadata| metadata.is_dir())
    });
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
