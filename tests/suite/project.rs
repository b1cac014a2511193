//! `init`: projects outside of this repository.

#[cfg(feature = "aws")]
mod compiled;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::workspace::{Workspace, files, gzip};

const CUSTOMERS: &str = "id,name,since\n1,Ann,2026-01-02\n2,Bob,2026-01-03\n";

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().map(|path| path.to_string_lossy().into_owned()).collect()
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
fn what_a_schema_says_about_the_generator_stays_as_it_is() {
    let description = "Unlike in Tidemark itself, `cargo run -p generator` is not how this is made.";
    let yaml = format!(
        "{{ table: t, description: \"{description}\", primary_key: [id], columns: [{{ name: id, type: int }}] }}"
    );
    let table = generator::parse(&yaml).unwrap();
    let files = generator::emit_by("cargo run -p generate", &[table]);
    for path in ["generated/src/t.rs", "generated/ddl/t.sql", "generated/postgres/t.sql", "generated/sqlite/t.sql"] {
        assert!(files[path].contains("`cargo run -p generator` is not how"), "{}", files[path]);
    }
    for (path, text) in &files {
        assert!(text.replace(description, "").find(generator::COMMAND).is_none(), "{path}: {text}");
        // The definition of the flow has no comments.
        assert!(path.ends_with("flow.asl.json") || text.contains("`cargo run -p generate`"), "{path}: {text}");
    }
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
