//! Taking away what nobody needs any more: change sets, and what killed runs left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::Runner;
use crate::change_set::folder_names;
use crate::clock;
use crate::error::{IoContext as _, Result};
use crate::store::{Status, TableKey, Version};

/// A temporary file in use has no name but for an instant; one that has a name for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What was taken away of a tenant's table, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Whose it was.
    #[serde(flatten)]
    pub key: TableKey,
    /// The folders, below the state directory.
    pub folders: Vec<PathBuf>,
    /// Their size.
    pub bytes: u64,
    /// Who is working on the table, so that nothing was looked at.
    pub locked_by: Option<String>,
}

impl Runner {
    /// Takes away the change sets that nothing needs: of the versions that succeeded, the newest `keep` of each table
    /// stay, so that they can be published again. What is PLANNED, HELD or PUBLISHING always stays.
    pub fn collect_garbage(&self, keep: usize, dry_run: bool) -> Result<Vec<Removed>> {
        let tables = self.store.tables()?;
        let removed = tables.into_iter().map(|key| self.collect_of_table(key, keep, dry_run)).collect::<Result<_>>()?;
        if !dry_run {
            remove_abandoned(&self.state.join("work"))?;
        }
        Ok(removed)
    }

    fn collect_of_table(&self, key: TableKey, keep: usize, dry_run: bool) -> Result<Removed> {
        let Some(lease) = self.lock(&key)? else {
            let locked_by = self.store.holder(&key)?.or_else(|| Some("another run".into()));
            return Ok(Removed { key, folders: Vec::new(), bytes: 0, locked_by });
        };
        // Under the lease nobody plans, so what no record names now is nobody's.
        let collected = self.keep_alive(&lease, || {
            let needed = self.needed(&self.store.versions(&key)?, keep);
            self.collect(&key, &needed, dry_run)
        });
        self.unlock(&lease, None)?;
        let (folders, bytes) = collected?;
        Ok(Removed { key, folders, bytes, locked_by: None })
    }

    /// The change sets that must stay.
    fn needed(&self, versions: &[Version], keep: usize) -> BTreeSet<PathBuf> {
        let in_work =
            |version: &&Version| matches!(version.status, Status::Planned | Status::Held | Status::Publishing);
        let succeeded = versions.iter().rev().filter(|version| version.status == Status::Succeeded).take(keep);
        versions.iter().filter(in_work).chain(succeeded).map(|version| self.change_set(version)).collect()
    }

    fn collect(&self, key: &TableKey, needed: &BTreeSet<PathBuf>, dry_run: bool) -> Result<(Vec<PathBuf>, u64)> {
        let home = self.state.join("changes").join(&key.tenant).join(&key.table);
        let (mut folders, mut bytes) = (Vec::new(), 0);
        for version in children(&home)? {
            for folder in children(&version)?.into_iter().filter(|folder| !needed.contains(folder)) {
                bytes += size(&folder)?;
                if !dry_run {
                    fs::remove_dir_all(&folder).at("cannot remove", &folder)?;
                }
                folders.push(folder.strip_prefix(&self.state).unwrap_or(&folder).to_path_buf());
            }
            if !dry_run && children(&version)?.is_empty() {
                fs::remove_dir(&version).at("cannot remove", &version)?;
            }
        }
        Ok((folders, bytes))
    }
}

/// What lies in a folder, by name; nothing where there is no such folder.
fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = folder_names(folder).at("cannot list", folder)?;
    names.sort();
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

fn size(folder: &Path) -> Result<u64> {
    let sizes = children(folder)?.into_iter().map(|file| fs::metadata(&file).at("cannot look at", &file));
    sizes.map(|metadata| metadata.map(|metadata| metadata.len())).sum()
}

fn remove_abandoned(work: &Path) -> Result<()> {
    for file in children(work)? {
        let modified = fs::metadata(&file).and_then(|metadata| metadata.modified()).at("cannot look at", &file)?;
        let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_old = clock::now_ms() - modified.as_millis() as i64 > ABANDONED.as_millis() as i64;
        if is_old && file.is_file() {
            fs::remove_file(&file).at("cannot remove", &file)?;
        }
    }
    Ok(())
}
