//! Schemas of one's own: `--schemas DIR` reads them at start, and compiles nothing.

use std::fs;
use std::path::Path;

use runtime::engine::athena::StatementSource as _;
use runtime::schemas;
use serde_json::Value;

use crate::workspace::Workspace;

const SCHEMA: &str = "\
table: invoices
primary_key: [invoice_no]
columns:
  - { name: invoice_no, type: bigint }
  - { name: total, type: 'decimal(12,2)' }
engine: { athena: false }
";

/// The schemas of this repository.
fn committed() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas").to_str().unwrap().to_owned()
}

/// A workspace with two exports of a table that no program was compiled with.
fn invoices() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("my schemas/invoices.yaml", SCHEMA.as_bytes());
    workspace.export("acme/invoices/V1", "invoice_no,total\n1,9.50\n2,1\n");
    workspace.export("acme/invoices/V2", "invoice_no,total\n1,9.75\n3,2\n");
    workspace
}

#[test]
fn tables_read_at_start_are_those_that_were_generated() {
    let read = schemas::read(Path::new(&committed())).unwrap();
    assert_eq!(format!("{:#?}", read.tables), format!("{:#?}", generated::TABLES));
    for table in generated::TABLES {
        let generated = generated::athena::STATEMENTS.iter().find(|statements| statements.table == table.name);
        assert_eq!(read.statements.statements(table.name).as_ref(), generated);
    }
}

#[test]
fn tables_read_one_at_a_time_as_by_the_functions_on_aws_are_those_that_were_generated() {
    for table in generated::TABLES {
        let model = schemas::read_one(Path::new(&committed()), table.name).unwrap();
        assert_eq!(schemas::table(&model), *table);
        let statements = model.athena.then(|| schemas::statements(&model));
        let generated = generated::athena::STATEMENTS.iter().find(|statements| statements.table == table.name);
        assert_eq!(statements.as_ref(), generated);
    }
}

#[test]
fn operations_and_plans_are_the_same_without_generated_code() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports");
    let run = |workspace: Workspace, schemas: &[&str]| {
        let with_schemas = |arguments: &[&str]| workspace.tidemark(&[schemas, arguments].concat());
        let run = with_schemas(&["run", samples.to_str().unwrap(), "--format", "json"]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        let run: Value = serde_json::from_str(&run.stdout).unwrap();
        let mut plans = Vec::new();
        for outcome in run["outcomes"].as_array().unwrap() {
            let [tenant, table, version] = ["tenant", "table", "version"].map(|name| outcome[name].as_str().unwrap());
            let version = format!("{tenant}/{table}/{version}");
            let plan = with_schemas(&["plan", &version, "--format", "json"]);
            let plan: Value = serde_json::from_str(&plan.stdout).unwrap_or_else(|_| panic!("{}", plan.transcript()));
            assert!(plan["plan"].is_object(), "{version}: {plan}");
            plans.push((version, plan["plan"].clone()));
        }
        assert!(plans.len() > 30, "{}", plans.len());
        (workspace.output(), plans)
    };
    let compiled = run(Workspace::new(), &[]);
    assert_eq!(run(Workspace::new(), &["--schemas", &committed()]), compiled);
    assert_eq!(run(Workspace::installed(), &["--schemas", &committed()]), compiled);
}

#[test]
fn one_program_runs_any_schemas() {
    let workspace = invoices();
    let unknown = workspace.run();
    assert!(unknown.stdout.contains("WAITING"), "{}", unknown.stdout);

    let known = workspace.tidemark(&["run", "exports", "--schemas", "my schemas"]);
    assert_eq!(known.status, 0, "{}", known.stderr);
    let published = workspace.published("acme/invoices/V2");
    let operations: Vec<_> = published.iter().map(|line| line["op"].as_str().unwrap()).collect();
    assert_eq!(operations, ["BEGIN", "UPDATE", "DELETE", "INSERT", "END"]);
}

#[test]
fn commands_in_messages_name_the_schemas() {
    let workspace = invoices();
    workspace.export("acme/invoices/V3", "invoice_no,total\n");
    let held = workspace.tidemark(&["--schemas", "my schemas", "run", "exports"]);
    assert_eq!(held.status, 1);
    assert!(held.stderr.contains("--schemas 'my schemas'"), "{}", held.stderr);
}

#[test]
fn mistakes_in_schemas_are_shown_with_their_lines() {
    let workspace = invoices();
    workspace.write("my schemas/invoices.yaml", SCHEMA.replace("bigint", "bigit").as_bytes());
    let output = workspace.tidemark(&["tables", "--schemas", "my schemas"]);
    assert_eq!((output.status, output.stdout.as_str()), (1, ""));
    assert!(output.stderr.contains("--> my schemas/invoices.yaml:4:"), "{}", output.stderr);
    assert!(output.stderr.contains("did you mean `bigint`?"), "{}", output.stderr);

    let json = workspace.tidemark(&["tables", "--schemas", "my schemas", "--format", "json"]);
    let error: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(error["error"]["fault"], "input");
}

#[test]
fn warnings_about_schemas_are_shown_and_nothing_else_changes() {
    let workspace = invoices();
    let schema = SCHEMA.to_owned() + "source: { nulls: ['\\N'] }\n";
    workspace.write("my schemas/invoices.yaml", schema.as_bytes());
    let output = workspace.tidemark(&["tables", "--schemas", "my schemas", "--format", "json"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    for expected in ["warning[unescaped-null]", "--> my schemas/invoices.yaml:7:", "`escape: mysql`", "1 warning"] {
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
    assert!(serde_json::from_str::<Value>(&output.stdout).is_ok(), "{}", output.stdout);
}

#[test]
fn a_folder_without_schemas_is_a_wrong_command_line() {
    let workspace = invoices();
    fs::create_dir(workspace.path("empty")).unwrap();
    for (folder, expected) in [("nowhere", "cannot list the schemas in nowhere/"), ("empty", "has no schemas")] {
        let output = workspace.tidemark(&["run", "exports", "--schemas", folder]);
        assert_eq!(output.status, 2);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
}
