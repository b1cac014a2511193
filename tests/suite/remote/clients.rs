//! The clients of a process share its connections.

use std::fs;

use runtime::aws::{Aws, RoleSession};

use crate::limits::command;
use crate::stack::Stack;

/// How many tables' clients a process with few descriptors has to hold.
const TABLES: usize = 500;

#[test]
fn the_clients_of_five_hundred_tables_fit_into_256_descriptors() {
    let test = std::env::current_exe().unwrap();
    let mut child = command("sh");
    child.args(["-c", r#"ulimit -n 256 && exec "$0" "$@""#]).arg(test);
    child.args(["--exact", "remote::clients::holds_the_clients_of_many_tables", "--ignored", "--nocapture"]);
    let output = child.envs(Stack::get().environment()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "needs few descriptors, which the test above sees to"]
fn holds_the_clients_of_many_tables() {
    let own = Aws::from_environment().unwrap();
    let role = |number: usize| RoleSession {
        role: format!("arn:aws:iam::000000000000:role/table-{number}"),
        name: "tests".into(),
        policy: None,
    };
    let clients: Vec<Aws> = (0..TABLES).map(|number| own.under_role(role(number))).collect();
    for client in &clients {
        let called = client.wait(client.s3.list_objects_v2().bucket("nowhere").send());
        // The emulator may know neither role nor bucket, but its answers arrive.
        let error = runtime::aws::error_chain(&called.unwrap_err());
        assert!(!error.contains("os error") && !error.contains("dispatch failure: io"), "{error}");
    }
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = fs::read_dir("/proc/self/task").unwrap().count();
    assert!(descriptors < 64 && threads < 32, "{descriptors} descriptors, {threads} threads");
}
