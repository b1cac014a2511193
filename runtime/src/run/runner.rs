//! Everything that a run depends on.

use std::path::PathBuf;

use crate::change_set::ChangeSets;
use crate::engine::{Engines, Limits};
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
}

impl Runner {
    /// Finds a table by its name.
    pub(super) fn table(&self, name: &str) -> Option<&'static Table> {
        self.tables.iter().copied().find(|table| table.name == name)
    }
}
