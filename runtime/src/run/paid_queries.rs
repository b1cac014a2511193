//! Queries on Athena that are paid for again and again: each execution of the flow starts a new one, and a version
//! whose queries never lead to a plan would cost that much every hour, for ever.

use super::report::Outcome;
use super::runner::Runner;
use crate::engine::{Poll, QueryExecution};
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::store::{Lease, StartedQuery, Status, Version};

/// How many runs may pay for a query of the same version without a result.
const MAX_PAID: u32 = 3;

impl Runner {
    /// Lets a version FAIL whose queries were paid for too often without a result. Otherwise returns what to record
    /// about the next query, should one be started.
    pub(super) fn check_paid_queries(
        &self,
        lease: &Lease,
        version: &Version,
        poll: Poll<'_>,
    ) -> Result<std::result::Result<u32, Box<Outcome>>> {
        let Some(last) = version.query.as_ref().filter(|last| last.run != poll.run) else {
            return Ok(Ok(version.query.as_ref().map_or(0, |last| last.paid)));
        };
        // A query that read nothing cost nothing: whatever stopped it may be over.
        let bytes = self.engines.athena.as_ref().and_then(|athena| athena.scanned(&last.id)).unwrap_or_default();
        let paid = last.paid + u32::from(bytes > 0);
        if paid < MAX_PAID || version.status != Status::Registered {
            return Ok(Ok(paid));
        }
        let problem = format!(
            "Athena was paid for {paid} queries that led to no plan; the last one, {}, read {bytes} bytes",
            last.id
        );
        let error = Error::refused(version.to_string(), problem).help(format!(
            "find out why in the logs of `athena` and `plan`, then: {}",
            command(&[&"retry", &version.path()])
        ));
        self.fail(lease, version.clone(), error).map(|outcome| Err(Box::new(outcome)))
    }

    /// Records the query that was started for a version, so that the next run knows of it.
    pub(super) fn note_query(
        &self,
        lease: &Lease,
        version: &Version,
        poll: Poll<'_>,
        (query, paid): (&QueryExecution, u32),
    ) -> Result<()> {
        self.registry.note_query(lease, version, StartedQuery { id: query.id.clone(), run: poll.run.into(), paid })
    }
}
