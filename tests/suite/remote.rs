//! Exports in S3: the command line reads them as it reads folders, and Athena finds in them what the native engine finds.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value as Json, json};

use crate::stack::{Account, Stack};
use crate::world::{Said, World, files, gzip, ndjson, tell};

/// A machine whose exports are in a bucket of its own.
pub(crate) struct Remote {
    pub(crate) world: World,
    pub(crate) account: Account,
    root: String,
}

impl Remote {
    pub(crate) fn new() -> Self {
        let account = Account::new();
        for statements in generated::athena::STATEMENTS {
            account.create_table(statements.glue);
        }
        let root = format!("s3://{}", account.bucket);
        Self { world: World::new(), account, root }
    }

    /// One with these exports, each `TENANT/TABLE/VERSION` and the text of its only part.
    pub(crate) fn with(exports: &[(&str, &str)]) -> Self {
        let remote = Self::new();
        exports.iter().for_each(|(version, text)| remote.deliver(version, text));
        remote
    }

    pub(crate) fn deliver(&self, version: &str, text: &str) {
        self.account.put(&format!("{version}/part.csv.gz"), &gzip(text.as_bytes()));
    }

    /// Delivers every file of a folder.
    fn deliver_all(&self, folder: &Path) {
        for (path, bytes) in files(folder) {
            self.account.put(path.to_str().unwrap(), &bytes);
        }
    }

    /// The URI of something in the bucket.
    pub(crate) fn uri(&self, key: &str) -> String {
        format!("{}/{key}", self.root)
    }

    fn environment<'a>() -> Vec<(&'static str, &'a str)> {
        let mut environment = Stack::get().environment().to_vec();
        // The account of whoever runs the tests is none of theirs.
        environment.push(("AWS_EC2_METADATA_DISABLED", "true"));
        environment
    }

    pub(crate) fn tidemark(&self, arguments: &[&str]) -> Said {
        self.world.tidemark_with(arguments, &Self::environment())
    }

    /// The same with Athena's database.
    pub(crate) fn with_athena(&self, arguments: &[&str]) -> Said {
        let athena = ["--engine", "athena", "--athena-database", &self.account.database];
        self.tidemark(&[arguments, &athena].concat())
    }

    /// A command with Athena that is on its way.
    pub(crate) fn start(&self, arguments: &[&str]) -> Command {
        let athena = ["--engine", "athena", "--athena-database", &self.account.database];
        let mut command = self.world.command(&[arguments, &athena].concat());
        command.envs(Self::environment()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What statements have left.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        self.account.keys("_tidemark/")
    }

    pub(crate) fn history(&self, table: &str) -> Vec<Json> {
        serde_json::from_str(&self.tidemark(&["history", table, "--format", "json"]).stdout).unwrap()
    }

    /// The operations of a version in the order of their ids, which is nobody's.
    fn operations(&self, version: &str) -> Vec<Json> {
        let mut operations = self.world.published(version);
        operations.sort_by_key(|operation| operation["id"].to_string());
        operations
    }
}

fn samples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/exports"))
}

#[test]
fn a_run_on_s3_publishes_the_same_as_a_run_on_folders() {
    let (folders, remote) = (World::new(), Remote::new());
    remote.deliver_all(samples());
    let of_folders = folders.tidemark(&["run", samples().to_str().unwrap(), "--format", "json"]);
    let of_s3 = remote.tidemark(&["run", &remote.root, "--format", "json"]);
    assert_eq!((of_s3.status, &of_s3.stderr), (of_folders.status, &of_folders.stderr));
    assert_eq!(of_s3.stdout, of_folders.stdout);
    let published = files(&remote.world.path("out"));
    assert!(published == files(&folders.path("out")), "every byte of what is published");
    tell(&format!("S3: {} published files are the same", published.len()));
    // Everything that reads exports finds them where the run did.
    assert_eq!(remote.tidemark(&["verify"]).status, 0);
    assert!(remote.tidemark(&["run", &remote.root]).stdout.starts_with("nothing to do: 37 versions known"));
    let why = ["why", "acme/test_table", "PK1", "1"];
    assert_eq!(remote.tidemark(&why).stdout, folders.tidemark(&why).stdout);
}

