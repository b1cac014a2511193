//! The pipeline on AWS, from an object in S3 to a consumer's table: it publishes what one machine publishes, whatever fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use runtime::change_set::Comparison;
use runtime::store::{Status, Store as _, TableKey};
use serde_json::{Value as Json, json};

use crate::deployment::{Deployment, Faults, Lines, calls, forget_calls, published_here, wait};
use crate::stack::Stack;
use crate::world::{World, files, tell};

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// Rows of orders from a number on.
pub(crate) fn orders(from: u32, to: u32, status: &str) -> String {
    let row = |id: u32| format!("eu,{id},,{status},{id}.50,,2026-01-01 00:00:00,job\n");
    HEADER.to_owned() + &(from..to).map(row).collect::<String>()
}

/// The files of exports by version, `TENANT/TABLE/VERSION`.
fn by_version(folder: &Path) -> BTreeMap<String, Vec<(String, Vec<u8>)>> {
    let mut versions: BTreeMap<String, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    for (path, bytes) in files(folder) {
        let path = path.to_str().unwrap().to_owned();
        let version = path.rsplit_once('/').unwrap().0.to_owned();
        versions.entry(version).or_default().push((path, bytes));
    }
    // Markers and manifests come when everything else is there.
    versions
        .values_mut()
        .for_each(|files| files.sort_by_key(|(path, _)| path.rsplit('/').next().unwrap().starts_with('_')));
    versions
}

/// Versions in rounds: the first of every tenant's table, then the second, and so on.
fn rounds(versions: &BTreeMap<String, Vec<(String, Vec<u8>)>>) -> Vec<Vec<String>> {
    let mut of_tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for version in versions.keys() {
        of_tables.entry(version.rsplit_once('/').unwrap().0.to_owned()).or_default().push(version.clone());
    }
    for versions in of_tables.values_mut() {
        versions.sort_by(|a, b| runtime::name::natural_cmp(a, b));
    }
    let most = of_tables.values().map(Vec::len).max().unwrap_or_default();
    (0..most).map(|round| of_tables.values().filter_map(|versions| versions.get(round).cloned()).collect()).collect()
}

#[test]
fn the_samples_of_all_tenants_and_tables_leave_the_stream_as_one_machine_publishes_them() {
    let world = World::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("samples/exports");
    world.tidemark(&["run", samples.to_str().unwrap()]);
    let expected = published_here(&world);
    let deployment = Deployment::get();
    let versions = by_version(&samples);
    for round in rounds(&versions) {
        for version in &round {
            versions[version].iter().for_each(|(path, bytes)| deployment.put(path, bytes));
        }
        deployment.wait_until_done(round.iter().map(String::as_str));
    }
    let (published, _) = deployment.published("");
    let published: Lines =
        published.into_iter().filter(|((tenant, _), _)| ["acme", "globex"].contains(&tenant.as_str())).collect();
    assert_eq!(published.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (table, lines) in &expected {
        assert_eq!(&published[table], lines, "{table:?}");
    }
    for path in versions.keys() {
        let here = world.tidemark(&["history", path.rsplit_once('/').unwrap().0, "--format", "json"]);
        let here: Json = serde_json::from_str(&here.stdout).unwrap();
        let known =
            here.as_array().unwrap().iter().find(|version| path.ends_with(version["version"].as_str().unwrap()));
        let there = deployment.version(path).unwrap();
        assert_eq!(there.status.name(), known.unwrap()["status"].as_str().unwrap(), "{path}");
    }
    let records: usize = expected.values().map(BTreeSet::len).sum();
    let (versions, tables) = (versions.len(), expected.len());
    tell(&format!(
        "{versions} versions of {tables} tables through S3 and Kinesis, {records} records, as on one machine"
    ));
    the_consumer_has_what_is_so(&deployment, &expected);
}

/// What the consumer made of the operations is what they come to.
fn the_consumer_has_what_is_so(deployment: &Deployment, published: &Lines) {
    let mut rows: BTreeMap<(String, String), Json> = BTreeMap::new();
    for ((tenant, table), lines) in published {
        let mut lines: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|line| line["sequence"].as_u64());
        for line in lines.iter().filter(|line| table == "orders" && line["id"].is_string()) {
            let key = format!("[{},{}]", line["key"]["region"], line["key"]["order_id"]);
            match line["op"].as_str() {
                Some("DELETE") => rows.remove(&(tenant.clone(), key)),
                _ => rows.insert((tenant.clone(), key), line["after"].clone()),
            };
        }
    }
    wait("the consumer has every row", || consumed(deployment) == rows);
    tell(&format!("{} rows in the consumer's table", rows.len()));
}

