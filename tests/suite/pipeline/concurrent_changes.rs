//! Files and records that arrive, change or disappear while the pipeline on AWS is working.

use aws_sdk_dynamodb::types::AttributeValue;
use runtime::name::TableKey;
use runtime::store::Status;
use serde_json::{Value as Json, json};

use super::{Journey, orders};
use crate::deployment::{Deployment, published_to_files, wait};
use crate::stack::Stack;
use crate::workspace::{Workspace, add_to_summary};

fn key(tenant: &str) -> TableKey {
    TableKey { tenant: tenant.into(), table: "orders".into() }
}

/// What a local run publishes of these versions, numbered from V1.
fn published_locally(tenant: &str, texts: &[String]) -> crate::deployment::LinesByTable {
    let workspace = Workspace::new();
    for (number, text) in texts.iter().enumerate() {
        workspace.export(&format!("{tenant}/orders/V{}", number + 1), text);
    }
    workspace.run();
    published_to_files(&workspace)
}

#[test]
fn a_version_that_arrives_while_the_lease_is_released_is_handled_by_the_same_execution() {
    let deployment = Deployment::get();
    let journey = Journey::new("latecomer");
    let failed = deployment.executions("FAILED");
    deployment.proxy.clear_calls();
    {
        let rule = json!({ "match": "^dynamodb UpdateItem tidemark-unlock$", "what": "hold" });
        let held = deployment.proxy.inject(&json!([rule]));
        journey.deliver(&deployment, 0);
        wait("the lease is being released", || deployment.proxy.counts().contains_key("hold"));
        journey.deliver(&deployment, 1);
        wait("it is registered", || deployment.version(&journey.path("V2")).is_some());
        wait("its own execution has left", || deployment.running() == 1);
        drop(held);
        deployment.wait_until_done([journey.path("V2").as_str()].into_iter());
    }
    journey.check(&deployment);
    assert_eq!(deployment.executions("FAILED"), failed);
    // The release was refused once, because V2 had arrived; V2's own execution found the table locked, and ended.
    let refused = deployment.proxy.calls().iter().filter(|call| is_by(call, "unlock") && call["status"] == 400).count();
    assert_eq!(refused, 1);
}

fn is_by(call: &Json, function: &str) -> bool {
    call["caller"] == format!("tidemark-{function}")
}

#[test]
fn athena_results_for_outdated_input_are_discarded() {
    let athena = Deployment::with_athena();
    let texts = [orders(0, 120, "open"), orders(3, 123, "open"), orders(6, 126, "open")];
    deliver_again_during_query(&athena, &texts);
    resync_during_query(&athena, &texts);
    let results =
        athena.aws.s3.list_objects_v2().bucket(athena.bucket.replace("exports", "work")).prefix("athena/").send();
    assert_eq!(athena.aws.wait(results).unwrap().contents().len(), 0, "no query leaves files behind");
    add_to_summary("pipeline: 2 Athena results were outdated and discarded, after another delivery and after a resync");
}

/// V2 is delivered again while the query of its first delivery is queued.
fn deliver_again_during_query(athena: &Deployment, texts: &[String; 3]) {
    athena.deliver("redelivered/orders/V1", &texts[0]);
    athena.wait_for("redelivered/orders/V1", Status::Succeeded);
    {
        let queued = Stack::get().inject_failures("redelivered", &json!([{ "state": "QUEUED" }]));
        let before = started_queries("redelivered");
        athena.deliver("redelivered/orders/V2", &orders(1, 121, "open"));
        wait("its query is started", || started_queries("redelivered") > before);
        athena.deliver("redelivered/orders/V2", &texts[1]);
        wait("it is registered again", || athena.version("redelivered/orders/V2").unwrap().attempt == 2);
        drop(queued);
        athena.wait_for("redelivered/orders/V2", Status::Succeeded);
    }
    athena.deliver("redelivered/orders/V3", &texts[2]);
    athena.wait_for("redelivered/orders/V3", Status::Succeeded);
    assert_eq!(athena.published("redelivered").0, published_locally("redelivered", texts));
}

