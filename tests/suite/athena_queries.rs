//! What happens to a statement on Athena: every way in which it may fail, each of them on demand; what it reads; and that it
//! leaves nothing behind.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use aws_sdk_athena::types::{QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use runtime::delta::whole;
use runtime::engine::athena::{Athena, Statements};
use runtime::engine::{Choice, Engines, Failed, Found, Inputs, Limits, NATIVE_BYTES, Room};
use runtime::operation::Head;
use runtime::row::Layout;
use runtime::snapshot::s3::{Place, S3Folder};
use runtime::telemetry::Watch;
use serde_json::{Value as Json, json};

use crate::remote::{Remote, orders};
use crate::stack::{Account, Stack};
use crate::world::{gzip, ndjson, tell};

/// A way to fail, and what comes of it.
struct Trial {
    what: &'static str,
    failures: Json,
    /// The exit status, and words of the error; nothing where all goes well.
    status: i32,
    words: &'static [&'static str],
    /// How many statements run.
    statements: usize,
}

fn trials() -> Vec<Trial> {
    let good = |what, failures, statements| Trial { what, failures, status: 0, words: &[], statements };
    let bad = |what, failures, words, statements| Trial { what, failures, status: 2, words, statements };
    let failed = |retryable: bool, category: u32, after: bool| json!({"state": "FAILED", "category": category, "retryable": retryable, "reason": "bad luck", "after": after});
    let nth = |mut failure: Json, nth: u32| {
        failure["nth"] = json!(nth);
        failure
    };
    let call = |action: &str, error: &str, status: u32| json!({"action": action, "error": error, "status": status});
    vec![
        good("nothing fails", json!([]), 1),
        good(
            "the start is throttled",
            json!([
                call("StartQueryExecution", "ThrottlingException", 400),
                nth(call("StartQueryExecution", "TooManyRequestsException", 400), 2)
            ]),
            1,
        ),
        good(
            "the answer to the start is lost",
            json!([{"action": "StartQueryExecution", "error": "InternalServerException", "status": 500, "after": true}]),
            1,
        ),
        good(
            "looking is throttled, and then fails",
            json!([
                call("GetQueryExecution", "ThrottlingException", 400),
                nth(call("GetQueryExecution", "InternalServerException", 500), 2)
            ]),
            1,
        ),
        good("it waits for its turn", json!([{"state": "QUEUED", "seconds": 1}]), 1),
        good("it takes its time", json!([{"state": "RUNNING", "seconds": 1}]), 1),
        good("it fails once, for a reason that may pass", json!([failed(true, 1, false)]), 2),
        good("it has written, and fails for a reason that may pass", json!([failed(true, 1, true)]), 2),
        bad(
            "it fails three times, for a reason that may pass",
            json!([failed(true, 1, true), nth(failed(true, 1, false), 2), nth(failed(true, 1, true), 3)]),
            &["bad luck", "run again later"],
            3,
        ),
        bad(
            "it fails by the user's fault",
            json!([failed(false, 2, false)]),
            &["bad luck", "mend what Athena names"],
            1,
        ),
        bad("it has written, and fails by the user's fault", json!([failed(false, 2, true)]), &["bad luck"], 1),
        bad("it fails by the service's fault", json!([failed(false, 1, false)]), &["bad luck", "ask AWS"], 1),
        bad(
            "somebody else stops it",
            json!([{"state": "CANCELLED", "reason": "by hand"}]),
            &["by hand", "run again"],
            1,
        ),
        bad(
            "it may not be started",
            json!([call("StartQueryExecution", "AccessDeniedException", 400)]),
            &["cannot start a statement", "AccessDeniedException", "check the work group"],
            0,
        ),
        bad(
            "it cannot be looked at",
            json!(
                (1..=5)
                    .map(|at| nth(call("GetQueryExecution", "InternalServerException", 500), at))
                    .collect::<Vec<_>>()
            ),
            &["cannot look at the statement", "run again"],
            1,
        ),
    ]
}

fn exports() -> Remote {
    Remote::with(&[
        ("acme/orders/V1", &orders(&[(1, "open"), (2, "open"), (3, "open")])),
        ("acme/orders/V2", &orders(&[(1, "open"), (3, "paid"), (4, "open")])),
    ])
}

/// The statements among what Athena was asked.
fn statements(log: &[Json]) -> usize {
    log.iter().filter(|entry| entry.get("statement").is_some()).count()
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(50);
    let is_in_time = (0..1200).any(|_| {
        let is_so = is_so();
        if !is_so {
            thread::sleep(PAUSE);
        }
        is_so
    });
    assert!(is_in_time, "{what}");
}

