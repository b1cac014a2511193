//! The pipeline on AWS, from an object in S3 to a consumer's table: whatever fails, it publishes exactly what a local
//! run publishes.

#[cfg(feature = "postgres")]
mod apply;
mod athena_quota;
mod concurrent_changes;
mod expiry;
mod faults;
mod journey;
mod outputs;
mod permissions;
mod samples;

use std::collections::BTreeMap;
use std::path::Path;

use runtime::store::Status;
use serde_json::{Value as Json, json};

use self::journey::Journey;
use crate::deployment::{Deployment, wait};
use crate::stack::Stack;
use crate::workspace::files;

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// An export of `orders` with the order ids `from..to`.
pub(crate) fn orders(from: u32, to: u32, status: &str) -> String {
    let row = |id: u32| format!("eu,{id},,{status},{id}.50,,2026-01-01 00:00:00,job\n");
    HEADER.to_owned() + &(from..to).map(row).collect::<String>()
}

/// Loses the events of S3, which come some time after each change, until it is dropped.
struct LostEvents<'a>(&'a Deployment);

impl<'a> LostEvents<'a> {
    fn begin(deployment: &'a Deployment) -> Self {
        set_arrivals(deployment, "disable-rule");
        Self(deployment)
    }
}

impl Drop for LostEvents<'_> {
    fn drop(&mut self) {
        set_arrivals(self.0, "enable-rule");
    }
}

fn set_arrivals(deployment: &Deployment, action: &str) {
    deployment.aws_command(&["events", action, "--name", &deployment.named("arrivals")]);
}

#[test]
fn an_export_whose_event_was_lost_is_found_by_the_daily_check() {
    let deployment = Deployment::get();
    deployment.deliver("lostevent/orders/V1", &orders(0, 50, "open"));
    deployment.wait_for("lostevent/orders/V1", Status::Succeeded);
    let _lost = LostEvents::begin(&deployment);
    deployment.deliver("lostevent/orders/V2", &orders(1, 51, "open"));
    deployment.deliver("lostevent/unknown/V1", "a\n1\n");
    assert_eq!(deployment.version("lostevent/orders/V2"), None);
    let found = deployment.invoke("find", &json!({ "scheduled": "today" }));
    assert_eq!(found, json!({ "found": 2, "expired": 0, "complete": true }));
    deployment.wait_for("lostevent/orders/V2", Status::Succeeded);
    assert_eq!(deployment.version("lostevent/unknown/V1").unwrap().status, Status::Waiting);
    let again = deployment.invoke("find", &json!({ "scheduled": "tomorrow" }));
    assert_eq!(again, json!({ "found": 0, "expired": 0, "complete": true }));
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
        &deployment.named("arrivals"),
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
fn the_same_bytes_put_again_are_no_revision_however_large_they_are() {
    let deployment = Deployment::get();
    // Nothing is small enough to be read again.
    let _unread = deployment.with_environment("register", &[("TIDEMARK_MAX_COMPARED", "0")]);
    deployment.deliver("putagain/orders/V1", &orders(0, 50, "open"));
    deployment.wait_for("putagain/orders/V1", Status::Succeeded);
    let identity = || deployment.version("putagain/orders/V1").unwrap().parts[0].identity.clone();
    let before = identity();
    deployment.deliver("putagain/orders/V1", &orders(0, 50, "open"));
    wait("the new ETag is registered", || identity() != before);
    assert_eq!(deployment.version("putagain/orders/V1").unwrap().refused_parts, None);
    deployment.deliver("putagain/orders/V2", &orders(1, 51, "open"));
    deployment.wait_for("putagain/orders/V2", Status::Succeeded);
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

/// The log lines with metrics of the tenant `logged`, by version.
fn logged_metrics(deployment: &Deployment) -> BTreeMap<String, Json> {
    let lines = ["register", "plan", "record"].map(|function| deployment.log(function)).concat();
    let metrics = lines.iter().filter(|line| line["_aws"].is_object() && line["Tenant"] == "logged");
    metrics.map(|line| (line["Version"].as_str().unwrap_or_default().to_owned(), line.clone())).collect()
}

/// The line is valid in CloudWatch's embedded metric format: every metric that it defines is a number.
fn assert_metric_definitions(deployment: &Deployment, line: &Json) {
    let defined = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (&defined["Namespace"], &defined["Dimensions"]),
        (&json!(deployment.namespace()), &json!([["Table"], []]))
    );
    let names = defined["Metrics"].as_array().unwrap().iter().map(|metric| metric["Name"].as_str().unwrap());
    assert!(names.into_iter().all(|name| line[name].is_f64()) && line["Table"] == "orders");
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
    wait("their metrics are in the logs", || logged_metrics(&deployment).len() == 3);
    let metrics = logged_metrics(&deployment);
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
    metrics.values().for_each(|line| assert_metric_definitions(&deployment, line));
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
