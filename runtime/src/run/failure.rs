//! What a run records and reports when a version cannot be published.

use serde_json::json;

use super::report::Outcome;
use super::runner::Runner;
use crate::error::{Error, Fault, Result};
use crate::store::{Action, Lease, Status, Version, baseline};

impl Runner {
    /// Records that a version FAILED because of its export.
    pub(super) fn fail(&self, lease: &Lease, version: Version, error: Error) -> Result<Outcome> {
        // Planning may have moved it back from PLANNED before its export turned out to be at fault.
        let failed = version.unplanned(Status::Failed).with_finding(Status::Failed, error.to_string());
        let found = json!({ "reason": failed.reason, "help": error.next_step(), "rejects": error.rejects() });
        self.registry.advance_and_log(lease, Status::Registered, &failed, Some((Action::Fail, found)))?;
        let versions = self.registry.current_versions(&failed.key)?;
        let baseline = baseline(&versions).map(|baseline| baseline.version.clone());
        Ok(Outcome::failed(&failed, error, baseline))
    }

    /// The outcome of a version that an error stopped which is not its own fault. The version keeps its status.
    pub(super) fn stopped(&self, lease: &Lease, version: &Version, error: Error) -> Outcome {
        let error = match self.registry.renew(lease) {
            // Once another run has taken over, that explains every other failure.
            Ok(false) if error.fault() == Fault::Machine => lease.lost(version),
            _ => error,
        };
        let current = self.registry.version(&version.key, &version.version).ok().flatten();
        Outcome::stopped(version, current.map_or(version.status, |current| current.status), error)
    }
}
