//! Computes a delta on Athena.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use runtime::aws::s3::S3Uri;
use runtime::canonical::row::Layout;
use runtime::delta;
use runtime::engine::athena::{Athena, Statements};
use runtime::engine::{
    DeltaError, DeltaProgress, DeltaRequest, DeltaSummary, Inputs, Limits, Poll, QueryExecution, Resources,
};
use runtime::operation::Head;
use runtime::snapshot::s3::S3Folder;
use runtime::table::Table;
use runtime::telemetry::Watch;
use tests::reference::Changes;

use crate::engines::{DeltaInput, DeltaResult, PREVIOUS, Parts, TENANT, VERSION, operations};
use crate::stack::Sandbox;

/// What Athena finds in two exports.
pub(super) fn by_athena(input: &DeltaInput) -> DeltaResult {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (sandbox, athena) = sandbox_with_table(input.table, number);
    let upload = |version: &str, parts: &Parts| {
        let key = format!("tenant-{number}/{}/{version}", input.table.name);
        parts.iter().for_each(|(name, bytes)| sandbox.put(&format!("{key}/{name}"), bytes));
        let uri = S3Uri { bucket: sandbox.bucket.clone(), key };
        delta::folder_export(version.into(), Arc::new(S3Folder::new(Arc::clone(&sandbox.aws), uri)))
    };
    let exports = input.baseline.as_ref().map(|parts| upload(PREVIOUS, parts)).transpose();
    let exports = exports.and_then(|baseline| Ok((baseline, upload(VERSION, &input.snapshot)?)));
    let (baseline, snapshot) = match exports {
        Ok(exports) => exports,
        Err(error) => return DeltaResult::Stopped(error.to_string()),
    };
    let inputs = Inputs { baseline: baseline.as_ref(), snapshot: &snapshot };
    let head = Head {
        tenant: TENANT.into(),
        table: input.table.name.into(),
        version: VERSION.into(),
        previous: input.baseline.is_some().then(|| PREVIOUS.to_owned()),
        schema: input.table.schema_id(),
        sequence: 0,
    };
    let request = DeltaRequest {
        layout: &Layout::new(input.table),
        before: None,
        head: &head,
        inputs,
        resources: Resources { work: &std::env::temp_dir(), limits: Limits::default() },
        watch: &Watch::default(),
    };
    let mut out = Vec::new();
    let result = compute(&athena, &request, &mut out);
    delta_result(result, input.table, &out)
}

/// A database with the table, and an engine that uses it. All tables share a bucket, each with its own tenant.
fn sandbox_with_table(table: &Table, number: usize) -> (Sandbox, Athena) {
    static SHARED: LazyLock<Sandbox> = LazyLock::new(Sandbox::new);
    let model = generator::parse(&tests::yaml::schema(table)).unwrap_or_else(|found| panic!("{found:#?}"));
    let statements: &'static [Statements] = vec![tests::table::statements(&model)].leak();
    let sandbox =
        Sandbox { aws: Arc::clone(&SHARED.aws), bucket: SHARED.bucket.clone(), database: format!("parity_{number}") };
    sandbox.create_database();
    sandbox.create_table(statements[0].glue);
    let athena = Athena {
        aws: Arc::clone(&sandbox.aws),
        statements: Arc::new(statements),
        database: sandbox.database.clone(),
        workgroup: "primary".into(),
        results: None,
        account: None,
        cutoff: None,
        budget: None,
    };
    (sandbox, athena)
}

fn delta_result(result: Result<DeltaSummary, DeltaError>, table: &Table, out: &[u8]) -> DeltaResult {
    match result {
        Ok(found) => DeltaResult::Changes(Changes {
            operations: operations(table, out),
            rows: found.counts.rows,
            inserted: found.counts.inserted,
            updated: found.counts.updated,
            deleted: found.counts.deleted,
            duplicates: found.counts.duplicates,
            baseline_fingerprint: found.baseline_fingerprint,
            fingerprint: found.fingerprint,
        }),
        Err(DeltaError { error, .. }) => DeltaResult::from_error(&error),
    }
}

/// Computes a delta as the steps of the flow do: a call knows only what the state machine keeps of the call before, and
/// reads one of the query's output files.
fn compute(athena: &Athena, request: &DeltaRequest<'_>, out: &mut Vec<u8>) -> Result<DeltaSummary, DeltaError> {
    let mut execution: Option<QueryExecution> = None;
    loop {
        let poll = Poll { run: "parity", execution: execution.as_ref(), max_bytes: 1 };
        match athena.start_or_poll(request, poll, out)? {
            DeltaProgress::Finished(summary) => return Ok(summary),
            DeltaProgress::Running(running) => {
                if running.reading.is_none() {
                    thread::sleep(Duration::from_millis(50));
                }
                let kept = serde_json::to_string(&running).unwrap();
                execution = Some(serde_json::from_str(&kept).unwrap());
            }
        }
    }
}
