//! The stacks as they ship, deployed on the emulator by `infra/deploy`: exports go in through S3, operations come out of
//! Kinesis. They are deployed once for a run of the tests; each test has tenants of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use runtime::aws::Aws;
use runtime::name::TableKey;
use runtime::store::dynamodb::Dynamodb;
use runtime::store::{Status, Store as _, Version};
use serde_json::{Value as Json, json};

use crate::stack::Stack;
use crate::world::{Said, World, files, gunzip, gzip};

/// The project.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How long to wait for anything, in tenths of a second.
const PATIENCE: u32 = 1_200;

/// The deployment.
pub(crate) struct Deployment {
    /// The name of its stack, with which all other names begin.
    name: String,
    pub(crate) aws: Arc<Aws>,
    pub(crate) registry: Dynamodb,
    pub(crate) bucket: String,
    pub(crate) machine: String,
    /// What the sample consumer writes to, where there is one.
    pub(crate) consumer_table: Option<String>,
    /// Where the `aws` of the test stack is found first.
    path: String,
    _folder: tempfile::TempDir,
}

impl Deployment {
    /// The one deployment, which nobody else has meanwhile: faults strike whoever calls.
    pub(crate) fn get() -> MutexGuard<'static, Self> {
        static DEPLOYMENT: LazyLock<Mutex<Deployment>> =
            LazyLock::new(|| Mutex::new(Deployment::new("tidemark", &["Consumer=on"])));
        DEPLOYMENT.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one, with these parameters.
    pub(crate) fn new(name: &str, parameters: &[&str]) -> Self {
        let stack = Stack::get();
        let folder = tempfile::tempdir().unwrap();
        let path = aws_command(folder.path(), stack);
        let endpoints = [format!("Endpoint={}", stack.proxy()), format!("AthenaEndpoint={}", stack.athena())];
        let parameters = endpoints.into_iter().chain(parameters.iter().copied().map(str::to_owned));
        let (root, built) = (Path::new(ROOT), Path::new(env!("CARGO_BIN_EXE_bootstrap-under-test")));
        let said = deploy(&path, root, built.parent().unwrap(), name, &parameters.collect::<Vec<_>>());
        let outputs = outputs(&said);
        let aws = stack.clients();
        Self {
            name: name.into(),
            registry: Dynamodb::open(Arc::clone(&aws), &format!("{name}-registry")).unwrap(),
            aws,
            bucket: outputs["ExportsBucket"].into(),
            machine: outputs["Flow"].into(),
            consumer_table: outputs.get("ConsumerTable").map(|table| (*table).into()),
            path,
            _folder: folder,
        }
    }

    /// Deploys another state of the project onto this one, and gives what was said.
    pub(crate) fn update(&self, root: &Path, built: &Path) -> String {
        deploy(&self.path, root, built, &self.name, &[])
    }

    /// Deploys it with other parameters, and gives what was said.
    pub(crate) fn change(&self, parameters: &[&str]) -> String {
        let built = Path::new(env!("CARGO_BIN_EXE_bootstrap-under-test")).parent().unwrap();
        let parameters: Vec<String> = parameters.iter().copied().map(str::to_owned).collect();
        deploy(&self.path, Path::new(ROOT), built, &self.name, &parameters)
    }

    /// Takes it away, but for what holds data.
    pub(crate) fn remove(&self, arguments: &[&str]) -> String {
        infra_deploy(&self.path, Path::new(ROOT), &[&["remove", "--name", &self.name, "--yes"], arguments].concat())
    }

