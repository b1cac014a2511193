//! Deltas that nobody waits for: a Lambda function starts a query and ends, and later functions poll it.

use super::athena::{DeltaProgress, Poll};
use super::choice::{Engine, Engines};
use super::native;
use super::request::{DeltaError, DeltaRequest, DeltaSummary};
use crate::change_set::LineSink;

impl Engines {
    /// Computes a delta natively, or starts its query on Athena, or polls the query that an earlier call started.
    /// Writes one line per operation to `lines`, in no particular order. A call that reads only some of a query's
    /// output writes only those lines.
    pub fn start_or_poll(
        &self,
        request: &DeltaRequest<'_>,
        poll: Poll<'_>,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaProgress<DeltaSummary>, DeltaError> {
        let engine = match poll.execution {
            Some(_) => Engine::Athena,
            None => self.pick(request)?,
        };
        match engine {
            Engine::Native => native::delta(request, lines).map(DeltaProgress::Finished),
            Engine::Athena => self.athena()?.start_or_poll(request, poll, lines),
        }
    }
}
