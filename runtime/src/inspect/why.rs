//! One row in every version: its text as delivered, the value read from it, and what was published.

mod export;
mod key;
mod operation;
mod row;

use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::Layout;
use crate::epoch::Epoch;
use crate::error::Result;
use crate::run::Runner;
use crate::store::Version;
use crate::table::Table;
use crate::telemetry::Watch;
pub use key::Key;
pub use row::{Cell, ChangeSet, Changed, Files, Occurrence, Operation, RowInVersion, SHOWN};

/// Finds a key in a version: in its export and in its change set, as far as they still exist. `before` are the versions
/// that were inspected before it, in order.
pub fn inspect(
    runner: &Runner,
    table: &'static Table,
    version: &Version,
    key: &Key,
    before: &[RowInVersion],
    watch: &Watch,
) -> Result<RowInVersion> {
    let mut row = RowInVersion::new(version);
    let epoch = version.epoch.clone().unwrap_or_else(|| Epoch::from_table(table));
    let hmac_key = runner.hmac_key(table, &version.key.tenant)?;
    if !epoch.has_key_of(table) || has_other_keys(table, &epoch, hmac_key.as_ref()) {
        row.export = Files::OtherKey;
        return Ok(row);
    }
    let layout = Layout::for_epoch(table, &epoch).with_key(hmac_key.as_ref());
    export::inspect(runner, &layout, version, key, watch, &mut row)?;
    operation::inspect(runner, table, version, key, before, watch, &mut row)?;
    Ok(row)
}

/// Returns whether the key of a row had another pseudonym then.
fn has_other_keys(table: &Table, epoch: &Epoch, key: Option<&HmacKey>) -> bool {
    let has_pseudonyms = table.columns.iter().any(|column| table.is_key(column) && column.hmac.is_some());
    has_pseudonyms && epoch.hmac_key.as_deref().is_some_and(|then| key.is_none_or(|now| now.id() != then))
}
