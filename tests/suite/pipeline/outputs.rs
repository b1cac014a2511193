//! Operations that leave the pipeline as files, instead of through a stream or in addition to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use runtime::aws::s3::{self, S3Uri};
use runtime::name::TableKey;
use runtime::store::Status;
use serde_json::{Value as Json, json};

use super::{Journey, orders};
use crate::deployment::{Deployment, ROOT, arguments, functions, run_infra_deploy, wait};
use crate::workspace::{Workspace, add_to_summary, files};

/// Every published file of a tenant, by its path below the output.
fn published_files(deployment: &Deployment, tenant: &str) -> BTreeMap<String, Vec<u8>> {
    let bucket = deployment.bucket.replace("exports", "work");
    let root = S3Uri { bucket: bucket.clone(), key: format!("operations/{tenant}") };
    let names = s3::object_names(&deployment.aws, &root).unwrap();
    let read = |name: String| {
        let mut bytes = Vec::new();
        s3::open(&deployment.aws, &root.join(&name)).unwrap().read_to_end(&mut bytes).unwrap();
        (format!("{tenant}/{name}"), bytes)
    };
    names.into_iter().map(read).collect()
}

/// The same versions, published into a folder by the same registry.
fn published_on_disk(deployment: &Deployment, versions: &[String]) -> BTreeMap<String, Vec<u8>> {
    let folder = Workspace::new();
    let out = folder.path("out");
    for version in versions {
        let replayed = deployment.tidemark(&["replay", version, "--out", out.to_str().unwrap()]);
        assert_eq!(replayed.status, 0, "{}", replayed.transcript());
    }
    let parts = files(&out).into_iter().map(|(path, bytes)| (path.to_string_lossy().into_owned(), bytes));
    parts.filter(|(path, _)| !path.starts_with(".writing")).collect()
}

/// The names of the deployment's streams and of its alarms about a stream.
fn stream_resources(deployment: &Deployment) -> (usize, usize) {
    let streams: Json = serde_json::from_str(&deployment.aws_command(&["kinesis", "list-streams"])).unwrap();
    let name = json!(deployment.named("operations"));
    let streams = streams["StreamNames"].as_array().unwrap().iter().filter(|stream| **stream == name).count();
    let prefix = deployment.named("");
    let alarms = deployment.aws_command(&["cloudwatch", "describe-alarms", "--alarm-name-prefix", &prefix]);
    let alarms: Json = serde_json::from_str(&alarms).unwrap();
    let alarms = alarms["MetricAlarms"].as_array().unwrap().iter();
    (streams, alarms.filter(|alarm| alarm["Namespace"] == "AWS/Kinesis").count())
}

#[test]
fn without_a_stream_the_pipeline_writes_the_same_files_as_a_run_whatever_call_fails() {
    let deployment = Deployment::new("files", &["Sink=s3"]);
    assert_eq!(stream_resources(&deployment), (0, 0));
    let _small = deployment.with_environment("plan", &[("TIDEMARK_PART_BYTES", "4096")]);
    let faults = [
        ("clean", json!([])),
        ("lost", json!([lost("PutObject", "publish"), lost("PutObject", "begin"), lost("PutObject", "record")])),
        (
            "failing",
            json!([failing("PutObject", "publish"), failing("GetObject", "record"), failing("GetObject", "begin")]),
        ),
    ];
    for (tenant, faults) in faults {
        let journey = Journey::new(tenant);
        let _faults = deployment.proxy.inject(&faults);
        for (number, version) in ["V1", "V2"].into_iter().enumerate() {
            journey.deliver(&deployment, number);
            deployment.wait_for(&journey.path(version), Status::Succeeded);
        }
        let published = published_files(&deployment, tenant);
        assert!(published.len() > 5, "{:?}", published.keys());
        let expected = published_on_disk(&deployment, &["V1", "V2"].map(|version| journey.path(version)));
        assert!(published == expected, "{tenant}: every name and every byte is the same");
    }
    let verified = deployment.tidemark(&["verify"]);
    assert_eq!(verified.status, 0, "{}", verified.transcript());
    assert_registry_is_checked(&deployment);
    add_to_summary("pipeline: files in S3 are the same as those of a local run, with and without faults");
}

/// The first call takes effect, and its answer is lost.
fn lost(operation: &str, function: &str) -> Json {
    json!({ "match": format!("^s3 {operation} tidemark-{function}$"), "what": "drop_after" })
}

/// The call fails as often as the SDK tries, so that the step is repeated.
fn failing(operation: &str, function: &str) -> Json {
    json!({ "match": format!("^s3 {operation} tidemark-{function}$"), "what": "error", "count": 5 })
}

