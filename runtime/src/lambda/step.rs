//! The steps of the flow for one tenant's table, each on its own, under one lease.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Deadline, metrics};
use crate::breakpoint::env_override;
use crate::clock;
use crate::engine::{Choice, DeltaProgress, Poll, QueryExecution};
use crate::error::{Error, ErrorKind, Result};
use crate::lambda::deployment::Deployment;
use crate::name::TableKey;
use crate::run::{Prepared, Step, next_step};
use crate::sink::{Frame, Sink as _};
use crate::store::{Extent, Lease, Status, Version};
use crate::telemetry::Watch;

/// How many parts one map publishes: the list of them travels in the state, which takes 256 KiB, and so does what they come to,
/// which is nothing but `{}` for each (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>). More come in a
/// second round.
const PARTS_AT_ONCE: u64 = 5_000;

/// When an execution leaves the rest to the next one, which it starts: its history holds 25,000 events
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>). A version makes about 35, a look at Athena 9
/// every five seconds: 3,500 of versions, 6,500 in an hour, and the last version may still wait for two hours.
const TURNS: u32 = 100;
/// The same in milliseconds.
const LONGEST: i64 = 3_600_000;

/// How long before its end a function gives a delta up, so that there is time to ask Athena for it; in milliseconds.
const TIME_TO_ASK_ATHENA: i64 = 60_000;

/// A table without a lease.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(flatten)]
    key: TableKey,
    /// The execution: it is the owner of the lease.
    execution: String,
}

/// A table, and the right to write to its records.
#[derive(Deserialize)]
pub(super) struct Locked {
    #[serde(flatten)]
    key: TableKey,
    lease: Holder,
}

/// The table is the one that stands beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Holder {
    owner: String,
    fence: u64,
}

/// A table at which an execution is for so long.
#[derive(Deserialize)]
pub(super) struct Draining {
    #[serde(flatten)]
    locked: Locked,
    /// How often it went on to a next version.
    turn: u32,
    /// When it began, as the state machine writes it: `2026-01-01T00:00:00.000Z`.
    since: String,
}

/// A version that is worked on.
#[derive(Deserialize)]
pub(super) struct OfVersion {
    #[serde(flatten)]
    locked: Locked,
    version: String,
    /// What runs on Athena for it.
    #[serde(default)]
    statement: Option<QueryExecution>,
}

/// One part of a version.
#[derive(Deserialize)]
pub(super) struct OfPart {
    #[serde(flatten)]
    of: OfVersion,
    part: u32,
}

/// A table that is done with, for now.
#[derive(Deserialize)]
pub(super) struct Leaving {
    #[serde(flatten)]
    locked: Locked,
    /// How many writes had made something runnable when there was nothing to do; none after a failure, or after many turns.
    #[serde(default)]
    pending: Option<u64>,
    /// What failed.
    #[serde(default)]
    error: Option<serde_json::Value>,
}

/// What the flow goes on with.
#[derive(Serialize)]
pub(super) struct LockAnswer {
    #[serde(flatten)]
    key: TableKey,
    lock: Lock,
    next: First,
}

#[derive(Serialize)]
struct Lock {
    lease: Option<Holder>,
}

/// No version was looked for yet.
#[derive(Serialize)]
struct First {
    turn: u32,
}

/// What comes next for a table.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum NextAnswer {
    /// A version is to be planned.
    Plan { version: String, turn: u32 },
    /// A version that began to be published is to be finished.
    Publish { version: String, turn: u32 },
    /// There is nothing to do; or, without a number, not for this execution. When something came before the lease was given
    /// back, the next turn begins.
    Done { pending: Option<u64>, turn: u32 },
}

/// What comes after planning.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum PlanAnswer {
    /// It may be published.
    Publish,
    /// Its delta is computed on Athena.
    Athena { statement: QueryExecution },
    /// It is done with: HELD, FAILED, or registered anew.
    Next,
}

/// What comes after a version began to be published.
#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum BeginAnswer {
    /// This part is not out yet, and all others are.
    Part { part: u32 },
    /// These parts are not out yet.
    Parts { parts: Vec<PartName> },
    /// All are.
    Record,
    /// Its export changed in the last moment.
    Next,
}

#[derive(Serialize)]
pub(super) struct PartName {
    part: u32,
}

#[derive(Serialize)]
pub(super) struct PublishAnswer {
    part: u32,
    /// Whether all of it is out; if not, there was no time for the rest.
    done: bool,
}

#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(super) enum RecordAnswer {
    /// It SUCCEEDED.
    Next,
    /// There are more parts.
    Begin,
}

#[derive(Serialize)]
pub(super) struct UnlockAnswer {
    /// False: there is more to do.
    released: bool,
}