/// A resync is requested while the query of an ordinary comparison is queued.
fn resync_during_query(athena: &Deployment, texts: &[String; 3]) {
    athena.deliver("whole/orders/V1", &texts[0]);
    athena.wait_for("whole/orders/V1", Status::Succeeded);
    {
        let queued = Stack::get().inject_failures("whole", &json!([{ "state": "QUEUED" }]));
        let before = started_queries("whole");
        athena.deliver("whole/orders/V2", &texts[1]);
        wait("its query is started", || started_queries("whole") > before);
        let output = athena.tidemark(&["resync", "whole/orders"]);
        assert_eq!(output.status, 0, "{}", output.stderr);
        drop(queued);
        athena.wait_for("whole/orders/V2", Status::Succeeded);
    }
    let lines = athena.published("whole").0.remove(&("whole".into(), "orders".into())).unwrap();
    let records: Vec<Json> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |op: &str| records.iter().filter(|record| record["sequence"] == 2 && record["op"] == op).count();
    assert_eq!((count("INSERT"), count("UPDATE"), count("DELETE")), (120, 0, 0));
    assert!(records.iter().any(|record| record["op"] == "BEGIN" && record["reset"] == true));
}

/// How many queries were started on Athena for a tenant.
fn started_queries(tenant: &str) -> usize {
    Stack::get().athena_log_of(tenant).iter().filter(|call| call["action"] == "StartQueryExecution").count()
}

#[test]
fn a_change_set_of_many_parts_is_published_in_rounds_and_each_part_resumes_where_it_stopped() {
    let deployment = Deployment::get();
    let journey = Journey::new("manyparts");
    deployment.proxy.clear_calls();
    {
        let _small = deployment.with_environment("plan", &[("TIDEMARK_PART_BYTES", "4096")]);
        let _few = deployment.with_environment("begin", &[("TIDEMARK_PARTS_AT_ONCE", "2")]);
        let _slow = deployment.with_environment("publish", &[("TIDEMARK_ROUND_BYTES", "512")]);
        // A function starts nothing new in its last twenty seconds; here it has little more than these.
        deployment.set_timeout("publish", 21);
        // Each call is slow, so that one part needs several functions.
        let rule =
            json!({ "match": "^kinesis PutRecords tidemark-publish$", "what": "delay", "seconds": 0.4, "count": 0 });
        let _faults = deployment.proxy.inject(&json!([rule]));
        for version in 0..2 {
            journey.deliver(&deployment, version);
            deployment.wait_until_done([journey.path(["V1", "V2"][version]).as_str()].into_iter());
        }
        deployment.set_timeout("publish", 900);
    }
    let parts = deployment.version(&journey.path("V1")).unwrap().plan.unwrap().parts;
    assert!(parts > 4, "{parts}");
    let calls = deployment.proxy.calls();
    let rounds = calls.iter().filter(|call| is_by(call, "begin") && call["operation"] == "PutRecords").count();
    assert!(rounds >= (parts / 2) as usize, "{rounds} rounds of {parts} parts");
    let functions = calls.iter().filter(|call| is_by(call, "publish") && call["operation"] == "GetObject").count();
    assert!(functions > parts as usize + 1, "{functions} functions published {parts} parts and one");
    journey.check(&deployment);
    let (_, number) = deployment.published("manyparts");
    let operations = journey.expected.values().flatten().filter(|line| line.contains("\"id\":")).count();
    assert_eq!(number, operations, "nothing was sent twice");
    add_to_summary(&format!(
        "pipeline: {functions} functions published {parts} parts of one version, in rounds of two"
    ));
}

#[test]
fn a_changed_baseline_fails_the_execution_and_frees_the_table() {
    let deployment = Deployment::get();
    let journey = Journey::new("replaced");
    journey.deliver(&deployment, 0);
    deployment.wait_for(&journey.path("V1"), Status::Succeeded);
    let failed = deployment.executions("FAILED");
    deployment.deliver(&journey.path("V1"), &orders(0, 7, "open"));
    wait("the revision is refused", || deployment.version(&journey.path("V1")).unwrap().refused_parts.is_some());
    journey.deliver(&deployment, 1);
    wait("the execution has failed", || deployment.executions("FAILED") > failed);
    assert_eq!(deployment.registry.state(&key("replaced")).unwrap().owner, None);
    assert_eq!(deployment.version(&journey.path("V2")).unwrap().status, Status::Registered);
    let error =
        deployment.log("plan").into_iter().find(|line| line["tenant"] == "replaced" && line["level"] == "ERROR");
    let error = error.unwrap();
    assert!(error["message"].as_str().unwrap().contains("baseline-changed"), "{error}");
    assert_eq!((&error["table"], &error["version"], &error["kind"]), (&json!("orders"), &json!("V2"), &json!("Input")));
    // The published files are restored, and the table continues.
    journey.deliver(&deployment, 0);
    wait("the next version succeeds", || {
        deployment.start(&key("replaced"));
        deployment.wait_until_done(std::iter::empty());
        deployment.version(&journey.path("V2")).unwrap().status == Status::Succeeded
    });
    journey.check(&deployment);
}

