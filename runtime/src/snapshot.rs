//! Where exports come from, and how their bytes become fields.
//!
//! [`local`] and `s3` list the parts of an export, [`complete`] says whether they are all there, [`part`] inflates one
//! and [`csv`] splits it into fields.

pub mod complete;
pub mod csv;
pub mod local;
pub mod part;
#[cfg(feature = "aws")]
pub mod s3;

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::telemetry::check_stop;

/// One file of an export, as the registry remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its file name.
    pub name: String,
    /// Its size in bytes, compressed.
    pub size: u64,
    /// What changes when the file is written again: its modification time, in nanoseconds since 1970; in S3 its ETag.
    pub identity: String,
    /// XXH3-128 of its bytes as they were read while planning, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// How many rows a manifest says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Exports of tenants and tables: ROOT/TENANT/TABLE/VERSION/FILE.
pub trait Snapshots: Debug + Send + Sync {
    /// The root, as the registry remembers it and people read it: a path, or `s3://BUCKET/PREFIX`.
    fn root(&self) -> Result<String>;

    /// Every version of every tenant and table that `wanted` lets through. Names are checked here, once.
    fn discover(&self, wanted: &dyn Fn(&str, &str) -> bool) -> Result<Discovery>;

    /// What errors call a tenant's table.
    fn path(&self, tenant: &str, table: &str) -> PathBuf;

    /// Where an export lies, whether there is one or not.
    fn folder(&self, tenant: &str, table: &str, version: &str) -> Arc<dyn Folder>;
}

/// A place with the files of one export.
pub trait Folder: Debug + Send + Sync {
    /// What it holds; nothing where there is no such place.
    fn list(&self) -> Result<Listing>;

    /// Opens a part to be read. That it was taken away since it was listed is no fault of the machine.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// The text of a marker or a manifest.
    fn read_sidecar(&self, name: &str) -> io::Result<String>;

    /// What errors call a file in it.
    fn path(&self, name: &str) -> PathBuf;

    /// Its URI, where it lies in S3: `s3://BUCKET/KEY`.
    fn s3(&self) -> Option<String> {
        None
    }
}

/// What a tree of exports holds.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Tenant, table and version of each folder, in order, versions in natural order.
    pub versions: Vec<(String, String, String)>,
    /// What lies there and cannot be an export.
    pub strays: Vec<Stray>,
}

/// Where something lies that cannot be an export, why it cannot, and what to do next.
pub type Stray = (PathBuf, String, Option<String>);

/// What a folder TENANT/TABLE/VERSION holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The parts, in the natural order of their names.
    pub parts: Vec<Part>,
    /// Names that begin with `_` or `.`: markers and manifests, never parts.
    pub notes: Vec<String>,
    /// The same for what is neither a file nor a folder, with what it is: nothing is read through it.
    pub odd_notes: Vec<(String, &'static str)>,
}

/// How much of a file is read between two looks at whether the user asked to stop, in bytes.
const PIECE: usize = 1 << 20;

/// XXH3-128 of a file's bytes as they lie there, 32 hex digits.
pub fn checksum(folder: &dyn Folder, name: &str) -> Result<String> {
    let mut file = folder.open(name)?;
    let (mut checksum, mut piece) = (Xxh3Default::new(), vec![0; PIECE]);
    loop {
        check_stop()?;
        match file.read(&mut piece).map_err(|error| Error::read(error, &folder.path(name)))? {
            0 => return Ok(format!("{:032x}", checksum.digest128())),
            read => checksum.update(&piece[..read]),
        }
    }
}

/// An export that is to be read.
#[derive(Debug, Clone)]
pub struct Export {
    /// What it is called in an error: `acme/orders 20260104_V0001`, or a path.
    pub label: String,
    /// Where its parts lie.
    pub folder: Arc<dyn Folder>,
    /// Its parts, in the order in which they are read.
    pub parts: Vec<Part>,
    /// How it was written, when that was not under today's schema.
    pub epoch: Option<Epoch>,
}

impl Export {
    /// The size of all parts, in bytes.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}
