//! Where parts are written before they get their names, and what fences one writer from the next.
//!
//! A run may stall for hours after its last look at its lease, and go on when another one has long taken over. Files
//! know no conditional write; but a rename fails when the file to be renamed is gone. So each writer works in a folder
//! that is named by its fence, and a new writer first makes its own and then removes those of lower fences: whatever the
//! stalled one does next fails. It leaves its own folder, empty, as the mark of the highest fence.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext as _, Result};
use crate::sink::Writer;
use crate::store::Version;

/// The folder of all desks, beside the tenants: on the same disk as what is published, and out of the way.
const DESKS: &str = ".writing";

/// A writer's own folder.
#[derive(Debug)]
pub(super) struct StagingDir {
    path: PathBuf,
    version: String,
}

impl StagingDir {
    /// Makes the writer's folder below `root`, and takes those of the table's earlier writers away. Two writers that do so
    /// at the same time both make their own before they look for others, so the later one is seen by at least one.
    pub(super) fn claim(root: &Path, writer: Writer<'_>, version: &Version) -> Result<Self> {
        let desks = root.join(DESKS).join(&version.key.tenant).join(&version.key.table);
        let path = desks.join(format!("{}-{}", writer.registry, writer.fence));
        fs::create_dir_all(&path).at("cannot create", &path)?;
        for entry in fs::read_dir(&desks).at("cannot list", &desks)? {
            let other = entry.at("cannot list", &desks)?.path();
            let fence = fence_of(&other, writer.registry);
            if fence.is_some_and(|fence| fence > writer.fence) {
                let _ = fs::remove_dir_all(&path);
                return Err(lost(&version.to_string(), &other));
            }
            if other != path {
                remove(&other)?;
            }
        }
        Ok(Self { path, version: version.to_string() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What to say when something failed here because another writer has taken over.
    pub(super) fn lost(&self) -> Option<Error> {
        (!self.path.exists()).then(|| lost(&self.version, &self.path))
    }
}

fn fence_of(desk: &Path, registry: &str) -> Option<u64> {
    let name = desk.file_name()?.to_str()?;
    name.strip_prefix(registry)?.strip_prefix('-')?.parse().ok()
}

/// Its writer may still put files into it while they are removed.
fn remove(desk: &Path) -> Result<()> {
    loop {
        match fs::remove_dir_all(desk) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            done => return done.at("cannot remove", desk),
        }
    }
}

fn lost(version: &str, desk: &Path) -> Error {
    Error::lease_lost(version, "another run took over publishing from this one").help(format!(
        "nothing more was written by this run; look at `status`. If the registry was restored from a backup, \
         remove {} and run again",
        desk.parent().unwrap_or(desk).display()
    ))
}
