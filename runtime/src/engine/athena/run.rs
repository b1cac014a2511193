//! The delta of two exports in S3: check what Athena cannot see, run the query, read its output.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::checks;
use super::execution::{DeltaProgress, Poll, QueryExecution};
use super::query::{self, Query, QueryFailure, Succeeded};
use super::query_output::{QueryOutput, ReadProgress};
use super::statements::{StatementSource, Statements, not_for_athena};
use crate::aws::s3::{self, S3Uri};
use crate::aws::{Aws, token};
use crate::change_set::LineSink;
use crate::engine::request::{DeltaError, DeltaRequest, DeltaSummary};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::snapshot::Export;
use crate::store::dynamodb::Dynamodb;

/// How often a query is attempted, if it fails with a transient error.
const ATTEMPTS: u32 = 3;

/// Access to Athena in one AWS account.
#[derive(Debug, Clone)]
pub struct Athena {
    /// The AWS clients.
    pub aws: Arc<Aws>,
    /// The SQL of every table that Athena can read.
    pub statements: Arc<dyn StatementSource>,
    /// The database in Glue's data catalog that holds the tables.
    pub database: String,
    /// The work group that queries run in.
    pub workgroup: String,
    /// The prefix for the output of queries, which is removed once it is read. By default it is `_tidemark/athena` in
    /// the bucket of the exports; no tenant has a name like `_tidemark`.
    pub results: Option<S3Uri>,
    /// The account that owns the bucket for the output of queries, if that is known: Athena writes to no other.
    pub account: Option<String>,
    /// How many bytes the work group lets a query read, if that is known.
    pub cutoff: Option<u64>,
    /// How many bytes all queries of a table may read in a day, if that is limited.
    pub budget: Option<ScanBudget>,
}

/// A limit on the bytes that queries of a table read in a day, and where they are counted.
#[derive(Debug, Clone)]
pub struct ScanBudget {
    /// Counts them.
    pub registry: Dynamodb,
    /// The limit.
    pub bytes: u64,
}

/// The query that computes one delta.
struct DeltaQuery<'a> {
    athena: &'a Athena,
    statements: Statements,
    request: &'a DeltaRequest<'a>,
    results: S3Uri,
    baseline: Option<ExportLocation>,
    snapshot: ExportLocation,
    /// Identifies the run that needs the delta.
    run: &'a str,
}

/// Where an export is in S3, and the parameters by which a query selects it.
struct ExportLocation {
    uri: S3Uri,
    tenant: String,
    version: String,
}

impl ExportLocation {
    /// The Glue table shows only exports at `s3://BUCKET/TENANT/TABLE/VERSION`.
    fn new(export: &Export, table: &str) -> Result<Self> {
        let uri = export.folder.s3().as_deref().and_then(S3Uri::parse);
        let names = uri.as_ref().map(|uri| uri.key.split('/').collect::<Vec<_>>());
        if let (Some(uri), Some([tenant, name, version])) = (&uri, names.as_deref())
            && *name == table
        {
            return Ok(Self { uri: uri.clone(), tenant: (*tenant).into(), version: (*version).into() });
        }
        let problem = format!("Athena reads only s3://BUCKET/TENANT/{table}/VERSION");
        Err(Error::refused(&export.label, problem).help("move the export there, or use --engine native"))
    }
}

impl Athena {
    /// The SQL of a table, if Athena can read it.
    pub fn statements(&self, table: &str) -> Option<Statements> {
        self.statements.statements(table)
    }

    /// Computes a delta, waiting for the query. Writes one line per operation to `lines`, in no particular order.
    pub fn delta(&self, request: &DeltaRequest<'_>, lines: &mut dyn LineSink) -> Result<DeltaSummary, DeltaError> {
        let run = token();
        let query = self.query(request, &run)?;
        query.check()?;
        let (execution, succeeded) = query.wait().map_err(DeltaError::snapshot)?;
        let summary = QueryOutput::open(&self.aws, request, &succeeded).and_then(|output| output.read_all(lines));
        query.finish(&execution, succeeded, summary)
    }

