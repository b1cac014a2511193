//! Exports in S3: the command line reads them like folders, and Athena computes the same deltas as the native engine.

mod clients;
mod rewritten;

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value as Json, json};

use crate::stack::{Sandbox, Stack};
use crate::workspace::{CommandOutput, Workspace, add_to_summary, files, gzip, ndjson};

/// A workspace whose exports are in its own bucket.
pub(crate) struct Remote {
    pub(crate) workspace: Workspace,
    pub(crate) sandbox: Sandbox,
    root: String,
}

impl Remote {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        for statements in generated::athena::STATEMENTS {
            sandbox.create_table(statements.glue);
        }
        let root = format!("s3://{}", sandbox.bucket);
        Self { workspace: Workspace::new(), sandbox, root }
    }

    /// A workspace with these exports, each `TENANT/TABLE/VERSION` and the text of its only part.
    pub(crate) fn with(exports: &[(&str, &str)]) -> Self {
        let remote = Self::new();
        exports.iter().for_each(|(version, text)| remote.deliver(version, text));
        remote
    }

    pub(crate) fn deliver(&self, version: &str, text: &str) {
        self.sandbox.put(&format!("{version}/part.csv.gz"), &gzip(text.as_bytes()));
    }

    /// Delivers every file of a folder.
    fn deliver_all(&self, folder: &Path) {
        for (path, bytes) in files(folder) {
            self.sandbox.put(path.to_str().unwrap(), &bytes);
        }
    }

    /// The URI of a key in the bucket.
    pub(crate) fn uri(&self, key: &str) -> String {
        format!("{}/{key}", self.root)
    }

    fn environment<'a>() -> Vec<(&'static str, &'a str)> {
        let mut environment = Stack::get().environment().to_vec();
        // The tests must not find the credentials of whoever runs them.
        environment.push(("AWS_EC2_METADATA_DISABLED", "true"));
        environment
    }

    /// Runs `tidemark` with the environment of the test stack.
    pub(crate) fn tidemark(&self, arguments: &[&str]) -> CommandOutput {
        self.workspace.tidemark_with_env(arguments, &Self::environment())
    }

    /// Runs `tidemark` with the Athena engine.
    pub(crate) fn tidemark_with_athena(&self, arguments: &[&str]) -> CommandOutput {
        let athena = ["--engine", "athena", "--athena-database", &self.sandbox.database];
        self.tidemark(&[arguments, &athena].concat())
    }

    /// Runs `tidemark` with the Athena engine and more variables.
    pub(crate) fn with_athena_and_env(&self, arguments: &[&str], more: &[(&str, &str)]) -> CommandOutput {
        let athena = ["--engine", "athena", "--athena-database", &self.sandbox.database];
        let environment = [&Self::environment(), more].concat();
        self.workspace.tidemark_with_env(&[arguments, &athena].concat(), &environment)
    }

    /// A `tidemark` command with the Athena engine, to be spawned.
    pub(crate) fn athena_command(&self, arguments: &[&str]) -> Command {
        let athena = ["--engine", "athena", "--athena-database", &self.sandbox.database];
        let mut command = self.workspace.command(&[arguments, &athena].concat());
        command.envs(Self::environment()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The objects that Athena queries wrote and that are still there.
    pub(crate) fn query_files(&self) -> Vec<String> {
        self.sandbox.keys("_tidemark/")
    }

    pub(crate) fn history(&self, table: &str) -> Vec<Json> {
        serde_json::from_str(&self.tidemark(&["history", table, "--format", "json"]).stdout).unwrap()
    }

    /// The operations of a version, sorted by id so that two engines can be compared.
    fn operations(&self, version: &str) -> Vec<Json> {
        let mut operations = self.workspace.published(version);
        operations.sort_by_key(|operation| operation["id"].to_string());
        operations
    }
}

fn samples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/exports"))
}

