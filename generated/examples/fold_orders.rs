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
use runtime::consumer::counts;
use runtime::operation::{Begin, End};
use runtime::{Change, Operation, Record};
use serde_json::{Map, Value, from_value};

/// The columns of a row outside its key. They become `Values` only where they are used, because a row may have been
/// published under another schema than today's.
type Columns = Map<String, Value>;

/// The rows after the operations applied so far.
#[derive(Default)]
struct Orders {
    rows: BTreeMap<Key, Columns>,
    /// The last sequence applied to each key. It outlives the row, so that a late duplicate cannot bring it back.
    sequences: BTreeMap<Key, u64>,
    /// The sequence of the last version published in full. Older operations are ignored.
    reset: u64,
    /// The sequence of the newest version so far.
    newest: u64,
}

impl Orders {
    /// Carries all rows over to the schema of a version, unless that has been done.
    fn begin(&mut self, begin: &Begin) {
        if begin.sequence > self.newest {
            self.newest = begin.sequence;
            let change = begin.schema_change.iter();
            change.for_each(|change| self.rows.values_mut().for_each(|row| change.carry_over(row)));
        }
    }

    /// Applies an operation, if it counts: delivery is at least once.
    fn apply(&mut self, operation: Operation<Key, Columns>) {
        let last = self.sequences.entry(operation.key.clone()).or_default();
        if !counts(operation.sequence, *last, self.reset) {
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
    /// fingerprint. `Values` are those of today's schema; under an older one, only the rows are counted.
    fn check(&self, end: &End) -> Result<(), Box<dyn Error>> {
        let table = TABLE.for_tenant(&end.tenant);
        let (layout, mut fingerprint) = (Layout::new(table), 0);
        let is_current = end.schema == table.schema_id();
        for (key, columns) in self.rows.iter().filter(|_| is_current) {
            let values: Values = from_value(Value::Object(columns.clone()))?;
            fingerprint += i128::from(layout.hash_of_typed(key, &values)?);
        }
        if (is_current && fingerprint != end.fingerprint) || self.rows.len() as u64 != end.rows {
            return Err(format!("{}: the rows differ from the export", end.version).into());
        }
        let check = if is_current { format!("fingerprint {fingerprint} matches") } else { "an older schema".into() };
        println!("{:<16} {:>6} rows, {check}", end.version, self.rows.len());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: fold_orders OUT/TENANT/orders")?;
    let (mut orders, mut is_reset) = (Orders::default(), false);
    for part in parts(Path::new(&folder))? {
        for line in BufReader::new(MultiGzDecoder::new(BufReader::new(File::open(&part)?))).lines() {
            match Record::from_json(&line?)? {
                Record::Begin(begin) => {
                    is_reset = begin.reset;
                    orders.begin(&begin);
                }
                Record::Operation(operation) => orders.apply(*operation),
                Record::End(end) => {
                    if is_reset {
                        orders.drop_older_than(end.sequence);
                    }
                    orders.check(&end)?;
                }
            }
        }
    }
    Ok(())
}

/// The parts of all versions, in the order of publication: that of their names, which begin with the sequence.
fn parts(table: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for version in fs::read_dir(table)? {
        for part in fs::read_dir(version?.path())? {
            parts.push(part?.path());
        }
    }
    parts.sort_by_key(|part| part.file_name().map(ToOwned::to_owned));
    Ok(parts)
}
