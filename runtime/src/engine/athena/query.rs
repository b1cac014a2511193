//! One query on Athena, from its start to its end.

use std::time::Duration;

use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_athena::types::{
    AthenaError, QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration,
};

use crate::aws::{Aws, error_chain};
use crate::breakpoint::env_override;
use crate::error::{Error, Result};
use crate::plan::Scan;
use crate::telemetry::Watch;

/// The pause between two polls of a query: the first, and the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The pause before Athena is asked again, if it accepts no more queries for now; in milliseconds.
const BUSY_PAUSE: u64 = 30_000;

/// The errors of calls that are refused because there are too many: of queries beyond the quota, which counts those
/// that run and those in Athena's queue, and of any call.
/// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
const TOO_MANY: [&str; 2] = ["TooManyRequestsException", "ThrottlingException"];

/// How often a cancelled query is polled, for ten seconds in all.
const CANCEL_POLLS: u32 = 50;

/// Athena's category for errors of the service itself.
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_AthenaError.html>
const SYSTEM: i32 = 1;

/// A query to run.
#[derive(Debug, Clone)]
pub(super) struct Query<'a> {
    pub(super) sql: String,
    /// The values of its parameters, as texts.
    pub(super) parameters: Vec<String>,
    /// Athena starts two queries with the same token once; 32 to 128 characters.
    pub(super) token: String,
    pub(super) database: &'a str,
    pub(super) workgroup: &'a str,
    /// Where Athena writes the manifest of the output, an `s3://` URI.
    pub(super) results: String,
    /// The account that must own its bucket, if that is known.
    pub(super) account: Option<&'a str>,
}

/// A query that succeeded.
#[derive(Debug, Clone)]
pub(super) struct Succeeded {
    pub(super) scan: Scan,
    /// The list of the files it wrote, an `s3://` URI.
    pub(super) manifest: Option<String>,
}

/// Why a query did not succeed.
pub(super) enum QueryFailure {
    /// It failed, and may succeed if it is tried again.
    Retryable(Error),
    /// It failed, and would fail again.
    Final(Error),
    /// Its state is not known; it may still run.
    Unknown(Error),
}

impl From<Error> for QueryFailure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// Polls a query. Returns `None` while it runs.
pub(super) fn poll(
    aws: &Aws,
    id: &str,
    max_scan: Option<u64>,
    watch: &Watch,
) -> Result<Option<Succeeded>, QueryFailure> {
    let polled = aws.wait(aws.athena.get_query_execution().query_execution_id(id).send());
    let polled = polled.map_err(|error| {
        let what = "cannot poll the query";
        let error = match is_busy(&error) {
            true => Error::busy(format!("{what} ({id})"), error_chain(&error)),
            false => query_error(what, id, error_chain(&error)),
        };
        QueryFailure::Unknown(error.help("run again; nothing is lost"))
    })?;
    let execution = polled.query_execution.unwrap_or_else(|| QueryExecution::builder().build());
    let status = execution.status.as_ref();
    let scan = scan(id, &execution);
    watch.message(&format!("Athena has read {:.1} MB", scan.bytes as f64 / 1e6));
    if let Some(max_bytes) = max_scan.filter(|max_bytes| scan.bytes > *max_bytes) {
        let problem = format!("it read {} bytes, but `engine.max_scan` allows {max_bytes}", scan.bytes);
        return Err(query_error("the query was cancelled", id, problem).help("raise the limit in the schema").into());
    }
    let reason = status.and_then(|status| status.state_change_reason()).unwrap_or("Athena gives no reason");
    match status.and_then(|status| status.state()) {
        Some(QueryExecutionState::Succeeded) => {
            let manifest = execution.statistics().and_then(|statistics| statistics.data_manifest_location());
            Ok(Some(Succeeded { scan, manifest: manifest.map(Into::into) }))
        }
        Some(QueryExecutionState::Failed) => Err(failed(id, reason, status.and_then(|status| status.athena_error()))),
        Some(QueryExecutionState::Cancelled) => {
            let help = "run again; if the query reads more than its work group allows, raise the limit there";
            Err(query_error("the query was cancelled", id, reason).help(help).into())
        }
        _ => Ok(None),
    }
}

