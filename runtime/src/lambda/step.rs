//! The steps of the flow for one tenant's table. Each is a function of its own; all of them hold one lease.

use std::collections::BTreeSet;

use crate::breakpoint::env_override;
use crate::engine::{Choice, DeltaProgress, Poll};
use crate::error::{ErrorKind, Result};
use crate::lambda::deadline::Deadline;
use crate::lambda::deployment::Deployment;
use crate::lambda::messages::{
    BeginAnswer, FirstTurn, LeaseHolder, Lock, LockAnswer, LockRequest, NextAnswer, NextRequest, PartName, PartRequest,
    PlanAnswer, PublishAnswer, RecordAnswer, UnlockAnswer, UnlockRequest, VersionRequest,
};
use crate::lambda::metrics;
use crate::run::{Prepared, Runner, Step, next_step};
use crate::sink::Frame;
use crate::store::{Lease, Status, Version};
use crate::table::Table;
use crate::telemetry::Watch;

/// The largest number of parts that one map state publishes. The list of parts is in the state, which is limited to
/// 256 KiB, and so are their results, `{}` each
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>). Further parts follow in another round.
const PARTS_AT_ONCE: u64 = 5_000;

/// How long before its deadline a function abandons a delta, to leave time to ask Athena for it; in milliseconds.
const TIME_TO_ASK_ATHENA: i64 = 60_000;

/// Takes the lease. The same execution may ask again if the answer was lost.
pub(super) fn lock(deployment: &Deployment, request: LockRequest) -> Result<LockAnswer> {
    let LockRequest { key, execution } = request;
    let lease = deployment.registry.acquire(&key, &execution, Some(&execution))?;
    let lease = lease.map(|lease| LeaseHolder { owner: lease.owner, fence: lease.fence });
    Ok(LockAnswer { key, lock: Lock { lease }, next: FirstTurn { turn: 0 } })
}

/// Finds the next work for a table. Versions that arrived too late are superseded on the way.
pub(super) fn next(deployment: &Deployment, request: NextRequest) -> Result<NextAnswer> {
    let lease = request.locked.renewed(deployment)?;
    let has_room = request.has_room()?;
    let turn = request.turn + 1;
    let table = deployment.table(&lease.key)?;
    let registry = &deployment.registry;
    loop {
        let state = registry.state(&lease.key)?;
        let versions = registry.current_versions(&lease.key)?;
        match next_step(&versions, table, state.resync) {
            None => return Ok(NextAnswer::Done { pending: Some(state.pending), turn }),
            Some(Step::Supersede { version, by, is_passed_over }) => {
                let superseded = registry.supersede(&lease, version, &by)?;
                if is_passed_over {
                    metrics::passed_over(&superseded, &by);
                }
            }
            Some(Step::Reopen(version)) => registry.reopen(&lease, version)?,
            Some(_) if !has_room => return Ok(NextAnswer::Done { pending: None, turn }),
            Some(Step::Finish(version)) => return Ok(NextAnswer::Publish { version: version.version, turn }),
            Some(Step::Run(version)) => return Ok(NextAnswer::Plan { version: version.version, turn }),
        }
    }
}

