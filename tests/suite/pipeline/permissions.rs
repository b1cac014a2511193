//! The permissions of the functions, and the templates that grant them.

use std::path::Path;

use runtime::aws::s3::{self, S3Uri};
use runtime::store::Status;
use serde_json::{Value as Json, json};

#[cfg(feature = "postgres")]
use super::apply::Database;
use super::expiry::expire;
use super::{Journey, orders};
use crate::deployment::{Deployment, wait};
use crate::limits::command;
use crate::stack::Stack;
use crate::workspace::add_to_summary;

#[test]
fn large_exports_are_compared_by_athena_and_permissions_match_the_calls_made() {
    // A deployment of its own: some calls are made only by a function that has just started.
    let everyday = Everyday::new();
    let distributed = Deployment::new("distributed", &["NativeBytes=0", "ReadBytes=1", "Sink=both"]);
    // Several files, because `publish` does not write the last one.
    let _small = distributed.with_environment("athena", &[("TIDEMARK_PART_BYTES", "4096")]);
    let journey = Journey::from_texts("athena", [orders(0, 120, "open"), orders(5, 125, "open")]);
    for (number, version) in ["V1", "V2"].into_iter().enumerate() {
        // The second turn fails as often as the SDK tries, and is repeated from where the first one ended. Only V2 has
        // two turns: its unchanged rows are in a file of their own.
        let rule = json!({ "match": "^s3 GetObject tidemark-athena$", "what": "error", "nth": 3, "count": 5 });
        let _faults = distributed.proxy.inject(&json!([rule]));
        journey.deliver(&distributed, number);
        distributed.wait_until_done([journey.path(version).as_str()].into_iter());
        let plan = distributed.version(&journey.path(version)).unwrap().plan.unwrap();
        assert!(plan.findings.scan.is_some_and(|scan| scan.bytes > 0), "{version} was not compared by Athena");
    }
    assert_eq!(distributed.proxy.counts()["error"], 5);
    journey.check(&distributed);
    // No version creates tables in the catalog.
    let tables = distributed.aws.glue.get_tables().database_name("distributed").send();
    let tables = distributed.aws.wait(tables).unwrap();
    assert_eq!(tables.table_list().len(), generated::athena::STATEMENTS.len());
    everyday.run();
    let mut calls = [everyday.deployment.proxy.calls(), distributed.proxy.calls()].concat();
    // Other tests use Athena as well.
    let athena_calls = Stack::get().athena_log();
    let is_function = |call: &&Json| call["caller"].as_str().is_some_and(|caller| caller.starts_with("tidemark-"));
    let by_functions = athena_calls.iter().filter(is_function);
    calls.extend(by_functions.filter_map(|call| call["action"].as_str()).map(|action| {
        json!({ "caller": "tidemark-athena", "status": 200, "resource": "", "actions": [format!("athena:{action}")] })
    }));
    check_permissions(&calls);
}

/// A deployment with consumers.
struct Everyday {
    deployment: Deployment,
    #[cfg(feature = "postgres")]
    database: Database,
}

impl Everyday {
    const PARAMETERS: [&str; 3] = ["Consumer=on", "Sink=both", "ExportDays=30"];

    #[cfg(feature = "postgres")]
    fn new() -> Self {
        let database = Database::new("everyday");
        Self { deployment: database.deploy("everyday", &Self::PARAMETERS), database }
    }

    #[cfg(not(feature = "postgres"))]
    fn new() -> Self {
        Self { deployment: Deployment::new("everyday", &Self::PARAMETERS) }
    }

    fn run(&self) {
        everyday_events(&self.deployment);
        #[cfg(feature = "postgres")]
        self.database.check(&self.deployment);
    }
}

/// Everyday events: a version that is held and delivered again, one that is incomplete, one that comes late, a sweep.
fn everyday_events(deployment: &Deployment) {
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
    let lost = super::LostEvents::begin(deployment);
    deployment.deliver("rights/orders/V3", &orders(0, 200, "open"));
    let found = deployment.invoke("find", &json!({ "scheduled": "for rights" }));
    assert_eq!(found, json!({ "found": 1, "expired": 0, "complete": true }));
    deployment.wait_for("rights/orders/V3", Status::Succeeded);
    drop(lost);
    // V0 and V2 were superseded, and V1 is no longer a baseline.
    assert!(expire(deployment) > 1);
    let exports = S3Uri { bucket: deployment.bucket.clone(), key: "rights/orders".into() };
    let left = s3::object_names(&deployment.aws, &exports).unwrap();
    assert_eq!(left, ["V3/part.csv.gz"]);
    wait("the consumer is done", || {
        deployment
            .proxy
            .calls()
            .iter()
            .any(|call| call["caller"] == "tidemark-apply-orders" && call["operation"] == "GetItem")
    });
}

/// Every call is permitted, and every permission is used by a call.
fn check_permissions(calls: &[Json]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = command(Stack::get().python());
    command.arg(tests.join("stack/rights.py")).arg(tests.parent().unwrap().join("infra"));
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), calls).unwrap();
    let output = child.wait_with_output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}");
    add_to_summary(report.trim());
}

#[test]
fn the_templates_pass_cfn_lint_and_cfn_guard() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = Path::new(Stack::get().python());
    let home = python.ancestors().nth(3).unwrap();
    let mut command = command(python);
    let output = command
        .arg(tests.join("stack/templates.py"))
        .arg(home)
        .arg(tests.parent().unwrap().join("infra"))
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    add_to_summary(report.trim());
}
