//! What lies below the state directory that nobody needs any more.
//!
//! STATE/changes/TENANT/TABLE/VERSION/NAME is a change set, or what is left of one. Which of them are needed is decided
//! from the registry alone, and never by guessing: what no record names is nobody's, once the table's lease is held.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::clock;
use crate::error::{Fault, IoContext as _, Result};
use crate::name::TableKey;
use crate::name::is_name;
use crate::run::Runner;
use crate::store::{Status, Version};
use crate::telemetry::check_stop;

/// How long a named file in STATE/work must have lain still to belong to nobody, see [`of_work`].
const ABANDONED: Duration = Duration::from_secs(3600);

/// What was taken away, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// By tenant and table; those with nothing to tell are left out.
    pub tables: Vec<OfTable>,
    /// Temporary files that belong to nobody.
    pub work: Vec<Removed>,
    /// The size of everything, in bytes.
    pub bytes: u64,
}

/// What was taken away of a tenant's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfTable {
    /// Whose it was.
    #[serde(flatten)]
    pub key: TableKey,
    /// The folders.
    pub removed: Vec<Removed>,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Who is working on the table, so that it was left alone.
    pub locked_by: Option<String>,
    /// Whether a version came for which no run is on its way: one that found the lease taken left it to its holder.
    pub came_meanwhile: bool,
    /// What stopped it.
    pub failed: Option<Failed>,
}

/// An error, told beside what was done in spite of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// What it says.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Something that was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Where it lay, below the state directory.
    pub path: PathBuf,
    /// What it was.
    pub kind: Kind,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// What lay there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The change set that a version's record names; it is done with.
    ChangeSet,
    /// What no record names: left by a run that was killed, or by a version that was planned anew or ended.
    Leftover,
}

impl OfTable {
    fn has_news(&self) -> bool {
        !self.removed.is_empty() || self.locked_by.is_some() || self.came_meanwhile || self.failed.is_some()
    }
}

/// How `gc` goes about it.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// For how many of the newest versions that succeeded the change set stays, so that they can be replayed.
    pub keep: usize,
    /// Whether nothing is to be removed.
    pub dry_run: bool,
}

/// Takes away what nobody needs, table by table, each under its lease. `state` is the state directory. What goes wrong with a table is told there, and
/// does not keep the others from being looked at.
pub fn collect(runner: &Runner, state: &Path, how: How) -> Result<Collected> {
    let mut collected = Collected::default();
    for (key, is_known) in tables(runner, state)? {
        check_stop()?;
        let mut of_table = OfTable {
            key: key.clone(),
            removed: Vec::new(),
            bytes: 0,
            locked_by: None,
            came_meanwhile: false,
            failed: None,
        };
        let mut work = || of_known_or_unknown(runner, state, &key, is_known, how, &mut of_table.removed);
        // Of what the registry does not know there is no lease, and nobody who could take one.
        let done = if is_known { runner.with_lease(&key, |_, _| work()) } else { work().map(|()| Some(((), false))) };
        match done {
            Ok(Some(((), came_meanwhile))) => of_table.came_meanwhile = came_meanwhile,
            Ok(None) => of_table.locked_by = Some(runner.holder(&key)?),
            Err(error) => {
                let (message, help, fault) = (error.to_string(), error.next_step().map(str::to_owned), error.fault());
                of_table.failed = Some(Failed { message, help, fault });
            }
        }
        of_table.bytes = of_table.removed.iter().map(|removed| removed.bytes).sum();
        if of_table.has_news() {
            collected.tables.push(of_table);
        }
    }
    check_stop()?;
    collected.work = of_work(state, how)?;
    let of_tables = collected.tables.iter().map(|of_table| of_table.bytes);
    collected.bytes = of_tables.chain(collected.work.iter().map(|removed| removed.bytes)).sum();
    Ok(collected)
}

/// Every tenant's table that has a folder, and whether the registry knows it.
///
/// The folders are listed first: a run makes its record before its folder, so that one which begins meanwhile is either
/// known here or not seen.
fn tables(runner: &Runner, state: &Path) -> Result<Vec<(TableKey, bool)>> {
    let changes = state.join("changes");
    let mut keys = Vec::new();
    for tenant in folders(&changes)? {
        let of_tenant = folders(&changes.join(&tenant))?;
        keys.extend(of_tenant.into_iter().map(|table| TableKey { tenant: tenant.clone(), table }));
    }
    let known: BTreeSet<TableKey> = runner.registry.tables()?.into_iter().collect();
    Ok(keys.into_iter().map(|key| (key.clone(), known.contains(&key))).collect())
}

