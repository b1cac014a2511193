//! The function that applies operations to PostgreSQL, on a real server: with a password from Secrets Manager and an
//! encrypted connection to a server that has to prove who it is.

use std::path::Path;

use runtime::store::Status;
use serde_json::{Value as Json, json};

use super::{HEADER, orders};
use crate::deployment::{Deployment, ROOT, arguments, functions, run_infra_deploy, wait};
use crate::stack::Stack;
use crate::targets::rows::{exported, in_postgres};
use crate::targets::server::SERVER;
use crate::workspace::{Workspace, add_to_summary};

/// A database, and the secret with the password of the role that writes into it.
pub(super) struct Database {
    name: &'static str,
    secret: String,
}

/// The password as RDS writes it.
fn secret(password: &str) -> String {
    json!({ "username": "writer", "password": password }).to_string()
}

/// The first password, and the one after it.
const PASSWORDS: [&str; 2] = ["first sesame", "second \"sesame\""];

impl Database {
    pub(super) fn new(name: &'static str) -> Self {
        SERVER.database(name);
        let sql = format!(
            "CREATE ROLE {name}_writer LOGIN PASSWORD '{}'; GRANT ALL ON SCHEMA public TO {name}_writer",
            PASSWORDS[0]
        );
        SERVER.client(name).batch_execute(&sql).unwrap();
        let aws = Stack::get().clients();
        let call = aws.secrets.create_secret().name(name).secret_string(secret(PASSWORDS[0]));
        let secret = aws.wait(call.send()).unwrap().arn.unwrap();
        Self { name, secret }
    }

    /// Deploys the function for the database, and everything else.
    pub(super) fn deploy(&self, name: &str, parameters: &[&str]) -> Deployment {
        let address = SERVER.tcp(&format!("{}_writer", self.name), self.name).replace("127.0.0.1", "localhost");
        let apply_to = format!("ApplyTo={address}");
        let apply_secret = format!("ApplySecret={}", self.secret);
        let own = [&*apply_to, &apply_secret, "ApplyCreate=on", "ApplySubnets=subnet-1,subnet-2"];
        let own = [&own[..], &["ApplySecurityGroups=sg-1", "ApplyParallel=2"]].concat();
        let certificate = SERVER.certificate();
        let roots = ["--roots", certificate.to_str().unwrap()];
        Deployment::with_arguments(name, &[parameters, &own].concat(), &roots)
    }

    /// Checks that the rows of the tenant `rights` are those of V3 in the end, whatever else is on the stream, and
    /// although the password has changed meanwhile.
    pub(super) fn check(&self, deployment: &Deployment) {
        self.wait_for_rows("rights", &orders(0, 200, "open"));
        self.change_password();
        let number = put(deployment, b"nothing");
        put(deployment, &control("BEGIN", "rights", "ledger_entries"));
        put(deployment, &control("BEGIN", "rights", "nowhere"));
        put(deployment, &control("END", "odd", "orders"));
        // Too few changes to break a guard.
        let rows = orders(3, 190, "open") + orders(190, 205, "paid").strip_prefix(HEADER).unwrap();
        deployment.deliver("rights/orders/V4", &rows);
        deployment.wait_for("rights/orders/V4", Status::Succeeded);
        self.wait_for_rows("rights", &rows);
        assert_eq!(failure(deployment)["sequenceNumber"], number);
        let checked = deployment.invoke("apply", &json!({ "scheduled": "for rights" }));
        assert_eq!(checked, json!({ "tables": 2, "differing": 1 }));
        check_log(&deployment.log("apply"));
        check_function(deployment);
        add_to_summary("pipeline: the function for PostgreSQL has applied the rows of the newest version");
    }

    /// Waits until the rows of a tenant are those of an export.
    fn wait_for_rows(&self, tenant: &str, export: &str) {
        let workspace = Workspace::new();
        workspace.export(&format!("{tenant}/orders/V1"), export);
        let table = &generated::orders::TABLE;
        let expected = exported(table, &workspace.path(&format!("exports/{tenant}/orders/V1")));
        let mut client = SERVER.client(self.name);
        wait("the table is there", || client_has_table(self.name));
        wait("the rows are applied", || {
            let mut client = SERVER.client(self.name);
            in_postgres(&mut client, table, tenant) == expected
        });
        let complete = "SELECT row_count FROM _tidemark WHERE tenant = $1 AND version IS NOT NULL";
        assert_eq!(client.query_one(complete, &[&tenant]).unwrap().get::<_, i64>(0), expected.len() as i64);
    }

