//! The Python reader of `docs/wire-format.md` over the samples: a consumer that shares no code with Tidemark.

use std::path::Path;

use crate::limits::command;
use crate::schema_changes::orders_through_its_schemas;
use crate::stack::Stack;
use crate::workspace::Workspace;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples");

#[test]
fn python_rebuilds_every_sample_table_and_finds_its_fingerprints() {
    let workspace = Workspace::new();
    assert_eq!(workspace.tidemark(&["run", &format!("{SAMPLES}/exports")]).status, 0);
    let mut versions = 0;
    for tenant in ["acme", "globex"] {
        for table in generated::TABLES {
            let schema = workspace.tidemark(&["tables", table.name, "--format", "json"]).stdout;
            let schema = workspace.write(&format!("{}.json", table.name), schema.as_bytes());
            let folder = workspace.path("out").join(tenant).join(table.name);
            versions += check(&schema, &folder).unwrap_or_else(|error| panic!("{tenant}/{}: {error}", table.name));
        }
    }
    assert_eq!(versions, 37);
}

#[test]
fn python_carries_rows_over_to_every_schema() {
    let workspace = orders_through_its_schemas();
    let schema = workspace.tidemark(&["tables", "orders", "--format", "json"]).stdout;
    let schema = workspace.write("orders.json", schema.as_bytes());
    let folder = workspace.path("out/acme/orders");
    assert_eq!(check(&schema, &folder), Ok(5));
    // A value of a row that was last sent in V1 is another one.
    let part = workspace.parts("acme/orders/V1").remove(0);
    let text = crate::workspace::gunzip(&part).replacen("a@x", "b@x", 1);
    std::fs::write(&part, crate::workspace::gzip(text.as_bytes())).unwrap();
    assert!(check(&schema, &folder).unwrap_err().contains("AssertionError"));
}

#[test]
fn python_notices_a_changed_value() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "k1;1;a;b\nk2;2;c;d\n");
    workspace.run();
    let schema = workspace.tidemark(&["tables", "test_table", "--format", "json"]).stdout;
    let schema = workspace.write("test_table.json", schema.as_bytes());
    let folder = workspace.path("out/acme/test_table");
    assert_eq!(check(&schema, &folder), Ok(1));
    let part = workspace.parts("acme/test_table/V1").remove(0);
    let text = crate::workspace::gunzip(&part).replace(r#""COL_2":"c""#, r#""COL_2":"x""#);
    std::fs::write(&part, crate::workspace::gzip(text.as_bytes())).unwrap();
    assert!(check(&schema, &folder).unwrap_err().contains("AssertionError"));
}

/// Runs the reader, and returns how many versions it checked.
fn check(schema: &Path, folder: &Path) -> Result<usize, String> {
    let mut command = command(Stack::get().python());
    let output = command.arg(format!("{SAMPLES}/check_end.py")).args([schema, folder]).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().lines().count())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}
