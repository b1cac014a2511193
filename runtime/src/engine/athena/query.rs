//! One statement on Athena, from its start to its end.

use std::time::Duration;

use aws_sdk_athena::types::{
    AthenaError, QueryExecution, QueryExecutionContext, QueryExecutionState, ResultConfiguration,
};

use crate::aws::{Aws, why};
use crate::error::{Error, Result};
use crate::plan::Scan;
use crate::telemetry::Watch;

/// How long to wait before a statement is looked at again: at first, and at most.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(200);
pub(super) const LAST_LOOK: Duration = Duration::from_secs(5);

/// How often a statement that was stopped is looked at: for ten seconds.
const LAST_LOOKS: u32 = 50;

/// Categories of errors. <https://docs.aws.amazon.com/athena/latest/APIReference/API_AthenaError.html>
const SYSTEM: i32 = 1;

/// A statement to run.
#[derive(Debug, Clone)]
pub(super) struct Query<'a> {
    pub(super) sql: String,
    /// Texts, in the order of their places.
    pub(super) parameters: Vec<String>,
    /// The same statement with the same token is started once; 32 to 128 characters.
    pub(super) token: String,
    pub(super) database: &'a str,
    pub(super) workgroup: &'a str,
    /// Where Athena leaves its manifest, an `s3://` URI.
    pub(super) results: String,
}

/// What a statement came to.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) scan: Scan,
    /// The list of what was written, an `s3://` URI.
    pub(super) manifest: Option<String>,
}

/// How a statement ended that did not succeed.
pub(super) enum Failed {
    /// It may go well another time.
    Retryable(Error),
    Final(Error),
    /// It could not be looked at, and goes on perhaps.
    Unseen(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// SecondPass at a statement that was started: what it came to, or nothing while it runs.
pub(super) fn look(aws: &Aws, id: &str, max_scan: Option<u64>, watch: &Watch) -> Result<Option<Done>, Failed> {
    let looked = aws.wait(aws.athena.get_query_execution().query_execution_id(id).send());
    let looked = looked.map_err(|error| {
        let told = told("cannot look at the statement", id, why(&error));
        Failed::Unseen(told.help("run again; nothing is lost"))
    })?;
    let execution = looked.query_execution.unwrap_or_else(|| QueryExecution::builder().build());
    let status = execution.status.as_ref();
    let scan = scan(id, &execution);
    watch.message(&format!("Athena has read {:.1} MB", scan.bytes as f64 / 1e6));
    if let Some(most) = max_scan.filter(|most| scan.bytes > *most) {
        let problem = format!("it read {} bytes, and `engine.max_scan` allows {most}", scan.bytes);
        return Err(told("the statement was stopped", id, problem).help("raise it in the schema").into());
    }
    let reason = status.and_then(|status| status.state_change_reason()).unwrap_or("Athena gives no reason");
    match status.and_then(|status| status.state()) {
        Some(QueryExecutionState::Succeeded) => {
            let manifest = execution.statistics().and_then(|found| found.data_manifest_location());
            Ok(Some(Done { scan, manifest: manifest.map(Into::into) }))
        }
        Some(QueryExecutionState::Failed) => Err(failed(id, reason, status.and_then(|status| status.athena_error()))),
        Some(QueryExecutionState::Cancelled) => {
            let help = "run again; if it read more than its work group allows, raise the limit there";
            Err(told("the statement was cancelled", id, reason).help(help).into())
        }
        _ => Ok(None),
    }
}

/// Starts a statement, and gives its id. Started again with the same token, it is the same statement.
pub(super) fn start(aws: &Aws, query: &Query<'_>) -> Result<String> {
    let context = QueryExecutionContext::builder().database(query.database).build();
    let results = ResultConfiguration::builder().output_location(&query.results).build();
    // A parameter is a literal of SQL.
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
    let started = aws.wait(call.send()).map_err(|error| {
        Error::aws("cannot start a statement on Athena", why(&error))
            .help("check the work group, the database and the permissions, then run again")
    })?;
    Ok(started.query_execution_id.unwrap_or_default())
}

/// Stops a statement, and waits until it is over: until then it may write, and what it has written is to be removed. That it
/// cannot be stopped changes nothing for who asked, but costs money.
pub(super) fn stop(aws: &Aws, id: &str) {
    if let Err(error) = aws.wait(aws.athena.stop_query_execution().query_execution_id(id).send()) {
        tracing::warn!(id, error = why(&error), "The statement could not be stopped.");
        return;
    }
    for _ in 0..LAST_LOOKS {
        let looked = aws.wait(aws.athena.get_query_execution().query_execution_id(id).send());
        let state = looked.ok().and_then(|looked| looked.query_execution?.status?.state);
        if !matches!(state, Some(QueryExecutionState::Queued | QueryExecutionState::Running)) {
            return;
        }
        std::thread::sleep(FIRST_LOOK);
    }
    tracing::warn!(id, "The statement was asked to stop and goes on.");
}

fn scan(id: &str, execution: &QueryExecution) -> Scan {
    let found = execution.statistics();
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    Scan {
        id: id.into(),
        bytes: number(found.and_then(|found| found.data_scanned_in_bytes())),
        millis: number(found.and_then(|found| found.engine_execution_time_in_millis())),
    }
}

/// What Athena says of a failure decides what comes next: whatever may pass is tried again; a fault of the service is the
/// machine's; everything else needs a person.
fn failed(id: &str, reason: &str, error: Option<&AthenaError>) -> Failed {
    let is_retryable = error.is_some_and(AthenaError::retryable);
    let is_service = error.and_then(AthenaError::error_category) == Some(SYSTEM);
    let told = told("the statement failed", id, reason);
    if is_retryable {
        return Failed::Retryable(told.help("run again later; nothing is lost"));
    }
    let help = if is_service {
        "run again; if it comes back, ask AWS with the statement's id"
    } else {
        "mend what Athena names (permissions, the Glue table, a broken file), then run again"
    };
    Failed::Final(told.help(help))
}

fn told(what: &str, id: &str, why: impl std::fmt::Display) -> Error {
    Error::aws(format!("{what} ({id})"), why)
}
