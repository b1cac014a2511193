//! The pipeline on AWS, from an object in S3 to a consumer's table: whatever fails, it publishes exactly what a local
//! run publishes.

mod faults;
mod concurrent_changes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use runtime::store::{Status, Store as _, TableKey};
use serde_json::{Value as Json, json};

use crate::deployment::{Deployment, Faults, Lines, calls, forget_calls, published_here, wait};
use crate::stack::Stack;
use crate::world::{World, files, tell};

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// An export of `orders` with the order ids `from..to`.
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
    // Markers and manifests are delivered after all other files.
    versions
        .values_mut()
        .for_each(|files| files.sort_by_key(|(path, _)| path.rsplit('/').next().unwrap().starts_with('_')));
    versions
}

/// Versions in rounds: the first of every tenant's table, then the second, and so on.
fn rounds(versions: &BTreeMap<String, Vec<(String, Vec<u8>)>>) -> Vec<Vec<String>> {
    let mut by_table: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for version in versions.keys() {
        by_table.entry(version.rsplit_once('/').unwrap().0.to_owned()).or_default().push(version.clone());
    }
    for versions in by_table.values_mut() {
        versions.sort_by(|a, b| runtime::name::natural_cmp(a, b));
    }
    let rounds = by_table.values().map(Vec::len).max().unwrap_or_default();
    (0..rounds).map(|round| by_table.values().filter_map(|versions| versions.get(round).cloned()).collect()).collect()
}

#[test]
fn the_pipeline_publishes_all_samples_exactly_like_a_local_run() {
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
        let history = world.tidemark(&["history", path.rsplit_once('/').unwrap().0, "--format", "json"]);
        let history: Json = serde_json::from_str(&history.stdout).unwrap();
        let local =
            history.as_array().unwrap().iter().find(|version| path.ends_with(version["version"].as_str().unwrap()));
        let deployed = deployment.version(path).unwrap();
        assert_eq!(deployed.status.name(), local.unwrap()["status"].as_str().unwrap(), "{path}");
    }
    let records: usize = expected.values().map(BTreeSet::len).sum();
    let (versions, tables) = (versions.len(), expected.len());
    tell(&format!(
        "pipeline: {records} records of {versions} versions of {tables} tables are the same as those of a local run"
    ));
    assert_consumer_has_newest_snapshots(&deployment, &samples);
}

/// The consumer's table contains the newest snapshot of each tenant, as the reference implementation reads it.
fn assert_consumer_has_newest_snapshots(deployment: &Deployment, samples: &Path) {
    let table = &generated::orders::TABLE;
    let mut rows: BTreeMap<(String, String), Json> = BTreeMap::new();
    for tenant in ["acme", "globex"] {
        let versions =
            deployment.registry.versions(&TableKey { tenant: tenant.into(), table: "orders".into() }).unwrap();
        let newest = versions.iter().rfind(|version| version.status == Status::Succeeded).unwrap();
        let files = files(&samples.join(tenant).join("orders").join(&newest.version));
        let parts: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.to_str().unwrap(), bytes.as_slice())).collect();
        let snapshot = tests::reference::export::read(table, &parts).unwrap();
        assert!(snapshot.rejects.is_empty());
        for row in snapshot.rows.into_values() {
            let json = |name: &str| row.value(table, name).json.clone();
            let key = format!("[{},{}]", json("region"), json("order_id"));
            let columns = COMPARED.map(|name| (name.to_owned(), json(name)));
            rows.insert((tenant.into(), key), columns.into_iter().collect());
        }
    }
    wait("the consumer has every row", || consumed(deployment) == rows);
    tell(&format!("pipeline: the consumer's table has the {} rows of the newest snapshots", rows.len()));
}

/// The compared columns of `orders`.
const COMPARED: [&str; 5] = ["customer_email", "status", "amount", "note", "updated_at"];

/// The rows of the consumer's table, as JSON.
fn consumed(deployment: &Deployment) -> BTreeMap<(String, String), Json> {
    use aws_sdk_dynamodb::types::AttributeValue;
    let table = deployment.consumer_table.as_deref().expect("the deployment has the sample consumer");
    let mut pages = deployment.aws.dynamodb.scan().table_name(table).into_paginator().items().send();
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
        let row: serde_json::Map<String, Json> = COMPARED.iter().map(|name| ((*name).to_owned(), text(name))).collect();
        let mut row = Json::Object(row);
        // DynamoDB drops the trailing zeros of numbers.
        if let Some(amount) = row["amount"].as_str() {
            row["amount"] = json!(format!("{:.2}", amount.parse::<f64>().unwrap()));
        }
        rows.insert((tenant.clone(), item["key"].as_s().unwrap().clone()), row);
    }
    rows
}