#[test]
fn a_stray_folder_keeps_its_version_waiting_and_blocks_no_other() {
    let deployment = Deployment::get();
    deployment.put("stray/orders/V1/more/part.csv.gz", b"");
    deployment.deliver("stray/orders/V1", &orders(0, 30, "open"));
    deployment.wait_for("stray/orders/V1", Status::Waiting);
    let reason = deployment.version("stray/orders/V1").unwrap().reason.unwrap();
    assert!(reason.contains("a folder inside an export"), "{reason}");
    // Newer versions proceed, and a job's temporary files are ignored.
    deployment.put("stray/orders/V2/_temporary/0/part.csv.gz", b"");
    deployment.deliver("stray/orders/V2", &orders(0, 31, "open"));
    deployment.wait_for("stray/orders/V2", Status::Succeeded);
    // No event announces a deletion, so the sweeper has to notice it.
    let delete = deployment.aws.s3.delete_object().bucket(&deployment.bucket).key("stray/orders/V1/more/part.csv.gz");
    deployment.aws.wait(delete.send()).unwrap();
    deployment.sweep("stray");
    deployment.wait_for("stray/orders/V1", Status::Superseded);
}

#[test]
fn an_unreadable_record_does_not_stop_the_sweeper_for_other_tables() {
    let deployment = Deployment::get();
    deployment.deliver("swept/orders/V1", &orders(0, 3, "open"));
    deployment.wait_for("swept/orders/V1", Status::Succeeded);
    let lease = deployment.registry.acquire(&key("swept"), "tests", None).unwrap().unwrap();
    deployment.deliver("swept/orders/V2", &orders(0, 4, "open"));
    wait("it is registered", || deployment.version("swept/orders/V2").is_some());
    wait("its own execution has left", || deployment.running() == 0);
    assert!(deployment.registry.release(&lease, None).unwrap());
    let (text, table) = (|text: &str| AttributeValue::S(text.into()), deployment.named("registry"));
    // Recent enough that the sweeper does not wait an hour between attempts, and with the broken record first.
    let now = deployment.version("swept/orders/V2").unwrap().updated_at;
    let ago = |milliseconds: i64| format!("{:015}", now - milliseconds);
    let long_ago = ago(200_000);
    let broken =
        [("pk", "aaa/orders"), ("sk", "version#1"), ("open", "REGISTERED"), ("since", &long_ago), ("record", "?")];
    let listed = [("pk", "aaa/orders"), ("sk", "status#REGISTERED#1")];
    for item in [&broken[..], &listed[..]] {
        let put = deployment.aws.dynamodb.put_item().table_name(&table);
        let put = item.iter().fold(put, |put, (name, value)| put.item(*name, text(value)));
        deployment.aws.wait(put.send()).unwrap();
    }
    let sort_key = runtime::name::natural_sort_key("V2");
    let update = deployment.aws.dynamodb.update_item().table_name(&table).key("pk", text("swept/orders"));
    let update = update.key("sk", text(&format!("version#{sort_key}"))).update_expression("SET since = :since");
    deployment.aws.wait(update.expression_attribute_values(":since", text(&ago(100_000))).send()).unwrap();
    let answer = deployment.sweep("past a broken one");
    assert!(answer["errorMessage"].as_str().is_some_and(|message| message.contains("is damaged")), "{answer}");
    deployment.wait_for("swept/orders/V2", Status::Succeeded);
    for (_, sort_key) in [broken[1], listed[1]] {
        let delete = deployment.aws.dynamodb.delete_item().table_name(&table).key("pk", text("aaa/orders"));
        deployment.aws.wait(delete.key("sk", text(sort_key)).send()).unwrap();
    }
    assert!(deployment.sweep("all is well")["started"].is_u64());
}