impl Locked {
    fn lease(&self) -> Lease {
        Lease { key: self.key.clone(), owner: self.lease.owner.clone(), fence: self.lease.fence }
    }

    /// The lease, for another while.
    fn renewed(&self, account: &Deployment) -> Result<Lease> {
        let lease = self.lease();
        if account.registry.renew(&lease)? {
            return Ok(lease);
        }
        Err(Error::lease_lost(
            lease.key.to_string(),
            format!("another run took over from this one (fence {})", lease.fence),
        )
        .help("it does what is left; look at `status`"))
    }
}

impl Draining {
    /// Whether there is room for another version in the history of the execution.
    fn goes_on(&self) -> Result<bool> {
        let since: Timestamp =
            self.since.parse().map_err(|error| Error::refused("the event", format!("`{}`: {error}", self.since)))?;
        Ok(self.turn < TURNS && clock::now_ms() - since.as_millisecond() < LONGEST)
    }
}

impl OfVersion {
    fn load(&self, account: &Deployment) -> Result<Version> {
        let key = &self.locked.key;
        let known = account.registry.version(key, &self.version)?;
        known.ok_or_else(|| Error::refused(key.to_string(), format!("no version {} is known", self.version)))
    }
}

/// Takes the lease. The same execution may ask again, when its answer was lost.
pub(super) fn lock(account: &Deployment, wanted: Wanted) -> Result<LockAnswer> {
    let Wanted { key, execution } = wanted;
    let lease = account.registry.acquire(&key, &execution, Some(&execution))?;
    let lease = lease.map(|lease| Holder { owner: lease.owner, fence: lease.fence });
    Ok(LockAnswer { key, lock: Lock { lease }, next: First { turn: 0 } })
}

/// What is to be done next. What came too late is superseded on the way.
pub(super) fn next(account: &Deployment, draining: Draining) -> Result<NextAnswer> {
    let lease = draining.locked.renewed(account)?;
    let goes_on = draining.goes_on()?;
    let turn = draining.turn + 1;
    let table = account.table(&lease.key.table)?;
    let registry = &account.registry;
    loop {
        let state = registry.state(&lease.key)?;
        let versions = registry.versions(&lease.key)?;
        match next_step(&versions, table, state.resync) {
            None => return Ok(NextAnswer::Done { pending: Some(state.pending), turn }),
            Some(Step::Supersede(version, by)) => drop(registry.supersede(&lease, version, &by)?),
            Some(_) if !goes_on => return Ok(NextAnswer::Done { pending: None, turn }),
            Some(Step::Finish(version)) => return Ok(NextAnswer::Publish { version: version.version, turn }),
            Some(Step::Run(version)) => return Ok(NextAnswer::Plan { version: version.version, turn }),
        }
    }
}

/// Plans a version, or looks whether Athena has.
pub(super) fn plan(account: &Deployment, of: OfVersion, deadline: Deadline) -> Result<PlanAnswer> {
    let lease = of.locked.renewed(account)?;
    let (table, version) = (account.table(&lease.key.table)?, of.load(account)?);
    if !matches!(version.status, Status::Registered | Status::Planned | Status::Held) {
        // An answer was lost, or it was delivered again; `next` sees what is so now.
        return Ok(PlanAnswer::Next);
    }
    let mut runner = account.runner(table)?;
    let run = format!("{}/{}", account.registry.id(), lease.fence);
    let poll = Poll { run: &run, execution: of.statement.as_ref(), max_bytes: account.read_bytes };
    let watch = Watch::until(deadline.0 - TIME_TO_ASK_ATHENA);
    let prepare = || runner.prepare_or_poll(&lease, table, version.clone(), poll, &watch);
    let prepared = match runner.keep_alive(&lease, &watch, prepare) {
        Err(error)
            if error.kind() == ErrorKind::OutOfTime
                && of.statement.is_none()
                && runner.engines.may_ask_athena(table) =>
        {
            tracing::warn!(%version, "One function has no time for the delta; Athena computes it.");
            runner.engines.choice = Choice::Athena;
            runner.prepare_or_poll(&lease, table, version, poll, &Watch::until(deadline.0))
        }
        prepared => prepared,
    };
    let prepared = match prepared? {
        DeltaProgress::Running(statement) => return Ok(PlanAnswer::Athena { statement }),
        DeltaProgress::Finished(prepared) => prepared,
    };
    if let (Prepared::Gone, Some(statement), Some(athena)) = (&prepared, &of.statement, &runner.engines.athena) {
        athena.cancel(statement);
    }
    Ok(match prepared {
        Prepared::Ready(_) => PlanAnswer::Publish,
        Prepared::Held(version) => {
            metrics::held(&version);
            PlanAnswer::Next
        }
        Prepared::Failed(outcome) => {
            metrics::failed(&outcome);
            PlanAnswer::Next
        }
        Prepared::Gone => PlanAnswer::Next,
    })
}

