//! The stacks as they ship, deployed on the emulator by `infra/deploy`: exports enter through S3, operations leave
//! through Kinesis. Tests share a few deployments; each test has its own tenants.

mod changes;
mod commands;
mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use runtime::aws::Aws;
use runtime::name::TableKey;
use runtime::store::dynamodb::Dynamodb;
use runtime::store::{Registry, Status, Version};
use serde_json::{Value as Json, json};

use crate::limits::command;
use crate::sequences::relative_to_the_first;
use crate::stack::Stack;
use crate::waiting::holds_in_time;
use crate::workspace::{CommandOutput, Workspace, files, gunzip, gzip};

pub(crate) use self::commands::{arguments, functions, path, read_stream, run_infra_deploy};
use self::commands::{deploy, environment, infra_deploy, infra_deploy_command, outcome};
use self::proxy::Proxy;

/// The root of the project.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The time between two looks for a deployment that no other test uses.
const PAUSE: Duration = Duration::from_millis(100);

/// A deployment of all stacks.
pub(crate) struct Deployment {
    /// The name of its root stack, and the prefix of all other names.
    name: String,
    pub(crate) aws: Arc<Aws>,
    pub(crate) registry: Registry,
    pub(crate) bucket: String,
    pub(crate) state_machine: String,
    /// The table of the sample consumer, if it is deployed.
    pub(crate) consumer_table: Option<String>,
    /// The queue of the function for PostgreSQL, if it is deployed.
    #[cfg(feature = "postgres")]
    pub(crate) apply_failures: Option<String>,
    /// What its functions call instead of AWS.
    pub(crate) proxy: Proxy,
}

/// A shared deployment that no other test uses meanwhile.
pub(crate) struct Borrowed(MutexGuard<'static, Option<Deployment>>);

impl Deref for Borrowed {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        self.0.as_ref().expect("it was deployed when it was borrowed")
    }
}

/// Holds a shared deployment, which is created by the first test that needs it.
type Slot = Mutex<Option<Deployment>>;

/// Waits for a slot that no other test uses, preferably one with a deployment.
fn borrow(slots: &'static [Slot], parameters: &[&str], name: impl Fn(usize) -> String) -> Borrowed {
    loop {
        let mut free: Vec<_> = slots
            .iter()
            .enumerate()
            .filter_map(|(number, slot)| match slot.try_lock() {
                Ok(guard) => Some((number, guard)),
                Err(TryLockError::Poisoned(poisoned)) => Some((number, poisoned.into_inner())),
                Err(TryLockError::WouldBlock) => None,
            })
            .collect();
        free.sort_by_key(|(_, guard)| guard.is_none());
        if let Some((number, mut guard)) = free.into_iter().next() {
            guard.get_or_insert_with(|| Deployment::new(&name(number), parameters));
            return Borrowed(guard);
        }
        thread::sleep(PAUSE);
    }
}

impl Deployment {
    /// One of the shared deployments with the sample consumer, for one test alone: tests inject faults and change
    /// functions.
    pub(crate) fn get() -> Borrowed {
        static SLOTS: [Slot; 3] = [const { Mutex::new(None) }; 3];
        borrow(&SLOTS, &["Consumer=on"], |number| format!("tidemark{number}"))
    }

    /// The shared deployment that leaves every delta to Athena, for one test alone.
    pub(crate) fn with_athena() -> Borrowed {
        static SLOTS: [Slot; 1] = [const { Mutex::new(None) }];
        borrow(&SLOTS, &["NativeBytes=0"], |_| "athena".to_owned())
    }

    /// Creates another deployment with these parameters.
    pub(crate) fn new(name: &str, parameters: &[&str]) -> Self {
        Self::with_arguments(name, parameters, &[])
    }

    /// Creates another deployment with these parameters and other arguments of `infra/deploy`.
    pub(crate) fn with_arguments(name: &str, parameters: &[&str], arguments: &[&str]) -> Self {
        let (stack, proxy) = (Stack::get(), Proxy::start());
        let endpoints = [format!("Endpoint={}", proxy.address()), format!("AthenaEndpoint={}", stack.athena())];
        let parameters = endpoints.into_iter().chain(parameters.iter().copied().map(str::to_owned));
        let output = deploy(Path::new(ROOT), functions(), name, &parameters.collect::<Vec<_>>(), arguments);
        let outputs = outputs(&output);
        let aws = stack.clients();
        Self {
            name: name.into(),
            registry: Registry::new(Dynamodb::open(Arc::clone(&aws), &format!("{name}-registry")).unwrap()),
            aws,
            bucket: outputs["ExportsBucket"].into(),
            state_machine: outputs["Flow"].into(),
            consumer_table: outputs.get("ConsumerTable").map(|table| (*table).into()),
            #[cfg(feature = "postgres")]
            apply_failures: outputs.get("ApplyFailures").map(|queue| (*queue).into()),
            proxy,
        }
    }

    /// The namespace of its metrics.
    pub(crate) fn namespace(&self) -> String {
        format!("Tidemark/{}", self.name)
    }

