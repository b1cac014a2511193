//! Operations as files: OUT/TENANT/TABLE/VERSION/SEQUENCE-part-00000.ndjson.gz and on.
//!
//! BEGIN is the first line of the first part, END the last line of the last. Each part is staged, and renamed into
//! place once it is complete. The last part comes last, so that END marks the version as complete. The bytes depend
//! only on the change set and the sequence: publishing again changes nothing.

mod lock;
mod mark;
mod published;
mod staging;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use flate2::Compression;

use super::part::{LEVEL, is_old_name, published_name, sequence_in, write_part};
use super::{
    Frame, Mark, OnProgress, Publication, PublishedFiles, PublishedFolder, PublishedVersion, Sink, adopted_meanwhile,
};
use crate::breakpoint::Breakpoint;
use crate::error::{Error, IoContext as _, Result};
use crate::fs::{create_folders, folder_names};
use crate::name::{TableKey, printable_path};
use crate::parallel;
use crate::store::Extent;
use crate::telemetry::check_stop;
use lock::Lock;
pub use published::LocalPublishedFolder;
use staging::{StagingDir, private_folder};

/// A folder that operations are published to.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
    threads: NonZero<usize>,
}

impl Files {
    /// Publishes into `root` with this many threads. The folder is created when there is something to publish.
    pub fn new(root: &Path, threads: NonZero<usize>) -> Self {
        Self { root: root.to_path_buf(), threads }
    }

    /// Where operations go.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Sink for Files {
    fn name(&self) -> String {
        std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone()).display().to_string()
    }

    fn display_name(&self) -> String {
        printable_path(&self.root)
    }

    fn max_operation_bytes(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    fn compression(&self) -> Compression {
        LEVEL
    }

    fn holds_marks(&self) -> bool {
        true
    }

    /// The folders of publishers count as well, because a publisher has one before it writes the mark.
    fn mark(&self, key: &TableKey) -> Result<Option<Mark>> {
        let of_table = private_folder(&self.root, key);
        let Some(mark) = mark::read(&of_table)? else { return Ok(None) };
        let fence = mark.fence.max(staging::highest_fence(&of_table, &mark.registry)?);
        Ok(Some(Mark { fence, ..mark }))
    }

    fn published(&self, key: &TableKey) -> Result<Vec<PublishedVersion>> {
        published::published(&self.root, key)
    }

    fn adopt(&self, key: &TableKey, seen: Option<&Mark>, mark: &Mark) -> Result<()> {
        let of_table = private_folder(&self.root, key);
        let _lock = Lock::acquire(&of_table)?;
        if self.mark(key)?.as_ref() != seen {
            return Err(adopted_meanwhile(&printable_path(&self.root.join(key.to_string()))));
        }
        staging::remove_all(&of_table)?;
        let own = of_table.join(format!("{}-{}", mark.registry, mark.fence));
        fs::create_dir_all(&own).at("cannot create", &own)?;
        mark::replace(&own, mark)
    }

    /// Delivered parts that still exist are not written again.
    fn publish(
        &self,
        publication: Publication<'_>,
        delivered: &BTreeMap<u32, Extent>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<()> {
        let Publication { table, version, publisher, .. } = publication;
        let frame = Frame::new(table, version);
        let name = |part: u32| published_name(frame.sequence, part);
        let folder = self.root.join(version.path());
        create_folders(&folder)?;
        let staging = StagingDir::claim(&self.root, publisher, version)?;
        Breakpoint::Claimed.reached();
        staging.mark(publisher, version).map_err(|error| staging.lost().unwrap_or(error))?;
        Breakpoint::Marked.reached();
        // An empty change set is one part that holds BEGIN and END.
        let last = frame.parts.max(1) - 1;
        remove_other_parts(&folder, frame.sequence, last)?;
        let is_delivered =
            |part: &u32| delivered.get(part) == Some(&Extent::Whole) && folder.join(name(*part)).exists();
        let parts: Vec<u32> = (0..=last).filter(|part| !is_delivered(part)).collect();
        let write = |part: &u32| {
            check_stop()?;
            staging.write(*part, |out, path| write_part(&frame, *part, publication, out, path))
        };
        // Several threads compress, but parts are renamed one by one: the last one holds END, and comes last.
        let done = parallel::in_order(self.threads, &parts, write, |part, ()| {
            Breakpoint::PartWritten.reached();
            staging.publish(*part, &folder, &name(*part))?;
            Breakpoint::PartPublished.reached();
            on_progress(*part, Extent::Whole)?;
            Breakpoint::PartRecorded.reached();
            Ok(())
        });
        done.map_err(|error| staging.lost().unwrap_or(error)).inspect_err(|_| staging.clear())
    }
}

impl PublishedFiles for Files {
    fn folders(&self, below: &str) -> Result<Vec<String>> {
        let folder = self.root.join(below);
        let names = folder_names(&folder).map_err(|error| Error::named_path(error, "cannot list", &folder))?;
        Ok(names.into_iter().filter(|name| folder.join(name).is_dir()).collect())
    }

    fn folder(&self, version: &str) -> Box<dyn PublishedFolder> {
        Box::new(LocalPublishedFolder::new(self.root.join(version)))
    }
}

/// Removes parts under this sequence beyond the last one, and parts that an earlier release named without a sequence.
/// What was published under another sequence stays: it is part of the table's history.
fn remove_other_parts(folder: &Path, sequence: u64, last: u32) -> Result<()> {
    let keep: Vec<String> = (0..=last).map(|part| published_name(sequence, part)).collect();
    for entry in fs::read_dir(folder).at("cannot list", folder)? {
        let entry = entry.at("cannot list", folder)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_old_name(&name) || (sequence_in(&name) == Some(sequence) && !keep.contains(&name)) {
            fs::remove_file(entry.path()).at("cannot remove", &entry.path())?;
        }
    }
    Ok(())
}