    /// Computes a delta without waiting: starts its query, or polls the query that was started, or reads some of its
    /// output.
    pub fn start_or_poll(
        &self,
        request: &DeltaRequest<'_>,
        poll: Poll<'_>,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaProgress<DeltaSummary>, DeltaError> {
        let query = self.query(request, poll.run)?;
        let Some(execution) = poll.execution else {
            query.check()?;
            return query.start(0).map(DeltaProgress::Running).map_err(DeltaError::snapshot);
        };
        if execution.token != query.token(execution.attempt) {
            let problem = "the export, its baseline or its schema changed while Athena computed the delta";
            let error = Error::overtaken(&request.inputs.snapshot.label, problem).help("it is compared again");
            return Err(DeltaError::snapshot(error));
        }
        match query::poll(&self.aws, &execution.id, query.statements.max_scan, request.watch) {
            Ok(None) => Ok(DeltaProgress::Running(execution.clone())),
            Ok(Some(succeeded)) => query.read_some(execution, succeeded, poll, lines),
            // The query may still run; the next call polls it again.
            Err(QueryFailure::Unknown(error)) => Err(DeltaError::snapshot(error)),
            Err(failure) => query.retry(execution, failure).map(DeltaProgress::Running).map_err(DeltaError::snapshot),
        }
    }

    /// How many bytes a query has read, if Athena still knows it.
    pub fn scanned(&self, id: &str) -> Option<u64> {
        query::scanned(&self.aws, id)
    }

    /// Cancels a query whose delta is not needed any more, and removes its output.
    pub fn cancel(&self, execution: &QueryExecution) {
        query::cancel(&self.aws, &execution.id);
        if let Some(results) = &self.results {
            let _ = s3::remove(&self.aws, &results.join(&execution.token));
        }
    }

    fn query<'a>(&'a self, request: &'a DeltaRequest<'a>, run: &'a str) -> Result<DeltaQuery<'a>, DeltaError> {
        let table = request.layout.table.name;
        let inputs = request.inputs;
        let statements = self.statements(table).ok_or_else(|| DeltaError::snapshot(not_for_athena(table)))?;
        let baseline = inputs.baseline.map(|export| ExportLocation::new(export, table)).transpose();
        let baseline = baseline.map_err(DeltaError::baseline)?;
        let snapshot = ExportLocation::new(inputs.snapshot, table).map_err(DeltaError::snapshot)?;
        let results = self.results.clone().unwrap_or_else(|| {
            let bucket = snapshot.uri.bucket.clone();
            S3Uri { bucket, key: "_tidemark/athena".into() }
        });
        Ok(DeltaQuery { athena: self, statements, request, results, baseline, snapshot, run })
    }
}