    /// The name of one of its resources.
    pub(crate) fn named(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Updates this deployment with other arguments of `infra/deploy`. Returns the output.
    pub(crate) fn update(&self, arguments: &[String]) -> String {
        let (succeeded, output) = self.try_to_update(arguments);
        assert!(succeeded, "{output}");
        output
    }

    /// The same, which may fail. Returns whether it succeeded, and the output.
    pub(crate) fn try_to_update(&self, more: &[String]) -> (bool, String) {
        run_infra_deploy(Path::new(ROOT), &[&arguments(functions(), &self.name)[..], more].concat())
    }

    /// Updates this deployment without compiled programs, in another environment. Returns the output.
    pub(crate) fn update_with(&self, more: &[String], environment: &[(&str, &str)]) -> String {
        let arguments = ["--name", &self.name, "--yes"].map(str::to_owned);
        let mut command = infra_deploy_command(Path::new(ROOT), &[&arguments[..], more].concat());
        let (succeeded, output) = outcome(command.envs(environment.iter().copied()));
        assert!(succeeded, "{output}");
        output
    }

    /// Updates this deployment with other parameters. Returns the output.
    pub(crate) fn set_parameters(&self, parameters: &[&str]) -> String {
        let parameters: Vec<String> = parameters.iter().copied().map(str::to_owned).collect();
        deploy(Path::new(ROOT), functions(), &self.name, &parameters, &[])
    }

    /// Deploys the release before the deployed one again. Returns the output.
    pub(crate) fn roll_back(&self) -> String {
        infra_deploy(Path::new(ROOT), &["rollback", "--name", &self.name, "--yes"])
    }

    /// The same, which may fail. Returns whether it succeeded, and the output.
    pub(crate) fn try_to_roll_back(&self) -> (bool, String) {
        run_infra_deploy(Path::new(ROOT), &["rollback", "--name", &self.name, "--yes"])
    }

    /// Removes the deployment, except for what holds data.
    pub(crate) fn remove(&self, arguments: &[&str]) -> String {
        infra_deploy(Path::new(ROOT), &[&["remove", "--name", &self.name, "--yes"], arguments].concat())
    }

    /// Puts an object into the exports bucket.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let call = self.aws.s3.put_object().bucket(&self.bucket).key(key).body(bytes.to_vec().into());
        self.aws.wait(call.send()).unwrap();
    }

    /// Puts the only part of an export, `TENANT/TABLE/VERSION`.
    pub(crate) fn deliver(&self, version: &str, text: &str) {
        self.put(&format!("{version}/part.csv.gz"), &gzip(text.as_bytes()));
    }

    /// A version as recorded in the registry.
    pub(crate) fn version(&self, path: &str) -> Option<Version> {
        let fields: Vec<&str> = path.split('/').collect();
        let key = TableKey { tenant: fields[0].into(), table: fields[1].into() };
        self.registry.version(&key, fields[2]).unwrap()
    }

    /// Waits until a version has this status, and the lease of its table is free.
    pub(crate) fn wait_for(&self, path: &str, status: Status) {
        let fields: Vec<&str> = path.split('/').collect();
        let key = TableKey { tenant: fields[0].into(), table: fields[1].into() };
        wait(&format!("{path} is {status}"), || {
            self.version(path).is_some_and(|version| version.status == status)
                && self.registry.state(&key).unwrap().owner.is_none()
        });
    }