/// Where another registry publishes, nothing is published until somebody adopts the output.
fn assert_registry_is_checked(deployment: &Deployment) {
    let mark = json!({ "registry": "another", "sequence": 7, "fence": 1 });
    let uri = S3Uri {
        bucket: deployment.bucket.replace("exports", "work"),
        key: "operations/.writing/foreign/orders/mark.json".into(),
    };
    let call =
        deployment.aws.s3.put_object().bucket(&uri.bucket).key(&uri.key).body(mark.to_string().into_bytes().into());
    deployment.aws.wait(call.send()).unwrap();
    let failed = deployment.executions("FAILED");
    deployment.deliver("foreign/orders/V1", &orders(0, 20, "open"));
    wait("the execution is refused", || deployment.executions("FAILED") > failed);
    assert_eq!(published_files(deployment, "foreign").len(), 0);
    let key = TableKey { tenant: "foreign".into(), table: "orders".into() };
    wait("the lease is free", || deployment.registry.state(&key).unwrap().owner.is_none());
    let exports = format!("s3://{}", deployment.bucket);
    let adopted = deployment.tidemark(&["run", &exports, "--tenant", "foreign", "--adopt", "--by", "a test"]);
    assert_eq!(adopted.status, 0, "{}", adopted.transcript());
    assert_eq!(deployment.version("foreign/orders/V1").unwrap().status, Status::Succeeded);
    assert!(!published_files(deployment, "foreign").is_empty());
}

#[test]
fn a_deployment_can_publish_to_a_stream_and_to_files_and_stop_either() {
    let deployment = Deployment::new("sinks", &["Sink=both"]);
    assert_eq!(stream_resources(&deployment), (1, 2));
    let pinned = pinned_functions(&deployment);
    assert!(pinned.len() == 8 && pinned.iter().all(|arn| arn.ends_with(":1")), "{pinned:?}");
    let small = deployment.with_environment("plan", &[("TIDEMARK_PART_BYTES", "4096")]);
    let journey = Journey::new("both");
    for number in 0..2 {
        journey.deliver(&deployment, number);
        deployment.wait_for(&journey.path(["V1", "V2"][number]), Status::Succeeded);
    }
    journey.check(&deployment);
    let published = published_files(&deployment, "both");
    assert!(published == published_on_disk(&deployment, &["V1", "V2"].map(|version| journey.path(version))));
    drop(small);
    deployment.set_parameters(&["Sink=s3"]);
    assert_releases(&deployment, &pinned);
    // What consumers have not read yet is not deleted.
    assert_eq!(stream_resources(&deployment), (1, 0));
    deployment.deliver("later/orders/V1", &orders(0, 20, "open"));
    deployment.wait_for("later/orders/V1", Status::Succeeded);
    assert_eq!((deployment.published("later").1, published_files(&deployment, "later").len()), (0, 1));
    let output = deployment.remove(&["--data"]);
    assert_eq!(stream_resources(&deployment), (0, 0), "{output}");
}

/// The functions that new executions of the flow call.
fn pinned_functions(deployment: &Deployment) -> Vec<String> {
    let describe = deployment.aws.sfn.describe_state_machine().state_machine_arn(&deployment.state_machine);
    let definition = deployment.aws.wait(describe.send()).unwrap().definition;
    let arns = definition.split('"').filter(|text| text.contains(":function:")).map(str::to_owned);
    arns.collect::<BTreeSet<_>>().into_iter().collect()
}

/// After an update, new executions call new functions, and those that began before call the ones with which they began,
/// which are as they were. A rollback brings their code and settings back, and can be undone by deploying again.
fn assert_releases(deployment: &Deployment, before: &[String]) {
    let environment = |arn: &str| {
        let output = deployment.aws_command(&["lambda", "get-function-configuration", "--function-name", arn]);
        serde_json::from_str::<Json>(&output).unwrap()["Environment"]["Variables"].clone()
    };
    let after = pinned_functions(deployment);
    assert!(
        after.len() == before.len() && after.iter().zip(before).all(|(after, before)| after != before),
        "{after:?}"
    );
    for (before, after) in before.iter().zip(&after) {
        assert!(environment(before)["TIDEMARK_SINK"].is_string() && environment(after)["TIDEMARK_SINK"].is_null());
    }
    let output = deployment.roll_back();
    assert_eq!(stream_resources(deployment), (1, 2), "{output}");
    let restored = pinned_functions(deployment);
    for (before, restored) in before.iter().zip(&restored) {
        assert_eq!(environment(before), environment(restored), "{output}");
    }
    let (succeeded, output) = deployment.try_to_roll_back();
    assert!(!succeeded && output.contains("no release was deployed before"), "{output}");
    deployment.set_parameters(&["Sink=s3", "ReservedConcurrency=3"]);
    // What must not starve has a reservation.
    let reserved = |function: &str| {
        let function = deployment.named(function);
        let output = deployment.aws_command(&["lambda", "get-function-concurrency", "--function-name", &function]);
        serde_json::from_str::<Json>(&output).unwrap()["ReservedConcurrentExecutions"].clone()
    };
    assert_eq!(["unlock", "sweep"].map(reserved), [3, 2]);
}

#[test]
fn the_sample_consumer_says_that_it_needs_a_stream() {
    let mut arguments = arguments(functions(), "unread");
    arguments.extend(["--param", "Sink=s3", "--param", "Consumer=on"].map(str::to_owned));
    let (succeeded, output) = run_infra_deploy(Path::new(ROOT), &arguments);
    assert!(!succeeded && output.contains("The sample consumer reads the stream"), "{output}");
}
