//! The generator from the outside: what it writes, what it leaves alone, and that it survives any input.

mod defaults;
mod definitions;
mod fuzz;
mod pseudonyms;
mod warnings;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use generator::source::{self, Source};
use tempfile::TempDir;
use tests::table::table;

use crate::limits::command;

/// The program itself.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_generator-under-test");

const CUSTOMERS: &str = "\
table: customers
description: One row per customer.
primary_key: [id]
columns:
  - { name: id, type: bigint }
  - { name: name, type: string, nullable: true, description: As on the invoice }
";

/// A temporary workspace with schemas, and hand-written files next to the generated ones.
pub(crate) struct Workspace(TempDir);

impl Workspace {
    pub(crate) fn new(schemas: &[(&str, &str)]) -> Self {
        let workspace = Self(TempDir::new().unwrap());
        workspace.write("generated/Cargo.toml", "# by hand\n");
        workspace.write("generated/src/bin/tidemark.rs", "// by hand\n");
        workspace.write("generated/src/helper.rs", "//! By hand; the generator must not touch it.\n");
        for (table, yaml) in schemas {
            workspace.write(&format!("schemas/{table}.yaml"), yaml);
        }
        workspace
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut program = command(PROGRAM);
        program.arg("--root").arg(self.0.path()).args(arguments).output().unwrap()
    }

    /// The exit status, stdout and stderr.
    pub(crate) fn outcome(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.run(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Every file with its bytes and modification time.
    fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let modified = path.metadata().unwrap().modified().unwrap();
                    files.insert(path.clone(), (fs::read(&path).unwrap(), modified));
                }
            }
        }
        files
    }
}

fn schema_named(table: &str) -> String {
    CUSTOMERS.replace("customers", table)
}

#[test]
fn the_first_run_creates_everything_and_the_second_writes_nothing() {
    let workspace = Workspace::new(&[("customers", CUSTOMERS), ("orders", &schema_named("orders"))]);
    let (status, stdout, stderr) = workspace.outcome(&[]);
    assert_eq!((status, stdout.as_str()), (0, ""));
    let created = [
        "generated/ddl/customers.json",
        "generated/ddl/customers.sql",
        "generated/ddl/orders.json",
        "generated/ddl/orders.sql",
        "generated/postgres/customers.sql",
        "generated/postgres/orders.sql",
        "generated/sql/customers.delta.sql",
        "generated/sql/customers.first_import.sql",
        "generated/sql/orders.delta.sql",
        "generated/sql/orders.first_import.sql",
        "generated/sqlite/customers.sql",
        "generated/sqlite/orders.sql",
        "generated/src/athena.rs",
        "generated/src/customers.rs",
        "generated/src/lib.rs",
        "generated/src/orders.rs",
        "infra/apply.yaml",
        "infra/consumer.yaml",
        "infra/data.yaml",
        "infra/flow.asl.json",
        "infra/shared.yaml",
        "infra/tables/customers.yaml",
        "infra/tables/group-04.yaml",
        "infra/tables/group-06.yaml",
        "infra/tables/orders.yaml",
        "infra/tidemark.yaml",
        "schemas/table.schema.json",
    ];
    assert_eq!(stderr, created.map(|file| format!("created {file}\n")).concat() + "2 tables, 27 files changed\n");
    let before = workspace.files();
    assert_eq!(workspace.outcome(&[]), (0, String::new(), "2 tables, everything is up to date\n".to_owned()));
    assert_eq!(workspace.outcome(&["--check"]).0, 0);
    assert_eq!(workspace.files(), before);
}

/// The generated module of `customers`: its types, and its definition.
fn generated_customers() -> (String, String) {
    let workspace = Workspace::new(&[("customers", CUSTOMERS)]);
    assert_eq!(workspace.outcome(&[]).0, 0);
    let module = workspace.read("generated/src/customers.rs");
    let definition = module.find("/// The definition of").unwrap();
    (module[..definition].trim_end().to_owned(), module[definition..].trim_end().to_owned())
}

