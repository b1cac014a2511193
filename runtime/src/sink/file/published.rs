//! What was published into a folder.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::change_set::{inflate, part_name};
use crate::error::{Error, IoContext as _, Result};
use crate::fs::folder_names;
use crate::name::{TableKey, is_name, printable_path};
use crate::sink::part::sequence_in;
use crate::sink::{PublishedFolder, PublishedVersion};

/// Lists what was published of a tenant's table below `root`.
pub(super) fn published(root: &Path, key: &TableKey) -> Result<Vec<PublishedVersion>> {
    let of_table = root.join(&key.tenant).join(&key.table);
    let mut published = Vec::new();
    for version in names(&of_table)?.into_iter().filter(|name| is_name(name)) {
        let folder = of_table.join(&version);
        let names = names(&folder)?;
        let marked: BTreeSet<u64> = names.iter().filter_map(|name| sequence_in(name)).collect();
        let mut sequences: Vec<(u64, bool)> = marked.into_iter().map(|sequence| (sequence, false)).collect();
        if names.contains(&part_name(0)) {
            sequences.push((sequence_of(&folder.join(part_name(0)))?, true));
        }
        published.extend(sequences.into_iter().map(|(sequence, is_unmarked)| PublishedVersion {
            version: version.clone(),
            sequence,
            is_unmarked,
        }));
    }
    Ok(published)
}

/// A folder of published parts on this machine.
#[derive(Debug)]
pub struct LocalPublishedFolder {
    path: PathBuf,
}

impl LocalPublishedFolder {
    /// The folder at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl PublishedFolder for LocalPublishedFolder {
    fn names(&self) -> Result<Vec<String>> {
        names(&self.path)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let path = self.path(name);
        Ok(Box::new(File::open(&path).at("cannot open", &path)?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The names in a folder; none if it is not a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    match folder_names(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        names => names.at("cannot list", folder),
    }
}

/// The sequence in the first line of a part.
fn sequence_of(path: &Path) -> Result<u64> {
    #[derive(Deserialize)]
    struct Line {
        sequence: u64,
    }
    let mut begin = Vec::new();
    let read = inflate(File::open(path).at("cannot open", path)?).read_until(b'\n', &mut begin);
    match read.map(|_| serde_json::from_slice::<Line>(&begin)) {
        Ok(Ok(line)) => Ok(line.sequence),
        _ => Err(Error::refused(printable_path(path), "its sequence cannot be read")
            .help("restore the file, or move its folder away; then run again")),
    }
}
