//! Operations as files: OUT/TENANT/TABLE/VERSION/part-00000.ndjson.gz and on.
//!
//! BEGIN is the first line of the first part, END the last line of the last. Each part is staged, and renamed into
//! place once it is complete. The last part comes last, so that END marks the version as complete. The bytes depend
//! only on the change set and the sequence: publishing again changes nothing.

mod staging;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use super::{Frame, OnProgress, Publication, Sink};
use crate::breakpoint::Breakpoint;
use crate::change_set::{part_name, read_part};
use crate::error::{IoContext as _, Result};
use crate::name::printable_path;
use crate::operation::stamp;
use crate::parallel;
use crate::store::Extent;
use crate::telemetry::check_stop;
use staging::{StagedPart, StagingDir};

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

    /// Delivered parts that still exist are not written again.
    fn publish(
        &self,
        publication: Publication<'_>,
        delivered: &BTreeMap<u32, Extent>,
        on_progress: &mut OnProgress<'_>,
    ) -> Result<()> {
        let Publication { table, version, publisher, .. } = publication;
        let folder = self.root.join(version.path());
        fs::create_dir_all(&folder).at("cannot create", &folder)?;
        let staging = StagingDir::claim(&self.root, publisher, version)?;
        Breakpoint::Claimed.reached();
        let frame = Frame::new(table, version);
        // An empty change set is one part that holds BEGIN and END.
        let last = frame.parts.max(1) - 1;
        remove_other_parts(&folder, last)?;
        let is_delivered =
            |part: &u32| delivered.get(part) == Some(&Extent::Whole) && folder.join(part_name(*part)).exists();
        let parts: Vec<u32> = (0..=last).filter(|part| !is_delivered(part)).collect();
        let write = |part: &u32| {
            check_stop()?;
            staging.write(*part, |out, path| fill(&frame, *part, publication, out, path))
        };
        // Several threads compress, but parts are renamed one by one: the last one holds END, and comes last.
        let done = parallel::in_order(self.threads, &parts, write, |part, ()| {
            Breakpoint::PartWritten.reached();
            staging.publish(*part, &folder)?;
            Breakpoint::PartPublished.reached();
            on_progress(*part, Extent::Whole)?;
            Breakpoint::PartRecorded.reached();
            Ok(())
        });
        done.map_err(|error| staging.lost().unwrap_or(error)).inspect_err(|_| staging.clear())
    }
}

/// Writes one part of the version.
fn fill(frame: &Frame, part: u32, publication: Publication<'_>, out: &mut StagedPart, path: &Path) -> Result<()> {
    if part == 0 {
        out.write_all(&frame.begin).at("cannot write", path)?;
    }
    if part < frame.parts {
        let mut stamped = Vec::new();
        read_part(publication.changes, publication.version, part, |line| {
            stamped.clear();
            stamp(line, frame.sequence, &mut stamped);
            out.write_all(&stamped).at("cannot write", path)
        })?;
    }
    if part == frame.parts.max(1) - 1 {
        out.write_all(&frame.end).at("cannot write", path)?;
    }
    Ok(())
}

/// Removes parts beyond the last one, which an earlier registry left.
fn remove_other_parts(folder: &Path, last: u32) -> Result<()> {
    let keep: Vec<String> = (0..=last).map(part_name).collect();
    for entry in fs::read_dir(folder).at("cannot list", folder)? {
        let entry = entry.at("cannot list", folder)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("part-") && !keep.contains(&name) {
            fs::remove_file(entry.path()).at("cannot remove", &entry.path())?;
        }
    }
    Ok(())
}