/// The rows of the consumer's table, as JSON.
fn consumed(deployment: &Deployment) -> BTreeMap<(String, String), Json> {
    use aws_sdk_dynamodb::types::AttributeValue;
    let mut pages = deployment.aws.dynamodb.scan().table_name("tidemark-orders").into_paginator().items().send();
    let mut rows = BTreeMap::new();
    while let Some(item) = deployment.aws.wait(pages.next()) {
        let item = item.unwrap();
        let text = |name: &str| match &item[name] {
            AttributeValue::S(text) | AttributeValue::N(text) => json!(text),
            _ => Json::Null,
        };
        let tenant = item["tenant"].as_s().unwrap();
        if item.contains_key("deleted") || !["acme", "globex"].contains(&tenant.as_str()) {
            continue;
        }
        let columns = ["customer_email", "status", "amount", "note", "updated_at", "exported_by"];
        let row: serde_json::Map<String, Json> = columns.iter().map(|name| ((*name).to_owned(), text(name))).collect();
        let mut row = Json::Object(row);
        // A number has no trailing zeros in DynamoDB.
        if let Some(amount) = row["amount"].as_str() {
            row["amount"] = json!(format!("{:.2}", amount.parse::<f64>().unwrap()));
        }
        rows.insert((tenant.clone(), item["key"].as_s().unwrap().clone()), row);
    }
    rows
}

#[test]
fn a_late_version_a_duplicate_event_and_a_revision_change_nothing() {
    let deployment = Deployment::get();
    deployment.deliver("late/orders/V2", &orders(0, 50, "open"));
    deployment.wait_for("late/orders/V2", Status::Succeeded);
    let (before, _) = deployment.published("late");
    deployment.deliver("late/orders/V1", &orders(0, 5, "paid"));
    deployment.wait_for("late/orders/V1", Status::Superseded);
    // The same event once more, and once more.
    let event = json!({ "detail": { "bucket": { "name": deployment.bucket }, "object": { "key": "late/orders/V2/part.csv.gz" } } });
    let queue = deployment.aws_command(&[
        "sqs",
        "get-queue-url",
        "--queue-name",
        "tidemark-arrivals",
        "--query",
        "QueueUrl",
        "--output",
        "text",
        "--endpoint-url",
        Stack::get().aws(),
    ]);
    for _ in 0..2 {
        deployment.aws_command(&[
            "sqs",
            "send-message",
            "--endpoint-url",
            Stack::get().aws(),
            "--queue-url",
            queue.trim(),
            "--message-body",
            &event.to_string(),
        ]);
    }
    deployment.deliver("late/orders/V2", &orders(0, 40, "shipped"));
    wait("the revision is recorded", || deployment.version("late/orders/V2").unwrap().refused_parts.is_some());
    wait("nothing runs", || deployment.running() == 0);
    assert_eq!(deployment.version("late/orders/V2").unwrap().status, Status::Succeeded);
    assert_eq!(deployment.published("late").0, before);
}

#[test]
fn an_export_of_several_parts_waits_for_its_marker() {
    let deployment = Deployment::get();
    let samples =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("samples/exports/acme/web_events/20260101_V0001");
    let mut parts: Vec<_> = files(&samples).into_iter().collect();
    parts.sort_by_key(|(path, _)| path.to_str().unwrap().starts_with('_'));
    let (marker, parts) = parts.split_last().unwrap();
    for (path, bytes) in parts {
        deployment.put(&format!("parts/web_events/V1/{}", path.display()), bytes);
    }
    deployment.wait_for("parts/web_events/V1", Status::Waiting);
    assert_eq!(deployment.published("parts").1, 0);
    deployment.put(&format!("parts/web_events/V1/{}", marker.0.display()), &marker.1);
    deployment.wait_for("parts/web_events/V1", Status::Succeeded);
    assert!(deployment.published("parts").1 > 0);
}