    /// Puts an object among the exports.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let call = self.aws.s3.put_object().bucket(&self.bucket).key(key).body(bytes.to_vec().into());
        self.aws.wait(call.send()).unwrap();
    }

    /// Puts the only part of an export, `TENANT/TABLE/VERSION`.
    pub(crate) fn deliver(&self, version: &str, text: &str) {
        self.put(&format!("{version}/part.csv.gz"), &gzip(text.as_bytes()));
    }

    /// A version as the registry has it.
    pub(crate) fn version(&self, path: &str) -> Option<Version> {
        let fields: Vec<&str> = path.split('/').collect();
        let key = TableKey { tenant: fields[0].into(), table: fields[1].into() };
        self.registry.version(&key, fields[2]).unwrap()
    }

    /// Waits until a version stands at this, and its table is nobody's.
    pub(crate) fn wait_for(&self, path: &str, status: Status) {
        let fields: Vec<&str> = path.split('/').collect();
        let key = TableKey { tenant: fields[0].into(), table: fields[1].into() };
        wait(&format!("{path} is {status}"), || {
            self.version(path).is_some_and(|version| version.status == status)
                && self.registry.state(&key).unwrap().owner.is_none()
        });
    }

    /// Waits until all of these versions are done with, and their tables nobody's.
    pub(crate) fn wait_until_done<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        for path in paths {
            let fields: Vec<&str> = path.split('/').collect();
            let key = TableKey { tenant: fields[0].into(), table: fields[1].into() };
            wait(&format!("{path} is done with"), || {
                let open = |version: &Version| version.status.is_runnable() || version.status == Status::Waiting;
                self.version(path).is_some_and(|version| !open(&version))
                    && self.registry.state(&key).unwrap().owner.is_none()
            });
        }
    }

    /// Sweeps, as the schedule does.
    pub(crate) fn sweep(&self, scheduled: &str) -> Json {
        self.invoke("sweep", &json!({ "scheduled": scheduled }))
    }

    /// What a function answers to an event.
    pub(crate) fn invoke(&self, function: &str, event: &Json) -> Json {
        let (name, event) = (format!("{}-{function}", self.name), event.to_string());
        let said =
            self.aws_command(&["lambda", "invoke", "--function-name", &name, "--payload", &event, "/dev/stdout"]);
        serde_json::Deserializer::from_str(&said).into_iter().next().unwrap().unwrap()
    }

    /// The lines of JSON in a function's log.
    pub(crate) fn log(&self, function: &str) -> Vec<Json> {
        let group = format!("/aws/lambda/{}-{function}", self.name);
        let said = self.aws_command(&["logs", "filter-log-events", "--log-group-name", &group]);
        let said: Json = serde_json::from_str(&said).unwrap();
        let messages = said["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap());
        messages.filter_map(|message| serde_json::from_str(message).ok()).collect()
    }

    /// Lets a function run for so many seconds.
    pub(crate) fn give_time(&self, function: &str, seconds: u32) {
        let (name, seconds) = (format!("{}-{function}", self.name), seconds.to_string());
        self.aws_command(&["lambda", "update-function-configuration", "--function-name", &name, "--timeout", &seconds]);
    }

    /// Lets a function run with other numbers, until what this gives is dropped.
    pub(crate) fn with_variables(&self, function: &str, variables: &[(&str, &str)]) -> Variables<'_> {
        let name = format!("{}-{function}", self.name);
        let said = self.aws_command(&["lambda", "get-function-configuration", "--function-name", &name]);
        let before: Json = serde_json::from_str(&said).unwrap();
        let before = before["Environment"]["Variables"].clone();
        let mut now = before.clone();
        variables.iter().for_each(|(name, value)| now[*name] = json!(value));
        let changed = Variables { deployment: self, function: name, before };
        changed.set(&now);
        changed
    }

    /// Starts the flow of a tenant's table, as anybody may who has the right.
    pub(crate) fn start(&self, key: &TableKey) {
        let input = json!({ "tenant": key.tenant, "table": key.table }).to_string();
        let call = self.aws.sfn.start_execution().state_machine_arn(&self.machine).input(input);
        self.aws.wait(call.send()).unwrap();
    }

    /// Lets the moment when a table's lease expires be long ago.
    pub(crate) fn expire(&self, key: &TableKey) {
        let text = |text: &str| AttributeValue::S(text.into());
        let call = self.aws.dynamodb.update_item().table_name(format!("{}-registry", self.name));
        let call = call.key("pk", text(&key.to_string())).key("sk", text("table"));
        let call = call.update_expression("SET expires_at = :then");
        self.aws.wait(call.expression_attribute_values(":then", AttributeValue::N("1".into())).send()).unwrap();
    }

    /// What the `aws` command says.
    pub(crate) fn aws_command(&self, words: &[&str]) -> String {
        let mut command = Command::new("aws");
        let output = command.args(words).env("PATH", &self.path).envs(environment(Stack::get())).output().unwrap();
        assert!(output.status.success(), "aws {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command line against the registry on AWS.
    pub(crate) fn tidemark(&self, arguments: &[&str]) -> Said {
        let environment = environment(Stack::get());
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        World::new().tidemark_with(
            &[arguments, &["--store", &format!("dynamodb:{}-registry", self.name)]].concat(),
            &environment,
        )
    }

    /// The lines on the stream of tenants whose names begin like this, each once, by tenant and table; and how many there
    /// were with those that came twice.
    pub(crate) fn published(&self, tenants: &str) -> (Lines, usize) {
        let stack = Stack::get();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack/read_stream.py");
        let output = Command::new(stack.python())
            .arg(script)
            .args([stack.aws(), &format!("{}-operations", self.name)])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success());
        let (mut lines, mut number) = (Lines::new(), 0);
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let record: Json = serde_json::from_str(line).unwrap();
            if record["tenant"].as_str().unwrap().starts_with(tenants) {
                number += usize::from(record["id"].is_string());
                lines.entry(of(&record)).or_default().insert(line.to_owned());
            }
        }
        (lines, number)
    }

    /// Executions of the flow that run.
    pub(crate) fn running(&self) -> usize {
        self.executions("RUNNING")
    }

    /// How many executions of the flow stand at this.
    pub(crate) fn executions(&self, status: &str) -> usize {
        let call = self.aws.sfn.list_executions().state_machine_arn(&self.machine).status_filter(status.into());
        let mut pages = call.into_paginator().items().send();
        std::iter::from_fn(|| self.aws.wait(pages.next())).map(Result::unwrap).count()
    }
}

