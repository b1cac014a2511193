//! `init`: projects outside of this repository, and this repository without its samples.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use generator::source::Source;
use runtime::table::Table;
use serde_json::Value;

use crate::generator::PROGRAM as GENERATOR;
use crate::limits::command;
use crate::workspace::{Workspace, files, gzip};

const CUSTOMERS: &str = "id,name,since\n1,Ann,2026-01-02\n2,Bob,2026-01-03\n";

/// A test of a project, with the types of its table.
const TYPED: &str = "\
#[test]
fn a_row_has_a_key() {
    let key = generated::customers::Key { id: 1 };
    assert_eq!(key.id, 1);
    assert_eq!(generated::TABLES.len(), 1);
}
";

/// The checkout.
fn clone() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().map(|path| path.to_string_lossy().into_owned()).collect()
}

/// Cargo in a folder. It builds where this suite was built, with the same profile, so that it compiles hardly anything
/// but the folder's own crates; without the network.
fn cargo(folder: &Path, arguments: &[&str]) -> Command {
    let mut cargo = command(env!("CARGO"));
    let target = Path::new(env!("CARGO_BIN_EXE_tidemark-under-test")).ancestors().nth(2).unwrap();
    cargo.arg("--offline").args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target);
    // Cargo tells tests about the package that they belong to.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "CARGO_MANIFEST_DIR")
    {
        cargo.env_remove(name);
    }
    cargo
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The profile of this repository for builds of tests, as cargo's configuration.
fn profile() -> String {
    let manifest = fs::read_to_string(clone().join("Cargo.toml")).unwrap();
    let (start, end) = (manifest.find("[profile.dev]").unwrap(), manifest.find("[profile.release]").unwrap());
    manifest[start..end].to_owned()
}