#[test]
fn a_version_that_is_held_is_looked_at_and_approved_or_rejected_from_the_command_line() {
    let deployment = Deployment::get();
    deployment.deliver("held/orders/V1", &orders(0, 200, "open"));
    deployment.wait_for("held/orders/V1", Status::Succeeded);
    deployment.deliver("held/orders/V2", &orders(0, 20, "open"));
    deployment.wait_for("held/orders/V2", Status::Held);
    let plan = deployment.tidemark(&["plan", "held/orders/V2", "--format", "json"]);
    assert_eq!(plan.status, 0, "{}", plan.stderr);
    let plan: Json = serde_json::from_str(&plan.stdout).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap();
    assert_eq!(plan["plan"]["counts"]["deleted"], 180);
    let status = deployment.tidemark(&["status"]);
    assert!(status.stdout.contains("HELD"), "{}", status.stdout);
    let approved = deployment.tidemark(&["approve", "held/orders/V2", &hash[..8]]);
    assert_eq!(approved.status, 0, "{}", approved.stderr);
    deployment.wait_for("held/orders/V2", Status::Succeeded);
    deployment.deliver("held/orders/V3", &orders(0, 0, "open"));
    deployment.wait_for("held/orders/V3", Status::Held);
    let rejected = deployment.tidemark(&["reject", "held/orders/V3"]);
    assert_eq!(rejected.status, 0, "{}", rejected.stderr);
    let (published, _) = deployment.published("held");
    let lines = &published[&("held".to_owned(), "orders".to_owned())];
    assert_eq!(lines.iter().filter(|line| line.contains("\"op\":\"DELETE\"")).count(), 180);
    let replayed = deployment.tidemark(&["replay", "held/orders/V2"]);
    assert_eq!(replayed.status, 0, "{}", replayed.stderr);
    let (again, number) = deployment.published("held");
    assert_eq!(again, published, "a replay brings the same operations");
    assert!(number >= 200 + 180 + 180);
    assert!(deployment.tidemark(&["history", "held/orders"]).stdout.contains("REJECTED"));
}

#[test]
fn an_export_that_cannot_be_read_fails_and_is_tried_again_once_it_is_mended() {
    let deployment = Deployment::get();
    deployment.deliver("broken/orders/V1", &orders(0, 30, "far too long a status"));
    deployment.wait_for("broken/orders/V1", Status::Failed);
    assert_eq!(deployment.published("broken").1, 0);
    deployment.deliver("broken/orders/V1", &orders(0, 30, "open"));
    deployment.wait_for("broken/orders/V1", Status::Succeeded);
    assert_eq!(deployment.published("broken").1, 30);
}

/// Two versions of a tenant through the pipeline, and what they come to on one machine.
struct Journey {
    tenant: String,
    expected: Lines,
    texts: [String; 2],
}

impl Journey {
    fn new(tenant: &str) -> Self {
        let texts = [orders(0, 120, "open"), orders(10, 125, "paid")];
        let world = World::new();
        for (text, version) in texts.iter().zip(["V1", "V2"]) {
            world.export(&format!("{tenant}/orders/{version}"), text);
        }
        // Of rows that all differ, the guards have something to say; the first of both is enough here.
        world.run();
        Self { tenant: tenant.into(), expected: published_here(&world), texts }
    }

    fn path(&self, version: &str) -> String {
        format!("{}/orders/{version}", self.tenant)
    }

    fn deliver(&self, deployment: &Deployment, version: usize) {
        deployment.deliver(&self.path(["V1", "V2"][version]), &self.texts[version]);
    }

    /// Nothing is lost, nothing invented, and the table is nobody's.
    fn check(&self, deployment: &Deployment) {
        wait("nothing runs", || deployment.running() == 0);
        let (published, _) = deployment.published(&self.tenant);
        assert_eq!(published, self.expected);
        let key = TableKey { tenant: self.tenant.clone(), table: "orders".into() };
        assert_eq!(deployment.registry.state(&key).unwrap().owner, None);
    }
}

/// Every kind of call that the functions make, as rules that strike each of them.
fn one_rule_for_each(kinds: &BTreeSet<(String, String, String)>, fault: &Json) -> Json {
    let rule = |(service, operation, caller): &(String, String, String)| {
        let mut rule = fault.clone();
        rule["match"] = json!(format!("^{service} {operation} {caller}$"));
        rule
    };
    kinds.iter().map(rule).collect()
}