/// A function that runs with other numbers.
pub(crate) struct Variables<'a> {
    deployment: &'a Deployment,
    function: String,
    before: Json,
}

impl Variables<'_> {
    fn set(&self, variables: &Json) {
        let environment = json!({ "Variables": variables }).to_string();
        let words = ["lambda", "update-function-configuration", "--function-name", &self.function];
        self.deployment.aws_command(&[&words[..], &["--environment", &environment]].concat());
    }
}

impl Drop for Variables<'_> {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}

/// The outputs of a stack, as `infra/deploy` tells them.
pub(crate) fn outputs(said: &str) -> BTreeMap<&str, &str> {
    said.lines().filter_map(|line| line.split_once(' ')).map(|(name, value)| (name, value.trim())).collect()
}

/// Tries to deploy what nobody deployed before; whether it went well, and what was said.
pub(crate) fn try_to_deploy(name: &str) -> (bool, String) {
    let (stack, folder) = (Stack::get(), tempfile::tempdir().unwrap());
    let built = Path::new(env!("CARGO_BIN_EXE_bootstrap-under-test")).parent().unwrap();
    let path = aws_command(folder.path(), stack);
    let binaries = tempfile::tempdir().unwrap();
    run_infra_deploy(&path, Path::new(ROOT), &arguments(binaries.path(), built, name))
}

/// Lines by tenant and table.
pub(crate) type Lines = BTreeMap<(String, String), BTreeSet<String>>;

fn of(record: &Json) -> (String, String) {
    (record["tenant"].as_str().unwrap().into(), record["table"].as_str().unwrap().into())
}

