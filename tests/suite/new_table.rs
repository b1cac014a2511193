//! A new schema file is enough for a table to reach the stream, in a project outside of this repository; and everything
//! that was deployed can be removed again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use runtime::store::Status;
use serde_json::{Value as Json, json};
use tests::reference::HMAC_KEY;
use tests::reference::pseudonym::pseudonym;
use tests::reference::value::Value;

use crate::deployment::{Deployment, ROOT, functions, outputs, path, try_to_deploy};
use crate::generator::PROGRAM as GENERATOR;
use crate::limits::command;
use crate::pipeline::orders;
use crate::stack::Stack;
use crate::workspace::{Workspace, add_to_summary};

const SCHEMA: &str = r#"table: invoices
description: One row per invoice.
primary_key: [invoice_no]
expect: { by: "00:00", tenants: [acme, late] }
columns:
  - { name: invoice_no, type: bigint }
  - { name: total,      type: "decimal(12,2)", description: "Gross, in euros." }
  - { name: paid_on,    type: date, nullable: true }
"#;

/// A table with pseudonyms, whose keys are secrets.
const PAYERS: &str = r"table: payers
primary_key: [iban]
columns: [{ name: iban, type: string, publish: hmac }]
engine: { athena: false }
";

/// How a deployment calls cargo: it checks what is generated, and compiles what has changed.
const CALLS: &str = "\
run -p generate -- --check
zigbuild --release --target x86_64-unknown-linux-gnu.2.34 --package tidemark --features lambda --bin bootstrap
";

/// A project outside of this repository, and how to deploy it.
struct Project {
    workspace: Workspace,
}

impl Project {
    /// A project with a first table, as `init` makes it of a file.
    fn new() -> Self {
        let workspace = Workspace::installed();
        workspace.write("customers.csv", b"id,name\n1,Ann\n2,Bob\n");
        let clone = Path::new(ROOT).canonicalize().unwrap();
        let made = workspace.tidemark(&["init", "shop", "customers.csv", "--workspace", clone.to_str().unwrap()]);
        assert_eq!(made.status, 0, "{}", made.stderr);
        Self { workspace }
    }

    fn folder(&self) -> PathBuf {
        self.workspace.path("shop")
    }

    /// What tells `infra/deploy` to deploy it.
    fn arguments(&self) -> [String; 2] {
        ["--project".to_owned(), self.folder().to_str().unwrap().to_owned()]
    }