#[test]
fn a_failed_query_is_retried_or_reported_and_leaves_nothing_behind() {
    let (stack, remote) = (Stack::get(), exports());
    let arguments = ["delta", "orders", &remote.uri("acme/orders/V1"), &remote.uri("acme/orders/V2")];
    let trials = trials();
    for Trial { what, failures, status, words, statements: wanted } in &trials {
        let said = {
            let _failing = stack.failures(failures);
            let before = stack.log().len();
            let said = remote.with_athena(&arguments);
            until("every statement comes to its end", || statements(&stack.log()[before..]) >= *wanted);
            assert_eq!(statements(&stack.log()[before..]), *wanted, "{what}: statements");
            said
        };
        assert_eq!(said.status, *status, "{what}: {}", said.stderr);
        let missing: Vec<_> = words.iter().filter(|words| !said.stderr.contains(**words)).collect();
        assert!(missing.is_empty(), "{what}: {missing:?} is missing in {}", said.stderr);
        assert_eq!(ndjson(&said.stdout).len(), if *status == 0 { 3 } else { 0 }, "{what}");
        assert_eq!(remote.leftovers(), [""; 0], "{what}");
    }
    tell(&format!("Athena: {} ways to fail", trials.len()));
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until a command has begun a statement, and gives what Athena calls it.
fn begun(stack: &Stack, before: usize) -> String {
    let mut id = None;
    until("a statement begins", || {
        let log = stack.log();
        let looked =
            log[before..].iter().find(|entry| entry["action"] == "GetQueryExecution" && entry["error"].is_null());
        id = looked.map(|entry| entry["id"].as_str().unwrap().to_owned());
        id.is_some()
    });
    id.unwrap()
}

/// Whether the statement was asked to stop.
fn is_stopped(stack: &Stack, id: &str) -> bool {
    stack.log().iter().any(|entry| entry["action"] == "StopQueryExecution" && entry["id"] == id)
}

fn has_ended(stack: &Stack, id: &str) -> bool {
    stack.log().iter().any(|entry| entry["statement"] == id)
}

const LONG: &str = r#"[{"state": "RUNNING", "seconds": 60}]"#;

#[test]
fn ctrl_c_cancels_the_query() {
    let (stack, remote) = (Stack::get(), exports());
    let _failing = stack.failures(&serde_json::from_str(LONG).unwrap());
    let before = stack.log().len();
    let arguments = ["delta", "orders", &remote.uri("acme/orders/V1"), &remote.uri("acme/orders/V2")];
    let child = remote.start(&arguments).spawn().unwrap();
    let id = begun(stack, before);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.contains("stopped as asked"), "{said}");
    assert!(is_stopped(stack, &id));
    until("the statement ends", || has_ended(stack, &id));
    assert_eq!(remote.leftovers(), [""; 0]);
}

#[test]
fn a_run_that_loses_its_lease_cancels_its_query() {
    let (stack, remote) = (Stack::get(), exports());
    let _failing = stack.failures(&serde_json::from_str(LONG).unwrap());
    let before = stack.log().len();
    let mut run = remote.start(&["run", &remote.uri("")]);
    let child = run.env("TIDEMARK_LEASE_MS", "1000").spawn().unwrap();
    let id = begun(stack, before);
    steal_the_lease(&remote.world.path(".tidemark/registry.sqlite"));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("another run took over"), "{said}");
    assert!(is_stopped(stack, &id));
    until("the statement ends", || has_ended(stack, &id));
    assert_eq!(remote.leftovers(), [""; 0]);
}

fn steal_the_lease(registry: &Path) {
    let registry = rusqlite::Connection::open(registry).unwrap();
    registry.busy_timeout(Duration::from_secs(10)).unwrap();
    let stolen = registry.execute("UPDATE tables SET fence = fence + 1, owner = 'somebody else'", []).unwrap();
    assert_eq!(stolen, 1);
}

#[test]
fn an_export_that_changes_during_the_query_is_refused() {
    let (stack, remote) = (Stack::get(), exports());
    let arguments = ["delta", "orders", &remote.uri("acme/orders/V1"), &remote.uri("acme/orders/V2")];
    let changes: [(&str, &dyn Fn()); 2] = [
        ("its parts were written again", &|| remote.deliver("acme/orders/V2", &orders(&[(1, "open"), (9, "open")]))),
        ("its parts are other.csv.gz, part.csv.gz", &|| remote.account.put("acme/orders/V1/other.csv.gz", b"")),
    ];
    for (problem, change) in changes {
        let _failing = stack.failures(&json!([{"state": "RUNNING", "seconds": 2}]));
        let child = remote.start(&arguments).spawn().unwrap();
        // The statement has read everything, and is not over yet.
        until("the statement writes", || remote.leftovers().iter().any(|key| key.ends_with("-manifest.csv")));
        change();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.contains(problem), "{said}");
        assert_eq!(remote.leftovers(), [""; 0]);
    }
}

