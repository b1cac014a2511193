//! Terminal output: no byte of the input can move the cursor, change the title or start a line of its own.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::hygiene::{GOOD, ORDERS, fifo, link};
use crate::workspace::{CommandOutput, Workspace, gzip};

/// Resets a terminal, rings its bell, sets its title with C1 controls, and reverses the text direction.
const EVIL: &str = "\u{1b}c\u{7}\u{9d}owned\u{9c}\u{202e}";

/// The same text, escaped.
const ESCAPED: &str = "\\u{1b}c\\u{7}\\u{9d}owned\\u{9c}\\u{202e}";

/// Runs a command as if on a terminal: otherwise escape sequences are stripped from the output.
fn on_a_terminal(workspace: &Workspace, status: i32, arguments: &[&str]) -> CommandOutput {
    let output = workspace.tidemark_with_env(arguments, &[("CLICOLOR_FORCE", "1"), ("RUST_LOG", "trace")]);
    assert_eq!(output.status, status, "{arguments:?}: {}", output.transcript());
    let colours = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    for text in [&output.stdout, &output.stderr] {
        let plain = colours.replace_all(text, "");
        let harmful = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!plain.contains(harmful), "{arguments:?}: {plain:?}");
        assert!(!plain.lines().any(|line| line.starts_with("forged")), "{arguments:?}: {plain}");
    }
    output
}

#[test]
fn forced_colours_reach_the_output() {
    // If colours were never written, the other tests in this file would prove nothing.
    let output = Workspace::new().tidemark_with_env(&["run", "nowhere"], &[("CLICOLOR_FORCE", "1")]);
    assert!(output.stderr.contains('\u{1b}'), "{:?}", output.stderr);
}

#[test]
fn values_of_bad_rows_are_escaped() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &format!("PK1;{EVIL};a;x\nPK{EVIL};1;a;x\nPK{EVIL};2;a;x\n"));
    // A value that spans lines.
    let tickets = "ticket_id,opened_at,customer_email,subject,body,resolution,priority,status,synced_at\n";
    let row = format!("1,2026-01-01T00:00:00Z,,s,b,,\"1\nforged{EVIL}\",new,\n");
    workspace.export("acme/support_tickets/V1", &format!("{tickets}{row}"));
    let output = on_a_terminal(&workspace, 1, &["run", "exports"]);
    for message in [
        format!("`{ESCAPED}` is not an int"),
        format!("key (PK{ESCAPED}) appears again with another row"),
        format!("`\"1\\nforged{ESCAPED}\"` is not a tinyint"),
    ] {
        assert!(output.stderr.contains(&message), "{message}: {}", output.stderr);
    }
    let folder = "exports/acme/test_table/V1";
    on_a_terminal(&workspace, 1, &["delta", "test_table", "none", folder, "-o", "ops.ndjson"]);
    on_a_terminal(&workspace, 0, &["status"]);
    on_a_terminal(&workspace, 0, &["history", "acme/test_table"]);
}

#[test]
fn header_names_are_escaped_and_truncated() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &ORDERS.replace("status", &format!("st{EVIL}us")));
    workspace.export("globex/orders/V1", &ORDERS.replace("status", &"x".repeat(100_000)));
    workspace.export("initech/orders/V1", &ORDERS.replace("status", "\"sta\nforged\""));
    let output = on_a_terminal(&workspace, 1, &["run", "exports"]);
    assert!(
        output.stderr.contains(&format!("the header names an unknown column `st{ESCAPED}us`")),
        "{}",
        output.stderr
    );
    assert!(output.stderr.len() < 5000, "{} bytes", output.stderr.len());
    for command in [&["status"][..], &["history", "acme/orders"], &["history", "globex/orders"]] {
        let output = on_a_terminal(&workspace, 0, command);
        assert!(output.stdout.len() < 2000, "{}", output.stdout);
    }
}

#[test]
fn values_in_a_plan_are_escaped() {
    let workspace = Workspace::new();
    let row = |n: u32, value: &str| format!("PK{n}{EVIL};{n};{value};x\n");
    let rows = |count: u32, value: &str| (0..count).map(|n| row(n, value)).collect::<String>();
    workspace.export("acme/test_table/V1", &rows(200, &format!("old{EVIL}")));
    workspace.export("acme/test_table/V2", &rows(150, &format!("new{EVIL}")));
    on_a_terminal(&workspace, 1, &["run", "exports"]);
    let output = on_a_terminal(&workspace, 0, &["plan", "acme/test_table/V2"]);
    for message in [format!("(PK150{ESCAPED})"), "COL_2  old\\u{1b}".into(), "→ new\\u{1b}".into()] {
        assert!(output.stdout.contains(&message), "{message}: {}", output.stdout);
    }
    on_a_terminal(&workspace, 0, &["plan", "acme/test_table/V2", "--format", "json"]);
}