    /// Adds the table, in one step or with its templates missing.
    fn add_table(&self, is_generated: bool) {
        self.workspace.write("shop/schemas/invoices.yaml", SCHEMA.as_bytes());
        self.workspace.write("shop/schemas/payers.yaml", PAYERS.as_bytes());
        if is_generated {
            let output = command(GENERATOR).arg("--root").arg(self.folder()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Updates a deployment as its owner does, who has no compiled programs at hand: what cargo would build is there
    /// already. Returns the calls of cargo, and the output.
    fn update_without_binaries(&self, deployment: &Deployment) -> (String, String) {
        let built = self.workspace.path("target/x86_64-unknown-linux-gnu/release");
        fs::create_dir_all(&built).unwrap();
        fs::copy(functions().join("bootstrap"), built.join("bootstrap")).unwrap();
        for (program, script) in [("cargo", "#!/bin/sh\necho \"$@\" >>$CALLS\n"), ("cargo-zigbuild", "#!/bin/sh\n")] {
            let program = self.workspace.write(&format!("programs/{program}"), script.as_bytes());
            fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let (calls, target) = (self.workspace.path("calls"), self.workspace.path("target"));
        let environment = [
            ("CALLS", calls.to_str().unwrap()),
            ("CARGO_TARGET_DIR", target.to_str().unwrap()),
            ("PATH", &format!("{}:{}", self.workspace.path("programs").display(), path())),
        ];
        let output = deployment.update_with(&self.arguments(), &environment);
        (fs::read_to_string(calls).unwrap(), output)
    }
}

/// The tenants with an export that a sweep reported as overdue.
fn overdue(deployment: &Deployment, scheduled: &str) -> Vec<String> {
    let lines = || deployment.log("sweep").into_iter().filter(|line| line["Overdue"] == 1.0).collect::<Vec<_>>();
    let earlier = lines().len();
    deployment.sweep(scheduled);
    let reported = lines();
    reported[earlier..].iter().map(|line| line["Tenant"].as_str().unwrap().to_owned()).collect()
}

/// What a schema expects raises an alarm until it comes.
fn missing_exports_raise_an_alarm(deployment: &Deployment) {
    let prefix = deployment.named("overdue");
    let alarms = deployment.aws_command(&["cloudwatch", "describe-alarms", "--alarm-name-prefix", &prefix]);
    let alarms: Json = serde_json::from_str(&alarms).unwrap();
    let alarms = alarms["MetricAlarms"].as_array().unwrap();
    assert_eq!(alarms.len(), 1, "only one table expects exports");
    assert_eq!(
        (&alarms[0]["MetricName"], &alarms[0]["Dimensions"]),
        (&json!("Overdue"), &json!([{ "Name": "Table", "Value": "invoices" }]))
    );
    assert_eq!(overdue(deployment, "before it comes"), ["late"]);
    deployment.deliver("late/invoices/V1", "invoice_no,total,paid_on\n1,9.50,2026-01-01\n");
    deployment.wait_for("late/invoices/V1", Status::Succeeded);
    assert_eq!(overdue(deployment, "once it came"), [""; 0]);
}

#[test]
fn a_new_table_goes_live_without_a_build_and_the_stacks_can_be_removed() {
    let project = Project::new();
    let arguments = project.arguments();
    let deployment = Deployment::with_arguments("grown", &[], &arguments.each_ref().map(String::as_str));
    deployment.put("first/customers/V1/customers.csv", b"id,name\n1,Ann\n2,Bob\n");
    deployment.wait_for("first/customers/V1", Status::Succeeded);
    // What comes too early waits, and is not forgotten.
    deployment.deliver("acme/invoices/V1", "invoice_no,total,paid_on\n1,9.50,2026-01-01\n2,3.00,\n");
    deployment.wait_for("acme/invoices/V1", Status::Waiting);
    let reason = deployment.version("acme/invoices/V1").unwrap().reason.unwrap();
    assert_eq!(reason, "no schema: write schemas/invoices.yaml and run the generator, then deploy");
    project.add_table(false);
    let (succeeded, refused) = deployment.try_to_update(&arguments);
    assert!(!succeeded && refused.contains("infra/tables/invoices.yaml does not exist"), "{refused}");
    project.add_table(true);
    let output = deployment.update(&arguments);
    assert!(output.contains("grown/Tables"), "{output}");

    deployment.sweep("after the deployment");
    deployment.wait_for("acme/invoices/V1", Status::Succeeded);
    deployment.deliver("acme/invoices/V2", "invoice_no,total,paid_on\n1,9.5,2026-01-01\n2,3.00,2026-02-01\n3,1,\n");
    deployment.wait_for("acme/invoices/V2", Status::Succeeded);
    let expected = [
        json!(["INSERT", 1, { "total": "9.50", "paid_on": "2026-01-01" }, null]),
        json!(["INSERT", 2, { "total": "3.00", "paid_on": null }, null]),
        json!(["UPDATE", 2, { "total": "3.00", "paid_on": "2026-02-01" }, ["paid_on"]]),
        json!(["INSERT", 3, { "total": "1.00", "paid_on": null }, null]),
    ];
    assert_eq!(published_operations(&deployment), expected);
    missing_exports_raise_an_alarm(&deployment);
    publish_a_pseudonym(&deployment);
    let (calls, again) = project.update_without_binaries(&deployment);
    assert_eq!(calls, CALLS);
    assert!(again.contains("nothing to change"), "{again}");
    remove_and_redeploy(&deployment, &arguments);
    add_to_summary(
        "a project outside of this repository was deployed, and a new table went live without a build; the deployment \
         was removed, deployed again and removed with its data",
    );
}

/// Nobody deletes a stack by mistake. If somebody does so all the same, the next deployment adopts its data, and goes
/// on where the last one stopped. Returns the table of the sample consumer, which has a new one.
fn adopt_after_deletion(deployment: &Deployment) -> String {
    deployment.deliver("acme/orders/V1", &orders(0, 20, "open"));
    deployment.wait_for("acme/orders/V1", Status::Succeeded);
    let sequence = deployment.version("acme/orders/V1").unwrap().sequence;
    let stack = ["--stack-name", "retried"];
    let refused = deployment.try_aws_command(&[&["cloudformation", "delete-stack"], &stack[..]].concat());
    assert!(refused.is_err_and(|error| error.contains("TerminationProtection is enabled")));
    let lift = ["cloudformation", "update-termination-protection", "--no-enable-termination-protection"];
    deployment.aws_command(&[&lift[..], &stack].concat());
    deployment.aws_command(&[&["cloudformation", "delete-stack"], &stack[..]].concat());
    deployment.aws_command(&[&["cloudformation", "wait", "stack-delete-complete"], &stack[..]].concat());
    let output = deployment.set_parameters(&["Consumer=on"]);
    assert!(output.contains("left its data behind") && output.contains("retried-registry"), "{output}");
    assert_eq!(deployment.version("acme/orders/V1").unwrap().sequence, sequence);
    deployment.deliver("acme/orders/V2", &orders(1, 21, "open"));
    deployment.wait_for("acme/orders/V2", Status::Succeeded);
    let plan = deployment.version("acme/orders/V2").unwrap().plan.unwrap();
    assert_eq!((plan.counts.inserted, plan.counts.deleted), (1, 1));
    outputs(&output)["ConsumerTable"].to_owned()
}

/// The key of the tenant `beta` is in a secret, which the session for that tenant may read.
fn publish_a_pseudonym(deployment: &Deployment) {
    let key = std::str::from_utf8(HMAC_KEY).unwrap();
    let secret = deployment.aws.secrets.create_secret().name("grown/hmac/beta").secret_string(key);
    deployment.aws.wait(secret.send()).unwrap();
    deployment.deliver("beta/payers/V1", "iban\nAT611904300234573201\n");
    deployment.wait_for("beta/payers/V1", Status::Succeeded);
    let (lines, _) = deployment.published("beta");
    let records = lines.into_values().flatten().map(|line| serde_json::from_str::<Json>(&line).unwrap());
    let keys: Vec<Json> = records.map(|record| record["key"]["iban"].clone()).filter(|key| !key.is_null()).collect();
    let iban = Value::new("AT611904300234573201".into(), Json::Null);
    assert_eq!(keys, [Json::from(pseudonym(&iban).text)]);
}

/// The operations that were published, by sequence and key.
fn published_operations(deployment: &Deployment) -> Vec<Json> {
    let (lines, _) = deployment.published("acme");
    let records = lines.into_values().flatten().map(|line| serde_json::from_str::<Json>(&line).unwrap());
    let mut operations: Vec<(u64, Json, Json)> = records
        .filter(|record| record["id"].is_string())
        .map(|record| {
            let operation = json!([record["op"], record["key"]["invoice_no"], record["after"], record["changed"]]);
            (record["sequence"].as_u64().unwrap(), record["key"]["invoice_no"].clone(), operation)
        })
        .collect();
    operations.sort_by_key(|(sequence, key, _)| (*sequence, key.as_u64()));
    operations.into_iter().map(|(.., operation)| operation).collect()
}

/// Removes the deployment, which keeps its data; deploys it again on that data; then removes it with its data.
fn remove_and_redeploy(deployment: &Deployment, arguments: &[String; 2]) {
    let resources = |command: &[&str], field: &str| -> Vec<String> {
        let listed: Json = serde_json::from_str(&deployment.aws_command(command)).unwrap();
        let all = listed[field].as_array().into_iter().flatten().map(|resource| resource.to_string());
        all.filter(|resource| resource.contains("grown-") || resource.contains(":grown")).collect()
    };
    let functions = || resources(&["lambda", "list-functions"], "Functions").len();
    let data_stores = || {
        [
            resources(&["s3api", "list-buckets"], "Buckets").len(),
            resources(&["dynamodb", "list-tables"], "TableNames").len(),
            resources(&["kinesis", "list-streams"], "StreamNames").len(),
            resources(&["sqs", "list-queues"], "QueueUrls").len(),
        ]
    };
    assert_eq!((functions(), data_stores()), (11, [3, 1, 1, 2]));
    let output = deployment.remove(&[]);
    assert_eq!((functions(), data_stores()), (0, [3, 1, 1, 1]), "{output}");
    assert_eq!(resources(&["stepfunctions", "list-state-machines"], "stateMachines"), [""; 0]);
    let exports = deployment.aws.s3.list_objects_v2().bucket(&deployment.bucket).prefix("acme/").send();
    assert_eq!(deployment.aws.wait(exports).unwrap().contents().len(), 2);
    deployment.update(arguments);
    assert_eq!((functions(), data_stores()), (11, [3, 1, 1, 2]));
    deployment.deliver("acme/invoices/V3", "invoice_no,total,paid_on\n1,9.5,2026-01-01\n2,3,2026-02-01\n3,2,\n");
    deployment.wait_for("acme/invoices/V3", Status::Succeeded);
    let output = deployment.remove(&["--data"]);
    assert_eq!((functions(), data_stores()), (0, [0, 0, 0, 0]), "{output}");
    assert!(output.contains("the key is deleted after 30 days"), "{output}");
}

#[test]
fn a_failed_deployment_keeps_the_data_stack_and_the_same_command_can_be_retried() {
    let aws = Stack::get().clients();
    // A database of this name already exists.
    let database = aws_sdk_glue::types::DatabaseInput::builder().name("retried").build().unwrap();
    aws.wait(aws.glue.create_database().database_input(database).send()).unwrap();
    let (succeeded, output) = try_to_deploy("retried");
    assert!(!succeeded && output.contains("UPDATE_ROLLBACK_COMPLETE"), "{output}");
    aws.wait(aws.glue.delete_database().name("retried").send()).unwrap();
    let deployment = Deployment::new("retried", &["Consumer=on"]);
    let table = adopt_after_deletion(&deployment);
    let off = deployment.set_parameters(&["Consumer=off"]);
    assert_eq!(outputs(&off).get("ConsumerTable"), None);
    let on = deployment.set_parameters(&["Consumer=on"]);
    assert_ne!(outputs(&on)["ConsumerTable"], table);
    let output = deployment.remove(&["--data"]);
    assert!(
        output.contains(&format!("removing {table}")),
        "the table of the earlier consumer is removed too: {output}"
    );
}