#[test]
fn late_versions_duplicate_events_and_revisions_change_nothing() {
    let deployment = Deployment::get();
    deployment.deliver("late/orders/V2", &orders(0, 50, "open"));
    deployment.wait_for("late/orders/V2", Status::Succeeded);
    let (before, _) = deployment.published("late");
    deployment.deliver("late/orders/V1", &orders(0, 5, "paid"));
    deployment.wait_for("late/orders/V1", Status::Superseded);
    // The same event, twice more.
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
    wait("no execution is running", || deployment.running() == 0);
    assert_eq!(deployment.version("late/orders/V2").unwrap().status, Status::Succeeded);
    assert_eq!(deployment.published("late").0, before);
}

#[test]
fn a_multi_part_export_waits_for_its_marker() {
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
fn a_held_version_is_inspected_and_approved_or_rejected_from_the_command_line() {
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
    assert_eq!(again, published, "a replay publishes the same operations");
    assert!(number >= 200 + 180 + 180);
    assert!(deployment.tidemark(&["history", "held/orders"]).stdout.contains("REJECTED"));
}

#[test]
fn logs_contain_metrics_for_each_version_and_never_row_values() {
    let deployment = Deployment::get();
    let secret = |text: String| text.replace(",open,", ",sesame,");
    deployment.deliver("logged/orders/V1", &secret(orders(0, 200, "open")));
    deployment.wait_for("logged/orders/V1", Status::Succeeded);
    deployment.deliver("logged/orders/V2", &secret(orders(0, 20, "open")));
    deployment.wait_for("logged/orders/V2", Status::Held);
    deployment.deliver("logged/orders/V3", &secret(orders(0, 200, "open")).replace(",17.50,", ",sesame,"));
    deployment.wait_for("logged/orders/V3", Status::Failed);
    deployment.put("logged/orders/sesame.csv.gz", b"");
    let metrics = || -> BTreeMap<String, Json> {
        let logs = ["register", "plan", "record"].map(|function| deployment.log(function));
        let lines = logs.concat();
        let metrics = lines.iter().filter(|line| line["_aws"].is_object() && line["Tenant"] == "logged");
        metrics.map(|line| (line["Version"].as_str().unwrap_or_default().to_owned(), line.clone())).collect()
    };
    wait("their metrics are in the logs", || metrics().len() == 3);
    let metrics = metrics();
    let published = &metrics["V1"];
    let counts = ["Published", "Rows", "Inserted", "Updated", "Deleted"].map(|name| published[name].as_f64().unwrap());
    assert_eq!(counts, [1.0, 200.0, 200.0, 0.0, 0.0]);
    assert!(published["Seconds"].as_f64().unwrap() > 0.0 && published["Bytes"].as_f64().unwrap() > 100.0);
    assert_eq!((&metrics["V2"]["Held"], &metrics["V3"]["Failed"]), (&json!(1.0), &json!(1.0)));
    // It was not published, so the log line has its counts as fields, but not as metrics.
    assert_eq!(metrics["V2"]["Deleted"], 180.0);
    assert_eq!(metrics["V2"]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len(), 1);
    // The alarm lasts as long as a function reports the version as HELD.
    deployment.sweep("while it is held");
    let held = |function: &str| {
        let is_held = |line: &Json| line["HeldVersions"].is_f64() && line["Table"] == "orders";
        deployment.log(function).iter().any(is_held)
    };
    assert!(held("plan") && held("sweep"));
    for line in metrics.values() {
        let defined = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&defined["Namespace"], &defined["Dimensions"]),
            (&json!("Tidemark/tidemark"), &json!([["Table"], []]))
        );
        let names = defined["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap());
        assert!(names.into_iter().all(|name| line[name].is_f64()) && line["Table"] == "orders");
    }
    for function in ["register", "lock", "next", "plan", "begin", "publish", "record", "unlock", "apply-orders"] {
        let log = deployment.log(function);
        let leak = log.iter().find(|line| line.to_string().contains("sesame") && line["key"].is_null());
        assert_eq!(leak, None, "{function}");
    }
}

#[test]
fn an_unreadable_export_fails_and_is_processed_again_once_fixed() {
    let deployment = Deployment::get();
    deployment.deliver("broken/orders/V1", &orders(0, 30, "far too long a status"));
    deployment.wait_for("broken/orders/V1", Status::Failed);
    assert_eq!(deployment.published("broken").1, 0);
    deployment.deliver("broken/orders/V1", &orders(0, 30, "open"));
    deployment.wait_for("broken/orders/V1", Status::Succeeded);
    assert_eq!(deployment.published("broken").1, 30);
}

