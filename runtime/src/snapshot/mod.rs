//! Where exports come from, and how their bytes become fields.
//!
//! [`local`] lists the parts of an export, [`complete`] says whether they are all there, [`part`] inflates one and
//! [`csv`] splits it into fields.

pub mod complete;
pub mod csv;
pub mod local;
pub mod part;
#[cfg(feature = "aws")]
pub mod s3;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::epoch::Epoch;

/// One file of an export, as the registry remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its file name.
    pub name: String,
    /// Its size in bytes, compressed.
    pub size: u64,
    /// What changes when the file is written again: here its modification time, in nanoseconds since 1970.
    pub identity: String,
    /// XXH3-128 of its bytes as they were read while planning, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// How many rows a manifest says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

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

/// An export that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What it is called in an error: `acme/orders 20260104_V0001`, or a path.
    pub label: String,
    /// The folder of its parts.
    pub folder: PathBuf,
    /// Its parts, in the order in which they are read.
    pub parts: Vec<Part>,
    /// How it was written, when that was not under today's schema.
    pub epoch: Option<Epoch>,
}

impl Export {
    /// The path of a part.
    pub fn path(&self, part: &Part) -> PathBuf {
        self.folder.join(&part.name)
    }

    /// The size of all parts, in bytes.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}