/// What a statement says, line by line.
fn ask(account: &Account, sql: &str, parameters: &[&str]) -> String {
    let Account { aws, bucket, database } = account;
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
    until("the statement ends", || {
        let looked = aws.wait(aws.athena.get_query_execution().query_execution_id(&id).send()).unwrap();
        let status = looked.query_execution.unwrap().status.unwrap();
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
    let _undisturbed = Stack::get().undisturbed();
    let (remote, mut counted) = (Remote::new(), 0);
    for statements in generated::athena::STATEMENTS {
        let table = statements.table;
        for version in ["V1", "V2"] {
            remote.account.put(&format!("acme/{table}/{version}/part.csv.gz"), &gzip(b"a\n"));
        }
        for (sql, parameters, exports) in
            [(statements.delta, &["acme", "V1", "acme", "V2"][..], 2), (statements.first_import, &["acme", "V1"], 1)]
        {
            let plan = ask(&remote.account, &format!("EXPLAIN ANALYZE\n{sql}"), parameters);
            let scans = plan.lines().filter(|line| line.contains(&format!(":{table}"))).count();
            assert_eq!(scans, exports, "{plan}");
            counted += 1;
        }
    }
    tell(&format!("Athena: {counted} statements read each export once"));
}

#[test]
fn the_bytes_read_are_recorded_and_equal_the_size_of_the_exports() {
    let _undisturbed = Stack::get().undisturbed();
    let remote = exports();
    let said = remote.with_athena(&["run", &remote.uri("")]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let sizes = |version: &Json| -> u64 {
        version["parts"].as_array().unwrap().iter().map(|part| part["size"].as_u64().unwrap()).sum()
    };
    let history = remote.history("acme/orders");
    let read = |version: &Json| version["plan"]["findings"]["scan"]["bytes"].as_u64().unwrap();
    assert_eq!(read(&history[0]), sizes(&history[0]));
    assert_eq!(read(&history[1]), sizes(&history[0]) + sizes(&history[1]));
}

/// The first import of the smaller export by hand: with a limit of its own, or a size that is only claimed.
fn import(
    remote: &Remote,
    choice: Choice,
    max_scan: Option<u64>,
    claim: impl FnOnce(u64) -> u64,
) -> Result<Found, Failed> {
    let orders = generated::athena::STATEMENTS.iter().find(|statements| statements.table == "orders").unwrap();
    let athena = Athena {
        aws: Arc::clone(&remote.account.aws),
        statements: vec![Statements { max_scan, ..*orders }].leak(),
        database: remote.account.database.clone(),
        workgroup: "primary".into(),
        results: None,
        cutoff: None,
    };
    let table = *generated::TABLES.iter().find(|table| table.name == "orders").unwrap();
    let place = Place::parse(&remote.uri("acme/orders/V1")).unwrap();
    let mut snapshot = whole("V1".into(), Arc::new(S3Folder::new(Arc::clone(&remote.account.aws), place))).unwrap();
    snapshot.parts[0].size = claim(snapshot.parts[0].size);
    let head = Head {
        tenant: "acme".into(),
        table: "orders".into(),
        version: "V1".into(),
        previous: None,
        schema: table.schema_id(),
    };
    let work = std::env::temp_dir();
    Engines { choice, athena: Some(athena) }.delta(
        &Layout::new(table),
        &head,
        Inputs { baseline: None, snapshot: &snapshot },
        Room { work: &work, limits: Limits::default() },
        &Watch::default(),
        &mut Vec::new(),
    )
}

#[test]
fn exports_larger_than_max_scan_are_not_read() {
    let (stack, remote) = (Stack::get(), exports());
    let _undisturbed = stack.undisturbed();
    let mut size = 0;
    let unlimited = import(&remote, Choice::Athena, None, |is| {
        size = is;
        is
    });
    assert_eq!(unlimited.unwrap().counts.inserted, 3);
    assert_eq!(import(&remote, Choice::Athena, Some(size), |is| is).unwrap().counts.inserted, 3);
    let refused = import(&remote, Choice::Athena, Some(size - 1), |is| is).unwrap_err().error;
    assert!(refused.to_string().contains("`engine.max_scan` allows"), "{refused}");
}

#[test]
fn auto_chooses_athena_above_the_native_size_limit() {
    let _undisturbed = Stack::get().undisturbed();
    let remote = exports();
    // Neither engine takes a size that is not so; what it says of it tells which one it was.
    let said = |claim| import(&remote, Choice::Auto, None, |_| claim).unwrap_err().error.to_string();
    let (native, athena) = (said(NATIVE_BYTES), said(NATIVE_BYTES + 1));
    assert!(native.contains("it changed while it was read"), "{native}");
    assert!(athena.contains("its parts were written again"), "{athena}");
}
