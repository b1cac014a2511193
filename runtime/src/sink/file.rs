//! Operations as files: OUT/TENANT/TABLE/VERSION/part-00000.ndjson.gz and on.
//!
//! BEGIN is the first line of the first part, END the last line of the last. Each part is written aside and renamed
//! when it is whole, the last part last, so that END marks the version whole. The bytes depend on the change set and
//! the sequence alone: publishing again changes nothing.

mod staging;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Frame, OnProgress, Publication, Sink};
use crate::breakpoint::Breakpoint;
use crate::change_set::{part_name, read_part};
use crate::error::{IoContext as _, Result};
use crate::fs::{finish_gzip, folder_names, sync_folder};
use crate::name::shown_path;
use crate::operation::stamp;
use crate::parallel;
use crate::store::Extent;
use crate::telemetry::check_stop;
use staging::StagingDir;

/// Measured on operations of 12 columns: level 3 takes half the time of level 6 for 7 % more bytes.
const LEVEL: Compression = Compression::new(3);

/// A folder that operations are published to.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
    threads: NonZero<usize>,
}

impl Files {
    /// Publishes below `root`, which is made when there is something to publish, with so many threads.
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

    fn shown(&self) -> String {
        shown_path(&self.root)
    }

    fn largest_operation(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    /// Parts that were out before are left alone where they still are.
    fn publish(
        &self,
        publication: Publication<'_>,
        out: &BTreeMap<u32, Extent>,
        told: &mut OnProgress<'_>,
    ) -> Result<()> {
        let Publication { table, version, writer, .. } = publication;
        let folder = self.root.join(version.path());
        fs::create_dir_all(&folder).at("cannot create", &folder)?;
        let desk = StagingDir::claim(&self.root, writer, version)?;
        Breakpoint::Claimed.reached();
        let frame = Frame::of(table, version);
        // An empty change set is one part that holds BEGIN and END.
        let last = frame.parts.max(1) - 1;
        remove_other_parts(&folder, last)?;
        let is_out = |part: &u32| out.get(part) == Some(&Extent::Whole) && folder.join(part_name(*part)).exists();
        let parts: Vec<u32> = (0..=last).filter(|part| !is_out(part)).collect();
        let write = |part: &u32| {
            check_stop()?;
            desk.write(*part, |out, path| fill(&frame, *part, publication, out, path))
        };
        // Compressed by several threads, and named one after the other: the last part has END, and comes last.
        let all = parallel::in_order(self.threads, &parts, write, |part, ()| {
            Breakpoint::PartWritten.reached();
            desk.publish(*part, &folder)?;
            Breakpoint::PartPublished.reached();
            told(*part, Extent::Whole)?;
            Breakpoint::PartRecorded.reached();
            Ok(())
        });
        all.map_err(|error| desk.lost().unwrap_or(error)).inspect_err(|_| desk.clear())
    }
}

/// Writes one part of the version.
fn fill(frame: &Frame, part: u32, publication: Publication<'_>, out: &mut Part, path: &Path) -> Result<()> {
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

/// A part that is being written.
type Part = GzEncoder<BufWriter<File>>;

/// Parts beyond the last one are from another registry's time.
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

impl StagingDir {
    /// Writes a part aside, and makes it durable.
    fn write(&self, part: u32, fill: impl FnOnce(&mut Part, &Path) -> Result<()>) -> Result<()> {
        let aside = self.path().join(part_name(part));
        let file = File::create(&aside).at("cannot create", &aside)?;
        let mut out = GzEncoder::new(BufWriter::new(file), LEVEL);
        fill(&mut out, &aside)?;
        finish_gzip(out).at("cannot write", &aside)
    }

    /// Gives a part its name.
    fn publish(&self, part: u32, folder: &Path) -> Result<()> {
        let path = folder.join(part_name(part));
        fs::rename(self.path().join(part_name(part)), &path).at("cannot rename into", &path)?;
        sync_folder(folder)
    }

    /// Takes away what was written aside.
    fn clear(&self) {
        for name in folder_names(self.path()).unwrap_or_default() {
            // The error that is on its way says more than one about a leftover would.
            let _ = fs::remove_file(self.path().join(name));
        }
    }
}
