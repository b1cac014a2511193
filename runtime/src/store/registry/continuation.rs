//! Going on after a registry was lost or restored.

use serde_json::json;

use super::Registry;
use crate::clock;
use crate::error::Result;
use crate::name::TableKey;
use crate::store::backend::{VersionWrite, WriteOutcome};
use crate::store::journal::{Action, Decision};
use crate::store::lease::Lease;
use crate::store::record::Version;
use crate::store::status::Status;

impl Registry {
    /// Continues the table's sequences above `sequence`, and has its oldest runnable version published in full. A
    /// version that is PUBLISHING starts over: its sequence may be one that consumers have seen with other operations.
    pub fn adopt(&self, lease: &Lease, sequence: u64, decision: &Decision, found: &str) -> Result<()> {
        let versions = self.versions(&lease.key)?;
        for version in versions.iter().filter(|version| version.status == Status::Publishing) {
            let again = Version {
                attempt: version.attempt + 1,
                sequence: None,
                updated_at: clock::now_ms(),
                ..version.clone().unplanned(Status::Registered)
            };
            let write =
                VersionWrite { lease: Some(lease), makes_runnable: true, ..VersionWrite::over(version, &again) };
            if self.0.write(write)? != WriteOutcome::Done {
                return Err(lease.lost(version));
            }
        }
        let details = json!({ "sequence": sequence, "found": found });
        let entry = decision.entry(Action::Adopt, &lease.key, None, details);
        if self.0.adopt(lease, sequence, &entry)? { Ok(()) } else { Err(lease.lost_table()) }
    }

    /// Continues all sequences and fences above what any copy of this registry may have assigned, and has the oldest
    /// runnable version of each table published in full. Returns the tables.
    pub fn recover(&self, decision: &Decision) -> Result<Vec<TableKey>> {
        let now = clock::now_ms().max(0).unsigned_abs();
        self.0.raise(now)?;
        let tables = self.tables()?;
        for key in &tables {
            let entry = decision.entry(Action::Recover, key, None, json!({ "sequence": now }));
            self.0.raise_table(now, &entry)?;
        }
        Ok(tables)
    }
}
