//! The events of the steps and their answers, as the state machine passes them on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::engine::QueryExecution;
use crate::error::{Error, Result};
use crate::lambda::deployment::Deployment;
use crate::name::TableKey;
use crate::store::{Lease, Version};

/// After how many versions an execution starts the next one to continue. The history of an execution is limited to
/// 25,000 events (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>). A version adds about 35,
/// a check on Athena 9 every five seconds: 3,500 for versions, 6,500 in an hour, and the last version may still wait
/// for two hours.
const MAX_TURNS: u32 = 100;

/// The same for time, in milliseconds.
const MAX_DURATION: i64 = 3_600_000;

/// The pauses between polls of a query: usually, and while Athena refuses calls, which may take hours. The lease lasts
/// two minutes.
const POLL_SECONDS: u64 = 5;
const BUSY_SECONDS: u64 = 60;

/// The event of `lock`.
#[derive(Deserialize)]
pub(super) struct LockRequest {
    #[serde(flatten)]
    pub(super) key: TableKey,
    /// The execution, which becomes the owner of the lease.
    pub(super) execution: String,
}

/// A table and its lease.
#[derive(Deserialize)]
pub(super) struct LockedTable {
    #[serde(flatten)]
    pub(super) key: TableKey,
    pub(super) lease: LeaseHolder,
}

/// A lease without its table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LeaseHolder {
    pub(super) owner: String,
    pub(super) fence: u64,
}

/// The event of `next`.
#[derive(Deserialize)]
pub(super) struct NextRequest {
    #[serde(flatten)]
    pub(super) locked: LockedTable,
    /// How many versions the execution has taken.
    pub(super) turn: u32,
    /// When the execution started, as the state machine writes it: `2026-01-01T00:00:00.000Z`.
    pub(super) since: String,
}

/// The event of a step for one version.
#[derive(Deserialize)]
pub(super) struct VersionRequest {
    #[serde(flatten)]
    pub(super) locked: LockedTable,
    pub(super) version: String,
    /// Its query that is running on Athena.
    #[serde(default)]
    pub(super) statement: Option<QueryExecution>,
}

/// The event of `publish`: one part of a version.
#[derive(Deserialize)]
pub(super) struct PartRequest {
    #[serde(flatten)]
    pub(super) version: VersionRequest,
    pub(super) part: u32,
}

/// The event of `unlock`.
#[derive(Deserialize)]
pub(super) struct UnlockRequest {
    #[serde(flatten)]
    pub(super) locked: LockedTable,
    /// The table's `pending` number when there was nothing left to do; none after a failure or after many turns.
    #[serde(default)]
    pub(super) pending: Option<u64>,
    /// The error of the step that failed.
    #[serde(default)]
    pub(super) error: Option<serde_json::Value>,
}

/// The answer of `lock`; the state machine passes it on.
#[derive(Serialize)]
pub(super) struct LockAnswer {
    #[serde(flatten)]
    pub(super) key: TableKey,
    pub(super) lock: Lock,
    pub(super) next: FirstTurn,
}

#[derive(Serialize)]
pub(super) struct Lock {
    pub(super) lease: Option<LeaseHolder>,
}

/// No version has been taken yet.
#[derive(Serialize)]
pub(super) struct FirstTurn {
    pub(super) turn: u32,
}

/// The next work for a table.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum NextAnswer {
    /// Plan this version.
    Plan { version: String, turn: u32 },
    /// Finish publishing this version.
    Publish { version: String, turn: u32 },
    /// There is nothing to do, or, without a number, the next execution does it. If something arrives before the lease
    /// is released, another turn begins.
    Done { pending: Option<u64>, turn: u32 },
}

/// The answer of `plan`.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum PlanAnswer {
    /// The version may be published.
    Publish,
    /// Athena is computing the delta. It is polled after so many seconds.
    Athena { statement: QueryExecution, seconds: u64 },
    /// Athena accepts no more queries for now.
    Busy,
    /// The version is HELD, FAILED or registered again.
    Next,
}

impl PlanAnswer {
    pub(super) fn poll(statement: QueryExecution) -> Self {
        Self::Athena { statement, seconds: POLL_SECONDS }
    }

    /// Athena refuses calls for now: its query, if there is one, is polled later; or it is asked again for a delta.
    pub(super) fn wait_for_athena(query: Option<QueryExecution>) -> Self {
        query.map_or(Self::Busy, |statement| Self::Athena { statement, seconds: BUSY_SECONDS })
    }
}

/// The answer of `begin`.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum BeginAnswer {
    /// Only this part is unpublished.
    Part { part: u32 },
    /// These parts are unpublished. So many of them are published at once.
    Parts { parts: Vec<PartName>, concurrency: u64 },
    /// All parts are published.
    Record,
    /// The export changed at the last moment.
    Next,
}

#[derive(Serialize)]
pub(super) struct PartName {
    pub(super) part: u32,
}

#[derive(Serialize)]
pub(super) struct PublishAnswer {
    pub(super) part: u32,
    /// Whether all of it is published; if not, there was no time left.
    pub(super) done: bool,
}

#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum RecordAnswer {
    /// The version SUCCEEDED.
    Next,
    /// There are more parts to publish.
    Begin,
}

#[derive(Serialize)]
pub(super) struct UnlockAnswer {
    /// False if there is more to do.
    pub(super) released: bool,
}

impl LockedTable {
    pub(super) fn lease(&self) -> Lease {
        Lease { key: self.key.clone(), owner: self.lease.owner.clone(), fence: self.lease.fence }
    }

    /// The lease, renewed.
    pub(super) fn renewed(&self, deployment: &Deployment) -> Result<Lease> {
        let lease = self.lease();
        if deployment.registry.renew(&lease)? {
            return Ok(lease);
        }
        Err(Error::lease_lost(
            lease.key.to_string(),
            format!("another run took over the lease (fence {})", lease.fence),
        )
        .help("that run continues the work; see `status`"))
    }
}

impl NextRequest {
    /// Returns whether the history of the execution has room for another version.
    pub(super) fn has_room(&self) -> Result<bool> {
        let since: Timestamp =
            self.since.parse().map_err(|error| Error::refused("the event", format!("`{}`: {error}", self.since)))?;
        Ok(self.turn < MAX_TURNS && clock::now_ms() - since.as_millisecond() < MAX_DURATION)
    }
}

impl VersionRequest {
    pub(super) fn load(&self, deployment: &Deployment) -> Result<Version> {
        let key = &self.locked.key;
        let version = deployment.registry.version(key, &self.version)?;
        version.ok_or_else(|| Error::refused(key.to_string(), format!("unknown version `{}`", self.version)))
    }
}