/// Plans a version, or checks whether Athena has computed its delta.
pub(super) fn plan(deployment: &Deployment, request: VersionRequest, deadline: Deadline) -> Result<PlanAnswer> {
    let lease = request.locked.renewed(deployment)?;
    let (table, version) = (deployment.table(&lease.key)?, request.load(deployment)?);
    if !matches!(version.status, Status::Registered | Status::Planned | Status::Held) {
        // An answer was lost, or the version was delivered again; `next` decides from its current status.
        return Ok(PlanAnswer::Next);
    }
    let mut runner = deployment.runner(table, &lease.key, &lease.owner)?;
    if request.statement.is_none() {
        runner.check_outputs(&lease, &version)?;
    }
    let prepared = match prepare(deployment, &mut runner, &lease, &request, (table, version), deadline) {
        Ok(DeltaProgress::Running(statement)) => return Ok(PlanAnswer::poll(statement)),
        Ok(DeltaProgress::Finished(prepared)) => prepared,
        Err(error) if error.kind() == ErrorKind::Busy => {
            tracing::info!(tenant = lease.key.tenant, table = lease.key.table, "{error}");
            return Ok(PlanAnswer::wait_for_athena(request.statement));
        }
        Err(error) => return Err(error),
    };
    if let (Prepared::Gone, Some(statement), Some(athena)) = (&prepared, &request.statement, &runner.engines.athena) {
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

/// Prepares a version; asks Athena if the function has no time to compute the delta itself.
fn prepare(
    deployment: &Deployment,
    runner: &mut Runner,
    lease: &Lease,
    request: &VersionRequest,
    (table, version): (&'static Table, Version),
    deadline: Deadline,
) -> Result<DeltaProgress<Prepared>> {
    let run = format!("{}/{}", deployment.registry.id(), lease.fence);
    let poll = Poll { run: &run, execution: request.statement.as_ref(), max_bytes: deployment.read_bytes };
    let watch = Watch::until(deadline.0 - TIME_TO_ASK_ATHENA);
    let prepare = || runner.prepare_or_poll(lease, table, version.clone(), poll, &watch);
    match runner.keep_alive(lease, &watch, prepare) {
        Err(error)
            if error.kind() == ErrorKind::OutOfTime
                && request.statement.is_none()
                && runner.engines.may_ask_athena(table) =>
        {
            tracing::warn!(%version, "The delta takes longer than a function may run; Athena computes it.");
            runner.engines.choice = Choice::Athena;
            runner.prepare_or_poll(lease, table, version, poll, &Watch::until(deadline.0))
        }
        prepared => prepared,
    }
}

/// Starts or resumes publishing a version: begins in every output, and lists the parts that are not published yet.
pub(super) fn begin(deployment: &Deployment, request: VersionRequest) -> Result<BeginAnswer> {
    let lease = request.locked.renewed(deployment)?;
    let table = deployment.table(&lease.key)?;
    let version = request.load(deployment)?;
    let runner = deployment.runner(table, &lease.key, &lease.owner)?;
    if !matches!(version.status, Status::Publishing | Status::Planned | Status::Held) {
        return Ok(BeginAnswer::Next);
    }
    runner.check_outputs(&lease, &version)?;
    let publishing = match version.status {
        Status::Publishing => version,
        _ => match runner.begin(&lease, table, version)? {
            Some(publishing) => publishing,
            None => return Ok(BeginAnswer::Next),
        },
    };
    let frame = Frame::new(table, &publishing);
    let publication = runner.publication(&lease, table, &publishing);
    let mut parts = BTreeSet::new();
    for output in deployment.outputs()? {
        let unpublished = output.unpublished(&deployment.registry, &publishing, &frame)?;
        // Waiting for a throttled stream may take longer than the lease lasts.
        let begin = || output.begin(publication, &frame, unpublished.is_empty());
        runner.keep_alive(&lease, &Watch::default(), begin)?;
        parts.extend(unpublished.into_iter().map(|(part, _)| part));
    }
    Ok(begun(parts.into_iter().collect(), deployment.parts_concurrency))
}

fn begun(parts: Vec<u32>, concurrency: u64) -> BeginAnswer {
    let max_parts = env_override("TIDEMARK_PARTS_AT_ONCE", PARTS_AT_ONCE) as usize;
    match parts[..] {
        [] => BeginAnswer::Record,
        [part] => BeginAnswer::Part { part },
        _ => {
            let parts = parts.into_iter().take(max_parts).map(|part| PartName { part }).collect();
            BeginAnswer::Parts { parts, concurrency }
        }
    }
}

/// Publishes a part from where it stopped, as far as time permits.
pub(super) fn publish(deployment: &Deployment, request: PartRequest, deadline: Deadline) -> Result<PublishAnswer> {
    let PartRequest { version: request, part } = request;
    let lease = request.locked.renewed(deployment)?;
    let table = deployment.table(&lease.key)?;
    let version = request.load(deployment)?;
    if version.status != Status::Publishing {
        return Ok(PublishAnswer { part, done: true });
    }
    let (runner, frame) = (deployment.runner(table, &lease.key, &lease.owner)?, Frame::new(table, &version));
    let watch = Watch::default();
    let has_time = || watch.checkpoint(0).map(|()| deadline.is_far());
    let publication = runner.publication(&lease, table, &version);
    let (mut done, mut throttled) = (true, 0);
    for output in deployment.outputs()? {
        let unpublished = output.unpublished(&deployment.registry, &version, &frame)?;
        let Some(rest) = unpublished.into_iter().find(|(other, _)| *other == part) else { continue };
        let name = output.name();
        let mut on_progress = |extent| runner.registry.record_delivery(&lease, &version, &name, part, extent);
        let publish = || output.part(publication, rest, &mut on_progress, &has_time);
        let sent = runner.keep_alive(&lease, &watch, publish)?;
        done &= sent.is_end;
        throttled += sent.throttled;
    }
    if throttled > 0 {
        metrics::report(&lease.key, Some(&request.version), &[("PublishThrottled", "Count", throttled as f64)]);
    }
    Ok(PublishAnswer { part, done })
}

/// Ends the publication in every output once every part is published, and records that the version SUCCEEDED.
pub(super) fn record(deployment: &Deployment, request: VersionRequest) -> Result<RecordAnswer> {
    let lease = request.locked.renewed(deployment)?;
    let table = deployment.table(&lease.key)?;
    let version = request.load(deployment)?;
    if version.status != Status::Publishing {
        return Ok(RecordAnswer::Next);
    }
    let (runner, frame, outputs) =
        (deployment.runner(table, &lease.key, &lease.owner)?, Frame::new(table, &version), deployment.outputs()?);
    for output in &outputs {
        if !output.unpublished(&deployment.registry, &version, &frame)?.is_empty() {
            return Ok(RecordAnswer::Begin);
        }
    }
    let publication = runner.publication(&lease, table, &version);
    let end = || outputs.iter().try_for_each(|output| output.end(publication, &frame));
    runner.keep_alive(&lease, &Watch::default(), end)?;
    metrics::published(&runner.record(&lease, version)?);
    Ok(RecordAnswer::Next)
}

/// Releases the lease: after a failure unconditionally, otherwise only if nothing has arrived. After many turns another
/// execution continues.
pub(super) fn unlock(deployment: &Deployment, request: UnlockRequest) -> Result<UnlockAnswer> {
    let lease = request.locked.lease();
    if let Some(error) = &request.error {
        tracing::error!(tenant = lease.key.tenant, table = lease.key.table, %error, "The flow stopped with an error.");
        metrics::report(&lease.key, None, &[("Machine", "Count", 1.0)]);
    }
    let released = deployment.registry.release(&lease, request.pending)?;
    if request.pending.is_none() && request.error.is_none() {
        let fence = lease.fence.to_string();
        deployment.start_execution(&lease.key, ["#after", &fence])?;
    }
    Ok(UnlockAnswer { released })
}