    /// Waits until all of these versions are done, and the leases of their tables are free.
    pub(crate) fn wait_until_done<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        for path in paths {
            let fields: Vec<&str> = path.split('/').collect();
            let key = TableKey { tenant: fields[0].into(), table: fields[1].into() };
            wait(&format!("{path} is done"), || {
                let open = |version: &Version| version.status.is_runnable() || version.status == Status::Waiting;
                self.version(path).is_some_and(|version| !open(&version))
                    && self.registry.state(&key).unwrap().owner.is_none()
            });
        }
    }

    /// Invokes the sweeper, as its schedule does.
    pub(crate) fn sweep(&self, scheduled: &str) -> Json {
        self.invoke("sweep", &json!({ "scheduled": scheduled }))
    }

    /// Invokes a function with an event. Returns its answer.
    pub(crate) fn invoke(&self, function: &str, event: &Json) -> Json {
        let (name, event) = (format!("{}-{function}", self.name), event.to_string());
        let output =
            self.aws_command(&["lambda", "invoke", "--function-name", &name, "--payload", &event, "/dev/stdout"]);
        serde_json::Deserializer::from_str(&output).into_iter().next().unwrap().unwrap()
    }

    /// The lines of JSON in a function's log.
    pub(crate) fn log(&self, function: &str) -> Vec<Json> {
        let group = format!("/aws/lambda/{}-{function}", self.name);
        let output = self.aws_command(&["logs", "filter-log-events", "--log-group-name", &group]);
        let output: Json = serde_json::from_str(&output).unwrap();
        let messages = output["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap());
        messages.filter_map(|message| serde_json::from_str(message).ok()).collect()
    }

    /// Starts the flow for a table, as any user with permission can.
    pub(crate) fn start(&self, key: &TableKey) {
        let input = json!({ "tenant": key.tenant, "table": key.table }).to_string();
        let call = self.aws.sfn.start_execution().state_machine_arn(&self.state_machine).input(input);
        self.aws.wait(call.send()).unwrap();
    }

    /// Makes the lease of a table expire.
    pub(crate) fn expire(&self, key: &TableKey) {
        let text = |text: &str| AttributeValue::S(text.into());
        let call = self.aws.dynamodb.update_item().table_name(format!("{}-registry", self.name));
        let call = call.key("pk", text(&key.to_string())).key("sk", text("table"));
        let call = call.update_expression("SET expires_at = :then");
        self.aws.wait(call.expression_attribute_values(":then", AttributeValue::N("1".into())).send()).unwrap();
    }

    /// Runs the `aws` command. Returns its output.
    pub(crate) fn aws_command(&self, words: &[&str]) -> String {
        self.try_aws_command(words).unwrap_or_else(|error| panic!("aws {words:?}: {error}"))
    }

    /// Runs the `aws` command. Returns its output, or its message if it fails.
    pub(crate) fn try_aws_command(&self, words: &[&str]) -> Result<String, String> {
        let mut command = command("aws");
        let output = command.args(words).env("PATH", path()).envs(environment(Stack::get())).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Runs the command line against the registry on AWS.
    pub(crate) fn tidemark(&self, arguments: &[&str]) -> CommandOutput {
        let environment = environment(Stack::get());
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Workspace::new().tidemark_with_env(
            &[arguments, &["--store", &format!("dynamodb:{}-registry", self.name)]].concat(),
            &environment,
        )
    }

    /// The distinct lines on the stream by tenant and table, for the tenants with this prefix, and the number of
    /// operations including repetitions. The first sequence of each table is 1.
    pub(crate) fn published(&self, tenants: &str) -> (LinesByTable, usize) {
        let (mut lines, mut number) = (LinesByTable::new(), 0);
        for line in read_stream(&self.named("operations"), &[]) {
            let record: Json = serde_json::from_str(&line).unwrap();
            if record["tenant"].as_str().unwrap().starts_with(tenants) {
                number += usize::from(record["id"].is_string());
                lines.entry(tenant_and_table(&record)).or_default().insert(line);
            }
        }
        lines.values_mut().for_each(|lines| *lines = relative_to_the_first(lines));
        (lines, number)
    }

    /// The number of running executions of the flow.
    pub(crate) fn running(&self) -> usize {
        self.executions("RUNNING")
    }

    /// The number of executions of the flow with this status.
    pub(crate) fn executions(&self, status: &str) -> usize {
        let call = self.aws.sfn.list_executions().state_machine_arn(&self.state_machine).status_filter(status.into());
        let mut pages = call.into_paginator().items().send();
        std::iter::from_fn(|| self.aws.wait(pages.next())).map(Result::unwrap).count()
    }
}

/// The outputs of a stack, parsed from the output of `infra/deploy`.
pub(crate) fn outputs(output: &str) -> BTreeMap<&str, &str> {
    output.lines().filter_map(|line| line.split_once(' ')).map(|(name, value)| (name, value.trim())).collect()
}

/// Tries to create a new deployment. Returns whether it succeeded, and the output.
pub(crate) fn try_to_deploy(name: &str) -> (bool, String) {
    run_infra_deploy(Path::new(ROOT), &arguments(functions(), name))
}

/// Distinct lines by tenant and table.
pub(crate) type LinesByTable = BTreeMap<(String, String), BTreeSet<String>>;

fn tenant_and_table(record: &Json) -> (String, String) {
    (record["tenant"].as_str().unwrap().into(), record["table"].as_str().unwrap().into())
}

/// The lines that the command line published on this machine, by tenant and table. The first sequence of each table is
/// 1.
pub(crate) fn published_to_files(workspace: &Workspace) -> LinesByTable {
    let mut lines = LinesByTable::new();
    for path in files(&workspace.path("out")).into_keys() {
        if path.to_str().unwrap().starts_with('.') {
            continue;
        }
        for line in gunzip(&workspace.path("out").join(&path)).lines() {
            let record: Json = serde_json::from_str(line).unwrap();
            lines.entry(tenant_and_table(&record)).or_default().insert(line.to_owned());
        }
    }
    lines.values_mut().for_each(|lines| *lines = relative_to_the_first(lines));
    lines
}

/// Waits until a condition holds, and fails with what went wrong in the account if it never does.
pub(crate) fn wait(condition: &str, holds: impl Fn() -> bool) {
    assert!(holds_in_time(holds), "waited in vain until {condition}\n{}", failures());
}

/// Describes failed executions, dead letters and errors in logs.
fn failures() -> String {
    let stack = Stack::get();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack/inspect_account.py");
    let output = command(stack.python()).arg(script).arg(stack.aws()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
