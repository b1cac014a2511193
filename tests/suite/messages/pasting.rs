//! Every command in a message can be pasted as it is.

use std::fs;
use std::process::Command;

use crate::workspace::{CommandOutput, Workspace, gzip};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidemark-under-test");

/// The options of a workspace whose folders have names that a shell reads in its own way.
const STATE: &str = "my state's";
const OUT: &str = "$HOME out";
const EXPORTS: &str = "ex\nports \"1\" Ü";

fn rows(number: usize) -> Vec<u8> {
    gzip((0..number).map(|n| format!("PK{n};{n};a;x\n")).collect::<String>().as_bytes())
}

fn deliver(workspace: &Workspace, version: &str, part: &[u8]) {
    workspace.write(&format!("{EXPORTS}/acme/test_table/{version}/part.csv.gz"), part);
}

/// The commands in a text that was printed.
fn commands(text: &str) -> Vec<String> {
    let commands = text.lines().filter_map(|line| line.find(PROGRAM).map(|at| line[at..].to_owned()));
    commands.collect()
}

/// Runs what a user pastes into a shell in the workspace's folder.
fn paste(workspace: &Workspace, command: &str) -> CommandOutput {
    let output = Command::new("bash").args(["-c", command]).current_dir(workspace.path("")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CommandOutput { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What a command prints, with the program's path.
fn run(workspace: &Workspace, arguments: &[&str]) -> String {
    let output = workspace.command(arguments).output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
}

/// Pastes the command with this word, which has to be the only one, and checks its exit status.
fn paste_only(workspace: &Workspace, printed: &str, word: &str, status: i32) -> CommandOutput {
    let found = commands(printed);
    let found: Vec<&String> = found.iter().filter(|command| command.contains(&format!(" {word} "))).collect();
    assert_eq!(found.len(), 1, "{word}: {printed}");
    let output = paste(workspace, found[0]);
    assert_eq!(output.status, status, "{}: {}{}", found[0], output.stdout, output.stderr);
    output
}

#[test]
fn a_held_version_is_reviewed_and_published_by_pasting() {
    let workspace = Workspace::new();
    deliver(&workspace, "V1", &rows(100));
    run(&workspace, &["run", EXPORTS, "--state", STATE, "--out", OUT]);
    deliver(&workspace, "V2", &rows(1));
    let held = run(&workspace, &["run", EXPORTS, "--state", STATE, "--out", OUT]);
    let plan = paste_only(&workspace, &held, "plan", 0).stdout;
    paste_only(&workspace, &plan, "approve", 0);
    assert!(workspace.path(OUT).join("acme/test_table/V2").is_dir());
    let history = run(&workspace, &["reject", "acme/test_table/V2", "--state", STATE]);
    paste_only(&workspace, &history, "history", 0);
}

#[test]
fn a_failed_version_is_retried_by_pasting() {
    let workspace = Workspace::new();
    deliver(&workspace, "V1", &gzip(b"PK1;one;a;x\n"));
    let failed = run(&workspace, &["run", EXPORTS, "--state", STATE, "--out", OUT]);
    let retried = paste_only(&workspace, &failed, "retry", 0).stdout;
    paste_only(&workspace, &retried, "run", 1);
    assert!(!workspace.path(".tidemark").exists() && !workspace.path("out").exists());
}

#[test]
fn a_lost_baseline_and_a_damaged_output_are_repaired_by_pasting() {
    let workspace = Workspace::new();
    deliver(&workspace, "V1", &rows(3));
    run(&workspace, &["run", EXPORTS, "--state", STATE, "--out", OUT]);
    let folder = workspace.path(OUT).join("acme/test_table/V1");
    let part = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    fs::write(part.path(), gzip(b"")).unwrap();
    let verified = run(&workspace, &["verify", "--state", STATE]);
    paste_only(&workspace, &verified, "replay", 0);
    fs::remove_dir_all(workspace.path(EXPORTS).join("acme/test_table/V1")).unwrap();
    deliver(&workspace, "V2", &rows(3));
    let changed = run(&workspace, &["run", EXPORTS, "--state", STATE]);
    let resync = paste_only(&workspace, &changed, "resync", 0).stdout;
    paste_only(&workspace, &resync, "run", 0);
    assert!(workspace.path(OUT).join("acme/test_table/V2").is_dir());
}

#[test]
fn a_wrong_root_is_corrected_by_pasting() {
    let workspace = Workspace::new();
    workspace.write(&format!("above/{EXPORTS}/acme/test_table/V1/part.csv.gz"), &rows(1));
    let wrong = run(&workspace, &["run", "above", "--state", STATE, "--out", OUT]);
    paste_only(&workspace, &wrong, "run", 0);
    assert!(workspace.path(STATE).is_dir() && workspace.path(OUT).join("acme").is_dir());
}

#[test]
fn the_output_folder_is_remembered_like_the_exports() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
    assert_eq!(workspace.tidemark(&["run", "exports", "--state", "s", "--out", "ops"]).status, 0);
    workspace.export("acme/test_table/V2", "PK1;2;a;x\n");
    // From another folder.
    let elsewhere = workspace.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let status = workspace.command(&["run", "../exports", "--state", "../s"]).current_dir(&elsewhere).status().unwrap();
    assert!(status.success());
    assert!(workspace.path("ops/acme/test_table/V2").is_dir());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    // A run that finds nothing changes nothing, and a replay elsewhere is not remembered.
    fs::create_dir(workspace.path("empty")).unwrap();
    workspace.tidemark(&["run", "empty", "--state", "s", "--out", "typo"]);
    workspace.tidemark(&["replay", "acme/test_table/V2", "--state", "s", "--out", "again"]);
    workspace.export("acme/test_table/V3", "PK1;3;a;x\n");
    assert_eq!(workspace.tidemark(&["run", "exports", "--state", "s"]).status, 0);
    assert!(workspace.path("ops/acme/test_table/V3").is_dir());
}
