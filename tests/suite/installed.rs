//! The program that people install: it has no tables of its own, and reads the schemas of the folder where it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use regex::Regex;
use serde_json::Value;

use crate::limits::command;
use crate::workspace::Workspace;

const SCHEMA: &str = "\
table: invoices
primary_key: [invoice_no]
columns:
  - { name: invoice_no, type: bigint }
  - { name: total, type: 'decimal(12,2)' }
";

const CUSTOMERS: &str = "id,name,since\n1,Ann,2026-01-02\n2,Bob,2026-01-03\n";

/// Every command, as the help lists them.
fn commands(workspace: &Workspace) -> BTreeSet<String> {
    let help = workspace.tidemark(&["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let name = Regex::new(r"(?m)^  ([a-z]+) ").unwrap();
    name.captures_iter(commands).map(|name| name[1].to_owned()).filter(|name| name != "help").collect()
}

/// The long options that the help of a command lists.
fn options(workspace: &Workspace, command: &str) -> BTreeSet<String> {
    let help = workspace.tidemark(&[command, "--help"]).stdout;
    let option = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+)").unwrap();
    option.captures_iter(&help).map(|option| option[1].to_owned()).collect()
}

#[test]
fn it_reads_the_schemas_of_the_folder_where_it_runs() {
    let workspace = Workspace::installed();
    workspace.write("schemas/invoices.yaml", SCHEMA.as_bytes());
    workspace.export("acme/invoices/V1", "invoice_no,total\n1,9.50\n");
    let output = workspace.run();
    assert_eq!(output.status, 0, "{}", output.stderr);
    let tables = workspace.tidemark(&["tables", "--format", "json"]);
    let tables: Vec<Value> = serde_json::from_str(&tables.stdout).unwrap();
    assert_eq!(tables.iter().map(|table| &table["table"]).collect::<Vec<_>>(), ["invoices"]);
}

#[test]
fn without_schemas_it_names_the_folder_and_does_nothing() {
    let workspace = Workspace::installed();
    workspace.export("acme/invoices/V1", "invoice_no,total\n1,9.50\n");
    let output = workspace.run();
    assert_eq!((output.status, output.stdout.as_str()), (2, ""));
    assert!(output.stderr.contains("schemas: there is no such folder here"), "{}", output.stderr);
    assert!(output.stderr.contains("tidemark init DIR"), "{}", output.stderr);
    assert!(!workspace.path(".tidemark").exists());
}

#[test]
fn what_is_in_the_registry_can_be_seen_without_schemas() {
    let workspace = Workspace::installed();
    workspace.write("schemas/invoices.yaml", SCHEMA.as_bytes());
    workspace.export("acme/invoices/V1", "invoice_no,total\n1,9.50\n");
    workspace.run();
    assert_eq!(workspace.tidemark(&["status"]).status, 0);
    fs::rename(workspace.path("schemas"), workspace.path("elsewhere")).unwrap();
    for arguments in [&["status"][..], &["history", "acme/invoices"]] {
        let output = workspace.tidemark(arguments);
        assert_eq!(output.status, 0, "{}", output.stderr);
        assert!(output.stdout.contains("V1"), "{}", output.stdout);
    }
    assert_eq!(workspace.tidemark(&["status", "--check"]).status, 2);
    assert_eq!(workspace.tidemark(&["status", "--check", "--schemas", "elsewhere"]).status, 0);
}

#[test]
fn a_table_without_a_schema_waits_for_one_in_the_folder() {
    let workspace = Workspace::installed();
    workspace.write("my schemas/invoices.yaml", SCHEMA.as_bytes());
    workspace.export("acme/orders/V1", "id\n1\n");
    let output = workspace.tidemark(&["run", "exports", "--schemas", "my schemas"]);
    let reason = "no schema: write my schemas/orders.yaml and run again";
    assert!(output.stdout.contains(reason), "{}", output.stdout);
}

#[test]
fn a_csv_becomes_a_second_version_in_four_commands() {
    let workspace = Workspace::installed();
    let file = workspace.write("customers.csv", CUSTOMERS.as_bytes());
    let made = workspace.tidemark(&["init", "shop", "customers.csv"]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    insta::assert_snapshot!("init", made.transcript());
    let shop = |arguments: &[&str]| {
        let output = workspace.command(arguments).current_dir(workspace.path("shop")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(shop(&["run", "exports"]).contains("V1"));
    // As the project's README says.
    fs::write(&file, CUSTOMERS.replace("Bob", "Rob")).unwrap();
    fs::create_dir(workspace.path("shop/exports/main/customers/V2")).unwrap();
    fs::copy(&file, workspace.path("shop/exports/main/customers/V2/customers.csv")).unwrap();
    let run: Value = serde_json::from_str(&shop(&["run", "exports", "--format", "json"])).unwrap();
    assert_eq!(run["outcomes"][0]["version"], "V2");
    assert_eq!(run["outcomes"][0]["counts"]["updated"], 1);
    let doctor: Value = serde_json::from_str(&shop(&["doctor", "--format", "json"])).unwrap();
    assert_eq!(doctor["ok"], true);
}

#[test]
fn the_examples_of_the_help_have_the_name_of_the_program() {
    let workspace = Workspace::installed();
    for command in commands(&workspace) {
        let help = workspace.tidemark(&[&command, "--help"]).stdout;
        assert!(!help.contains("cargo tidemark"), "{help}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = Workspace::installed().tidemark(&["--version"]).stdout;
    assert!(version.starts_with(&format!("tidemark {}", env!("CARGO_PKG_VERSION"))), "{version}");
}

#[test]
fn completions_of_every_shell_have_every_command_and_option() {
    let workspace = Workspace::installed();
    let commands = commands(&workspace);
    assert!(commands.len() > 20, "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = workspace.tidemark(&["completions", shell]);
        assert_eq!(script.status, 0, "{}", script.stderr);
        for command in &commands {
            assert!(script.stdout.contains(command.as_str()), "{shell}: {command}");
            for option in options(&workspace, command) {
                // Fish and PowerShell write some options without their hyphens.
                assert!(script.stdout.contains(option.trim_start_matches('-')), "{shell}: {command} {option}");
            }
        }
    }
}

#[test]
fn every_command_and_option_has_a_manual_page() {
    let workspace = Workspace::installed();
    let written = workspace.tidemark(&["man", "man1"]);
    assert_eq!(written.status, 0, "{}", written.stderr);
    let commands = commands(&workspace);
    for command in &commands {
        let page = fs::read_to_string(workspace.path(&format!("man1/tidemark-{command}.1"))).unwrap();
        let page = page.replace("\\-", "-");
        for option in options(&workspace, command) {
            assert!(page.contains(&option), "{command}: {option}");
        }
    }
    assert!(Path::new(&workspace.path("man1/tidemark.1")).exists());
    assert_eq!(written.stdout, format!("man1: {} pages written\n", commands.len() + 1));
}

/// What a command shows on a terminal, which is made by a program of every Linux.
fn on_a_terminal(workspace: &Workspace, arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_tidemark-installed");
    let mut script = command("script");
    script.args(["--quiet", "--return", "--command", &format!("{program} {arguments}"), "/dev/null"]);
    let output = script.current_dir(workspace.path("")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_terminal_shows_hints_and_progress_and_a_pipe_does_not() {
    let workspace = Workspace::installed();
    workspace.write("schemas/invoices.yaml", SCHEMA.as_bytes());
    workspace.export("acme/invoices/V1", "invoice_no,total\n1,9.50\n");
    let shown = on_a_terminal(&workspace, "run exports");
    assert!(shown.contains("listing the exports in exports"), "{shown}");
    assert!(shown.contains("to see what changed, run:") && shown.contains("history acme/invoices"), "{shown}");
    workspace.export("acme/invoices/V2", "invoice_no,total\n1,9.75\n");
    let piped = workspace.run();
    assert_eq!((piped.status, piped.stderr.as_str()), (0, ""));
    assert!(!piped.stdout.contains("to see what changed"), "{}", piped.stdout);
}