fn kinds() -> BTreeSet<(String, String, String)> {
    let text = |call: &Json, name: &str| call[name].as_str().unwrap().to_owned();
    let calls = calls();
    let kind = |call: &Json| (text(call, "service"), text(call, "operation"), text(call, "caller"));
    calls
        .iter()
        .map(kind)
        .filter(|(_, _, caller)| caller.starts_with("tidemark-") && caller != "tidemark-sweep")
        .collect()
}

#[test]
fn whatever_call_fails_nothing_is_lost_and_nothing_invented() {
    let deployment = Deployment::get();
    forget_calls();
    let clean = Journey::new("clean");
    clean.deliver(&deployment, 0);
    deployment.wait_for(&clean.path("V1"), Status::Succeeded);
    clean.deliver(&deployment, 1);
    deployment.wait_until_done([clean.path("V2").as_str()].into_iter());
    clean.check(&deployment);
    let kinds = kinds();
    assert!(kinds.len() > 30, "{kinds:?}");
    let faults = [
        ("error", json!({ "what": "error", "nth": 1 })),
        ("again", json!({ "what": "error", "nth": 2 })),
        ("throttled", json!({ "what": "error", "nth": 1, "status": 400, "error": "ThrottlingException" })),
        ("lost", json!({ "what": "drop_after", "nth": 1 })),
        ("lost2", json!({ "what": "drop_after", "nth": 2 })),
        ("dropped", json!({ "what": "drop_before", "nth": 1 })),
    ];
    for (name, fault) in faults {
        let journey = Journey::new(&format!("fault{name}"));
        forget_calls();
        let struck = {
            let _faults = Faults::new(&one_rule_for_each(&kinds, &fault));
            for version in 0..2 {
                journey.deliver(&deployment, version);
                deployment.wait_until_done([journey.path(["V1", "V2"][version]).as_str()].into_iter());
            }
            Faults::struck()
        };
        journey.check(&deployment);
        tell(&format!("{name}: {} kinds of calls, struck {struck:?}", kinds.len()));
        assert!(struck.values().sum::<usize>() > kinds.len() / 2, "{struck:?}");
    }
}

#[test]
fn a_step_whose_calls_keep_failing_is_tried_again_by_the_flow() {
    let deployment = Deployment::get();
    let journey = Journey::new("steps");
    let rule = |what: &str| json!({ "match": what, "what": "error", "nth": 1, "count": 5 });
    // As often as the SDK tries: the step fails, and is begun anew.
    let rules = json!([
        rule("^dynamodb UpdateItem tidemark-lock$"),
        rule("^dynamodb Query tidemark-next$"),
        rule("^s3 PutObject tidemark-plan$"),
        rule("^kinesis PutRecords tidemark-begin$"),
        rule("^s3 GetObject tidemark-publish$"),
        rule("^dynamodb TransactWriteItems tidemark-record$"),
        rule("^dynamodb UpdateItem tidemark-unlock$"),
    ]);
    forget_calls();
    {
        let _faults = Faults::new(&rules);
        journey.deliver(&deployment, 0);
        deployment.wait_for(&journey.path("V1"), Status::Succeeded);
        assert_eq!(Faults::struck()["error"], 35);
    }
    journey.deliver(&deployment, 1);
    deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
    journey.check(&deployment);
}

#[test]
fn a_call_that_is_never_answered_is_made_again() {
    let deployment = Deployment::get();
    let rule = |call: &str| json!({ "match": format!("^{call}$"), "what": "hang" });
    let rules = json!([
        rule("states StartExecution tidemark-register"),
        rule("dynamodb UpdateItem tidemark-lock"),
        rule("s3 PutObject tidemark-plan"),
        rule("kinesis PutRecords tidemark-publish"),
        rule("dynamodb TransactWriteItems tidemark-record"),
    ]);
    // Several tenants, so that what is waited for is waited for at the same time.
    let journeys: Vec<Journey> = (0..5).map(|number| Journey::new(&format!("silence{number}"))).collect();
    forget_calls();
    {
        let _faults = Faults::new(&rules);
        for version in 0..2 {
            journeys.iter().for_each(|journey| journey.deliver(&deployment, version));
            let paths: Vec<String> = journeys.iter().map(|journey| journey.path(["V1", "V2"][version])).collect();
            deployment.wait_until_done(paths.iter().map(String::as_str));
        }
        assert_eq!(Faults::struck()["hang"], 5);
    }
    journeys.iter().for_each(|journey| journey.check(&deployment));
}

