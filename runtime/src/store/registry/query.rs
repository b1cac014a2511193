//! Queries on Athena that were started for a version.

use super::Registry;
use crate::error::Result;
use crate::store::backend::VersionWrite;
use crate::store::lease::Lease;
use crate::store::record::{StartedQuery, Version};
use crate::store::status::Status;

impl Registry {
    /// Records the query that was started for a REGISTERED version. How long the version has been waiting stays as it
    /// is.
    pub fn note_query(&self, lease: &Lease, version: &Version, query: StartedQuery) -> Result<()> {
        let Some(known) = self.version(&version.key, &version.version)? else { return Ok(()) };
        if known.status != Status::Registered || known.query.as_ref() == Some(&query) {
            return Ok(());
        }
        let noted = Version { query: Some(query), ..known.clone() };
        // If somebody else has moved it on meanwhile, the query is outdated.
        self.0.write(VersionWrite { lease: Some(lease), ..VersionWrite::over(&known, &noted) }).map(|_| ())
    }
}
