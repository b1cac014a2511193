//! The names of published parts: OUT/TENANT/TABLE/VERSION/SEQUENCE-part-00000.ndjson.gz and on.

use std::fs::File;
use std::io::{BufRead as _, ErrorKind};
use std::path::Path;

use serde::Deserialize;

use crate::change_set::{inflate, part_name};
use crate::error::{Error, IoContext as _, Result};
use crate::fs::folder_names;
use crate::name::{TableKey, is_name, printable_path};
use crate::sink::PublishedVersion;

/// The digits of a sequence in a name, so that names sort like sequences. Milliseconds since 1970 have 13 until 2286.
const DIGITS: usize = 13;

/// The name of a published part. The names of all parts of a table sort in the order of publication.
pub(crate) fn published_name(sequence: u64, part: u32) -> String {
    format!("{sequence:0DIGITS$}-{}", part_name(part))
}

/// The sequence in the name of a part; `None` if it is not the name of one.
pub(crate) fn sequence_in(name: &str) -> Option<u64> {
    let (sequence, rest) = name.split_once('-')?;
    rest.starts_with("part-").then(|| sequence.parse().ok())?
}

/// Returns whether an earlier release gave a part this name, which lacks the sequence.
pub(crate) fn is_old_name(name: &str) -> bool {
    name.starts_with("part-")
}

/// Lists what was published of a tenant's table below `root`.
pub(super) fn published(root: &Path, key: &TableKey) -> Result<Vec<PublishedVersion>> {
    let of_table = root.join(&key.tenant).join(&key.table);
    let mut published = Vec::new();
    for version in names(&of_table)?.into_iter().filter(|name| is_name(name)) {
        let folder = of_table.join(&version);
        let names = names(&folder)?;
        let mut sequences: Vec<u64> = names.iter().filter_map(|name| sequence_in(name)).collect();
        if names.contains(&part_name(0)) {
            sequences.push(sequence_of(&folder.join(part_name(0)))?);
        }
        sequences.sort_unstable();
        sequences.dedup();
        published.extend(sequences.into_iter().map(|sequence| PublishedVersion { version: version.clone(), sequence }));
    }
    Ok(published)
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