/// What the command line publishes on one machine, as lines by tenant and table.
pub(crate) fn published_here(world: &World) -> Lines {
    let mut lines = Lines::new();
    for path in files(&world.path("out")).into_keys() {
        if path.to_str().unwrap().starts_with('.') {
            continue;
        }
        for line in gunzip(&world.path("out").join(&path)).lines() {
            let record: Json = serde_json::from_str(line).unwrap();
            lines.entry(of(&record)).or_default().insert(line.to_owned());
        }
    }
    lines
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..PATIENCE {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("it was not so after {} s: {what}\n{}", PATIENCE / 10, what_went_on());
}

/// Executions that did not succeed, dead letters and errors in logs, in words.
fn what_went_on() -> String {
    let stack = Stack::get();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack/inspect_account.py");
    let output = Command::new(stack.python()).arg(script).arg(stack.aws()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Deploys the templates below `root` with binaries that were built for the tests, and gives what was said.
fn deploy(path: &str, root: &Path, built: &Path, name: &str, parameters: &[String]) -> String {
    let binaries = tempfile::tempdir().unwrap();
    let mut arguments = arguments(binaries.path(), built, name);
    arguments.extend(parameters.iter().flat_map(|parameter| ["--param".to_owned(), parameter.clone()]));
    infra_deploy(path, root, &arguments)
}

/// What `infra/deploy` is told, with the binaries put where it looks for them.
fn arguments(binaries: &Path, built: &Path, name: &str) -> Vec<String> {
    for binary in ["bootstrap", "apply-orders"] {
        fs::copy(built.join(format!("{binary}-under-test")), binaries.join(binary)).unwrap();
    }
    let binaries = binaries.to_str().unwrap();
    ["--name", name, "--arch", "x86_64", "--yes", "--binaries", binaries].map(str::to_owned).to_vec()
}

/// Runs `infra/deploy`, and gives what it says.
fn infra_deploy(path: &str, root: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let (is_well, said) = run_infra_deploy(path, root, arguments);
    assert!(is_well, "{said}");
    said
}

/// Whether it goes well, and what it says.
fn run_infra_deploy(path: &str, root: &Path, arguments: &[impl AsRef<OsStr>]) -> (bool, String) {
    let mut command = Command::new(root.join("infra/deploy"));
    command.args(arguments).env("PATH", path).envs(environment(Stack::get())).env("TIDEMARK_DEPLOY_PAUSE", "0.3");
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), said)
}

/// The `aws` command of the test stack as a program, and the path on which it is found first.
fn aws_command(folder: &Path, stack: &Stack) -> String {
    let program = folder.join("aws");
    // This command line reads the endpoint of SQS from nowhere else.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = sqs ] && set -- --endpoint-url {} \"$@\"\nexec {} -m awscli \"$@\"\n",
        stack.aws(),
        stack.python()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // Its Python comes first as well: one of a version manager would put programs of its own in front.
    let python = Path::new(stack.python()).parent().unwrap();
    format!("{}:{}:{}", folder.display(), python.display(), std::env::var("PATH").unwrap_or_default())
}

fn environment(stack: &Stack) -> Vec<(&'static str, String)> {
    let mut environment: Vec<(&str, String)> =
        stack.environment().iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    environment.push(("AWS_EC2_METADATA_DISABLED", "true".into()));
    environment.push(("AWS_DEFAULT_REGION", "us-east-1".into()));
    environment
}

/// Calls of the functions that fail; none does any more when this goes away.
pub(crate) struct Faults;

impl Faults {
    /// From now on.
    pub(crate) fn new(rules: &Json) -> Self {
        let (status, said) = Stack::get().ask_proxy("POST", "/_rules", &rules.to_string());
        assert_eq!(status, 200, "{said}");
        Self
    }

    /// How many calls failed since the log was emptied, by what was done to them.
    pub(crate) fn struck() -> BTreeMap<String, usize> {
        let mut struck = BTreeMap::new();
        for call in calls() {
            if let Some(fault) = call["fault"].as_str() {
                *struck.entry(fault.to_owned()).or_default() += 1;
            }
        }
        struck
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        Stack::get().ask_proxy("POST", "/_rules", &json!([]).to_string());
    }
}

/// Every call that the functions made since the log was emptied.
pub(crate) fn calls() -> Vec<Json> {
    serde_json::from_str(&Stack::get().ask_proxy("GET", "/_log", "").1).unwrap()
}

/// Empties the log of calls.
pub(crate) fn forget_calls() {
    Stack::get().ask_proxy("DELETE", "/_rules", "");
}