#[test]
fn a_delta_that_one_function_has_no_time_for_is_computed_by_athena() {
    let deployment = Deployment::get();
    let journey = Journey::new("hasty");
    // A function stops its work twenty seconds before its end, and here has no more than these.
    deployment.give_time("plan", 20);
    for (version, name) in ["V1", "V2"].into_iter().enumerate() {
        journey.deliver(&deployment, version);
        deployment.wait_until_done([journey.path(name).as_str()].into_iter());
        let plan = deployment.version(&journey.path(name)).unwrap().plan.unwrap();
        assert_eq!(plan.findings.comparison, Comparison::Athena, "{name}");
    }
    deployment.give_time("plan", 900);
    journey.check(&deployment);
}

#[test]
fn an_execution_leaves_the_rest_to_the_next_one_before_its_history_is_full() {
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
    assert_eq!(next(100, "2099-01-01T00:00:00.000Z"), json!({ "step": "done", "pending": null }));
    assert_eq!(next(7, "2026-01-01T00:00:00.000Z"), json!({ "step": "done", "pending": null }));
    assert!(deployment.registry.release(&lease, None).unwrap());
    // Whoever comes next does what is left.
    deployment.deliver("weary/orders/V3", &orders(0, 5, "open"));
    deployment.wait_until_done(["weary/orders/V2", "weary/orders/V3"].into_iter());
    assert_eq!(deployment.version("weary/orders/V2").unwrap().status, Status::Succeeded);
}

#[test]
fn records_that_a_shard_turns_away_are_sent_again_and_no_others() {
    let deployment = Deployment::get();
    let journey = Journey::new("shards");
    forget_calls();
    {
        let whole = json!({ "match": "PutRecords tidemark-publish", "what": "error", "status": 400, "nth": 2, "count": 7,
            "error": "ProvisionedThroughputExceededException" });
        let entries = json!({ "match": "PutRecords", "what": "entries", "nth": 1, "count": 4 });
        let _faults = Faults::new(&json!([entries, whole]));
        for version in 0..2 {
            journey.deliver(&deployment, version);
            deployment.wait_until_done([journey.path(["V1", "V2"][version]).as_str()].into_iter());
        }
        assert_eq!(Faults::struck()["entries"], 4);
    }
    journey.check(&deployment);
    let (_, number) = deployment.published("shards");
    let operations = journey.expected.values().flatten().filter(|line| line.contains("\"id\":")).count();
    assert_eq!(number, operations, "what was taken was not sent again");
}

#[test]
fn a_function_that_is_killed_in_the_midst_of_its_step_is_begun_anew() {
    let deployment = Deployment::get();
    let places = [
        ("plan", "s3 PutObject"),
        ("begin", "kinesis PutRecords"),
        ("publish", "kinesis PutRecords"),
        ("record", "dynamodb TransactWriteItems"),
    ];
    for (number, (function, call)) in places.into_iter().enumerate() {
        let journey = Journey::new(&format!("killed{number}"));
        forget_calls();
        {
            let rule = json!({ "match": format!("^{call} tidemark-{function}$"), "what": "delay", "seconds": 2 });
            let _faults = Faults::new(&json!([rule]));
            journey.deliver(&deployment, 0);
            wait("the call is on its way", || Faults::struck().contains_key("delay"));
            assert!(kill_function(function) > 0, "{function} does not run");
            deployment.wait_for(&journey.path("V1"), Status::Succeeded);
        }
        journey.deliver(&deployment, 1);
        deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
        journey.check(&deployment);
    }
}

/// Kills every process of a function; says how many there were.
fn kill_function(function: &str) -> usize {
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME=tidemark-{function}");
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let is_one = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        if is_one && std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success() {
            killed += 1;
        }
    }
    killed
}

