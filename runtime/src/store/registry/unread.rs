//! Versions that cannot be read.

use super::Registry;
use crate::error::Result;
use crate::store::backend::VersionWrite;
use crate::store::lease::Lease;
use crate::store::record::{Finding, Version};

impl Registry {
    /// Records why a version cannot be read, so that it is not forgotten if a newer one succeeds. What is known about
    /// it already, such as that it was HELD, says more.
    pub fn note_unread(&self, lease: &Lease, version: &Version, problem: &str) -> Result<()> {
        let Some(known) = self.version(&version.key, &version.version)? else { return Ok(()) };
        let is_noted = known.finding.as_ref().is_some_and(|finding| finding.reason == problem);
        if !known.status.is_runnable() || (known.finding.is_some() && !known.is_unread()) || is_noted {
            return Ok(());
        }
        let finding = Some(Finding { status: known.status, reason: problem.into() });
        let noted = Version { finding, ..known.clone() };
        // Somebody else may have moved it on meanwhile, and then it is not forgotten either.
        self.0.write(VersionWrite { lease: Some(lease), ..VersionWrite::over(&known, &noted) }).map(|_| ())
    }
}
