//! Whatever fails in the pipeline on AWS, no operation is lost or invented, and every lease is free at the end.

use std::collections::{BTreeMap, BTreeSet};

use runtime::name::TableKey;
use runtime::plan::Comparison;
use runtime::store::Status;
use serde_json::{Value as Json, json};

use super::{Journey, orders};
use crate::deployment::{Deployment, wait};
use crate::limits::command;
use crate::stack::Stack;
use crate::workspace::add_to_summary;

/// A kind of call: service, operation and caller.
type CallKind = (String, String, String);

/// One fault rule for each kind of call.
fn one_rule_for_each(kinds: &BTreeSet<CallKind>, fault: &Json) -> Json {
    let rule = |(service, operation, caller): &CallKind| {
        let mut rule = fault.clone();
        rule["match"] = json!(format!("^{service} {operation} {caller}$"));
        rule
    };
    kinds.iter().map(rule).collect()
}

fn kind(call: &Json) -> CallKind {
    let text = |name: &str| call[name].as_str().unwrap().to_owned();
    (text("service"), text("operation"), text("caller"))
}

/// The kinds of calls in the log that the pipeline's functions made, without the sweeper's.
fn logged_kinds(deployment: &Deployment) -> BTreeSet<CallKind> {
    deployment
        .proxy
        .calls()
        .iter()
        .map(kind)
        .filter(|(_, _, caller)| caller.starts_with("tidemark-") && caller != "tidemark-sweep")
        .collect()
}

