//! Where parts are written before they are renamed into place; this also fences one publisher from the next.
//!
//! A run may stall for hours after it last checked its lease, and continue long after another run has taken over. A
//! file system has no conditional write, but a rename fails if its source is gone. So each publisher works in a folder
//! named after its fence, and a new publisher first creates its own folder and then removes those with lower fences:
//! whatever the stalled one does next fails. A publisher leaves its own folder behind, empty, to mark the highest
//! fence.
//!
//! OUT/.writing/TENANT/TABLE/REGISTRY-FENCE/00000.staged and on; next to these folders is the table's
//! [mark](super::mark). Names that start with a dot are not tenants, and no staged file has the name of a part, so
//! nobody who walks OUT takes one for a part.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext as _, Result};
use crate::fs::{folder_names, sync_file, sync_folder};
use crate::invocation::command;
use crate::name::{TableKey, printable_path};
use crate::sink::file::lock::Lock;
use crate::sink::file::mark;
use crate::sink::{Publisher, foreign_mark};
use crate::store::Version;

/// The folder of what only publishers need, next to the tenants': on the same disk as what is published.
const PRIVATE: &str = ".writing";

/// A part that is being written.
pub(super) type StagedPart = BufWriter<File>;

/// A publisher's own folder.
#[derive(Debug)]
pub(super) struct StagingDir {
    path: PathBuf,
    version: String,
    /// What is published of the table, for errors.
    output: PathBuf,
}

impl StagingDir {
    /// Creates the publisher's folder, and removes those of the table's earlier publishers. Fails if another registry's
    /// mark is there: then they are not this publisher's to remove.
    pub(super) fn claim(root: &Path, publisher: Publisher<'_>, version: &Version) -> Result<Self> {
        let (of_table, output) = (private_folder(root, &version.key), root.join(version.key.to_string()));
        let _lock = Lock::acquire(&of_table)?;
        if let Some(mark) = mark::read(&of_table)?.filter(|mark| mark.registry != publisher.registry) {
            return Err(foreign_mark(&printable_path(&output), &mark.registry));
        }
        let path = of_table.join(format!("{}-{}", publisher.registry, publisher.fence));
        fs::create_dir_all(&path).at("cannot create", &path)?;
        for other in staging_folders(&of_table)? {
            let fence = fence_in(&other, publisher.registry);
            if fence.is_some_and(|fence| fence > publisher.fence) {
                let _ = fs::remove_dir_all(&path);
                return Err(lost(&version.to_string()));
            }
            if other != path {
                remove(&other)?;
            }
        }
        Ok(Self { path, version: version.to_string(), output })
    }

    /// Records who publishes, before anything of the version is visible. Fails if another registry has published there
    /// since this run looked.
    pub(super) fn mark(&self, publisher: Publisher<'_>, version: &Version) -> Result<()> {
        mark::raise(&self.path, &self.output, publisher, version)
    }

    /// Writes a part, and makes it durable.
    pub(super) fn write(&self, part: u32, fill: impl FnOnce(StagedPart, &Path) -> Result<StagedPart>) -> Result<()> {
        let path = self.path.join(staged_name(part));
        let file = File::create(&path).at("cannot create", &path)?;
        let written = fill(BufWriter::new(file), &path)?;
        sync_file(written).at("cannot write", &path)
    }

    /// Renames a part into place.
    pub(super) fn publish(&self, part: u32, folder: &Path, name: &str) -> Result<()> {
        let path = folder.join(name);
        fs::rename(self.path.join(staged_name(part)), &path).at("cannot rename into", &path)?;
        sync_folder(folder)
    }

    /// Removes the staged parts, best effort: the caller's error matters more than one from here.
    pub(super) fn clear(&self) {
        for name in folder_names(&self.path).unwrap_or_default() {
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    /// The error to report if another publisher has removed this folder.
    pub(super) fn lost(&self) -> Option<Error> {
        matches!(self.path.try_exists(), Ok(false)).then(|| lost(&self.version))
    }
}

/// The folder of what only a table's publishers need.
pub(super) fn private_folder(root: &Path, key: &TableKey) -> PathBuf {
    root.join(PRIVATE).join(&key.tenant).join(&key.table)
}

/// The highest fence of this registry that has a folder; 0 if none has.
pub(super) fn highest_fence(of_table: &Path, registry: &str) -> Result<u64> {
    let folders = staging_folders(of_table)?;
    Ok(folders.iter().filter_map(|folder| fence_in(folder, registry)).max().unwrap_or_default())
}

/// Removes the folders of all publishers so far, so that whatever they do next fails.
pub(super) fn remove_all(of_table: &Path) -> Result<()> {
    staging_folders(of_table)?.iter().try_for_each(|folder| remove(folder))
}

/// The folders of a table's publishers; what is not a folder is its mark.
fn staging_folders(of_table: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(of_table) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("cannot list", of_table)?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    Ok(paths.at("cannot list", of_table)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The name of a part before it has its place.
fn staged_name(part: u32) -> String {
    format!("{part:05}.staged")
}

/// The fence in the name of a folder of this registry.
fn fence_in(folder: &Path, registry: &str) -> Option<u64> {
    let name = folder.file_name()?.to_str()?;
    name.strip_prefix(registry)?.strip_prefix('-')?.parse().ok()
}

/// Removes a folder; its publisher may still be adding files to it.
fn remove(folder: &Path) -> Result<()> {
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            done => return done.at("cannot remove", folder),
        }
    }
}

fn lost(version: &str) -> Error {
    Error::lease_lost(version, "another run took over publishing from this one")
        .help(format!("this run stopped writing; see: {}", command(&[&"status"])))
}
