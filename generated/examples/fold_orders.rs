//! A one-page consumer: folds the published files of `orders` into a map, and checks the map against each END.
//!
//! ```text
//! cargo tidemark run samples/exports
//! cargo run -p generated --no-default-features --example fold_orders -- out/acme/orders
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use generated::orders::{Key, TABLE, Values};
use runtime::canonical::row::Layout;
use runtime::operation::End;
use runtime::{Change, Operation, Record};

/// The rows after the operations applied so far.
#[derive(Default)]
struct Orders {
    rows: BTreeMap<Key, Values>,
    /// The last sequence applied to each key. It outlives the row, so that a late duplicate cannot bring it back.
    sequences: BTreeMap<Key, u64>,
    /// The sequence of the last version published in full. Older operations are ignored.
    reset: u64,
}

/// A published version.
struct Version {
    sequence: u64,
    records: Vec<Record<Key, Values>>,
}

impl Orders {
    /// Applies an operation. Delivery is at least once, so an operation counts only if it is newer than the last one of
    /// its key.
    fn apply(&mut self, operation: Operation<Key, Values>) {
        if operation.sequence < self.reset {
            return;
        }
        let last = self.sequences.entry(operation.key.clone()).or_default();
        if operation.sequence <= *last {
            return;
        }
        *last = operation.sequence;
        match operation.change {
            Change::Insert { after, .. } | Change::Update { after, .. } => self.rows.insert(operation.key, after),
            Change::Delete { .. } => self.rows.remove(&operation.key),
        };
    }

    /// Drops all rows that are not in the last version published in full.
    fn drop_older_than(&mut self, reset: u64) {
        if reset > self.reset {
            self.reset = reset;
            self.sequences.retain(|_, last| *last >= reset);
            self.rows.retain(|key, _| self.sequences.contains_key(key));
        }
    }

    /// Checks that the rows are those of the export: the sum of their hashes, computed from the values, is its
    /// fingerprint.
    fn check(&self, end: &End) -> Result<(), Box<dyn Error>> {
        let layout = Layout::new(&TABLE);
        let mut fingerprint = 0;
        for (key, values) in &self.rows {
            fingerprint += i128::from(layout.hash_of_typed(key, values)?);
        }
        if fingerprint != end.fingerprint || self.rows.len() as u64 != end.rows {
            return Err(format!("{}: the rows differ from the export", end.version).into());
        }
        println!("{:<16} {:>6} rows, fingerprint {fingerprint} matches", end.version, self.rows.len());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: fold_orders OUT/TENANT/orders")?;
    let mut orders = Orders::default();
    let mut versions = Vec::new();
    for version in sorted(Path::new(&folder))? {
        versions.push(read_version(&version)?);
    }
    // Versions are applied in the order of their sequences, not of their names.
    versions.sort_by_key(|version| version.sequence);
    let mut is_reset = false;
    for record in versions.into_iter().flat_map(|version| version.records) {
        match record {
            Record::Begin(begin) => is_reset = begin.reset,
            Record::Operation(operation) => orders.apply(*operation),
            Record::End(end) => {
                if is_reset {
                    orders.drop_older_than(end.sequence);
                }
                orders.check(&end)?;
            }
        }
    }
    Ok(())
}

fn read_version(folder: &Path) -> Result<Version, Box<dyn Error>> {
    let mut records = Vec::new();
    for part in sorted(folder)? {
        for line in BufReader::new(MultiGzDecoder::new(BufReader::new(File::open(&part)?))).lines() {
            records.push(Record::from_json(&line?)?);
        }
    }
    match (records.first(), records.last()) {
        (Some(Record::Begin(begin)), Some(Record::End(_))) => Ok(Version { sequence: begin.sequence, records }),
        _ => Err(format!("{}: the version is not completely published", folder.display()).into()),
    }
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
