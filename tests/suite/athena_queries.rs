//! Queries on Athena: every way in which one can fail, how much they read, and that they leave nothing behind.

use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_athena::types::{QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use runtime::aws::s3::S3Uri;
use runtime::canonical::row::Layout;
use runtime::delta::folder_export;
use runtime::engine::athena::{Athena, Statements};
use runtime::engine::{
    Choice, DeltaError, DeltaRequest, DeltaSummary, Engines, Inputs, Limits, NATIVE_BYTES, Resources,
};
use runtime::operation::Head;
use runtime::snapshot::s3::S3Folder;
use runtime::telemetry::Watch;
use serde_json::{Value as Json, json};

use crate::limits::command;
use crate::remote::{Remote, orders};
use crate::stack::{Sandbox, Stack};
use crate::waiting::wait_until;
use crate::workspace::{add_to_summary, gzip, ndjson};

/// A way to fail, and the expected outcome.
#[derive(Clone)]
struct FailureCase {
    name: &'static str,
    failures: Json,
    /// The exit status.
    status: i32,
    /// Texts that the error contains; none if the command succeeds.
    texts: &'static [&'static str],
    /// How many queries are executed.
    queries: usize,
}

impl FailureCase {
    fn succeeds(name: &'static str, failures: Json, queries: usize) -> Self {
        Self { name, failures, status: 0, texts: &[], queries }
    }