    /// Gives the role another password, and ends its connections.
    fn change_password(&self) {
        let aws = Stack::get().clients();
        let call = aws.secrets.put_secret_value().secret_id(&self.secret).secret_string(secret(PASSWORDS[1]));
        aws.wait(call.send()).unwrap();
        let name = self.name;
        let sql = format!(
            "ALTER ROLE {name}_writer PASSWORD '{}';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}_writer'",
            PASSWORDS[1]
        );
        SERVER.client(name).batch_execute(&sql).unwrap();
    }
}

fn client_has_table(database: &str) -> bool {
    let found = SERVER.client(database).query_one("SELECT to_regclass('orders') IS NOT NULL", &[]);
    found.is_ok_and(|row| row.get(0))
}

/// A control record that no run publishes.
fn control(op: &str, tenant: &str, table: &str) -> Vec<u8> {
    let mut record = json!({
        "op": op, "tenant": tenant, "table": table, "sequence": 7, "version": "V1", "previous": null,
        "schema": format!("{table}@0"), "fingerprint": "7", "reset": false,
    });
    if op == "END" {
        ["rows", "inserted", "updated", "deleted"].into_iter().for_each(|name| record[name] = json!(1));
    }
    record.to_string().into_bytes()
}

/// Puts a record on the stream. Returns its sequence number.
fn put(deployment: &Deployment, record: &[u8]) -> String {
    let call = deployment.aws.kinesis.put_record().stream_name(deployment.named("operations")).partition_key("a");
    deployment.aws.wait(call.data(record.to_vec().into()).send()).unwrap().sequence_number
}

/// The only message in the queue of failures.
fn failure(deployment: &Deployment) -> Json {
    let queue = deployment.apply_failures.as_deref().unwrap();
    let receive = || {
        let call =
            deployment.aws.sqs.receive_message().queue_url(queue).visibility_timeout(0).max_number_of_messages(10);
        deployment.aws.wait(call.send()).unwrap().messages.unwrap_or_default()
    };
    wait("the record that cannot be read is in the queue", || !receive().is_empty());
    let messages = receive();
    assert_eq!(messages.len(), 1, "{messages:?}");
    serde_json::from_str(messages[0].body().unwrap()).unwrap()
}

/// The log names what is not applied, and contains neither passwords nor values.
fn check_log(lines: &[Json]) {
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    for expected in [
        "A record cannot be applied.",
        "this is not a record of a published version",
        "its history needs every version in its order",
        "no schema of it is deployed",
        "The rows are not those of the version.",
        "\"DifferingTables\":1.0",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("sesame") && !text.contains("nothing"), "{text}");
}

/// The environment of the function has no password. The emulator leaves its subnets out.
fn check_function(deployment: &Deployment) {
    let name = deployment.named("apply");
    let words = ["lambda", "get-function-configuration", "--function-name", &name];
    let configuration: Json = serde_json::from_str(&deployment.aws_command(&words)).unwrap();
    assert_eq!(configuration["Environment"]["Variables"]["TIDEMARK_APPLY_CREATE"], "on");
    assert!(!configuration.to_string().contains("sesame"), "{configuration}");
}

#[test]
fn the_function_for_postgres_says_what_it_needs() {
    for (more, expected) in [
        (
            &["Sink=s3", "ApplyTo=postgres://me@db/shop", "ApplySecret=arn:aws:secretsmanager:r:1:secret:s"][..],
            "Operations are applied to PostgreSQL from the stream",
        ),
        (&["ApplyTo=postgres://me@db/shop"], "The password for the database of ApplyTo is missing"),
        (&["ApplyTo=postgres://me:pass@db/shop"], "ApplyTo"),
    ] {
        let certificate = SERVER.certificate();
        let mut arguments = arguments(functions(), "unapplied");
        arguments.extend(["--roots", certificate.to_str().unwrap()].map(str::to_owned));
        arguments.extend(more.iter().flat_map(|parameter| ["--param".to_owned(), (*parameter).to_owned()]));
        let (succeeded, output) = run_infra_deploy(Path::new(ROOT), &arguments);
        assert!(!succeeded && output.contains(expected), "{output}");
    }
    for (roots, expected) in
        [("/nowhere", "pass a file that contains them with --roots"), (file!(), "contains no certificate")]
    {
        let mut arguments = arguments(functions(), "unapplied");
        let roots = if roots == file!() { format!("{ROOT}/Cargo.toml") } else { roots.to_owned() };
        arguments.extend(["--roots".to_owned(), roots, "--param".into(), "ApplyTo=postgres://me@db/shop".into()]);
        let (succeeded, output) = run_infra_deploy(Path::new(ROOT), &arguments);
        assert!(!succeeded && output.contains(expected), "{output}");
    }
}