#[test]
fn generated_types_read_like_handwritten_code() {
    insta::assert_snapshot!(generated_customers().0, @r##"
    // Generated by `cargo run -p generator` from schemas/customers.yaml. Do not edit; change the schema instead.

    //! One row per customer.

    use runtime::table::{Column, Guards, Source, Table, Target, Type};
    use serde::Serialize;

    /// Identifies one row of `customers`.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
    pub struct Key {
        /// `bigint`
        pub id: i64,
    }

    runtime::deserialize!(Key { id });

    /// The columns of `customers` outside its key.
    #[derive(Debug, Clone, PartialEq, Serialize)]
    pub struct Values {
        /// As on the invoice. `string`
        pub name: Option<String>,
    }

    runtime::deserialize!(Values { name });

    /// A change to one row of `customers`.
    pub type Operation = runtime::Operation<Key, Values>;
    "##);
}

#[test]
fn a_generated_definition_reads_like_handwritten_code() {
    insta::assert_snapshot!(generated_customers().1, @r##"
    /// The definition of `customers`.
    pub static TABLE: Table = Table {
        name: "customers",
        description: Some("One row per customer."),
        role: "customers",
        schema: "547e24f6b19b13f91c4127bac1ca0054",
        primary_key: &["id"],
        columns: &[
            Column::new("id", Type::Bigint),
            Column::new("name", Type::String).nullable().description("As on the invoice"),
        ],
        source: Source::DEFAULT,
        before_image: false,
        athena: true,
        guards: Guards::DEFAULT,
        expect: None,
        target: Target::new(
            "customers",
            Ok(include_str!("../sqlite/customers.sql")),
            Ok(include_str!("../postgres/customers.sql")),
        ),
        tenants: &[],
    };
    "##);
}

#[test]
fn a_change_rewrites_only_the_affected_files() {
    let workspace = Workspace::new(&[("customers", CUSTOMERS), ("orders", &schema_named("orders"))]);
    workspace.run(&[]);
    let before = workspace.files();
    workspace.write("schemas/orders.yaml", &schema_named("orders").replace("bigint", "int"));
    let updated = [
        "generated/ddl/orders.sql",
        "generated/postgres/orders.sql",
        "generated/sql/orders.delta.sql",
        "generated/sql/orders.first_import.sql",
        "generated/sqlite/orders.sql",
        "generated/src/orders.rs",
    ];
    let expected_stderr = updated.map(|file| format!("updated {file}\n")).concat() + "2 tables, 6 files changed\n";
    assert_eq!(workspace.outcome(&[]).2, expected_stderr);
    let changed: Vec<PathBuf> = workspace
        .files()
        .into_iter()
        .filter(|(path, file)| before.get(path) != Some(file))
        .map(|(path, _)| path)
        .collect();
    let expected: Vec<PathBuf> =
        updated.iter().chain(&["schemas/orders.yaml"]).map(|file| workspace.path(file)).collect();
    assert_eq!(changed, expected);
}

#[test]
fn deleting_a_table_removes_only_its_artifacts() {
    let workspace = Workspace::new(&[("customers", CUSTOMERS), ("orders", &schema_named("orders"))]);
    workspace.run(&[]);
    fs::remove_file(workspace.path("schemas/orders.yaml")).unwrap();
    let (status, diff, stderr) = workspace.outcome(&["--check"]);
    assert_eq!(status, 1);
    assert!(diff.contains("--- a/generated/src/orders.rs\n+++ /dev/null\n"), "{diff}");
    assert!(stderr.starts_with("12 files are stale or were edited by hand;"), "{stderr}");
    assert_eq!(
        workspace.outcome(&[]).2,
        "removed generated/ddl/orders.json\nremoved generated/ddl/orders.sql\nremoved generated/postgres/orders.sql\n\
         removed generated/sql/orders.delta.sql\nremoved generated/sql/orders.first_import.sql\n\
         removed generated/sqlite/orders.sql\nupdated generated/src/athena.rs\nupdated generated/src/lib.rs\n\
         removed generated/src/orders.rs\nremoved infra/tables/group-04.yaml\n\
         removed infra/tables/orders.yaml\nupdated infra/tidemark.yaml\n1 table, 12 files changed\n"
    );
    assert!(!workspace.path("generated/src/orders.rs").exists());
    for by_hand in ["generated/Cargo.toml", "generated/src/bin/tidemark.rs", "generated/src/helper.rs"] {
        assert!(workspace.path(by_hand).exists(), "{by_hand}");
    }
    assert_eq!(workspace.outcome(&["--check"]).0, 0);
}

#[test]
fn check_reports_a_manual_edit_and_writes_nothing() {
    let workspace = Workspace::new(&[("customers", CUSTOMERS)]);
    workspace.run(&[]);
    let edited = workspace.read("generated/src/customers.rs").replace("pub id: i64", "pub id: u64");
    workspace.write("generated/src/customers.rs", &edited);
    let before = workspace.files();
    let (status, diff, stderr) = workspace.outcome(&["--check"]);
    assert_eq!(status, 1);
    assert!(diff.starts_with("--- a/generated/src/customers.rs\n+++ b/generated/src/customers.rs\n@@ "), "{diff}");
    assert!(diff.contains("\n-    pub id: u64,\n+    pub id: i64,\n"), "{diff}");
    assert!(stderr.starts_with("1 file is stale or was edited by hand;"), "{stderr}");
    assert_eq!(workspace.files(), before);
}

#[test]
fn check_reports_missing_files() {
    let workspace = Workspace::new(&[("customers", CUSTOMERS)]);
    let (status, diff, _) = workspace.outcome(&["--check"]);
    assert_eq!(status, 1);
    assert!(diff.contains("--- /dev/null\n+++ b/generated/src/lib.rs\n"), "{diff}");
    assert!(!workspace.path("generated/src/lib.rs").exists());
}

#[test]
fn a_mistake_in_one_schema_prevents_all_output() {
    let workspace =
        Workspace::new(&[("customers", CUSTOMERS), ("orders", &schema_named("orders").replace("bigint", "integr"))]);
    let before = workspace.files();
    let (status, stdout, stderr) = workspace.outcome(&[]);
    assert_eq!((status, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("error[unknown-type]: unknown column type `integr`\n"), "{stderr}");
    assert!(stderr.ends_with("\n1 error in 1 of 2 schemas; nothing was written\n"), "{stderr}");
    assert_eq!(workspace.files(), before);
    let (status, stdout, _) = workspace.outcome(&["--format", "json"]);
    assert_eq!(status, 1);
    let array: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(array[0]["code"], "unknown-type");
}

#[test]
fn a_missing_folder_is_a_machine_fault() {
    let empty = TempDir::new().unwrap();
    let output = command(PROGRAM).arg("--root").arg(empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: cannot list the schemas in schemas/: "), "{stderr}");
}

#[test]
fn an_unwritable_file_is_a_machine_fault() {
    let workspace = Workspace::new(&[("customers", CUSTOMERS)]);
    // A folder in the place of an output file cannot be replaced.
    fs::create_dir_all(workspace.path("schemas/table.schema.json/taken")).unwrap();
    let (status, _, stderr) = workspace.outcome(&[]);
    assert_eq!(status, 2);
    assert!(stderr.starts_with("error: cannot read schemas/table.schema.json: "), "{stderr}");
}

#[test]
fn the_committed_artifacts_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = generator::generate(&source::read_all(&root).unwrap()).unwrap();
    let stale = generator::output::compare(&root, &files).unwrap();
    assert!(stale.is_empty(), "{stale:?}");
}

#[test]
fn a_generated_table_equals_its_model() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let models = generator::read(&source::read_all(&root).unwrap()).unwrap().tables;
    assert_eq!(models.len(), generated::TABLES.len());
    for (model, generated) in models.iter().zip(generated::TABLES) {
        assert_eq!(table(model), *generated);
    }
}

#[test]
fn the_order_of_schemas_does_not_change_the_output() {
    let sources = [Source::new("schemas/a.yaml", schema_named("a")), Source::new("schemas/b.yaml", schema_named("b"))];
    let reversed = [sources[1].clone(), sources[0].clone()];
    assert_eq!(generator::generate(&sources), generator::generate(&reversed));
}

#[test]
fn a_thousand_tables_of_twenty_columns_can_be_generated() {
    let source = |number: usize| {
        let columns: String =
            (1..20).map(|c| format!("  - {{ name: c{c}, type: \"decimal(12,2)\", nullable: true }}\n")).collect();
        let yaml =
            format!("table: t{number:04}\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: bigint }}\n{columns}");
        Source::new(format!("schemas/t{number:04}.yaml"), yaml)
    };
    let sources: Vec<Source> = (0..1000).map(source).collect();
    assert_eq!(generator::generate(&sources).unwrap().len(), 8017);
}

#[test]
fn the_schema_hash_covers_only_what_affects_a_delta() {
    let hash = |yaml: &str| generator::parse(yaml).unwrap().schema_hash();
    let base = hash(CUSTOMERS);
    let without_effect = [
        CUSTOMERS.replace("One row per customer.", "Customers."),
        CUSTOMERS.replace(", description: As on the invoice", ", pii: true, compare: true"),
        format!("{CUSTOMERS}guards: {{ min_rows: 7 }}\nengine: {{ athena: false }}\n"),
        format!("{CUSTOMERS}expect: {{ by: \"06:00\", zone: Europe/Vienna, tenants: [acme] }}\n"),
        format!("{CUSTOMERS}source: {{ delimiter: \",\", nulls: [\"\"] }}\n"),
        CUSTOMERS.replace("{ name: id, type: bigint }", "{ type: bigint, name: id }"),
    ];
    for yaml in without_effect {
        assert_eq!(hash(&yaml), base, "{yaml}");
    }
    let with_effect = [
        schema_named("clients"),
        CUSTOMERS.replace("bigint", "int"),
        CUSTOMERS.replace(", nullable: true", ""),
        CUSTOMERS.replace("nullable: true", "nullable: true, compare: false"),
        CUSTOMERS.replace("nullable: true", "nullable: true, trim: true"),
        CUSTOMERS.replace("nullable: true", "nullable: true, publish: false"),
        CUSTOMERS.replace("nullable: true", "nullable: true, publish: hmac") + "engine: { athena: false }\n",
        CUSTOMERS.replace("nullable: true", "nullable: true, default: x"),
        CUSTOMERS.replace("nullable: true", "nullable: true, formerly: x"),
        CUSTOMERS.replace("primary_key: [id]", "primary_key: [id, note]") + "  - { name: note, type: string }\n",
        format!("{CUSTOMERS}  - {{ name: note, type: string }}\n"),
        format!("{CUSTOMERS}source: {{ nulls: [x] }}\n"),
        format!("{CUSTOMERS}source: {{ complete: manifest }}\n"),
        format!("{CUSTOMERS}operations: {{ before_image: true }}\n"),
    ];
    for yaml in with_effect {
        assert_ne!(hash(&yaml), base, "{yaml}");
    }
    let nulls = |list: &str| hash(&format!("{CUSTOMERS}source: {{ nulls: {list} }}\n"));
    assert_eq!(nulls("[a, b]"), nulls("[b, a]"));
    // If this changes, every table gets another hash, and every version a new plan.
    assert_eq!(base, "547e24f6b19b13f91c4127bac1ca0054");
}
