//! Schemas from definitions that exist already, and data contracts from schemas.

mod contracts;
mod scripts;
mod types;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use generator::import::{Dialect, Selection};
use generator::source::Source;

use crate::generator::{PROGRAM, Workspace};
use crate::limits::command;

/// The folder of the definitions to import.
fn definitions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("import")
}

/// What the program prints when it imports a file to standard output: the schemas, and what it says about them.
fn printed(name: &str) -> String {
    let workspace = Workspace::new(&[]);
    let path = definitions().join(name);
    let (status, stdout, stderr) = workspace.outcome(&["import", path.to_str().unwrap(), "--out", "-"]);
    assert_eq!(status, 0, "{stderr}");
    if stderr.is_empty() { stdout } else { format!("{stdout}--- and says\n{stderr}") }
}

#[test]
fn a_dump_of_postgres_becomes_schemas() {
    insta::assert_snapshot!(printed("postgres.sql"));
}

#[test]
fn a_dump_of_mysql_becomes_schemas() {
    insta::assert_snapshot!(printed("mysql.sql"));
}

#[test]
fn a_script_of_sql_server_becomes_schemas() {
    insta::assert_snapshot!(printed("sqlserver.sql"));
}

#[test]
fn a_script_of_oracle_becomes_schemas() {
    insta::assert_snapshot!(printed("oracle.sql"));
}

#[test]
fn a_table_of_hive_becomes_a_schema() {
    insta::assert_snapshot!(printed("hive.sql"));
}

#[test]
fn what_glue_prints_becomes_a_schema() {
    insta::assert_snapshot!(printed("glue.json"));
}

#[test]
fn a_table_input_of_glue_becomes_a_schema() {
    insta::assert_snapshot!(printed("table_input.json"));
}

#[test]
fn a_data_contract_becomes_schemas() {
    insta::assert_snapshot!(printed("contract.odcs.yaml"));
}

#[test]
fn what_is_imported_can_be_generated_as_it_is() {
    for entry in fs::read_dir(definitions()).unwrap() {
        let path = entry.unwrap().path();
        let workspace = Workspace::new(&[]);
        let (status, _, stderr) = workspace.outcome(&["import", path.to_str().unwrap()]);
        assert_eq!(status, 0, "{stderr}");
        let (status, _, stderr) = workspace.outcome(&[]);
        assert_eq!(status, 0, "{}: {stderr}", path.display());
    }
}

#[test]
fn a_schema_that_exists_is_replaced_only_by_force() {
    let workspace = Workspace::new(&[("orders", "by hand")]);
    workspace
        .write("shop.sql", "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE customers (id int PRIMARY KEY);");
    let path = workspace.path("shop.sql");
    let path = path.to_str().unwrap();
    let (status, _, stderr) = workspace.outcome(&["import", path]);
    assert_eq!(status, 1);
    assert!(stderr.contains("orders.yaml") && stderr.contains("--force"), "{stderr}");
    assert_eq!(workspace.read("schemas/orders.yaml"), "by hand");
    assert!(!workspace.path("schemas/customers.yaml").exists(), "all or none");
    assert_eq!(workspace.outcome(&["import", path, "--table", "customers"]).0, 0);
    assert_eq!(workspace.outcome(&["import", path, "--force"]).0, 0);
    assert!(workspace.read("schemas/orders.yaml").contains("primary_key: [id]"));
}

#[test]
fn a_mistake_in_one_table_writes_none_and_has_its_line() {
    let workspace = Workspace::new(&[]);
    workspace.write("shop.sql", "CREATE TABLE orders (id int);\n\nCREATE TABLE customers (id int,\n  12 text);\n");
    let path = workspace.path("shop.sql");
    let (status, _, stderr) = workspace.outcome(&["import", path.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(stderr.contains("shop.sql:4:3") && stderr.contains("nothing was written"), "{stderr}");
    assert!(!workspace.path("schemas").exists() || fs::read_dir(workspace.path("schemas")).unwrap().next().is_none());
    let (status, stdout, _) = workspace.outcome(&["import", path.to_str().unwrap(), "--format", "json"]);
    assert_eq!(status, 1);
    assert!(stdout.contains("\"code\": \"broken-sql\"") && stdout.contains("\"line\": 4"), "{stdout}");
}

#[test]
fn tables_of_one_name_are_refused_until_one_is_selected() {
    let script =
        "CREATE TABLE sales.orders (id int PRIMARY KEY);\nCREATE TABLE archive.orders (number int PRIMARY KEY);\n";
    let sources = [Source::new("shop.sql", script)];
    let mistakes = generator::import(&sources, &Selection::default()).unwrap_err();
    assert_eq!(mistakes[0].code.name(), "duplicate-table");
    let select = |name: &str| Selection { tables: vec![name.into()], ..Selection::default() };
    let import = generator::import(&sources, &select("archive.orders")).unwrap();
    assert_eq!(import.schemas.len(), 1);
    assert!(import.schemas[0].yaml.contains("primary_key: [number]"));
    let mistakes = generator::import(&sources, &select("archiv.orders")).unwrap_err();
    assert_eq!(mistakes[0].code.name(), "no-tables");
}

#[test]
fn a_key_of_parts_of_columns_is_not_taken_for_one() {
    let script = "CREATE TABLE t (code varchar(40), note text, id int NOT NULL, PRIMARY KEY (code(10)), KEY (note(3)))";
    let source = [Source::new("t.sql", script)];
    let selection = Selection { dialect: Some(Dialect::Mysql), tables: Vec::new() };
    let import = generator::import(&source, &selection).unwrap();
    let yaml = &import.schemas[0].yaml;
    assert!(yaml.contains("# choice: the primary key is of parts of columns\n"), "{yaml}");
    assert!(yaml.contains("primary_key: [id]"), "{yaml}");
}

#[test]
fn standard_input_is_imported() {
    let workspace = Workspace::new(&[]);
    let mut program = command(PROGRAM);
    program.arg("--root").arg(workspace.path("")).args(["import", "-", "--out", "-"]);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"CREATE TABLE orders (id int PRIMARY KEY);").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("table: orders"));
}

#[test]
fn a_script_in_utf_16_is_imported() {
    let workspace = Workspace::new(&[]);
    let script = "CREATE TABLE [dbo].[Größen] ([Größe] [int] NOT NULL PRIMARY KEY)\r\nGO\r\n";
    let bytes: Vec<u8> = "\u{feff}".encode_utf16().chain(script.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    fs::write(workspace.path("ssms.sql"), bytes).unwrap();
    let path = workspace.path("ssms.sql");
    let (status, stdout, stderr) = workspace.outcome(&["import", path.to_str().unwrap(), "--out", "-"]);
    assert_eq!(status, 0, "{stderr}");
    assert!(stdout.contains("table: groessen"), "{stdout}");
    assert!(stdout.contains("{ name: groesse, header: \"Größe\", type: int }"), "{stdout}");
}

#[test]
fn an_option_of_generating_is_refused_with_a_command() {
    let workspace = Workspace::new(&[]);
    let (status, _, stderr) = workspace.outcome(&["--check", "import", "x.sql"]);
    assert_eq!(status, 2);
    assert!(stderr.contains("--check is for generating"), "{stderr}");
}
