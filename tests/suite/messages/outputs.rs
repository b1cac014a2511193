//! A stderr that is full or closed, and what is printed for programs.

use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::Value;

use crate::workspace::Workspace;

/// A workspace in which every kind of message is printed: V1 published, V2 held, V3 failed, V4 waiting, and strays.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let rows: String = (0..100).map(|n| format!("PK{n};{n};a;x\n")).collect();
    workspace.export("acme/test_table/V1", &rows);
    workspace.run();
    workspace.export("acme/test_table/V2", "PK1;1;a;x\n");
    workspace.export("acme/test_table/V3", "PK1;one;a;x\n");
    workspace.write("exports/acme/test_table/V4/sub/x", b"");
    workspace.write("exports/stray", b"");
    workspace
}

const COMMANDS: [&[&str]; 12] = [
    &["run", "exports"],
    &["run", "exports", "--format", "json"],
    &["run", "nowhere"],
    &["run", "exports", "--memory", "0"],
    &["status"],
    &["status", "--state", "nowhere"],
    &["retry", "acme/test_table/V1"],
    &["approve", "acme/test_table/V2", "00000000"],
    &["verify"],
    &["delta", "test_table", "none", "exports/acme/test_table/V1"],
    &["delta", "test_table", "none", "exports/acme/test_table/V3", "--format", "json"],
    &["gc", "--keep", "x"],
];

#[test]
fn a_stderr_that_is_full_or_closed_changes_no_exit_status() {
    let expected = workspace();
    let (full, closed) = (workspace(), workspace());
    for arguments in COMMANDS {
        let status = expected.tidemark(arguments).status;
        let on_full = full
            .command(arguments)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().write(true).open("/dev/full").unwrap())
            .status()
            .unwrap();
        assert_eq!(on_full.code(), Some(status), "{arguments:?}");
        // The reader of the pipe has ended.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let on_closed =
            closed.command(arguments).env("RUST_LOG", "trace").stdout(Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(on_closed.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn a_report_that_cannot_be_printed_says_whether_its_command_is_done() {
    let workspace = workspace();
    workspace.run();
    let plan: Value =
        serde_json::from_str(&workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]).stdout).unwrap();
    let hash = plan["plan"]["hash"].as_str().unwrap();
    let on_full = |arguments: &[&str]| {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = workspace.command(arguments).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        stderr
    };
    workspace.tidemark(&["run", "exports", "--sink", "sqlite:rows.db", "--create"]);
    rusqlite::Connection::open(workspace.path("rows.db")).unwrap().execute("DELETE FROM test_table", []).unwrap();
    for (arguments, status) in [
        (&["reconcile", "acme/test_table", "--to", "sqlite:rows.db", "--repair"][..], "HELD"),
        (&["resync", "acme/test_table"], "HELD"),
        (&["resync", "acme/test_table", "--cancel"], "HELD"),
        (&["retry", "acme/test_table/V3"], "HELD"),
        (&["replay", "acme/test_table/V1"], "HELD"),
        (&["gc", "--keep", "1"], "HELD"),
        (&["approve", "acme/test_table/V2", hash], "SUCCEEDED"),
        (&["apply", "out", "--to", "sqlite:a.db", "--create"], "SUCCEEDED"),
        (&["infer", "exports/acme/test_table/V1", "--table", "t", "-o", "a.yaml"], "SUCCEEDED"),
        (&["delta", "test_table", "none", "exports/acme/test_table/V1", "-o", "a", "--format", "json"], "SUCCEEDED"),
        (&["retire", "acme/test_table/V2"], "RETIRED"),
        (&["recover"], "RETIRED"),
        (&["run", "exports"], "RETIRED"),
    ] {
        let stderr = on_full(arguments);
        assert!(stderr.contains("is done, and need not be done again"), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("run again"), "{arguments:?}: {stderr}");
        assert_eq!(workspace.statuses("acme/test_table")["V2"], status, "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["status"]] {
        assert!(on_full(arguments).contains("cannot write to stdout"), "{arguments:?}");
    }
}

/// Every command, such that it has something to print. `HASH` is the hash of the plan of V2.
const ALL_COMMANDS: [&[&str]; 23] = [
    &["run", "exports"],
    &["delta", "test_table", "none", "exports/acme/test_table/V1"],
    &["plan", "acme/test_table/V2"],
    &["approve", "acme/test_table/V2", "HASH"],
    &["reject", "acme/test_table/V2"],
    &["replay", "acme/test_table/V1"],
    &["resync", "acme/test_table"],
    &["apply", "out", "--to", "sqlite:a.db", "--create"],
    &["reconcile", "acme/test_table", "--to", "sqlite:rows.db"],
    &["reconcile", "acme/test_table", "--to", "sqlite:rows.db", "--repair"],
    &["recover"],
    &["retire", "acme/test_table/V1"],
    &["status"],
    &["status", "--check"],
    &["report", "-o", "report"],
    &["history", "acme/test_table"],
    &["history", "acme/test_table/V2"],
    &["why", "acme/test_table", "PK1"],
    &["verify"],
    &["gc"],
    &["retry", "acme/test_table/V3"],
    &["infer", "exports/acme/test_table/V1", "--table", "t"],
    &["tables"],
];

#[test]
fn every_command_fails_without_a_panic_if_stdout_is_full() {
    let help = Workspace::new().tidemark(&["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let first_lines = commands.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    for name in first_lines.filter_map(|line| line.split_whitespace().next()) {
        assert!(name == "help" || ALL_COMMANDS.iter().any(|arguments| arguments[0] == name), "{name} is not tried");
    }
    for arguments in ALL_COMMANDS {
        for format in ["text", "json"] {
            let workspace = workspace();
            workspace.tidemark(&["run", "exports", "--sink", "sqlite:rows.db", "--create"]);
            let plan = workspace.tidemark(&["plan", "acme/test_table/V2", "--format", "json"]).stdout;
            let plan: Value = serde_json::from_str(&plan).unwrap();
            let hash = |argument: &&'static str| argument.replace("HASH", plan["plan"]["hash"].as_str().unwrap());
            let arguments: Vec<String> = arguments.iter().map(hash).collect();
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let mut command = workspace.command(&[]);
            let output = command.args(&arguments).args(["--format", format]).stdout(full).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {format}: {stderr}");
            assert!(stderr.contains("stdout") && !stderr.contains("panicked"), "{arguments:?} {format}: {stderr}");
        }
    }
}

#[test]
fn the_generator_survives_a_stderr_that_is_full() {
    let workspace = Workspace::new();
    workspace.write("schemas/t.yaml", b"{ table: t, primary_key: [id], columns: [{ name: id, type: integr }] }");
    let run = |root: &str| {
        let root = workspace.path(root);
        let stderr = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_generator-under-test"));
        command.arg("--root").arg(root).stdout(Stdio::null()).stderr(stderr).status().unwrap().code()
    };
    assert_eq!(run(""), Some(1));
    workspace.write("good/schemas/t.yaml", b"{ table: t, primary_key: [id], columns: [{ name: id, type: int }] }");
    assert_eq!(run("good"), Some(0));
    assert_eq!(run("good"), Some(0));
}

/// Every value with its field's name.
fn fields<'a>(name: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| fields(name, value, found)),
        Value::Array(values) => values.iter().for_each(|value| fields(name, value, found)),
        value => found.push((name.into(), value)),
    }
}

#[test]
fn times_in_json_are_iso_8601() {
    let workspace = workspace();
    workspace.run();
    let iso = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$").unwrap();
    let mut times = 0;
    for arguments in [
        &["status"][..],
        &["history", "acme/test_table"],
        &["plan", "acme/test_table/V2"],
        &["verify"],
        &["why", "acme/test_table", "PK1"],
        &["reject", "acme/test_table/V2", "--because", "a test"],
        &["history", "acme/test_table/V2"],
        &["replay", "acme/test_table/V1"],
        &["gc", "--dry-run"],
        &["run", "exports"],
    ] {
        let output = workspace.tidemark(&[arguments, &["--format", "json"]].concat());
        let json: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}"));
        let mut found = Vec::new();
        fields("", &json, &mut found);
        for (name, value) in found {
            let is_time = name == "at" || name.ends_with("_at") && !value.is_boolean();
            if is_time && !value.is_null() {
                assert!(value.as_str().is_some_and(|text| iso.is_match(text)), "{arguments:?}: {name} is {value}");
                times += 1;
            }
        }
    }
    assert!(times > 10, "{times}");
}