    fn fails(name: &'static str, failures: Json, texts: &'static [&'static str], queries: usize) -> Self {
        Self { name, failures, status: 2, texts, queries }
    }
}

/// A failure to inject: a query fails, after it wrote its output if `after`.
fn failed(retryable: bool, category: u32, after: bool) -> Json {
    json!({"state": "FAILED", "category": category, "retryable": retryable, "reason": "bad luck", "after": after})
}

/// A failure to inject: a call returns an error.
fn call(action: &str, error: &str, status: u32) -> Json {
    json!({"action": action, "error": error, "status": status})
}

/// Makes a failure apply to the `nth` call or query only, counted from 1.
fn nth(mut failure: Json, nth: u32) -> Json {
    failure["nth"] = json!(nth);
    failure
}

/// The failures from which the command recovers.
fn recovered_cases() -> Vec<FailureCase> {
    let lost =
        json!([{"action": "StartQueryExecution", "error": "InternalServerException", "status": 500, "after": true}]);
    let throttled_start = json!([
        call("StartQueryExecution", "ThrottlingException", 400),
        nth(call("StartQueryExecution", "TooManyRequestsException", 400), 2)
    ]);
    let throttled_poll = json!([
        call("GetQueryExecution", "ThrottlingException", 400),
        nth(call("GetQueryExecution", "InternalServerException", 500), 2)
    ]);
    vec![
        FailureCase::succeeds("nothing fails", json!([]), 1),
        FailureCase::succeeds("the start is throttled", throttled_start, 1),
        FailureCase::succeeds("the answer to the start is lost", lost, 1),
        FailureCase::succeeds("polling is throttled, and then fails", throttled_poll, 1),
        FailureCase::succeeds("it is queued for a while", json!([{"state": "QUEUED", "seconds": 1}]), 1),
        FailureCase::succeeds("it runs for a while", json!([{"state": "RUNNING", "seconds": 1}]), 1),
        FailureCase::succeeds("it fails once with a transient error", json!([failed(true, 1, false)]), 2),
        FailureCase::succeeds("it fails with a transient error after writing", json!([failed(true, 1, true)]), 2),
    ]
}

/// The failures that end the command.
fn reported_cases() -> Vec<FailureCase> {
    let thrice = json!([failed(true, 1, true), nth(failed(true, 1, false), 2), nth(failed(true, 1, true), 3)]);
    let by_user = json!([{"state": "CANCELLED", "reason": "by hand"}]);
    let denied = json!([call("StartQueryExecution", "AccessDeniedException", 400)]);
    let denied_texts = &["cannot start a query", "AccessDeniedException", "check the work group"];
    let unpolled: Vec<_> =
        (1..=5).map(|at| nth(call("GetQueryExecution", "InternalServerException", 500), at)).collect();
    let user_error = json!([failed(false, 2, false)]);
    let user_texts = &["bad luck", "fix what Athena names"];
    let service_error = json!([failed(false, 1, false)]);
    vec![
        FailureCase::fails("it fails three times with a transient error", thrice, &["bad luck", "run again later"], 3),
        FailureCase::fails("it fails with a user error", user_error, user_texts, 1),
        FailureCase::fails(
            "it fails with a user error after writing",
            json!([failed(false, 2, true)]),
            &["bad luck"],
            1,
        ),
        FailureCase::fails("it fails with a service error", service_error, &["bad luck", "ask AWS"], 1),
        FailureCase::fails("somebody else cancels it", by_user, &["by hand", "run again"], 1),
        FailureCase::fails("starting it is not permitted", denied, denied_texts, 0),
        FailureCase::fails("polling keeps failing", json!(unpolled), &["cannot poll the query", "run again"], 1),
    ]
}

fn exports() -> Remote {
    Remote::with(&[
        ("acme/orders/V1", &orders(&[(1, "open"), (2, "open"), (3, "open")])),
        ("acme/orders/V2", &orders(&[(1, "open"), (3, "paid"), (4, "open")])),
    ])
}

/// Counts the queries of a database that have ended.
fn queries(database: &str) -> usize {
    Stack::get().athena_log_of(database).iter().filter(|entry| entry.get("statement").is_some()).count()
}

#[test]
fn a_failed_query_is_retried_or_reported_and_leaves_nothing_behind() {
    let (stack, remote) = (Stack::get(), exports());
    let arguments = ["delta", "orders", &remote.uri("acme/orders/V1"), &remote.uri("acme/orders/V2")];
    let cases = [recovered_cases(), reported_cases()].concat();
    for FailureCase { name, failures, status, texts, queries: expected } in &cases {
        let output = {
            let scope = &remote.sandbox.database;
            let _failures = stack.inject_failures(scope, failures);
            let before = queries(scope);
            let output = remote.tidemark_with_athena(&arguments);
            wait_until("every query has ended", || queries(scope) - before >= *expected);
            assert_eq!(queries(scope) - before, *expected, "{name}: queries");
            output
        };
        assert_eq!(output.status, *status, "{name}: {}", output.stderr);
        let missing: Vec<_> = texts.iter().filter(|text| !output.stderr.contains(**text)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?} is missing in {}", output.stderr);
        assert_eq!(ndjson(&output.stdout).len(), if *status == 0 { 3 } else { 0 }, "{name}");
        assert_eq!(remote.query_files(), [""; 0], "{name}");
    }
    add_to_summary(&format!("Athena: queries failed in {} ways", cases.len()));
}

fn send_signal(child: &Child, name: &str) {
    assert!(command("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until a command polls a query that it started, and returns the query's id.
fn wait_for_query(remote: &Remote) -> String {
    let mut id = None;
    wait_until("a query is started", || {
        let entries = log(remote);
        let poll = entries.iter().find(|entry| entry["action"] == "GetQueryExecution" && entry["error"].is_null());
        id = poll.map(|entry| entry["id"].as_str().unwrap().to_owned());
        id.is_some()
    });
    id.unwrap()
}

/// The entries of Athena's log for a command's database.
fn log(remote: &Remote) -> Vec<Json> {
    Stack::get().athena_log_of(&remote.sandbox.database)
}

/// Whether the command asked Athena to stop the query.
fn is_cancelled(remote: &Remote, id: &str) -> bool {
    log(remote).iter().any(|entry| entry["action"] == "StopQueryExecution" && entry["id"] == id)
}

fn has_ended(remote: &Remote, id: &str) -> bool {
    log(remote).iter().any(|entry| entry["statement"] == id)
}

/// A failure to inject that makes a query run until it is stopped, or until the failure is removed.
fn endless() -> Json {
    json!([{ "state": "RUNNING" }])
}

#[test]
fn ctrl_c_cancels_the_query() {
    let (stack, remote) = (Stack::get(), exports());
    let _failures = stack.inject_failures(&remote.sandbox.database, &endless());
    let arguments = ["delta", "orders", &remote.uri("acme/orders/V1"), &remote.uri("acme/orders/V2")];
    let child = remote.athena_command(&arguments).spawn().unwrap();
    let id = wait_for_query(&remote);
    send_signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert!(is_cancelled(&remote, &id));
    wait_until("the query ends", || has_ended(&remote, &id));
    assert_eq!(remote.query_files(), [""; 0]);
}

#[test]
fn a_run_that_loses_its_lease_cancels_its_query() {
    let (stack, remote) = (Stack::get(), exports());
    let _failures = stack.inject_failures(&remote.sandbox.database, &endless());
    let mut run = remote.athena_command(&["run", &remote.uri("")]);
    let child = run.env("TIDEMARK_LEASE_MS", "1000").spawn().unwrap();
    let id = wait_for_query(&remote);
    steal_the_lease(&remote.workspace.path(".tidemark/registry.sqlite"));
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("another run took over"), "{text}");
    assert!(is_cancelled(&remote, &id));
    wait_until("the query ends", || has_ended(&remote, &id));
    assert_eq!(remote.query_files(), [""; 0]);
}

fn steal_the_lease(registry: &Path) {
    let registry = rusqlite::Connection::open(registry).unwrap();
    registry.busy_timeout(Duration::from_secs(60)).unwrap();
    let stolen = registry.execute("UPDATE tables SET fence = fence + 1, owner = 'somebody else'", []).unwrap();
    assert_eq!(stolen, 1);
}

#[test]
fn an_export_that_changes_during_the_query_is_refused() {
    let (stack, remote) = (Stack::get(), exports());
    let arguments = ["delta", "orders", &remote.uri("acme/orders/V1"), &remote.uri("acme/orders/V2")];
    let changes: [(&str, &dyn Fn()); 2] = [
        ("its parts were rewritten during the query", &|| {
            remote.deliver("acme/orders/V2", &orders(&[(1, "open"), (9, "open")]))
        }),
        ("its parts changed from part.csv.gz to other.csv.gz, part.csv.gz", &|| {
            remote.sandbox.put("acme/orders/V1/other.csv.gz", b"")
        }),
    ];
    for (problem, change) in changes {
        let held = stack.inject_failures(&remote.sandbox.database, &endless());
        let child = remote.athena_command(&arguments).spawn().unwrap();
        wait_until("the query has read and written everything", || {
            remote.query_files().iter().any(|key| key.ends_with("-manifest.csv"))
        });
        change();
        drop(held);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
        assert!(stderr.contains(problem), "{stderr}");
        assert_eq!(remote.query_files(), [""; 0]);
    }
}

/// Executes a query, and returns the first column of its result, one row a line.
fn query(sandbox: &Sandbox, sql: &str, parameters: &[&str]) -> String {
    let Sandbox { aws, bucket, database } = sandbox;
    let context = QueryExecutionContext::builder().database(database).build();
    let results = ResultConfiguration::builder().output_location(format!("s3://{bucket}/_answers/")).build();
    let started = aws
        .athena
        .start_query_execution()
        .query_string(sql)
        .set_execution_parameters(Some(parameters.iter().map(|text| format!("'{text}'")).collect()))
        .query_execution_context(context)
        .result_configuration(results)
        .client_request_token(format!(
            "{:032x}",
            xxhash_rust::xxh3::xxh3_128(format!("{sql}{parameters:?}{bucket}").as_bytes())
        ));
    let id = aws.wait(started.send()).unwrap().query_execution_id.unwrap();
    wait_until("the query ends", || {
        let execution = aws.wait(aws.athena.get_query_execution().query_execution_id(&id).send()).unwrap();
        let status = execution.query_execution.unwrap().status.unwrap();
        assert_ne!(status.state, Some(QueryExecutionState::Failed), "{status:?}");
        status.state == Some(QueryExecutionState::Succeeded)
    });
    let page = aws.wait(aws.athena.get_query_results().query_execution_id(&id).send()).unwrap();
    let rows = page.result_set.unwrap().rows.unwrap_or_default();
    let cell = |row: &aws_sdk_athena::types::Row| row.data()[0].var_char_value().unwrap_or_default().to_owned();
    rows.iter().map(cell).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_query_reads_each_export_once() {
    let (remote, mut counted) = (Remote::new(), 0);
    for statements in generated::athena::STATEMENTS {
        let table = statements.table;
        for version in ["V1", "V2"] {
            remote.sandbox.put(&format!("acme/{table}/{version}/part.csv.gz"), &gzip(b"a\n"));
        }
        for (sql, parameters, exports) in
            [(statements.delta, &["acme", "V1", "acme", "V2"][..], 2), (statements.first_import, &["acme", "V1"], 1)]
        {
            let plan = query(&remote.sandbox, &format!("EXPLAIN ANALYZE\n{sql}"), parameters);
            let scans = plan.lines().filter(|line| line.contains(&format!(":{table}"))).count();
            assert_eq!(scans, exports, "{plan}");
            counted += 1;
        }
    }
    add_to_summary(&format!("Athena: {counted} generated queries read each export once"));
}

#[test]
fn the_bytes_read_are_recorded_and_equal_the_size_of_the_exports() {
    let remote = exports();
    let output = remote.tidemark_with_athena(&["run", &remote.uri("")]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let sizes = |version: &Json| -> u64 {
        version["parts"].as_array().unwrap().iter().map(|part| part["size"].as_u64().unwrap()).sum()
    };
    let history = remote.history("acme/orders");
    let bytes_read = |version: &Json| version["plan"]["findings"]["scan"]["bytes"].as_u64().unwrap();
    assert_eq!(bytes_read(&history[0]), sizes(&history[0]));
    assert_eq!(bytes_read(&history[1]), sizes(&history[0]) + sizes(&history[1]));
}

/// Computes the first import of V1 through the library, with another `max_scan` or with a false size of the export.
fn import(
    remote: &Remote,
    choice: Choice,
    max_scan: Option<u64>,
    claimed_size: impl FnOnce(u64) -> u64,
) -> Result<DeltaSummary, DeltaError> {
    let orders = generated::athena::STATEMENTS.iter().find(|statements| statements.table == "orders").unwrap();
    let athena = Athena {
        aws: Arc::clone(&remote.sandbox.aws),
        statements: Arc::new(&*vec![Statements { max_scan, ..*orders }].leak()),
        database: remote.sandbox.database.clone(),
        workgroup: "primary".into(),
        results: None,
        account: None,
        cutoff: None,
        budget: None,
    };
    let table = *generated::TABLES.iter().find(|table| table.name == "orders").unwrap();
    let uri = S3Uri::parse(&remote.uri("acme/orders/V1")).unwrap();
    let mut snapshot =
        folder_export("V1".into(), Arc::new(S3Folder::new(Arc::clone(&remote.sandbox.aws), uri))).unwrap();
    snapshot.parts[0].size = claimed_size(snapshot.parts[0].size);
    let head = Head {
        tenant: "acme".into(),
        table: "orders".into(),
        version: "V1".into(),
        previous: None,
        schema: table.schema_id(),
        sequence: 0,
    };
    let request = DeltaRequest {
        layout: &Layout::new(table),
        before: None,
        head: &head,
        inputs: Inputs { baseline: None, snapshot: &snapshot },
        resources: Resources { work: &std::env::temp_dir(), limits: Limits::default() },
        watch: &Watch::default(),
    };
    Engines { choice, athena: Some(athena) }.delta(&request, &mut Vec::new())
}

#[test]
fn exports_larger_than_max_scan_are_not_read() {
    let remote = exports();
    let mut size = 0;
    let unlimited = import(&remote, Choice::Athena, None, |actual| {
        size = actual;
        actual
    });
    assert_eq!(unlimited.unwrap().counts.inserted, 3);
    assert_eq!(import(&remote, Choice::Athena, Some(size), |actual| actual).unwrap().counts.inserted, 3);
    let refused = import(&remote, Choice::Athena, Some(size - 1), |actual| actual).unwrap_err().error;
    assert!(refused.to_string().contains("`engine.max_scan` allows"), "{refused}");
}

#[test]
fn auto_chooses_athena_above_the_native_size_limit() {
    let remote = exports();
    // Both engines refuse an export whose size is not as stated; their messages differ.
    let error = |size| import(&remote, Choice::Auto, None, |_| size).unwrap_err().error.to_string();
    let (native, athena) = (error(NATIVE_BYTES), error(NATIVE_BYTES + 1));
    assert!(native.contains("it changed while it was read"), "{native}");
    assert!(athena.contains("its parts were rewritten during the query"), "{athena}");
}
