//! A consumer in a page: folds the published files of `orders` into a map and checks it against each END.
//!
//! ```text
//! cargo tidemark run samples/exports
//! cargo run --release -p tests --example fold_orders -- out/acme/orders
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

/// The rows as they stand after the operations that were applied.
#[derive(Default)]
struct Orders {
    rows: BTreeMap<Key, Values>,
    /// The last sequence applied to each key; it outlives the row, so that a late repeat cannot bring it back.
    sequences: BTreeMap<Key, u64>,
    /// The last version that was published whole: what is older no longer counts.
    reset: u64,
}

/// A published version.
struct Version {
    sequence: u64,
    records: Vec<Record<Key, Values>>,
}

impl Orders {
    /// Delivery is at least once: an operation counts only when it is newer than what its key has seen.
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

    /// A version that was published whole is all there is: what it did not bring is gone.
    fn drop_older_than(&mut self, reset: u64) {
        if reset > self.reset {
            self.reset = reset;
            self.sequences.retain(|_, last| *last >= reset);
            self.rows.retain(|key, _| self.sequences.contains_key(key));
        }
    }

    /// Whether the rows are those of the export: the sum of their hashes, computed from the values, is its fingerprint.
    fn check(&self, end: &End) -> Result<(), Box<dyn Error>> {
        let layout = Layout::new(&TABLE);
        let mut fingerprint = 0;
        for (key, values) in &self.rows {
            fingerprint += i128::from(layout.hash_of_typed(key, values)?);
        }
        if fingerprint != end.fingerprint || self.rows.len() as u64 != end.rows {
            return Err(format!("{}: the rows are not those of the export", end.version).into());
        }
        println!("{:<16} {:>6} rows, fingerprint {fingerprint} as promised", end.version, self.rows.len());
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
    // Versions are applied in the order of their sequence, whatever their names.
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
        _ => Err(format!("{}: not whole yet", folder.display()).into()),
    }
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