/// Ways in which the first call of each kind fails.
fn faults() -> [(&'static str, Json); 4] {
    [
        ("error", json!({ "what": "error", "nth": 1 })),
        ("throttled", json!({ "what": "error", "nth": 1, "status": 400, "error": "ThrottlingException" })),
        ("lost", json!({ "what": "drop_after", "nth": 1 })),
        ("dropped", json!({ "what": "drop_before", "nth": 1 })),
    ]
}

/// How many calls the functions of the flow made, by service.
fn by_service(calls: &[Json]) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let of_flow =
        |caller: &str| caller.starts_with("tidemark-") && !caller.ends_with("-sweep") && !caller.ends_with("-orders");
    for call in calls.iter().filter(|call| of_flow(call["caller"].as_str().unwrap())) {
        *numbers.entry(call["service"].as_str().unwrap()).or_default() += 1;
    }
    numbers.iter().map(|(service, number)| format!("{number} {service}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn no_operation_is_lost_or_invented_whichever_call_fails() {
    let deployment = Deployment::get();
    deployment.proxy.clear_calls();
    let clean = Journey::new("clean");
    clean.deliver(&deployment, 0);
    deployment.wait_for(&clean.path("V1"), Status::Succeeded);
    let before = deployment.proxy.calls().len();
    clean.deliver(&deployment, 1);
    deployment.wait_until_done([clean.path("V2").as_str()].into_iter());
    clean.check(&deployment);
    add_to_summary(&format!(
        "pipeline: the functions made these calls for one version: {}",
        by_service(&deployment.proxy.calls()[before..])
    ));
    let kinds = logged_kinds(&deployment);
    assert!(kinds.len() > 30, "{kinds:?}");
    for (name, fault) in faults() {
        let journey = Journey::new(&format!("fault{name}"));
        deployment.proxy.clear_calls();
        let struck = {
            let _faults = deployment.proxy.inject(&one_rule_for_each(&kinds, &fault));
            for version in 0..2 {
                journey.deliver(&deployment, version);
                deployment.wait_until_done([journey.path(["V1", "V2"][version]).as_str()].into_iter());
            }
            deployment.proxy.counts()
        };
        journey.check(&deployment);
        add_to_summary(&format!(
            "pipeline: fault `{name}` injected into {} kinds of calls, which failed: {struck:?}",
            kinds.len()
        ));
        // Some calls are made only once in the life of a function.
        assert!(struck.values().sum::<usize>() > kinds.len() / 3, "{struck:?}");
    }
}

#[test]
fn no_operation_is_lost_or_invented_when_a_call_fails_while_athena_computes() {
    let deployment = Deployment::with_athena();
    let deliver = |journey: &Journey| {
        for (version, name) in ["V1", "V2"].into_iter().enumerate() {
            journey.deliver(&deployment, version);
            deployment.wait_until_done([journey.path(name).as_str()].into_iter());
        }
    };
    deployment.proxy.clear_calls();
    let clean = Journey::new("athenaclean");
    deliver(&clean);
    clean.check(&deployment);
    let mut kinds = logged_kinds(&deployment);
    kinds.retain(|(.., caller)| caller.ends_with("-plan") || caller.ends_with("-athena"));
    assert!(kinds.len() > 10, "{kinds:?}");
    for (name, fault) in [("error", json!({ "what": "error" })), ("lost", json!({ "what": "drop_after" }))] {
        let tenant = format!("athena{name}");
        let journey = Journey::new(&tenant);
        deployment.proxy.clear_calls();
        let struck = {
            let _faults = deployment.proxy.inject(&one_rule_for_each(&kinds, &fault));
            let is_lost = name == "lost";
            let failed_call = |action: &str| json!({ "action": action, "error": "InternalServerException", "status": 500, "after": is_lost });
            let calls = json!([failed_call("StartQueryExecution"), failed_call("GetQueryExecution")]);
            let _failures = Stack::get().inject_failures(&tenant, &calls);
            deliver(&journey);
            deployment.proxy.counts()
        };
        journey.check(&deployment);
        add_to_summary(&format!(
            "pipeline: fault `{name}` injected into {} kinds of calls while Athena computes, which failed: {struck:?}; \
             and into 2 calls of Athena",
            kinds.len()
        ));
        assert!(struck.values().sum::<usize>() > kinds.len() / 3, "{struck:?}");
    }
}

#[test]
fn the_sweeper_finishes_whichever_of_its_calls_fails() {
    let deployment = Deployment::get();
    deployment.put("sweeping/web_events/V1/part-0000.tsv.zst", b"");
    deployment.wait_for("sweeping/web_events/V1", Status::Waiting);
    deployment.proxy.clear_calls();
    deployment.sweep("to log its calls");
    let kinds: BTreeSet<CallKind> =
        deployment.proxy.calls().iter().filter(|call| call["caller"] == "tidemark-sweep").map(kind).collect();
    assert!(kinds.len() > 2, "{kinds:?}");
    for what in ["error", "drop_before", "drop_after"] {
        let _faults = deployment.proxy.inject(&one_rule_for_each(&kinds, &json!({ "what": what })));
        let answer = deployment.sweep(what);
        assert!(answer["started"].is_u64(), "{answer}");
    }
    add_to_summary(&format!("pipeline: {} kinds of calls of the sweeper failed in three ways each", kinds.len()));
}

#[test]
fn a_step_whose_calls_keep_failing_is_retried_by_the_flow() {
    let deployment = Deployment::get();
    let journey = Journey::new("steps");
    let rule = |what: &str| json!({ "match": what, "what": "error", "nth": 1, "count": 5 });
    // As often as the SDK tries, so the step fails and is started again.
    let rules = json!([
        rule("^dynamodb UpdateItem tidemark-lock$"),
        rule("^dynamodb Query tidemark-next$"),
        rule("^s3 PutObject tidemark-plan$"),
        rule("^kinesis PutRecords tidemark-begin$"),
        rule("^s3 GetObject tidemark-publish$"),
        rule("^dynamodb TransactWriteItems tidemark-record$"),
        rule("^dynamodb UpdateItem tidemark-unlock$"),
    ]);
    deployment.proxy.clear_calls();
    {
        let _faults = deployment.proxy.inject(&rules);
        journey.deliver(&deployment, 0);
        deployment.wait_for(&journey.path("V1"), Status::Succeeded);
        assert_eq!(deployment.proxy.counts()["error"], 35);
    }
    journey.deliver(&deployment, 1);
    deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
    journey.check(&deployment);
}

#[test]
fn a_call_that_is_never_answered_is_repeated() {
    let deployment = Deployment::get();
    let rule = |call: &str| json!({ "match": format!("^{call}$"), "what": "hang" });
    let rules = json!([
        rule("states StartExecution tidemark-register"),
        rule("dynamodb UpdateItem tidemark-lock"),
        rule("s3 PutObject tidemark-plan"),
        rule("kinesis PutRecords tidemark-publish"),
        rule("dynamodb TransactWriteItems tidemark-record"),
    ]);
    // Several tenants, so that the time-outs run at the same time.
    let journeys: Vec<Journey> = (0..5).map(|number| Journey::new(&format!("silence{number}"))).collect();
    deployment.proxy.clear_calls();
    {
        let _faults = deployment.proxy.inject(&rules);
        for version in 0..2 {
            journeys.iter().for_each(|journey| journey.deliver(&deployment, version));
            let paths: Vec<String> = journeys.iter().map(|journey| journey.path(["V1", "V2"][version])).collect();
            deployment.wait_until_done(paths.iter().map(String::as_str));
        }
        assert_eq!(deployment.proxy.counts()["hang"], 5);
    }
    journeys.iter().for_each(|journey| journey.check(&deployment));
    add_to_summary("pipeline: 5 calls were never answered, one in each of five steps");
}

#[test]
fn a_delta_too_slow_for_one_function_is_computed_by_athena() {
    let deployment = Deployment::get();
    let journey = Journey::new("hasty");
    // A function stops working twenty seconds before its time-out; here it has no more than these.
    deployment.set_timeout("plan", 20);
    for (version, name) in ["V1", "V2"].into_iter().enumerate() {
        journey.deliver(&deployment, version);
        deployment.wait_until_done([journey.path(name).as_str()].into_iter());
        let plan = deployment.version(&journey.path(name)).unwrap().plan.unwrap();
        assert_eq!(plan.findings.comparison, Comparison::Athena, "{name}");
    }
    deployment.set_timeout("plan", 900);
    journey.check(&deployment);
}

#[test]
fn an_execution_hands_over_to_the_next_before_its_history_is_full() {
    let deployment = Deployment::get();
    deployment.deliver("weary/orders/V1", &orders(0, 3, "open"));
    deployment.wait_for("weary/orders/V1", Status::Succeeded);
    let key = TableKey { tenant: "weary".into(), table: "orders".into() };
    let lease = deployment.registry.acquire(&key, "tests", None).unwrap().unwrap();
    deployment.deliver("weary/orders/V2", &orders(0, 4, "open"));
    wait("it is registered", || deployment.version("weary/orders/V2").is_some());
    let next = |turn: u32, since: &str| {
        let lease = json!({ "owner": lease.owner, "fence": lease.fence });
        let event = json!({ "tenant": "weary", "table": "orders", "lease": lease, "turn": turn, "since": since });
        deployment.invoke("next", &event)
    };
    assert_eq!(next(7, "2099-01-01T00:00:00.000Z"), json!({ "step": "plan", "version": "V2", "turn": 8 }));
    assert_eq!(next(100, "2099-01-01T00:00:00.000Z"), json!({ "step": "done", "pending": null, "turn": 101 }));
    assert_eq!(next(7, "2026-01-01T00:00:00.000Z"), json!({ "step": "done", "pending": null, "turn": 8 }));
    assert!(deployment.registry.release(&lease, None).unwrap());
    // The next execution does the rest.
    deployment.deliver("weary/orders/V3", &orders(0, 5, "open"));
    deployment.wait_until_done(["weary/orders/V2", "weary/orders/V3"].into_iter());
    assert_eq!(deployment.version("weary/orders/V2").unwrap().status, Status::Succeeded);
}

#[test]
fn only_the_records_that_a_shard_rejected_are_sent_again() {
    let deployment = Deployment::get();
    let journey = Journey::new("shards");
    deployment.proxy.clear_calls();
    {
        let whole = json!({ "match": "PutRecords tidemark-publish", "what": "error", "status": 400, "nth": 2, "count": 7,
            "error": "ProvisionedThroughputExceededException" });
        let entries = json!({ "match": "PutRecords", "what": "entries", "nth": 1, "count": 4 });
        let _faults = deployment.proxy.inject(&json!([entries, whole]));
        for version in 0..2 {
            journey.deliver(&deployment, version);
            deployment.wait_until_done([journey.path(["V1", "V2"][version]).as_str()].into_iter());
        }
        assert_eq!(deployment.proxy.counts()["entries"], 4);
        let throttled = deployment.proxy.counts();
        add_to_summary(&format!("pipeline: throttled PutRecords, whole calls or single entries: {throttled:?}"));
    }
    journey.check(&deployment);
    let (_, number) = deployment.published("shards");
    let operations = journey.expected.values().flatten().filter(|line| line.contains("\"id\":")).count();
    assert_eq!(number, operations, "accepted records were not sent again");
}

#[test]
fn a_function_killed_during_its_step_is_restarted() {
    let deployment = Deployment::get();
    let steps = [
        ("plan", "s3 PutObject"),
        ("begin", "kinesis PutRecords"),
        ("publish", "kinesis PutRecords"),
        ("record", "dynamodb TransactWriteItems"),
    ];
    for (number, (function, call)) in steps.iter().enumerate() {
        let journey = Journey::new(&format!("killed{number}"));
        deployment.proxy.clear_calls();
        {
            let rule = json!({ "match": format!("^{call} tidemark-{function}$"), "what": "hold" });
            let held = deployment.proxy.inject(&json!([rule]));
            journey.deliver(&deployment, 0);
            wait("the call is on its way", || deployment.proxy.counts().contains_key("hold"));
            assert!(kill_function(&deployment.named(function)) > 0, "{function} is not running");
            drop(held);
            deployment.wait_for(&journey.path("V1"), Status::Succeeded);
        }
        journey.deliver(&deployment, 1);
        deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
        journey.check(&deployment);
    }
    add_to_summary(&format!("pipeline: functions were killed during {} steps", steps.len()));
}

/// Kills every process of a function, and returns how many there were.
fn kill_function(function: &str) -> usize {
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let is_one = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        if is_one && command("kill").args(["-9", &pid.to_string()]).status().unwrap().success() {
            killed += 1;
        }
    }
    killed
}

#[test]
fn a_step_whose_lease_expires_is_taken_over_and_writes_nothing_more() {
    let deployment = Deployment::get();
    let journey = Journey::new("expired");
    deployment.proxy.clear_calls();
    {
        let rule = json!({ "match": "^s3 PutObject tidemark-plan$", "what": "hold" });
        let held = deployment.proxy.inject(&json!([rule]));
        journey.deliver(&deployment, 0);
        wait("the plan is on its way", || deployment.proxy.counts().contains_key("hold"));
        let key = TableKey { tenant: "expired".into(), table: "orders".into() };
        let owner = || deployment.registry.state(&key).unwrap().owner;
        let first = owner().unwrap();
        deployment.expire(&key);
        assert_eq!(owner(), None);
        deployment.start(&key);
        wait("another execution takes over", || owner().is_some_and(|owner| owner != first));
        deployment.wait_for(&journey.path("V1"), Status::Succeeded);
        drop(held);
        wait("the first execution has ended", || deployment.running() == 0);
    }
    journey.deliver(&deployment, 1);
    deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
    let sequence = |version: &str| deployment.version(&journey.path(version)).unwrap().sequence.unwrap();
    assert_eq!(sequence("V2"), sequence("V1") + 1, "the step that woke up used up no sequence");
    journey.check(&deployment);
}