#[test]
fn a_project_has_a_place_for_everything() {
    let workspace = Workspace::installed();
    workspace.write("customers.csv", CUSTOMERS.as_bytes());
    workspace.write("orders.csv.gz", &gzip(b"order,total\n7,1.50\n8,2.00\n"));
    let output = workspace.tidemark(&["init", "shop", "customers.csv", "orders.csv.gz", "--tenant", "acme"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert_eq!(
        names(&workspace.path("shop")),
        [
            ".ci/check",
            ".gitignore",
            "README.md",
            "exports/.gitignore",
            "exports/acme/customers/V1/customers.csv",
            "exports/acme/orders/V1/orders.csv.gz",
            "schemas/customers.yaml",
            "schemas/orders.yaml",
            "schemas/table.schema.json",
        ]
    );
    let mode = |path: &str| fs::metadata(workspace.path(path)).unwrap().permissions().mode() & 0o111;
    assert_ne!(mode("shop/.ci/check"), 0);
    assert_eq!(mode("shop/README.md"), 0);
    let readme = fs::read_to_string(workspace.path("shop/README.md")).unwrap();
    assert!(readme.starts_with("# shop\n") && readme.contains("exports/acme/customers/V2"), "{readme}");
    assert!(readme.lines().count() < 50 && !readme.contains('{'), "{readme}");
}

#[test]
fn a_project_can_begin_without_a_table() {
    let workspace = Workspace::installed();
    fs::create_dir(workspace.path("here")).unwrap();
    let output = workspace.tidemark(&["init", "here", "--format", "json"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let made: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(made["next"][1], "tidemark infer FILE -o schemas/TABLE.yaml");
    assert_eq!(made["files"].as_array().unwrap().len(), names(&workspace.path("here")).len());
}

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let workspace = Workspace::installed();
    workspace.write("customers.csv", CUSTOMERS.as_bytes());
    workspace.write("shop/.hidden", b"");
    let output = workspace.tidemark(&["init", "shop", "customers.csv"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("shop: the folder is not empty, and nothing was written"), "{}", output.stderr);
    assert_eq!(names(&workspace.path("shop")), [".hidden"]);
    assert_eq!(workspace.tidemark(&["init", "customers.csv"]).status, 2);
}

#[test]
fn if_a_file_has_no_schema_nothing_is_written() {
    let workspace = Workspace::installed();
    workspace.write("customers.csv", CUSTOMERS.as_bytes());
    workspace.write("empty.csv", b"");
    workspace.write("_hidden.csv", CUSTOMERS.as_bytes());
    workspace.write("other/customers.csv", CUSTOMERS.as_bytes());
    for (file, status, expected) in [
        ("empty.csv", 1, "there is no row in it"),
        ("missing.csv", 2, "no such file"),
        ("_hidden.csv", 2, "is never part of an export"),
        ("other", 2, "it is a folder"),
        ("other/customers.csv", 2, "another file is of the table `customers`, too"),
    ] {
        let output = workspace.tidemark(&["init", "shop", "customers.csv", file]);
        assert_eq!(output.status, status, "{file}: {}", output.stderr);
        assert!(output.stderr.contains(expected), "{file}: {}", output.stderr);
        assert!(!workspace.path("shop").exists(), "{file}");
    }
    let tenant = workspace.tidemark(&["init", "shop", "customers.csv", "--tenant", "../x"]);
    assert!(tenant.stderr.contains("is not a valid tenant name"), "{}", tenant.stderr);
}

#[test]
fn a_workspace_needs_the_crates_of_a_clone() {
    let workspace = Workspace::installed();
    let refused = workspace.tidemark(&["init", "shop", "--workspace", "."]);
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("this is not a clone of Tidemark"), "{}", refused.stderr);
    assert!(!workspace.path("shop").exists());
    let address = "https://example.com/tidemark.git";
    assert_eq!(workspace.tidemark(&["init", "shop", "--workspace", address]).status, 0);
    let manifest = fs::read_to_string(workspace.path("shop/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("generator = {{ git = \"{address}\" }}")), "{manifest}");
}

#[test]
fn a_workspace_outside_of_this_repository_is_generated_built_and_tested() {
    let workspace = Workspace::installed();
    workspace.write("customers.csv", CUSTOMERS.as_bytes());
    let clone = clone();
    let made = workspace.tidemark(&["init", "shop", "customers.csv", "--workspace", clone.to_str().unwrap()]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    let shop = workspace.path("shop");
    workspace.write("shop/.cargo/config.toml", profile().as_bytes());
    // What `init` wrote is what the project's own generator writes.
    succeed(cargo(&shop, &["run", "--quiet", "--package", "generate", "--", "--check"]));
    workspace.write("shop/generated/tests/typed.rs", TYPED.as_bytes());
    let tested = succeed(cargo(&shop, &["test", "--package", "generated", "--test", "typed"]));
    assert!(tested.contains("1 passed"), "{tested}");
    // A second table.
    workspace
        .write("shop/schemas/orders.yaml", b"{ table: orders, primary_key: [id], columns: [{ name: id, type: int }] }");
    succeed(cargo(&shop, &["run", "--quiet", "--package", "generate"]));
    succeed(cargo(&shop, &["check", "--package", "generated"]));
    let module = fs::read_to_string(shop.join("generated/src/orders.rs")).unwrap();
    assert!(module.starts_with("// Generated by `cargo run -p generate` from schemas/orders.yaml."), "{module}");
}

/// The schema of every case, each under a name of its own; and those of the samples.
fn schemas() -> Vec<Source> {
    let mut schemas = generator::source::read_all(&clone()).unwrap();
    let mut cases: Vec<PathBuf> = fs::read_dir(clone().join("tests/cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("schema.yaml"))
        .collect();
    cases.retain(|schema| schema.is_file());
    cases.sort();
    assert!(cases.len() > 200);
    for (number, case) in cases.iter().enumerate() {
        let yaml = fs::read_to_string(case).unwrap();
        let renamed = yaml.replace("table: t\n", &format!("table: case_{number}\n"));
        assert_ne!(renamed, yaml, "{}", case.display());
        schemas.push(Source::new(format!("schemas/case_{number}.yaml"), renamed));
    }
    schemas
}

#[test]
fn compiled_tables_are_those_read_at_start_for_every_sample_and_case() {
    let schemas = schemas();
    let generated = generator::generate(&schemas).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let tables: Vec<&Table> = generator::read(&schemas)
        .unwrap()
        .tables
        .iter()
        .map(|model| runtime::schemas::table(model) as &Table)
        .collect();
    let mut main = "#![allow(unused_imports)]\n".to_owned();
    for table in &tables {
        let module = &generated[&format!("generated/src/{}.rs", table.name)];
        // Tenants of a table share a constant above it.
        let start = module.find("const COMMON").or_else(|| module.find("/// The definition of")).unwrap();
        write(&format!("src/{}.rs", table.name), &format!("use runtime::table::*;\n{}", &module[start..]));
        main.push_str(&format!("mod {};\n", table.name));
    }
    let names: Vec<String> = tables.iter().map(|table| format!("&{}::TABLE", table.name)).collect();
    main.push_str(&format!("fn main() {{ print!(\"{{:#?}}\", [{}]); }}\n", names.join(", ")));
    write("src/main.rs", &main);
    for (path, text) in generated.iter().filter(|(path, _)| path.ends_with(".sql")) {
        write(path.strip_prefix("generated/").unwrap(), text);
    }
    let runtime = clone().join("runtime");
    let manifest = format!(
        "[package]\nname = \"compiled\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nruntime = {{ path = {:?}, default-features = false }}\n",
        runtime.to_str().unwrap()
    );
    write("Cargo.toml", &manifest);
    write("Cargo.lock", &fs::read_to_string(clone().join("Cargo.lock")).unwrap());
    write(".cargo/config.toml", &profile());
    assert_eq!(succeed(cargo(folder.path(), &["run", "--quiet"])), format!("{tables:#?}"));
}

/// Copies what git tracks of this repository, except for what is not needed here.
fn copy_of_clone(to: &Path) {
    for name in ["generator", "runtime", "generated", "tidemark", "infra", "schemas", "samples", "tests", ".cargo"] {
        succeed({
            let mut copy = command("cp");
            copy.arg("-r").args([&clone().join(name), &to.join(name)]);
            copy
        });
    }
    for name in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(clone().join(name), to.join(name)).unwrap();
    }
}

/// The commands of CONTRIBUTING.md that remove the samples.
fn removal() -> String {
    let page = fs::read_to_string(clone().join("CONTRIBUTING.md")).unwrap();
    let start = page.find("rm -r samples").unwrap();
    page[start..start + page[start..].find("```").unwrap()].to_owned()
}

#[test]
fn a_clone_without_the_samples_generates_and_compiles() {
    let folder = tempfile::tempdir().unwrap();
    copy_of_clone(folder.path());
    let mut shell = command("sh");
    shell.args(["-ec", &removal()]).current_dir(folder.path());
    succeed(shell);
    let schema = "{ table: invoices, primary_key: [id], columns: [{ name: id, type: int }] }\n";
    fs::write(folder.path().join("schemas/invoices.yaml"), schema).unwrap();
    let generate = |arguments: &[&str]| {
        let mut generator = command(GENERATOR);
        generator.args(arguments).arg("--root").arg(folder.path());
        succeed(generator)
    };
    generate(&[]);
    generate(&["--check"]);
    let generated = names(&folder.path().join("generated/src"));
    assert_eq!(generated, ["athena.rs", "bin/bootstrap.rs", "bin/tidemark.rs", "invoices.rs", "lib.rs"]);
    // Every crate that is left is found, and the types compile.
    let metadata = succeed(cargo(folder.path(), &["metadata", "--no-deps", "--format-version", "1"]));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package))
        .collect();
    assert_eq!(packages.keys().copied().collect::<Vec<_>>(), ["generated", "generator", "runtime", "tidemark"]);
    succeed(cargo(folder.path(), &["check", "--package", "generated", "--lib", "--no-default-features"]));
}
