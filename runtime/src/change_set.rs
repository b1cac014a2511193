//! A change set: all operations from a baseline to a snapshot, durable before any of them is published.
//!
//! It is a folder of gzipped NDJSON parts, [on this machine](local) or in S3. The lines are the operations as they will
//! be published, under the sequence that is next while they are planned. If the version is published under that one,
//! its parts are copied; under another one, each line gets the other. The hash of its plan identifies the change set.

pub mod local;
#[cfg(feature = "aws")]
pub mod s3;
mod writer;

use std::fmt::Debug;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::gzip::{Member, Piece};
use crate::store::Version;
use crate::telemetry::check_stop;
pub use writer::{LineSink, PartOptions, PartWriter};

/// Where change sets are stored.
pub trait ChangeSets: Debug + Send + Sync {
    /// The location, as the registry remembers it and people read it.
    fn root(&self) -> Result<String>;

    /// Begins a change set for a version, or continues the draft with this name. The draft's name contains the fence of
    /// the lease, so that a run which has lost its lease without knowing it cannot do any harm.
    fn draft(&self, version: &Version, fence: u64, begun: Option<&str>) -> Result<Arc<dyn Draft>>;

    /// Returns whether every part of the version's plan exists.
    fn is_complete(&self, version: &Version) -> Result<bool>;

    /// Returns whether any of the version's change set exists.
    fn exists(&self, version: &Version) -> Result<bool>;

    /// Opens a part, still compressed.
    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>>;

    /// The path of a version's change set, or of one of its parts, for error messages.
    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf;

    /// Removes the version's other change sets and drafts with this fence or a lower one, best effort.
    fn remove_obsolete(&self, version: &Version, fence: u64);
}

/// A change set that is being written, and that no record names yet.
pub trait Draft: Debug + Send + Sync {
    /// The draft's name.
    fn name(&self) -> String;

    /// Writes a part from its pieces, whose lines have this sequence, and makes it durable.
    fn write(&self, part: u32, sequence: u64, pieces: &mut dyn Iterator<Item = Piece>) -> Result<()>;

    /// Removes all parts.
    fn clear(&self) -> Result<()>;

    /// Completes the change set, and returns the name that the version's record refers to it by.
    fn finish(&self, hash: &str) -> Result<String>;

    /// Discards the draft, best effort: the caller's error matters more than one from here.
    fn discard(&self);
}

/// Writes the pieces of a part, and seals it.
fn write_sealed<W: Write>(out: W, sequence: u64, pieces: &mut dyn Iterator<Item = Piece>) -> io::Result<W> {
    let mut member = Member::begin_sealed(out, sequence)?;
    for piece in pieces {
        member.add(&piece)?;
    }
    member.finish()
}

/// Decompresses a part of a change set.
pub fn inflate(file: impl Read) -> impl BufRead {
    BufReader::with_capacity(256 << 10, MultiGzDecoder::new(BufReader::new(file)))
}

/// Calls `each` with each line of a part, including its line feed.
pub fn read_part(
    changes: &dyn ChangeSets,
    version: &Version,
    part: u32,
    each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    read_lines(inflate(changes.open(version, part)?), &changes.path(version, Some(part)), each)
}

/// How many bytes of lines are inflated at once.
const BLOCK: usize = 256 << 10;
/// How many blocks may wait.
const WAITING: usize = 4;

/// The same for all parts of a version. A thread inflates what comes next. Fails once the command is to stop.
pub fn read_parts(
    changes: &dyn ChangeSets,
    version: &Version,
    parts: u32,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (sender, blocks) = sync_channel(WAITING);
        scope.spawn(move || (0..parts).try_for_each(|part| send_part(changes, version, part, &sender)));
        for block in blocks {
            check_stop()?;
            block?.split_inclusive(|byte| *byte == b'\n').try_for_each(&mut each)?;
        }
        Ok(())
    })
}

/// Sends the lines of a part, block by block; `None` once nobody wants them any more.
fn send_part(
    changes: &dyn ChangeSets,
    version: &Version,
    part: u32,
    blocks: &SyncSender<Result<Vec<u8>>>,
) -> Option<()> {
    let mut lines = match changes.open(version, part) {
        Ok(file) => inflate(file),
        Err(error) => return blocks.send(Err(error)).ok(),
    };
    loop {
        let mut block = Vec::with_capacity(BLOCK + (BLOCK >> 3));
        let read = lines.by_ref().take(BLOCK as u64).read_to_end(&mut block);
        match read.and_then(|_| lines.read_until(b'\n', &mut block)) {
            Ok(_) if block.is_empty() => return Some(()),
            Ok(_) => blocks.send(Ok(block)).ok()?,
            Err(error) => return blocks.send(Err(Error::read(error, &changes.path(version, Some(part))))).ok(),
        }
    }
}

/// Calls `each` with each line, including its line feed. `path` names the file in errors.
pub fn read_lines(mut lines: impl BufRead, path: &Path, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|error| Error::read(error, path))? == 0 {
            return Ok(());
        }
        each(&line)?;
    }
}

/// The name of a part, in a change set and in a sink.
pub fn part_name(part: u32) -> String {
    format!("part-{part:05}.ndjson.gz")
}

/// The fence in the name of a change set: `HASH-FENCE`, or `aside-FENCE` for a draft.
fn fence_in(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}