#[test]
fn a_lease_that_expires_under_a_running_step_is_taken_over_and_the_first_writes_nothing_more() {
    let deployment = Deployment::get();
    let journey = Journey::new("expired");
    forget_calls();
    {
        let rule = json!({ "match": "^s3 PutObject tidemark-plan$", "what": "delay", "seconds": 8 });
        let _faults = Faults::new(&json!([rule]));
        journey.deliver(&deployment, 0);
        wait("the plan is on its way", || Faults::struck().contains_key("delay"));
        let key = TableKey { tenant: "expired".into(), table: "orders".into() };
        let owner = deployment.registry.state(&key).unwrap().owner.unwrap();
        // Somebody else finds it expired: whoever says that the owner is gone takes it over.
        let other = deployment.registry.acquire(&key, "another", Some(&owner)).unwrap().unwrap();
        assert!(deployment.registry.release(&other, None).unwrap());
        wait("the first execution has ended", || deployment.running() == 0);
    }
    assert_ne!(deployment.version(&journey.path("V1")).unwrap().status, Status::Succeeded);
    wait("the sweeper starts it", || {
        deployment.sweep(&format!("sweep {}", Arc::strong_count(&deployment.aws)));
        deployment.version(&journey.path("V1")).unwrap().status == Status::Succeeded
    });
    journey.deliver(&deployment, 1);
    deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
    journey.check(&deployment);
}

#[test]
fn exports_beyond_a_size_are_compared_by_athena_and_every_function_may_do_what_it_does_and_no_more() {
    let deployment = Deployment::get();
    let distributed = Deployment::new("distributed", &["NativeBytes=0", "ReadBytes=1"]);
    forget_calls();
    let journey = Journey::new("athena");
    for (number, version) in ["V1", "V2"].into_iter().enumerate() {
        journey.deliver(&distributed, number);
        distributed.wait_until_done([journey.path(version).as_str()].into_iter());
        let plan = distributed.version(&journey.path(version)).unwrap().plan.unwrap();
        assert!(plan.findings.scan.is_some_and(|scan| scan.bytes > 0), "{version} was not compared by Athena");
    }
    journey.check(&distributed);
    // Nothing was made in the catalog for a version.
    let tables = distributed.aws.glue.get_tables().database_name("distributed").send();
    let tables = distributed.aws.wait(tables).unwrap();
    assert_eq!(tables.table_list().len(), generated::athena::STATEMENTS.len());
    // What a day brings: a version that is held and delivered anew, one that waits until the sweeper looks again.
    deployment.deliver("rights/orders/V1", &orders(0, 200, "open"));
    deployment.wait_for("rights/orders/V1", Status::Succeeded);
    deployment.deliver("rights/orders/V2", &orders(0, 20, "open"));
    deployment.wait_for("rights/orders/V2", Status::Held);
    deployment.deliver("rights/orders/V2", &orders(0, 21, "open"));
    wait("it is held anew", || {
        let version = deployment.version("rights/orders/V2").unwrap();
        version.attempt > 1 && version.status == Status::Held
    });
    deployment.put("rights/web_events/V1/part-0000.tsv.zst", b"");
    deployment.wait_for("rights/web_events/V1", Status::Waiting);
    deployment.put("rights/orders/V0/part.csv.gz", b"late");
    deployment.wait_for("rights/orders/V0", Status::Superseded);
    deployment.sweep("for rights");
    wait("the consumer is done", || {
        calls().iter().any(|call| call["caller"] == "tidemark-apply-orders" && call["operation"] == "GetItem")
    });
    let mut calls = calls();
    let statements = Stack::get().log();
    calls.extend(statements.iter().filter_map(|call| call["action"].as_str()).map(|action| {
        json!({ "caller": "tidemark-athena", "status": 200, "resource": "", "actions": [format!("athena:{action}")] })
    }));
    hold_against_rights(&calls);
}

/// Every call has a right, and every right a call.
fn hold_against_rights(calls: &[Json]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = std::process::Command::new(Stack::get().python());
    command.arg(tests.join("stack/rights.py")).arg(tests.parent().unwrap().join("infra"));
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), calls).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    tell(said.trim());
}

#[test]
fn the_templates_are_what_cfn_lint_and_the_rules_of_the_guard_want() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = Path::new(Stack::get().python());
    let home = python.ancestors().nth(3).unwrap();
    let mut command = std::process::Command::new(python);
    let output = command
        .arg(tests.join("stack/templates.py"))
        .arg(home)
        .arg(tests.parent().unwrap().join("infra"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    tell(said.trim());
}
