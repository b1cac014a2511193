//! `doctor`: what would keep a run from working, found out without changing anything.

use std::fs;

use serde_json::Value;

use crate::workspace::{Workspace, files};

const SCHEMA: &str = "{ table: invoices, primary_key: [id], columns: [{ name: id, type: int }] }\n";

fn workspace() -> Workspace {
    let workspace = Workspace::installed();
    workspace.write("schemas/invoices.yaml", SCHEMA.as_bytes());
    workspace
}

fn with_a_run() -> Workspace {
    let workspace = workspace();
    workspace.export("acme/invoices/V1", "id\n1\n");
    assert_eq!(workspace.run().status, 0);
    workspace
}

/// The exit status, and what was found, by check: the state, and the text with its help.
fn doctor(workspace: &Workspace) -> (i32, Vec<(String, String, String)>) {
    doctor_with(workspace, &[], &[])
}

fn doctor_with(
    workspace: &Workspace,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (i32, Vec<(String, String, String)>) {
    let arguments = [&["doctor", "--format", "json"], arguments].concat();
    let output = workspace.tidemark_with_env(&arguments, environment);
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript()));
    assert_eq!(report["ok"], output.status == 0);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let check = |check: &Value| {
        let found = format!("{}; {}", text(&check["found"]), text(&check["help"]));
        (text(&check["check"]), text(&check["state"]), found)
    };
    (output.status, report["checks"].as_array().unwrap().iter().map(check).collect())
}

fn assert_problem(workspace: &Workspace, check: &str, expected: &str) {
    let (status, checks) = doctor(workspace);
    assert_eq!(status, 1, "{checks:?}");
    let problem = |(name, state, found): &(String, String, String)| {
        name == check && state == "problem" && found.contains(expected)
    };
    assert!(checks.iter().any(problem), "{check}: {expected} is not in {checks:#?}");
}

#[test]
fn before_the_first_run_nothing_is_wrong() {
    let workspace = workspace();
    let before = files(&workspace.path(""));
    let (status, checks) = doctor(&workspace);
    assert_eq!(status, 0, "{checks:?}");
    let state = |name: &str| checks.iter().find(|(check, ..)| check == name).map(|(_, state, _)| state.as_str());
    assert_eq!(state("schemas"), Some("ok"));
    assert_eq!(state("registry"), Some("note"));
    assert_eq!(files(&workspace.path("")), before);
}

#[test]
fn after_a_run_everything_is_found_and_nothing_changes() {
    let workspace = with_a_run();
    let before = files(&workspace.path(""));
    let text = workspace.tidemark(&["doctor"]);
    assert_eq!(text.status, 0, "{}", text.transcript());
    assert!(text.stdout.ends_with("\nnothing would keep a run from working\n"), "{}", text.stdout);
    let (_, checks) = doctor(&workspace);
    for (name, expected) in [
        ("program", "tidemark 0.1.0"),
        ("schemas", "1 table in schemas"),
        ("registry", "layout "),
        ("exports", "exports with 1 name"),
        ("output", "out"),
        ("clock", "20"),
    ] {
        let is_it = |(check, state, found): &&(String, String, String)| {
            check == name && state == "ok" && found.contains(expected)
        };
        assert!(checks.iter().any(|check| is_it(&check)), "{name}: {checks:#?}");
    }
    assert_eq!(files(&workspace.path("")), before);
}

#[test]
fn schemas_that_are_missing_or_wrong_are_a_problem() {
    let workspace = with_a_run();
    workspace.write("schemas/invoices.yaml", SCHEMA.replace("int", "integr").as_bytes());
    assert_problem(&workspace, "schemas", "1 mistake in the schemas of schemas; they are shown by:");
    fs::remove_dir_all(workspace.path("schemas")).unwrap();
    assert_problem(&workspace, "schemas", "there is no such folder here");
}

#[test]
fn a_registry_that_is_damaged_or_lost_is_a_problem() {
    let workspace = with_a_run();
    let registry = workspace.path(".tidemark/registry.sqlite");
    fs::write(&registry, "this is not a database, and longer than its header").unwrap();
    assert_problem(&workspace, "registry", "registry.sqlite");
    fs::remove_file(&registry).unwrap();
    assert_problem(&workspace, "registry", "it was lost");
}

#[test]
fn a_registry_of_an_older_layout_is_not_changed() {
    let workspace = with_a_run();
    let path = workspace.path(".tidemark/registry.sqlite");
    let older = "PRAGMA journal_mode = DELETE; PRAGMA user_version = 5";
    rusqlite::Connection::open(&path).unwrap().execute_batch(older).unwrap();
    let before = fs::read(&path).unwrap();
    let (status, checks) = doctor(&workspace);
    assert_eq!(status, 0, "{checks:?}");
    assert!(
        checks.iter().any(|(check, state, found)| check == "registry" && state == "note" && found.contains("layout 5"))
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn exports_that_are_gone_are_a_problem() {
    let workspace = with_a_run();
    fs::rename(workspace.path("exports"), workspace.path("unmounted")).unwrap();
    assert_problem(&workspace, "exports", "exports");
}

#[test]
fn an_output_or_state_that_cannot_be_written_is_a_problem() {
    let workspace = with_a_run();
    fs::remove_dir_all(workspace.path("out")).unwrap();
    workspace.write("out", b"a file");
    assert_problem(&workspace, "output", "out");
    let (status, checks) = doctor_with(&workspace, &["--state", "schemas/invoices.yaml/state"], &[]);
    assert_eq!(status, 1, "{checks:?}");
    assert!(checks.iter().any(|(check, state, _)| check == "state" && state == "problem"), "{checks:?}");
}

#[test]
fn a_folder_without_the_right_to_write_is_a_problem() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = with_a_run();
    workspace.drop_root();
    fs::set_permissions(workspace.path(".tidemark"), fs::Permissions::from_mode(0o555)).unwrap();
    assert_problem(&workspace, "state", "cannot write to .tidemark");
    fs::set_permissions(workspace.path(".tidemark"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_for_temporary_files_that_is_gone_is_a_problem() {
    let workspace = with_a_run();
    let (status, checks) = doctor_with(&workspace, &[], &[("TMPDIR", "/nowhere")]);
    assert_eq!(status, 1, "{checks:?}");
    assert!(checks.iter().any(|(check, state, _)| check == "temporary files" && state == "problem"), "{checks:?}");
}

#[test]
fn a_clock_behind_the_registry_is_a_problem() {
    let workspace = with_a_run();
    let connection = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let later = "UPDATE settings SET value = value + 864000000 WHERE name = 'created'";
    connection.execute_batch(later).unwrap();
    drop(connection);
    assert_problem(&workspace, "clock", "but the registry was created at");
}
