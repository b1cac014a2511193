//! A new schema file is enough for a table to reach the stream, and everything that was deployed can be removed again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use runtime::store::Status;
use serde_json::{Value as Json, json};
use tests::reference::HMAC_KEY;
use tests::reference::pseudonym::pseudonym;
use tests::reference::value::Value;

use crate::deployment::{Deployment, ROOT, outputs, try_to_deploy};
use crate::limits::command;
use crate::pipeline::orders;
use crate::stack::Stack;
use crate::workspace::add_to_summary;

const SCHEMA: &str = r#"table: invoices
description: One row per invoice.
primary_key: [invoice_no]
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

/// A copy of the project in its own folder, with the times of all files: cargo compiles only what changes.
struct ProjectCopy {
    root: PathBuf,
}

impl ProjectCopy {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-table");
        let _ = fs::remove_dir_all(&root);
        let copy = Self { root: root.clone() };
        fs::create_dir_all(copy.built()).unwrap();
        for entry in fs::read_dir(Path::new(ROOT).canonicalize().unwrap()).unwrap().flatten() {
            let is_built = root.starts_with(entry.path()) || entry.file_name() == "target";
            if !is_built && entry.file_name() != ".git" {
                run(command("cp").arg("-a").arg(entry.path()).arg(&root));
            }
        }
        // The compiled dependencies are large, so they are linked. The folders that cargo rewrites in place are copied.
        for (mode, folder) in [("-al", "deps"), ("-a", "build"), ("-a", ".fingerprint")] {
            run(command("cp").arg(mode).arg(built().join(folder)).arg(copy.built()));
        }
        copy
    }

    fn built(&self) -> PathBuf {
        self.root.join("target").join(built().file_name().unwrap())
    }

    /// Builds the functions, and an example, which turns on every feature that tests need, so that no dependency is
    /// compiled again.
    fn build(&self) {
        let mut command = command(env!("CARGO"));
        command.args([
            "build",
            "--quiet",
            "--workspace",
            "--features",
            "tests/aws,tests/postgres,tests/browser",
            "--example",
            "fold_orders",
        ]);
        command.args(["--bin", "bootstrap-under-test", "--bin", "apply-orders-under-test"]);
        if built().ends_with("release") {
            command.arg("--release");
        }
        // The variables that cargo sets for this test run would make build scripts run again.
        let of_tests = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_EXE_", "CARGO_CRATE_"];
        for (name, _) in std::env::vars().filter(|(name, _)| of_tests.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
        run(command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.root.join("target")));
    }
}

/// The folder of this test run's binaries, named after the profile.
fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_bootstrap-under-test")).parent().unwrap()
}

impl Drop for ProjectCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn adding_a_schema_and_deploying_puts_a_table_live_and_the_stacks_can_be_removed() {
    let deployment = Deployment::new("grown", &[]);
    // What comes too early waits, and is not forgotten.
    deployment.deliver("acme/invoices/V1", "invoice_no,total,paid_on\n1,9.50,2026-01-01\n2,3.00,\n");
    deployment.wait_for("acme/invoices/V1", Status::Waiting);
    let reason = deployment.version("acme/invoices/V1").unwrap().reason.unwrap();
    assert_eq!(reason, "no schema: write schemas/invoices.yaml and run `cargo run -p generator`, then deploy");
    let copy = ProjectCopy::new();
    fs::write(copy.root.join("schemas/invoices.yaml"), SCHEMA).unwrap();
    fs::write(copy.root.join("schemas/payers.yaml"), PAYERS).unwrap();
    run(command(env!("CARGO_BIN_EXE_generator-under-test")).arg("--root").arg(&copy.root));
    copy.build();
    let output = deployment.update(&copy.root, &copy.built());
    assert!(output.contains("grown/Tables"), "{output}");

    deployment.sweep("after the deployment");
    deployment.wait_for("acme/invoices/V1", Status::Succeeded);
    deployment.deliver("acme/invoices/V2", "invoice_no,total,paid_on\n1,9.5,2026-01-01\n2,3.00,2026-02-01\n3,1,\n");
    deployment.wait_for("acme/invoices/V2", Status::Succeeded);
    assert_eq!(
        published_operations(&deployment),
        [
            json!(["INSERT", 1, { "total": "9.50", "paid_on": "2026-01-01" }, null]),
            json!(["INSERT", 2, { "total": "3.00", "paid_on": null }, null]),
            json!(["UPDATE", 2, { "total": "3.00", "paid_on": "2026-02-01" }, ["paid_on"]]),
            json!(["INSERT", 3, { "total": "1.00", "paid_on": null }, null]),
        ]
    );
    publish_a_pseudonym(&deployment);
    let again = deployment.update(&copy.root, &copy.built());
    assert!(again.contains("nothing to change"), "{again}");
    remove_and_redeploy(&deployment, &copy);
    add_to_summary(
        "a new table went live with one deployment, which was removed, deployed again and removed with its data",
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
fn remove_and_redeploy(deployment: &Deployment, copy: &ProjectCopy) {
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
    let exports = deployment.aws.s3.list_objects_v2().bucket(&deployment.bucket).send();
    assert_eq!(deployment.aws.wait(exports).unwrap().contents().len(), 3);
    deployment.update(&copy.root, &copy.built());
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
