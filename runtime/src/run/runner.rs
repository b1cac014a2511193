//! Everything that a run depends on.

use std::path::PathBuf;

use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::Layout;
use crate::change_set::ChangeSets;
use crate::engine::{Engines, Limits};
use crate::error::Result;
use crate::keys::{self, KeySource};
use crate::name::TableKey;
use crate::sink::Sinks;
use crate::snapshot::Snapshots;
use crate::store::{Decision, Registry};
use crate::table::Table;

/// Everything that a run depends on.
#[derive(Debug)]
pub struct Runner {
    /// Every table that has a schema.
    pub tables: &'static [&'static Table],
    /// Where exports come from.
    pub exports: Box<dyn Snapshots>,
    /// Where versions and leases are recorded.
    pub registry: Registry,
    /// Where change sets are stored.
    pub changes: Box<dyn ChangeSets>,
    /// Where operations go.
    pub sinks: Sinks,
    /// A folder for temporary files.
    pub work: PathBuf,
    /// Who decided to go on in outputs that another registry published into; `None` if nobody did.
    pub adopt: Option<Decision>,
    /// What computes a delta.
    pub engines: Engines,
    /// What each delta may use of the machine.
    pub limits: Limits,
    /// Where the keys of pseudonyms are.
    pub keys: Box<dyn KeySource>,
}

impl Runner {
    /// The definition of a tenant's table, if it has a schema.
    pub(crate) fn table(&self, key: &TableKey) -> Option<&'static Table> {
        let table = self.tables.iter().copied().find(|table| table.name == key.table)?;
        Some(table.for_tenant(&key.tenant))
    }

    /// The key of a tenant's pseudonyms, if the table has any. Fails if the tenant has none.
    pub(crate) fn hmac_key(&self, table: &Table, tenant: &str) -> Result<Option<HmacKey>> {
        keys::find(&*self.keys, table, tenant)
    }

    /// How a tenant's exports are read under today's schema.
    pub(crate) fn layout(&self, table: &'static Table, tenant: &str) -> Result<Layout> {
        Ok(Layout::new(table).with_key(self.hmac_key(table, tenant)?.as_ref()))
    }

    /// The definition from which that of a tenant's table comes.
    pub(super) fn common(&self, table: &'static Table) -> &'static Table {
        self.tables.iter().copied().find(|common| common.name == table.name).unwrap_or(table)
    }
}