#[test]
fn one_is_not_plural() {
    let workspace = Workspace::new();
    let wrong = Regex::new(r"(?m)(^|[^\d,.])1 (rows|versions|parts|places|values|fields|bytes|columns|tables|names|change sets|leftovers|old values)\b").unwrap();
    workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
    let mut printed = String::new();
    let mut print = |arguments: &[&str]| {
        let output = workspace.tidemark(arguments);
        printed += &format!("{arguments:?}\n{}{}", output.stdout, output.stderr);
    };
    print(&["run", "exports"]);
    print(&["run", "exports"]);
    print(&["status", "--tenant", "nobody"]);
    print(&["history", "acme/test_table/V1"]);
    print(&["verify"]);
    print(&["why", "acme/test_table", "PK1"]);
    print(&["why", "acme/orders", "1"]);
    print(&["delta", "test_table", "none", "exports/acme/test_table/V1"]);
    print(&["resync", "acme/test_table"]);
    workspace.export("acme/test_table/V2", "PK1;1;a;x\n");
    print(&["plan", "acme/test_table/V2"]);
    print(&["run", "exports"]);
    print(&["plan", "acme/test_table/V2"]);
    workspace.export("acme/test_table/V3", "PK1\n");
    print(&["run", "exports"]);
    print(&["gc", "--keep", "1"]);
    workspace.write("out/acme/test_table/V2/part-00000.ndjson.gz", b"");
    std::fs::remove_file(workspace.path("out/acme/test_table/V2/part-00000.ndjson.gz")).unwrap();
    workspace.write("out/acme/test_table/V2/part-00001.ndjson.gz", b"");
    print(&["verify"]);
    assert!(printed.contains("1 row"), "{printed}");
    assert!(!wrong.is_match(&printed), "{:?}\n{printed}", wrong.find(&printed));
}
