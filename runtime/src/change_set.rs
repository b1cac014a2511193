//! A change set: all operations from a baseline to a snapshot, durable before any of them is published.
//!
//! It is a folder of gzip NDJSON parts, [on this machine](local) or in S3, whose lines are the operations as they will be
//! published but for their sequence, which is 0 until the version begins to be published. Its plan says what it leads from
//! and to, and how much it does; the plan's hash names it.

pub mod local;
#[cfg(feature = "aws")]
pub mod s3;
mod writer;

use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::store::Version;
pub use writer::{LineSink, Writer};

/// Where change sets lie.
pub trait ChangeSets: Debug + Send + Sync {
    /// The place, as the registry remembers it and people read it.
    fn root(&self) -> Result<String>;

    /// Begins one for a version, or goes on with the draft of this name. The fence of the lease it is made under is in its
    /// name, so that a run which lost its lease and does not know it yet can do no harm.
    fn draft(&self, version: &Version, fence: u64, begun: Option<&str>) -> Result<Arc<dyn Draft>>;

    /// Whether every part that the version's plan has is there.
    fn is_whole(&self, version: &Version) -> Result<bool>;

    /// Whether anything is left of what the version's record names.
    fn is_there(&self, version: &Version) -> Result<bool>;

    /// Opens a part as it lies there.
    fn open(&self, version: &Version, part: u32) -> Result<Box<dyn Read + Send>>;

    /// What errors call a version's change set, or one of its parts.
    fn path(&self, version: &Version, part: Option<u32>) -> PathBuf;

    /// Removes what was planned for the version, or begun to be, under this fence or a lower one, but for what its record
    /// names. That it fails is no reason to stop.
    fn remove_leftovers(&self, version: &Version, fence: u64);
}

/// A change set that is being written, and that nobody knows of yet.
pub trait Draft: Debug + Send + Sync {
    /// What names it while it is one.
    fn name(&self) -> String;

    /// Writes a part from its blocks, until there are no more, and makes it durable.
    fn write(&self, part: u32, blocks: &mut dyn Iterator<Item = Vec<u8>>) -> Result<()>;

    /// Makes it empty.
    fn clear(&self) -> Result<()>;

    /// Makes it last, and gives the name by which a version's record names it.
    fn finish(&self, hash: &str) -> Result<String>;

    /// It is wanted no more. That it cannot be removed is no reason to stop.
    fn abandon(&self);
}

/// Inflates a part of a change set.
pub fn inflate(file: impl Read) -> impl BufRead {
    BufReader::with_capacity(256 << 10, MultiGzDecoder::new(BufReader::new(file)))
}

/// Gives each line of a part to `each`, line feed included.
pub fn read_part(
    changes: &dyn ChangeSets,
    version: &Version,
    part: u32,
    each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    read_lines(inflate(changes.open(version, part)?), &changes.path(version, Some(part)), each)
}

/// Gives each line to `each`, line feed included. `path` is what an error calls the file.
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

/// The name of a part, in a change set and where it is published.
pub fn part_name(part: u32) -> String {
    format!("part-{part:05}.ndjson.gz")
}

/// The fence in the name of a change set: `HASH-FENCE`, or `aside-FENCE` while it is written.
fn fence_of(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}