#[test]
fn a_run_on_athena_publishes_the_same_as_the_native_engine() {
    let _undisturbed = Stack::get().undisturbed();
    let (native, athena) = (Remote::new(), Remote::new());
    let (mut versions, mut operations) = (0, 0);
    for table in ["orders", "ledger_entries"] {
        for remote in [&native, &athena] {
            for (path, bytes) in files(&samples().join("acme").join(table)) {
                remote.account.put(&format!("acme/{table}/{}", path.to_str().unwrap()), &bytes);
            }
        }
        let of_native = native.tidemark(&["run", &native.root, "--table", table]);
        let of_athena = athena.with_athena(&["run", &athena.root, "--table", table]);
        assert_eq!((of_athena.status, &of_athena.stderr), (of_native.status, &of_native.stderr));
        let key = format!("acme/{table}");
        for (wanted, found) in native.history(&key).iter().zip(athena.history(&key)) {
            let version = format!("{key}/{}", wanted["version"].as_str().unwrap());
            assert_eq!(found["status"], wanted["status"], "{version}");
            // The plan's hash covers fingerprints, counts and every operation's id.
            assert_eq!(found["plan"]["hash"], wanted["plan"]["hash"], "{version}");
            assert_eq!(found["plan"]["findings"]["comparison"], "athena");
            assert!(found["plan"]["findings"]["scan"]["bytes"].as_u64().unwrap() > 0, "{found:#}");
            let published = athena.operations(&version);
            assert_eq!(published, native.operations(&version), "{version}");
            (versions, operations) = (versions + 1, operations + published.len());
        }
    }
    assert!(versions >= 6, "{versions} versions");
    assert_eq!(athena.leftovers(), [""; 0]);
    let plan = athena.tidemark(&["plan", "acme/orders/20260102_V0001"]).stdout;
    assert!(plan.lines().any(|line| line.starts_with("athena     0.0 MB read in ")), "{plan}");
    tell(&format!("Athena: {versions} versions through `run`, {operations} operations agree"));
}

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// An export of `orders`.
pub(crate) fn orders(rows: &[(u32, &str)]) -> String {
    let row = |(id, status): &(u32, &str)| format!("eu,{id},,{status},1.50,,2026-01-01 00:00:00,job\n");
    HEADER.to_owned() + &rows.iter().map(row).collect::<String>()
}

#[test]
fn alternating_engines_produce_the_same_plans() {
    let _undisturbed = Stack::get().undisturbed();
    let (native, mixed) = (Remote::new(), Remote::new());
    for turn in 1..=4u32 {
        let rows: Vec<(u32, &str)> =
            (turn..turn + 5).map(|id| (id, if id % 2 == turn % 2 { "open" } else { "paid" })).collect();
        for remote in [&native, &mixed] {
            remote.deliver(&format!("acme/orders/V{turn}"), &orders(&rows));
        }
        assert_eq!(native.tidemark(&["run", &native.root, "--engine", "native"]).status, 0);
        let run = ["run", &mixed.root];
        let said = if turn % 2 == 0 { mixed.with_athena(&run) } else { mixed.tidemark(&run) };
        assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    }
    let history = |remote: &Remote| remote.history("acme/orders");
    let of = |history: &[Json], field: &str| {
        history.iter().map(|version| version["plan"][field].clone()).collect::<Vec<_>>()
    };
    let (wanted, found) = (history(&native), history(&mixed));
    assert_eq!(of(&found, "hash"), of(&wanted, "hash"));
    let how: Vec<Json> = found.iter().map(|version| version["plan"]["findings"]["comparison"].clone()).collect();
    assert_eq!(how, [json!("ascending"), json!("athena"), json!("ascending"), json!("athena")]);
    assert_eq!(mixed.tidemark(&["verify"]).status, 0);
}

#[test]
fn delta_on_athena_prints_the_same_as_the_native_engine() {
    let _undisturbed = Stack::get().undisturbed();
    let remote = Remote::with(&[
        ("acme/orders/V1", &orders(&[(1, "open"), (2, "open"), (3, "open")])),
        ("acme/orders/V2", &orders(&[(1, "open"), (3, "paid"), (4, "open")])),
    ]);
    let (old, new) = (remote.uri("acme/orders/V1"), remote.uri("acme/orders/V2"));
    for baseline in [old.as_str(), "none"] {
        let sorted = |said: Said| {
            let mut lines: Vec<String> = said.stdout.lines().map(Into::into).collect();
            lines.sort();
            (said.status, lines, said.stderr)
        };
        let arguments = ["delta", "orders", baseline, &new];
        assert_eq!(sorted(remote.with_athena(&arguments)), sorted(remote.tidemark(&arguments)));
    }
    assert_eq!(remote.leftovers(), [""; 0]);
}

/// What a command says that fails: its exit status and its words.
fn said(said: Said) -> String {
    assert_eq!(said.stdout, "");
    format!("{}: {}", said.status, said.stderr)
}

