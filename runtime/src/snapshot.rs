//! Exports: where they are, and how their bytes become fields.
//!
//! [`discover`] finds the exports below a root, except what `ignore` hides. [`local`] and `s3` list the parts of an
//! export, `complete` checks that all of them are there, [`part`] decompresses one, [`decoded`] turns its text into
//! UTF-8, and [`csv`] splits it into fields.

pub(crate) mod complete;
pub mod csv;
pub mod decoded;
pub mod discover;
mod ignore;
pub mod local;
mod manifest;
mod names;
pub mod part;
#[cfg(feature = "aws")]
pub mod s3;
pub mod tail;

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use crate::epoch::Epoch;
use crate::error::{Error, Fault, Result};
use crate::table::Compression;
use crate::telemetry::check_stop;
pub(crate) use names::only_parts;
use part::{Inflated, PartDigest};

/// One file of an export, as the registry stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The file's name.
    pub name: String,
    /// The compressed size in bytes.
    pub size: u64,
    /// Changes if the file is written again: the modification time in nanoseconds since 1970; in S3 the ETag.
    pub identity: String,
    /// XXH3-128 of the bytes that were read while planning, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// XXH3-128 of the same bytes once decompressed, 32 hex digits; `None` if the part is not compressed. It stays the
    /// same if the part is compressed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The checksum that S3 keeps of the object, after the name of its algorithm. Unlike the ETag, it stays the same if
    /// the same bytes are put again, also where objects are encrypted with a key of KMS.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    /// The number of rows according to the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Part {
    /// A part that was listed but not read.
    pub fn listed(name: String, size: u64, identity: String) -> Self {
        Self { name, size, identity, checksum: None, content: None, stored: None, rows: None }
    }

    /// Returns whether both were read, and have other contents. Bytes of compressed parts may differ all the same.
    pub(crate) fn has_other_content(&self, read: &Part) -> bool {
        let differs = |known: &Option<String>, read: &Option<String>| Some(known.as_ref()? != read.as_ref()?);
        let by_content = differs(&self.content, &read.content);
        by_content.or_else(|| differs(&self.checksum, &read.checksum)).unwrap_or_default()
    }
}

/// The file at the root of the exports that lists what is not an export.
pub const IGNORE_FILE: &str = ".tidemarkignore";

/// Exports of tenants and tables: ROOT/TENANT/TABLE/VERSION/FILE.
pub trait Snapshots: Debug + Send + Sync {
    /// The root, as the registry stores it and people read it: a path, or `s3://BUCKET/PREFIX`.
    fn root(&self) -> Result<String>;

    /// Visits what is directly below the root, or below a tenant or a table of it: everything, or only the entry with
    /// this name. Visits nothing if the folder does not exist.
    fn list(&self, folder: &[&str], only: Option<&str>, visit: &mut dyn FnMut(Entry<'_>)) -> Result<()>;

    /// The text of [`IGNORE_FILE`], if there is one.
    fn ignore_file(&self) -> Result<Option<String>>;

    /// The path of a folder or file below the root, for errors.
    fn path(&self, below: &[&str]) -> PathBuf;

    /// The folder of an export, which may not exist.
    fn folder(&self, tenant: &str, table: &str, version: &str) -> Arc<dyn Folder>;
}

/// Something in a folder of the exports.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub kind: EntryKind,
}

/// What is in a folder of the exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A symbolic link, which is never followed.
    Link,
    /// A file, or something like a fifo.
    File,
}

/// A folder with the files of one export.
pub trait Folder: Debug + Send + Sync {
    /// The files; none if the folder does not exist.
    fn list(&self) -> Result<Listing>;

    /// Opens a part. If it was removed after it was listed, the error is the input's fault, not the machine's.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// The text of a marker or a manifest.
    fn read_sidecar(&self, name: &str) -> io::Result<String>;

    /// The path of a file in it, for errors.
    fn path(&self, name: &str) -> PathBuf;

    /// The checksums that the store of the folder keeps of these parts, as in [`Part::stored`]; `None` of those that it
    /// keeps none of, or that are no longer as they were listed.
    fn stored_checksums(&self, parts: &[&Part]) -> Result<Vec<Option<String>>> {
        Ok(vec![None; parts.len()])
    }

    /// The URI of a folder in S3, `s3://BUCKET/KEY`; otherwise `None`.
    fn s3(&self) -> Option<String> {
        None
    }
}

/// The files in a folder TENANT/TABLE/VERSION.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The parts, in the natural order of their names.
    pub parts: Vec<Part>,
    /// The files whose names start with `_` or `.`: markers and manifests, never parts.
    pub sidecars: Vec<String>,
    /// The same for links and special files, which are never read, each with what it is.
    pub irregular_sidecars: Vec<(String, &'static str)>,
}

/// How much of a file is read before the next check for interruption, in bytes.
const BUFFER: usize = 1 << 20;

/// XXH3-128 of a file's bytes, without decompressing them; 32 hex digits.
pub(crate) fn checksum(folder: &dyn Folder, name: &str) -> Result<String> {
    let mut file = folder.open(name)?;
    let (mut checksum, mut buffer) = (Xxh3Default::new(), vec![0; BUFFER]);
    loop {
        check_stop()?;
        match file.read(&mut buffer).map_err(|error| Error::read(error, &folder.path(name)))? {
            0 => return Ok(format!("{:032x}", checksum.digest128())),
            read => checksum.update(&buffer[..read]),
        }
    }
}

/// Returns whether the store of a folder says that a file has the bytes of a known part. Reads nothing to find out.
pub(crate) fn is_stored_alike(folder: &dyn Folder, known: &Part, listed: &Part) -> Result<bool> {
    if known.size != listed.size || known.stored.is_none() {
        return Ok(false);
    }
    Ok(folder.stored_checksums(&[listed])?.first() == Some(&known.stored))
}

/// Returns whether a file has the contents of a part that was read before: the same bytes, or the same once
/// decompressed. Reads it to find out. A file that cannot be decompressed has others.
pub(crate) fn has_content_of(
    folder: &dyn Folder,
    known: &Part,
    listed: &Part,
    compression: Compression,
) -> Result<bool> {
    if known.size == listed.size && known.checksum.is_some() && known.checksum == Some(checksum(folder, &listed.name)?)
    {
        return Ok(true);
    }
    let Some(content) = known.content.as_ref().filter(|_| compression != Compression::None) else { return Ok(false) };
    match decompressed(folder, &listed.name, compression) {
        Ok(read) => Ok(read.content.as_ref() == Some(content)),
        Err(error) if error.fault() == Fault::Input => Ok(false),
        Err(error) => Err(error),
    }
}

/// Decompresses a file, and returns its digest.
fn decompressed(folder: &dyn Folder, name: &str, compression: Compression) -> Result<PartDigest> {
    let path = folder.path(name);
    let unreadable = |error| part::unreadable(error, &path);
    let mut inflated = Inflated::new(folder.open(name)?, compression).map_err(unreadable)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        check_stop()?;
        if inflated.read(&mut buffer).map_err(unreadable)? == 0 {
            return inflated.finish().map_err(unreadable);
        }
    }
}

/// An export to read.
#[derive(Debug, Clone)]
pub struct Export {
    /// Its name in errors: `acme/orders 20260104_V0001`, or a path.
    pub label: String,
    /// The folder of its parts.
    pub folder: Arc<dyn Folder>,
    /// Its parts, in reading order.
    pub parts: Vec<Part>,
    /// The epoch it was written in, if that is not today's.
    pub epoch: Option<Epoch>,
}

impl Export {
    /// The size of all parts, in bytes.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}