impl DeltaQuery<'_> {
    /// Checks what Athena cannot see by itself, and the cost of the query.
    fn check(&self) -> Result<(), DeltaError> {
        let (aws, bucket, layout) = (&self.athena.aws, &self.snapshot.uri.bucket, self.request.layout);
        let inputs = self.request.inputs;
        checks::catalog(aws, &self.athena.database, &self.statements, bucket).map_err(DeltaError::snapshot)?;
        checks::first_lines(aws, layout, inputs.snapshot, &self.snapshot.uri).map_err(DeltaError::snapshot)?;
        if let (Some(export), Some(baseline)) = (inputs.baseline, &self.baseline) {
            if baseline.uri.bucket != *bucket {
                let error = Error::refused(&export.label, format!("it is not in the bucket {bucket}"))
                    .help("Athena compares only exports of the same bucket; move it, or use --engine native");
                return Err(DeltaError::baseline(error));
            }
            checks::first_lines(aws, layout, export, &baseline.uri).map_err(DeltaError::baseline)?;
        }
        self.check_size().map_err(DeltaError::snapshot)
    }

    /// A query reads every byte of both exports once, and Athena charges by the byte.
    fn check_size(&self) -> Result<()> {
        let size = self.request.inputs.size();
        let refuse = |limit: &str, help: String| {
            let problem = format!("Athena would read {size} bytes, but {limit}");
            Err(Error::refused(&self.request.inputs.snapshot.label, problem).help(help))
        };
        match (self.statements.max_scan, self.athena.cutoff) {
            (Some(max_bytes), _) if size > max_bytes => refuse(
                &format!("`engine.max_scan` allows {max_bytes}"),
                format!("raise it in schemas/{}.yaml, or use --engine native", self.statements.table),
            ),
            // The work group would cancel the query there, and charge for it.
            (_, Some(max_bytes)) if size > max_bytes => refuse(
                &format!("its work group allows {max_bytes}"),
                format!("deploy with a larger ScanCutoff: infra/deploy --param ScanCutoff={size}"),
            ),
            _ if self.athena.budget.as_ref().is_some_and(|budget| size > budget.bytes) => refuse(
                "the budget of a table for a whole day is less",
                format!("deploy with a larger one: infra/deploy --param ScanBudget={size}"),
            ),
            _ => Ok(()),
        }
    }

    fn start(&self, attempt: u32) -> Result<QueryExecution> {
        self.check_budget()?;
        let id = query::start(&self.athena.aws, &self.sql(attempt))?;
        Ok(QueryExecution { id, token: self.token(attempt), attempt, reading: None })
    }

    /// Counts the query, unless the table's budget for today is spent.
    fn check_budget(&self) -> Result<()> {
        let Some(budget) = &self.athena.budget else { return Ok(()) };
        let (table, size) = (self.statements.table, self.request.inputs.size());
        if budget.registry.add_scan(table, size, budget.bytes)? {
            return Ok(());
        }
        let problem =
            format!("Athena would read {size} bytes, which exceeds what is left today of the budget of {table}");
        Err(Error::busy(&self.request.inputs.snapshot.label, problem)
            .help("it is compared tomorrow (UTC), or once it fits into a larger budget: infra/deploy --param ScanBudget=BYTES"))
    }

    /// Starts the query once Athena accepts it.
    fn start_when_accepted(&self, attempt: u32) -> Result<QueryExecution> {
        loop {
            match self.start(attempt) {
                Err(error) if error.kind() == ErrorKind::Busy => self.pause_until_accepted(&error)?,
                started => return started,
            }
        }
    }

    fn pause_until_accepted(&self, error: &Error) -> Result<()> {
        tracing::info!(%error, "Waiting for Athena.");
        self.request.watch.message("waiting for Athena, which accepts no more queries");
        self.request.watch.sleep(query::busy_pause())
    }

    /// Starts a failed query again, if it may succeed.
    fn retry(&self, failed: &QueryExecution, failure: QueryFailure) -> Result<QueryExecution> {
        match failure {
            QueryFailure::Final(error) | QueryFailure::Unknown(error) => {
                self.cancel(failed);
                Err(error)
            }
            QueryFailure::Retryable(error) => {
                // Output that cannot be removed is no reason not to try again.
                let _ = s3::remove(&self.athena.aws, &self.output_uri(failed.attempt));
                if failed.attempt + 1 >= ATTEMPTS {
                    return Err(error);
                }
                tracing::warn!(%error, attempt = failed.attempt, "The query failed and is tried again.");
                self.start(failed.attempt + 1)
            }
        }
    }

    fn cancel(&self, execution: &QueryExecution) {
        query::cancel(&self.athena.aws, &execution.id);
        let _ = s3::remove(&self.athena.aws, &self.output_uri(execution.attempt));
    }

    /// Runs the query to its end. Cancels it if the work is stopped, by the user or because the lease is lost.
    fn wait(&self) -> Result<(QueryExecution, Succeeded)> {
        let watch = self.request.watch;
        let mut execution = self.start_when_accepted(0)?;
        let mut pause = query::FIRST_PAUSE;
        loop {
            match query::poll(&self.athena.aws, &execution.id, self.statements.max_scan, watch) {
                Ok(Some(succeeded)) => return Ok((execution, succeeded)),
                Ok(None) => watch.sleep(pause).inspect_err(|_| self.cancel(&execution))?,
                Err(QueryFailure::Unknown(error)) if error.kind() == ErrorKind::Busy => {
                    watch.sleep(query::busy_pause()).inspect_err(|_| self.cancel(&execution))?;
                }
                Err(failure) => match self.retry(&execution, failure) {
                    // The query has failed, and is found failed again.
                    Err(error) if error.kind() == ErrorKind::Busy => self.pause_until_accepted(&error)?,
                    retried => execution = retried?,
                },
            }
            pause = (pause * 3 / 2).min(query::MAX_PAUSE);
        }
    }

    /// Reads the next files of the output, and removes the output once all of it is read.
    fn read_some(
        &self,
        execution: &QueryExecution,
        succeeded: Succeeded,
        poll: Poll<'_>,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaProgress<DeltaSummary>, DeltaError> {
        let output = QueryOutput::open(&self.athena.aws, self.request, &succeeded);
        let summary = match output.and_then(|output| output.read_some(poll, lines)) {
            Ok(ReadProgress::Some(position)) => {
                return Ok(DeltaProgress::Running(QueryExecution { reading: Some(position), ..execution.clone() }));
            }
            // The output is kept for the next call, which may be able to read it.
            Err(failure) if failure.error.fault() == Fault::Machine => return Err(failure),
            Ok(ReadProgress::All(summary)) => Ok(*summary),
            Err(failure) => Err(failure),
        };
        self.finish(execution, succeeded, summary).map(DeltaProgress::Finished)
    }

    /// Removes the output, and completes the summary.
    fn finish(
        &self,
        execution: &QueryExecution,
        succeeded: Succeeded,
        summary: Result<DeltaSummary, DeltaError>,
    ) -> Result<DeltaSummary, DeltaError> {
        let inputs = self.request.inputs;
        let removed = s3::remove(&self.athena.aws, &self.output_uri(execution.attempt));
        if let Some(export) = inputs.baseline {
            checks::unchanged(export).map_err(DeltaError::baseline)?;
        }
        checks::unchanged(inputs.snapshot).map_err(DeltaError::snapshot)?;
        let mut summary = summary?;
        // Errors about the exports are reported first. Output that is left costs money every month, so that is an error
        // too.
        removed.map_err(DeltaError::snapshot)?;
        summary.baseline_parts = inputs.baseline.map(|export| export.parts.clone()).unwrap_or_default();
        summary.snapshot_parts = inputs.snapshot.parts.clone();
        summary.findings.scan = Some(succeeded.scan);
        Ok(summary)
    }

    fn select(&self) -> (&'static str, Vec<String>) {
        let (select, exports) = match &self.baseline {
            Some(baseline) => (self.statements.delta, vec![baseline, &self.snapshot]),
            None => (self.statements.first_import, vec![&self.snapshot]),
        };
        let parameters = exports.iter().flat_map(|export| [export.tenant.clone(), export.version.clone()]);
        (select, parameters.collect())
    }

    /// Identifies the query: a hash of its SQL, its inputs, the schema, the run and the attempt. A version that was
    /// delivered again has other parts.
    fn token(&self, attempt: u32) -> String {
        let (select, parameters) = self.select();
        let inputs = self.request.inputs;
        let parts = inputs.baseline.into_iter().chain([inputs.snapshot]).flat_map(|export| &export.parts);
        let parts: Vec<_> = parts.map(|part| (&part.name, part.size, &part.identity)).collect();
        let schema = self.request.layout.table.schema;
        let text = format!("{select}{parameters:?}{parts:?}{schema}{attempt}{}", self.run);
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }

    /// The prefix for everything that an attempt writes. Athena unloads only to a prefix without objects.
    fn output_uri(&self, attempt: u32) -> S3Uri {
        self.results.join(&self.token(attempt))
    }

    fn sql(&self, attempt: u32) -> Query<'_> {
        let ((select, parameters), output) = (self.select(), self.output_uri(attempt));
        Query {
            sql: format!(
                "UNLOAD (\n{select})\nTO '{}/'\nWITH (format = 'JSON', compression = 'gzip', partitioned_by = \
                 ARRAY['kind'])",
                output.join("data").uri()
            ),
            parameters,
            token: self.token(attempt),
            database: &self.athena.database,
            workgroup: &self.athena.workgroup,
            results: format!("{}/", output.uri()),
            account: self.athena.account.as_deref(),
        }
    }
}