/// Begins to publish a version, or goes on with it: BEGIN is sent, and the parts are told that are not out.
pub(super) fn begin(account: &Deployment, of: OfVersion) -> Result<BeginAnswer> {
    let lease = of.locked.renewed(account)?;
    let table = account.table(&lease.key.table)?;
    let version = of.load(account)?;
    let runner = account.runner(table)?;
    let publishing = match version.status {
        Status::Publishing => version,
        Status::Planned | Status::Held => match runner.begin(&lease, table, version)? {
            Some(publishing) => publishing,
            None => return Ok(BeginAnswer::Next),
        },
        _ => return Ok(BeginAnswer::Next),
    };
    let parts = left(account, &publishing)?;
    if parts.is_empty() && Frame::new(table, &publishing).parts > 0 {
        return Ok(BeginAnswer::Record);
    }
    // A stream that takes nothing is waited for, longer than a lease lasts.
    let stream = account.stream()?;
    runner.keep_alive(&lease, &Watch::default(), || stream.begin(&Frame::new(table, &publishing)))?;
    let most = env_override("TIDEMARK_PARTS_AT_ONCE", PARTS_AT_ONCE) as usize;
    Ok(match parts[..] {
        [] => BeginAnswer::Record,
        [part] => BeginAnswer::Part { part },
        _ => BeginAnswer::Parts { parts: parts.into_iter().take(most).map(|part| PartName { part }).collect() },
    })
}

/// The parts of a version that are not out.
fn left(account: &Deployment, version: &Version) -> Result<Vec<u32>> {
    let out = account.registry.delivered(version, &account.stream()?.name())?;
    let parts = version.plan.as_ref().map_or(0, |plan| plan.parts);
    Ok((0..parts).filter(|part| out.get(part) != Some(&Extent::Whole)).collect())
}

/// Publishes a part from where it was left, as far as there is time.
pub(super) fn publish(account: &Deployment, of: OfPart, deadline: Deadline) -> Result<PublishAnswer> {
    let OfPart { of, part } = of;
    let lease = of.locked.renewed(account)?;
    let table = account.table(&lease.key.table)?;
    let version = of.load(account)?;
    if version.status != Status::Publishing {
        return Ok(PublishAnswer { part, done: true });
    }
    let runner = account.runner(table)?;
    let stream = account.stream()?;
    let name = stream.name();
    let out = account.registry.delivered(&version, &name)?.get(&part).copied().unwrap_or(Extent::Lines(0));
    let Extent::Lines(from) = out else { return Ok(PublishAnswer { part, done: true }) };
    let watch = Watch::default();
    let mut told = |extent| runner.registry.record_delivery(&lease, &version, &name, part, extent);
    let go_on = || watch.checkpoint(0).map(|()| deadline.is_far());
    let publication = runner.publication(&lease, table, &version);
    let done = runner.keep_alive(&lease, &watch, || stream.part(publication, part, from, &mut told, &go_on))?;
    if done.throttled > 0 {
        metrics::of_version(&lease.key, Some(&of.version), &[("PublishThrottled", "Count", done.throttled as f64)]);
    }
    Ok(PublishAnswer { part, done: done.is_end })
}

/// Sends END once every part is out, and records that the version SUCCEEDED.
pub(super) fn record(account: &Deployment, of: OfVersion) -> Result<RecordAnswer> {
    let lease = of.locked.renewed(account)?;
    let table = account.table(&lease.key.table)?;
    let version = of.load(account)?;
    if version.status != Status::Publishing {
        return Ok(RecordAnswer::Next);
    }
    if !left(account, &version)?.is_empty() {
        return Ok(RecordAnswer::Begin);
    }
    let (runner, stream) = (account.runner(table)?, account.stream()?);
    runner.keep_alive(&lease, &Watch::default(), || stream.end(&Frame::new(table, &version)))?;
    metrics::published(&runner.record(&lease, version)?);
    Ok(RecordAnswer::Next)
}

/// Gives the lease back: after a failure whatever there is to do, otherwise only when nothing has come. After many turns
/// another execution goes on.
pub(super) fn unlock(account: &Deployment, leaving: Leaving) -> Result<UnlockAnswer> {
    let lease = leaving.locked.lease();
    if let Some(error) = &leaving.error {
        tracing::error!(tenant = lease.key.tenant, table = lease.key.table, %error, "The flow stopped.");
        metrics::of_version(&lease.key, None, &[("Machine", "Count", 1.0)]);
    }
    let released = account.registry.release(&lease, leaving.pending)?;
    if leaving.pending.is_none() && leaving.error.is_none() {
        let fence = lease.fence.to_string();
        account.start(&lease.key, ["#after", &fence])?;
    }
    Ok(UnlockAnswer { released })
}