#[test]
fn athena_errors_say_what_to_do_next() {
    let _undisturbed = Stack::get().undisturbed();
    let remote = Remote::with(&[("acme/orders/V1", &orders(&[(1, "open")])), ("acme/web_events/V1", "")]);
    let bucket = remote.account.bucket.clone();
    let new = remote.uri("acme/orders/V1");
    let local = remote.world.export("acme/orders/V1", &orders(&[(1, "open")]));
    let mut transcript = String::new();
    let mut tell = |what: &str, of: Said| {
        transcript += &format!(
            "# {what}\n{}\n",
            said(of).replace(&bucket, "BUCKET").replace(&remote.account.database, "DATABASE")
        );
    };
    tell("an export on this machine", remote.with_athena(&["delta", "orders", "none", local.to_str().unwrap()]));
    tell(
        "a table that is not for Athena",
        remote.with_athena(&["delta", "web_events", "none", &remote.uri("acme/web_events/V1")]),
    );
    tell("an export that is somewhere else", remote.with_athena(&["delta", "products", "none", &new]));
    tell("no such export", remote.with_athena(&["delta", "orders", "none", &remote.uri("acme/orders/V9")]));
    tell(
        "no such database",
        remote.tidemark(&["delta", "orders", "none", &new, "--engine", "athena", "--athena-database", "nowhere"]),
    );
    remote.account.put("acme/orders/V2/part.csv", b"");
    tell(
        "a part that is not compressed",
        remote.with_athena(&["delta", "orders", "none", &remote.uri("acme/orders/V2")]),
    );
    remote.account.put("acme/products/V1/part.csv.bz2", b"");
    tell(
        "a part that Athena would inflate",
        remote.with_athena(&["delta", "products", "none", &remote.uri("acme/products/V1")]),
    );
    let glue = |find: &str, put: &str| {
        let orders = generated::athena::STATEMENTS.iter().find(|statements| statements.table == "orders").unwrap();
        assert!(orders.glue.contains(find));
        remote.account.update_table(&orders.glue.replace(find, put));
    };
    glue("skip.header.line.count", "skip.footer.line.count");
    tell("a table that counts lines otherwise", remote.with_athena(&["delta", "orders", "none", &new]));
    glue(
        r#""Name": "amount",
        "Type": "string""#,
        r#""Name": "amount",
        "Type": "double""#,
    );
    tell("a table with another type", remote.with_athena(&["delta", "orders", "none", &new]));
    glue("customer_email", "customer_mail");
    tell("a table with another column", remote.with_athena(&["delta", "orders", "none", &new]));
    insta::assert_snapshot!("athena_refuses", transcript);
}

/// A server in front of S3 that breaks connections: so many of them, each when it has answered this much.
fn breaking(connections: usize) -> String {
    const ENOUGH: usize = 20_000;
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
                    let takes_one = |left: usize| left.checked_sub(1);
                    let breaks =
                        answered > ENOUGH && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, takes_one).is_ok();
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
    let mixed = |id: u32| id.wrapping_mul(2_654_435_761);
    let rows: Vec<String> =
        (0..20_000).map(|id| format!("eu,{id},{:x}@x,open,1.50,,2026-01-01 00:00:00,job\n", mixed(id))).collect();
    let remote = Remote::with(&[("acme/orders/V1", &(HEADER.to_owned() + &rows.concat()))]);
    let export = remote.uri("acme/orders/V1");
    let delta = |endpoint: &str| {
        let mut environment = Remote::environment();
        environment[0].1 = endpoint;
        remote.world.tidemark_with(&["delta", "orders", "none", &export], &environment)
    };
    let whole = remote.tidemark(&["delta", "orders", "none", &export]);
    let broken = delta(&breaking(4));
    assert_eq!((broken.status, broken.stderr), (0, whole.stderr));
    assert!(broken.stdout == whole.stdout, "the same operations");
    let hopeless = delta(&breaking(usize::MAX));
    assert_eq!((hopeless.status, hopeless.stdout.as_str()), (2, ""), "{}", hopeless.stderr);
    assert!(hopeless.stderr.contains("cannot read s3://"), "{}", hopeless.stderr);
}

#[test]
fn delta_prints_whole_lines() {
    let remote = Remote::with(&[("acme/orders/V1", &orders(&[(1, "open"), (2, "open")]))]);
    let said = remote.tidemark(&["delta", "orders", "none", &remote.uri("acme/orders/V1/")]);
    assert_eq!(ndjson(&said.stdout).len(), 2, "{}", said.stderr);
}