/// Two versions of a tenant to send through the pipeline, and what a local run publishes of them.
struct Journey {
    tenant: String,
    expected: Lines,
    texts: [String; 2],
}

impl Journey {
    fn new(tenant: &str) -> Self {
        // Changes of every kind, too few to break a guard: 5 deleted, 5 inserted, 30 updated.
        let second = orders(5, 90, "open") + orders(90, 125, "paid").strip_prefix(HEADER).unwrap();
        Self::from_texts(tenant, [orders(0, 120, "open"), second])
    }

    /// A journey of these two versions.
    fn from_texts(tenant: &str, texts: [String; 2]) -> Self {
        let world = World::new();
        for (text, version) in texts.iter().zip(["V1", "V2"]) {
            world.export(&format!("{tenant}/orders/{version}"), text);
        }
        let output = world.run();
        assert_eq!(output.status, 0, "{}", output.stdout);
        Self { tenant: tenant.into(), expected: published_here(&world), texts }
    }

    fn path(&self, version: &str) -> String {
        format!("{}/orders/{version}", self.tenant)
    }

    fn deliver(&self, deployment: &Deployment, version: usize) {
        deployment.deliver(&self.path(["V1", "V2"][version]), &self.texts[version]);
    }

    /// No operation was lost or invented, and the table's lease is free.
    fn check(&self, deployment: &Deployment) {
        wait("no execution is running", || deployment.running() == 0);
        let (published, _) = deployment.published(&self.tenant);
        assert_eq!(published, self.expected);
        let key = TableKey { tenant: self.tenant.clone(), table: "orders".into() };
        assert_eq!(deployment.registry.state(&key).unwrap().owner, None);
    }
}

#[test]
fn large_exports_are_compared_by_athena_and_permissions_match_the_calls_made() {
    let deployment = Deployment::get();
    let distributed = Deployment::new("distributed", &["NativeBytes=0", "ReadBytes=1"]);
    forget_calls();
    let journey = Journey::from_texts("athena", [orders(0, 120, "open"), orders(5, 125, "open")]);
    for (number, version) in ["V1", "V2"].into_iter().enumerate() {
        // The second turn fails as often as the SDK tries, and is repeated from where the first one ended. Only V2 has
        // two turns: its unchanged rows are in a file of their own.
        let rule = json!({ "match": "^s3 GetObject tidemark-athena$", "what": "error", "nth": 3, "count": 5 });
        let _faults = Faults::new(&json!([rule]));
        journey.deliver(&distributed, number);
        distributed.wait_until_done([journey.path(version).as_str()].into_iter());
        let plan = distributed.version(&journey.path(version)).unwrap().plan.unwrap();
        assert!(plan.findings.scan.is_some_and(|scan| scan.bytes > 0), "{version} was not compared by Athena");
    }
    assert_eq!(Faults::struck()["error"], 5);
    journey.check(&distributed);
    // No version creates tables in the catalog.
    let tables = distributed.aws.glue.get_tables().database_name("distributed").send();
    let tables = distributed.aws.wait(tables).unwrap();
    assert_eq!(tables.table_list().len(), generated::athena::STATEMENTS.len());
    // Everyday events: a version that is held and delivered again, one that is incomplete, one that comes late, a
    // sweep.
    deployment.deliver("rights/orders/V1", &orders(0, 200, "open"));
    deployment.wait_for("rights/orders/V1", Status::Succeeded);
    deployment.deliver("rights/orders/V2", &orders(0, 20, "open"));
    deployment.wait_for("rights/orders/V2", Status::Held);
    deployment.deliver("rights/orders/V2", &orders(0, 21, "open"));
    wait("it is held again", || {
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
    // Without the calls of another test's deployment, whose table this project does not have.
    calls.retain(|call| !call["resource"].as_str().is_some_and(|resource| resource.contains("grown-")));
    let athena_calls = Stack::get().athena_log();
    calls.extend(athena_calls.iter().filter_map(|call| call["action"].as_str()).map(|action| {
        json!({ "caller": "tidemark-athena", "status": 200, "resource": "", "actions": [format!("athena:{action}")] })
    }));
    check_permissions(&calls);
}

/// Every call is permitted, and every permission is used by a call.
fn check_permissions(calls: &[Json]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = std::process::Command::new(Stack::get().python());
    command.arg(tests.join("stack/rights.py")).arg(tests.parent().unwrap().join("infra"));
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), calls).unwrap();
    let output = child.wait_with_output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}");
    tell(report.trim());
}

#[test]
fn the_templates_pass_cfn_lint_and_cfn_guard() {
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
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    tell(report.trim());
}