/// Takes away what is not needed of a table, whose lease is held if the registry knows it.
fn of_known_or_unknown(
    runner: &Runner,
    state: &Path,
    key: &TableKey,
    is_known: bool,
    how: How,
    removed: &mut Vec<Removed>,
) -> Result<()> {
    let versions = if is_known { runner.registry.versions(key)? } else { Vec::new() };
    let needed = needed(&versions, how.keep);
    let home = Path::new("changes").join(&key.tenant).join(&key.table);
    for version in folders(&state.join(&home))? {
        for name in folders(&state.join(&home).join(&version))? {
            if needed.contains(&(version.as_str(), name.as_str())) {
                continue;
            }
            check_stop()?;
            let path = home.join(&version).join(&name);
            let folder = state.join(&path);
            let is_named = versions.iter().any(|v| v.version == version && v.changes.as_ref() == Some(&name));
            let kind = if is_named { Kind::ChangeSet } else { Kind::Leftover };
            let bytes = size(&folder)?;
            if !how.dry_run {
                remove(&folder)?;
            }
            removed.push(Removed { path, kind, bytes });
        }
        if !how.dry_run {
            remove_empty(&state.join(&home).join(&version))?;
        }
    }
    if how.dry_run {
        return Ok(());
    }
    remove_empty(&state.join(&home))?;
    remove_empty(&state.join("changes").join(&key.tenant))
}

/// Version and name of every change set that must stay.
fn needed(versions: &[Version], keep: usize) -> BTreeSet<(&str, &str)> {
    let mut left = keep;
    let is_needed = |version: &&Version| match version.status {
        // A run or a decision goes on with it, whatever it has.
        Status::Waiting | Status::Registered | Status::Planned | Status::Held | Status::Publishing => true,
        Status::Succeeded if left > 0 => {
            left -= 1;
            true
        }
        Status::Succeeded | Status::Superseded | Status::Failed | Status::Rejected => false,
    };
    let needed = versions.iter().rev().filter(is_needed);
    needed.filter_map(|version| Some((version.version.as_str(), version.changes.as_deref()?))).collect()
}

/// Takes a folder away. It loses its name first: killed in the midst of it, this leaves a leftover, never half a change
/// set under a name that `replay` trusts.
fn remove(folder: &Path) -> Result<()> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = if name.starts_with(ASIDE) { folder.into() } else { folder.with_file_name(format!("{ASIDE}{name}")) };
    if aside != folder {
        fs::rename(folder, &aside).at("cannot rename", folder)?;
    }
    fs::remove_dir_all(&aside).at("cannot remove", &aside)
}

/// How the names of change sets begin that are being written or removed.
const ASIDE: &str = "aside-";

/// Takes a folder away if nothing is in it.
fn remove_empty(folder: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => Ok(()),
        done => done.at("cannot remove", folder),
    }
}

/// Takes temporary files away that belong to nobody.
///
/// Old rows wait here while a delta is written, in files without a name (`O_TMPFILE`); only where the file system knows
/// no such files has one a name, for the instant between its creation and its removal. So what has had a name for an hour
/// was left by a process that was killed in that instant, or put here by somebody. Should it be in use after all, its
/// user still has it: a file that is open outlives its name. Folders are not ours, and the folder itself stays: a run has
/// made it and may be about to use it.
fn of_work(state: &Path, how: How) -> Result<Vec<Removed>> {
    let folder = state.join("work");
    let mut removed = Vec::new();
    for name in names(&folder)? {
        let path = folder.join(&name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            metadata => metadata.at("cannot look at", &path)?,
        };
        let modified = metadata.modified().at("cannot look at", &path)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = clock::now_ms() - modified.as_millis() as i64;
        if !metadata.is_file() || age < ABANDONED.as_millis() as i64 {
            continue;
        }
        if !how.dry_run {
            fs::remove_file(&path).at("cannot remove", &path)?;
        }
        removed.push(Removed { path: Path::new("work").join(name), kind: Kind::Leftover, bytes: metadata.len() });
    }
    Ok(removed)
}

/// The folders in a folder that can be ours, sorted; none where there is no such folder. A link is not followed.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let mut folders = names(folder)?;
    folders.retain(|name| is_name(name) && fs::symlink_metadata(folder.join(name)).is_ok_and(|found| found.is_dir()));
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

/// The size of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for name in names(folder)? {
        let path = folder.join(name);
        bytes += fs::symlink_metadata(&path).at("cannot look at", &path)?.len();
    }
    Ok(bytes)
}