#[test]
fn names_of_files_and_folders_are_escaped() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace.write(&format!("exports/{EVIL}/test_table/V1/part.csv.gz"), b"");
    workspace.write("exports/a\nforged/test_table/V1/part.csv.gz", b"");
    workspace.write(&format!("exports/acme/{EVIL}"), b"");
    link(&workspace, "nowhere", &format!("exports/acme/test_table/{EVIL}"));
    workspace.write(&format!("exports/acme/test_table/V2/{EVIL}.csv.gz"), &gzip(GOOD.as_bytes()));
    workspace.write("exports/acme/test_table/V3/part\nforged.csv.gz", &gzip(b"not;whole\n"));
    workspace.write(&format!("exports/acme/test_table/V4/{EVIL}/part.csv.gz"), b"");
    fifo(&workspace, &format!("exports/acme/test_table/V5/{EVIL}"));
    let folder = workspace.path("exports/acme/test_table/V6");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff\x1b]0;owned\x07")), b"").unwrap();
    let output = on_a_terminal(&workspace, 1, &["run", "exports"]);
    for message in [
        format!("note: exports/{ESCAPED}: not a valid name"),
        "note: exports/a\\nforged: not a valid name".into(),
        format!("note: exports/acme/{ESCAPED}: not a folder"),
        format!("note: exports/acme/test_table/{ESCAPED}: a symbolic link"),
        format!("error: exports/acme/test_table/V2/{ESCAPED}.csv.gz: the file's name"),
        "error: exports/acme/test_table/V3/part\\nforged.csv.gz: the file's name".into(),
        format!("error: exports/acme/test_table/V4/{ESCAPED}: a folder inside"),
        format!("error: exports/acme/test_table/V5/{ESCAPED}: not a regular file"),
        "error: exports/acme/test_table/V6/\u{fffd}\\u{1b}]0;owned\\u{7}: the file's name".into(),
    ] {
        let plain = output
            .stderr
            .replace("\u{1b}[1m\u{1b}[31m", "")
            .replace("\u{1b}[1m\u{1b}[33m", "")
            .replace("\u{1b}[0m", "");
        assert!(plain.contains(&message), "{message}: {plain}");
    }
    on_a_terminal(&workspace, 0, &["run", "exports", "--format", "json"]);
    on_a_terminal(&workspace, 0, &["status"]);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
}

#[test]
fn names_that_are_not_utf8_are_escaped_in_json() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    fs::write(workspace.path("exports").join(std::ffi::OsStr::from_bytes(b"\xff\x1b")), b"").unwrap();
    let (status, report) = workspace.run_json();
    assert_eq!((status, &report["strays"][0]["path"]), (0, &"exports/\u{fffd}\\u{1b}".into()), "{report:#}");
}

#[test]
fn command_line_arguments_are_escaped() {
    let workspace = Workspace::new();
    let root = format!("root{EVIL}");
    workspace.write(&format!("{root}/acme/test_table/V1/part.csv.gz"), &gzip(b"PK1;one;a;x\n"));
    fs::create_dir(workspace.path(&format!("empty{EVIL}"))).unwrap();
    let state = format!("state{EVIL}");
    on_a_terminal(&workspace, 0, &["run", &format!("empty{EVIL}"), "--state", "fresh"]);
    let output = on_a_terminal(&workspace, 1, &["run", &root, "--state", &state, "--out", &format!("out{EVIL}")]);
    assert!(output.stdout.contains(&format!("Operations are in out{ESCAPED}.")), "{}", output.stdout);
    on_a_terminal(&workspace, 0, &["retry", "acme/test_table/V1", "--state", &state]);
    on_a_terminal(&workspace, 1, &["plan", "acme/test_table/V1", "--state", &state]);
    for arguments in [
        &["run", EVIL][..],
        &["status", "--state", EVIL],
        &["history", EVIL, "--state", &state],
        &["history", &format!("{EVIL}/test_table"), "--state", &state],
        &["plan", &format!("acme/test_table/{EVIL}"), "--state", &state],
        &["plan", "acme/test_table/V1", "--state", &state, "--exports", EVIL],
        &["approve", "acme/test_table/V1", EVIL, "--state", &state],
        &["run", &root, "--state", &state, "--tenant", EVIL],
        &["run", &root, "--state", &state, "--table", EVIL],
        &["delta", "test_table", "none", EVIL],
        &["delta", EVIL, "none", EVIL],
        &["tables", EVIL],
    ] {
        // A version that is FAILED has neither a plan nor an approval, whatever else is typed.
        let status = if arguments[1] == "acme/test_table/V1" { 1 } else { 2 };
        let output = on_a_terminal(&workspace, status, arguments);
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