/// Starts a query and returns its id. Starting it again with the same token returns the same id.
pub(super) fn start(aws: &Aws, query: &Query<'_>) -> Result<String> {
    let context = QueryExecutionContext::builder().database(query.database).build();
    let results = ResultConfiguration::builder().output_location(&query.results);
    let results = results.set_expected_bucket_owner(query.account.map(Into::into)).build();
    // Athena expects parameters as SQL literals.
    let literals = query.parameters.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
    let call = aws
        .athena
        .start_query_execution()
        .query_string(&query.sql)
        .set_execution_parameters(Some(literals))
        .client_request_token(&query.token)
        .query_execution_context(context)
        .result_configuration(results)
        .work_group(query.workgroup);
    let started = aws.wait(call.send()).map_err(|error| match is_busy(&error) {
        true => Error::busy("Athena accepts no more queries for now", error_chain(&error))
            .help("run again later, or have the account's quota of active DML queries raised"),
        false => Error::aws("cannot start a query on Athena", error_chain(&error))
            .help("check the work group, the database and the permissions, then run again"),
    })?;
    Ok(started.query_execution_id.unwrap_or_default())
}

/// The pause before Athena is asked again, if it accepts no more queries for now.
pub(super) fn busy_pause() -> Duration {
    Duration::from_millis(env_override("TIDEMARK_BUSY_MILLIS", BUSY_PAUSE))
}

/// Returns whether Athena refused a call because there are too many, now.
fn is_busy<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code().is_some_and(|code| TOO_MANY.contains(&code))
}

/// Cancels a query and waits until it has ended: until then it may write output, which the caller is about to remove.
/// A query that cannot be cancelled costs money, but is not an error for the caller.
pub(super) fn cancel(aws: &Aws, id: &str) {
    if let Err(error) = aws.wait(aws.athena.stop_query_execution().query_execution_id(id).send()) {
        tracing::warn!(id, error = error_chain(&error), "Cannot cancel the query.");
        return;
    }
    for _ in 0..CANCEL_POLLS {
        let polled = aws.wait(aws.athena.get_query_execution().query_execution_id(id).send());
        let state = polled.ok().and_then(|polled| polled.query_execution?.status?.state);
        if !matches!(state, Some(QueryExecutionState::Queued | QueryExecutionState::Running)) {
            return;
        }
        std::thread::sleep(FIRST_PAUSE);
    }
    tracing::warn!(id, "The query was cancelled but still runs.");
}

/// How many bytes a query has read, if Athena still knows it.
pub(super) fn scanned(aws: &Aws, id: &str) -> Option<u64> {
    let polled = aws.wait(aws.athena.get_query_execution().query_execution_id(id).send());
    polled.ok()?.query_execution.map(|execution| scan(id, &execution).bytes)
}

fn scan(id: &str, execution: &QueryExecution) -> Scan {
    let statistics = execution.statistics();
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    Scan {
        id: id.into(),
        bytes: number(statistics.and_then(|statistics| statistics.data_scanned_in_bytes())),
        millis: number(statistics.and_then(|statistics| statistics.engine_execution_time_in_millis())),
    }
}

/// Athena's error decides what happens next: a transient failure is tried again, a failure of the service may go away
/// by itself, and anything else needs a person.
fn failed(id: &str, reason: &str, error: Option<&AthenaError>) -> QueryFailure {
    let is_retryable = error.is_some_and(AthenaError::retryable);
    let is_service = error.and_then(AthenaError::error_category) == Some(SYSTEM);
    let error = query_error("the query failed", id, reason);
    if is_retryable {
        return QueryFailure::Retryable(error.help("run again later; nothing is lost"));
    }
    let help = if is_service {
        "run again; if it keeps failing, ask AWS about the query's id"
    } else {
        "fix what Athena names (permissions, the Glue table, a broken file), then run again"
    };
    QueryFailure::Final(error.help(help))
}

fn query_error(what: &str, id: &str, why: impl std::fmt::Display) -> Error {
    Error::aws(format!("{what} ({id})"), why)
}
