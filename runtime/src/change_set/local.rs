//! Change sets on this machine: STATE/changes/TENANT/TABLE/VERSION/HASH-FENCE/part-00000.ndjson.gz and on.

use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ChangeSets, Draft, fence_in, part_name, write_sealed};
use crate::breakpoint::Breakpoint;
use crate::error::{IoContext as _, Result};
use crate::fs::{file_type, folder_names, recreate, sync_file, sync_folder};
use crate::gzip::Piece;
use crate::store::Version;

/// Change sets below a folder.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
}

impl Local {
    /// Change sets below `root`, which is created with the first of them.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    fn home(&self, version: &Version) -> PathBuf {
        self.root.join(&version.key.tenant).join(&version.key.table).join(&version.version)
    }
}

impl ChangeSets for Local {
    fn root(&self) -> Result<String> {
        let root = std::path::absolute(&self.root).at("cannot resolve", &self.root)?;
        Ok(root.display().to_string())
    }

    fn draft(&self, version: &Version, fence: u64, begun: Option<&str>) -> Result<Arc<dyn Draft>> {
        let home = self.home(version);
        let folder = home.join(begun.map_or_else(|| format!("aside-{fence}"), str::to_owned));
        if begun.is_none() {
            recreate(&folder)?;
        }
        Ok(Arc::new(Folder { home, folder, fence }))
    }

    fn is_complete(&self, version: &Version) -> Result<bool> {
        let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
        for part in 0..parts {
            if !file_type(&self.path(version, Some(part)))?.is_some_and(|kind| kind.is_file()) {
                return Ok(false);
            }
        }
        self.exists(version)
    }

    fn exists(&self, version: &Version) -> Result<bool> {
        Ok(file_type(&self.path(version, None))?.is_some_and(|kind| kind.is_dir()))
    }

    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>> {
        let path = self.path(version, Some(part));
        Ok(Box::new(File::open(&path).at("cannot open", &path)?))
    }

    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf {
        let folder = self.home(version).join(version.changes.as_deref().unwrap_or("none"));
        match part {
            Some(part) => folder.join(part_name(part)),
            None => folder,
        }
    }

    fn remove_obsolete(&self, version: &Version, fence: u64) {
        let home = self.home(version);
        for name in folder_names(&home).unwrap_or_default() {
            let is_older = fence_in(&name).is_some_and(|other| other <= fence);
            if is_older && version.changes.as_ref() != Some(&name) {
                let removed = fs::remove_dir_all(home.join(&name));
                tracing::debug!(%version, folder = name, ?removed, "Removed an obsolete change set.");
            }
        }
    }
}

/// A draft in a folder, which is renamed once everything in it is durable.
#[derive(Debug)]
struct Folder {
    home: PathBuf,
    folder: PathBuf,
    fence: u64,
}

impl Draft for Folder {
    fn name(&self) -> String {
        self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn write(&self, part: u32, sequence: u64, pieces: &mut dyn Iterator<Item = Piece>) -> Result<()> {
        let path = self.folder.join(part_name(part));
        let file = File::create(&path).at("cannot create", &path)?;
        write_sealed(BufWriter::new(file), sequence, pieces).and_then(sync_file).at("cannot write", &path)
    }

    fn clear(&self) -> Result<()> {
        recreate(&self.folder)
    }

    fn finish(&self, hash: &str) -> Result<String> {
        sync_folder(&self.folder)?;
        let name = format!("{hash}-{}", self.fence);
        let target = self.home.join(&name);
        if target.exists() {
            fs::remove_dir_all(&target).at("cannot remove", &target)?;
        }
        fs::rename(&self.folder, &target).at("cannot rename into", &target)?;
        sync_folder(&self.home)?;
        Breakpoint::ChangesDurable.reached();
        Ok(name)
    }

    fn discard(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