#[test]
fn a_run_on_s3_publishes_the_same_as_a_run_on_folders() {
    let (folders, remote) = (Workspace::new(), Remote::new());
    remote.deliver_all(samples());
    let on_folders = folders.tidemark(&["run", samples().to_str().unwrap(), "--format", "json"]);
    let on_s3 = remote.tidemark(&["run", &remote.root, "--format", "json"]);
    assert_eq!((on_s3.status, &on_s3.stderr), (on_folders.status, &on_folders.stderr));
    assert_eq!(on_s3.stdout, on_folders.stdout);
    let published = remote.workspace.output();
    assert!(published == folders.output(), "every published line is the same");
    add_to_summary(&format!("S3: {} published files are the same as for folders", published.len()));
    // Commands that read exports remember where the run found them.
    assert_eq!(remote.tidemark(&["verify"]).status, 0);
    assert!(remote.tidemark(&["run", &remote.root]).stdout.starts_with("nothing to do: 37 versions known"));
    let why = ["why", "acme/test_table", "PK1", "1"];
    assert_eq!(remote.tidemark(&why).stdout, folders.tidemark(&why).stdout);
}

#[test]
fn an_ignore_file_in_s3_hides_what_it_lists_or_says_why_it_cannot_be_used() {
    let remote = Remote::with(&[("acme/test_table/V1", "PK1;1;a;x\n"), ("archive/test_table/V1", "PK1;1;a;x\n")]);
    let large = vec![b'#'; (16 << 20) + 1];
    for (patterns, problem, help) in [
        (&b"ok\na{b\n"[..], ".tidemarkignore:2: ", "help: fix the pattern"),
        (b"\xff\n", "cannot be read as patterns: not UTF-8", "help: write it as UTF-8 text"),
        (&large, "cannot be read as patterns: larger than 16 MiB", "help: write it as UTF-8 text"),
    ] {
        remote.sandbox.put(".tidemarkignore", patterns);
        let output = remote.tidemark(&["run", &remote.root]);
        assert_eq!(output.status, 1, "{problem}: {}", output.transcript());
        let says_why = output.stderr.contains(problem) && output.stderr.contains(help);
        assert!(says_why && output.stderr.contains(&remote.uri(".tidemarkignore")), "{problem}: {}", output.stderr);
    }
    for patterns in [&b"/archive/\n"[..], b""] {
        remote.sandbox.put(".tidemarkignore", patterns);
        let output = remote.tidemark(&["run", &remote.root]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{}", output.transcript());
        let is_hidden = remote.workspace.published("archive/test_table/V1").is_empty();
        assert_eq!(is_hidden, !patterns.is_empty(), "{}", output.transcript());
    }
}

#[test]
fn a_run_on_athena_publishes_the_same_as_the_native_engine() {
    let (native, athena) = (Remote::new(), Remote::new());
    let (mut versions, mut operations) = (0, 0);
    for table in ["orders", "ledger_entries"] {
        for remote in [&native, &athena] {
            for (path, bytes) in files(&samples().join("acme").join(table)) {
                remote.sandbox.put(&format!("acme/{table}/{}", path.to_str().unwrap()), &bytes);
            }
        }
        let on_native = native.tidemark(&["run", &native.root, "--table", table]);
        let on_athena = athena.tidemark_with_athena(&["run", &athena.root, "--table", table]);
        assert_eq!((on_athena.status, &on_athena.stderr), (on_native.status, &on_native.stderr));
        let key = format!("acme/{table}");
        for (expected, actual) in native.history(&key).iter().zip(athena.history(&key)) {
            let version = format!("{key}/{}", expected["version"].as_str().unwrap());
            assert_eq!(actual["status"], expected["status"], "{version}");
            // The plan's hash covers fingerprints, counts and every operation's id.
            assert_eq!(actual["plan"]["hash"], expected["plan"]["hash"], "{version}");
            assert_eq!(actual["plan"]["findings"]["comparison"], "athena");
            assert!(actual["plan"]["findings"]["scan"]["bytes"].as_u64().unwrap() > 0, "{actual:#}");
            let published = athena.operations(&version);
            assert_eq!(published, native.operations(&version), "{version}");
            (versions, operations) = (versions + 1, operations + published.len());
        }
    }
    assert!(versions >= 6, "{versions} versions");
    assert_eq!(athena.query_files(), [""; 0]);
    let plan = athena.tidemark(&["plan", "acme/orders/20260102_V0001"]).stdout;
    assert!(plan.lines().any(|line| line.starts_with("athena     0.0 MB read in ")), "{plan}");
    add_to_summary(&format!(
        "Athena: `run` gives the same {operations} operations of {versions} versions as on the native engine"
    ));
}

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// An export of `orders`.
pub(crate) fn orders(rows: &[(u32, &str)]) -> String {
    let row = |(id, status): &(u32, &str)| format!("eu,{id},,{status},1.50,,2026-01-01 00:00:00,job\n");
    HEADER.to_owned() + &rows.iter().map(row).collect::<String>()
}

#[test]
fn alternating_engines_produce_the_same_plans() {
    let (native, mixed) = (Remote::new(), Remote::new());
    for number in 1..=4u32 {
        let rows: Vec<(u32, &str)> =
            (number..number + 5).map(|id| (id, if id % 2 == number % 2 { "open" } else { "paid" })).collect();
        for remote in [&native, &mixed] {
            remote.deliver(&format!("acme/orders/V{number}"), &orders(&rows));
        }
        assert_eq!(native.tidemark(&["run", &native.root, "--engine", "native"]).status, 0);
        let run = ["run", &mixed.root];
        let output = if number % 2 == 0 { mixed.tidemark_with_athena(&run) } else { mixed.tidemark(&run) };
        assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    }
    let history = |remote: &Remote| remote.history("acme/orders");
    let hashes = |history: &[Json]| history.iter().map(|version| version["plan"]["hash"].clone()).collect::<Vec<_>>();
    let (expected, actual) = (history(&native), history(&mixed));
    assert_eq!(hashes(&actual), hashes(&expected));
    let comparisons: Vec<Json> =
        actual.iter().map(|version| version["plan"]["findings"]["comparison"].clone()).collect();
    assert_eq!(comparisons, [json!("ascending"), json!("athena"), json!("ascending"), json!("athena")]);
    assert_eq!(mixed.tidemark(&["verify"]).status, 0);
}

#[test]
fn delta_on_athena_prints_the_same_as_the_native_engine() {
    let remote = Remote::with(&[
        ("acme/orders/V1", &orders(&[(1, "open"), (2, "open"), (3, "open")])),
        ("acme/orders/V2", &orders(&[(1, "open"), (3, "paid"), (4, "open")])),
    ]);
    let (old, new) = (remote.uri("acme/orders/V1"), remote.uri("acme/orders/V2"));
    for baseline in [old.as_str(), "none"] {
        let sorted = |output: CommandOutput| {
            let mut lines: Vec<String> = output.stdout.lines().map(Into::into).collect();
            lines.sort();
            (output.status, lines, output.stderr)
        };
        let arguments = ["delta", "orders", baseline, &new];
        assert_eq!(sorted(remote.tidemark_with_athena(&arguments)), sorted(remote.tidemark(&arguments)));
    }
    assert_eq!(remote.query_files(), [""; 0]);
}

/// The exit status and the error of a command that fails.
fn failure(output: CommandOutput) -> String {
    assert_eq!(output.stdout, "");
    format!("{}: {}", output.status, output.stderr)
}

/// The errors of commands that use Athena.
struct Transcript {
    remote: Remote,
    text: String,
}

impl Transcript {
    fn record(&mut self, title: &str, output: CommandOutput) {
        let Sandbox { bucket, database, .. } = &self.remote.sandbox;
        let failure = failure(output).replace(bucket, "BUCKET").replace(database, "DATABASE");
        self.text += &format!("# {title}\n{failure}\n");
    }

    /// Records the error of a first import on Athena.
    fn import(&mut self, title: &str, table: &str, export: &str) {
        let output = self.remote.tidemark_with_athena(&["delta", table, "none", export]);
        self.record(title, output);
    }

    /// Records the error of a first import after an edit of the Glue table.
    fn import_with_edited_table(&mut self, title: &str, find: &str, replacement: &str) {
        let orders = generated::athena::STATEMENTS.iter().find(|statements| statements.table == "orders").unwrap();
        assert!(orders.glue.contains(find));
        self.remote.sandbox.update_table(&orders.glue.replace(find, replacement));
        self.import(title, "orders", &self.remote.uri("acme/orders/V1"));
    }
}

#[test]
fn athena_errors_say_what_to_do_next() {
    let remote = Remote::with(&[("acme/orders/V1", &orders(&[(1, "open")])), ("acme/web_events/V1", "")]);
    let new = remote.uri("acme/orders/V1");
    let uri = |key: &str| format!("s3://{}/{key}", remote.sandbox.bucket);
    let (web_events, missing) = (uri("acme/web_events/V1"), uri("acme/orders/V9"));
    let (uncompressed, bzip2) = (uri("acme/orders/V2"), uri("acme/products/V1"));
    remote.sandbox.put("acme/orders/V2/part.csv", b"");
    remote.sandbox.put("acme/products/V1/part.csv.bz2", b"");
    let local = remote.workspace.export("acme/orders/V1", &orders(&[(1, "open")]));
    let no_database =
        remote.tidemark(&["delta", "orders", "none", &new, "--engine", "athena", "--athena-database", "nowhere"]);

    let mut transcript = Transcript { remote, text: String::new() };
    transcript.import("an export on this machine", "orders", local.to_str().unwrap());
    transcript.import("a table that is not for Athena", "web_events", &web_events);
    transcript.import("an export that is somewhere else", "products", &new);
    transcript.import("no such export", "orders", &missing);
    transcript.record("no such database", no_database);
    transcript.import("a part that is not compressed", "orders", &uncompressed);
    transcript.import("a part that Athena would decompress", "products", &bzip2);
    transcript.import_with_edited_table(
        "a table with another header setting",
        "skip.header.line.count",
        "skip.footer.line.count",
    );
    let column = |ty: &str| format!("\"Name\": \"amount\",\n        \"Type\": \"{ty}\"");
    transcript.import_with_edited_table("a table with another type", &column("string"), &column("double"));
    transcript.import_with_edited_table("a table with another column", "customer_email", "customer_mail");
    insta::assert_snapshot!("athena_refuses", transcript.text);
}

/// Starts a proxy in front of S3 that breaks the first `connections` connections, each after so many bytes of the
/// answer.
fn breaking_proxy(connections: usize) -> String {
    const BYTES_BEFORE_BREAK: usize = 20_000;
    let upstream = Stack::get().environment()[0].1.strip_prefix("http://").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let left = Arc::new(AtomicUsize::new(connections));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(upstream).unwrap());
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let left = Arc::clone(&left);
            thread::spawn(move || {
                let _ = io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let (mut answered, mut buffer) = (0, [0; 1024]);
                while let Ok(read @ 1..) = server.read(&mut buffer) {
                    answered += read;
                    let take_one = |left: usize| left.checked_sub(1);
                    let breaks = answered > BYTES_BEFORE_BREAK
                        && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok();
                    if breaks || client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn a_broken_connection_resumes_where_it_stopped() {
    // Rows that compress badly, so that the part is larger than the proxy lets through.
    let mixed = |id: u32| id.wrapping_mul(2_654_435_761);
    let rows: Vec<String> =
        (0..20_000).map(|id| format!("eu,{id},{:x}@x,open,1.50,,2026-01-01 00:00:00,job\n", mixed(id))).collect();
    let remote = Remote::with(&[("acme/orders/V1", &(HEADER.to_owned() + &rows.concat()))]);
    let export = remote.uri("acme/orders/V1");
    let delta = |endpoint: &str| {
        let mut environment = Remote::environment();
        environment[0].1 = endpoint;
        remote.workspace.tidemark_with_env(&["delta", "orders", "none", &export], &environment)
    };
    let undisturbed = remote.tidemark(&["delta", "orders", "none", &export]);
    let broken = delta(&breaking_proxy(4));
    assert_eq!((broken.status, broken.stderr), (0, undisturbed.stderr));
    assert!(broken.stdout == undisturbed.stdout, "the same operations");
    let hopeless = delta(&breaking_proxy(usize::MAX));
    assert_eq!((hopeless.status, hopeless.stdout.as_str()), (2, ""), "{}", hopeless.stderr);
    assert!(hopeless.stderr.contains("cannot read s3://"), "{}", hopeless.stderr);
}

#[test]
fn delta_prints_whole_lines() {
    let remote = Remote::with(&[("acme/orders/V1", &orders(&[(1, "open"), (2, "open")]))]);
    let output = remote.tidemark(&["delta", "orders", "none", &remote.uri("acme/orders/V1/")]);
    assert_eq!(ndjson(&output.stdout).len(), 2, "{}", output.stderr);
}
