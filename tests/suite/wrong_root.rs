//! A run that is given the wrong folder says which one is right, and leaves nothing behind.

use crate::workspace::{Workspace, gzip};

const GOOD: &str = "PK1;1;a;x\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("data/exports/acme/test_table/V1/part.csv.gz", &gzip(GOOD.as_bytes()));
    workspace
}

#[test]
fn a_root_that_is_too_high_or_too_low_is_recognised() {
    for (arguments, what, right) in [
        (&["data"][..], "one level above the exports", "tidemark run data/exports\n"),
        (&["data", "--tenant", "acme"], "one level above the exports", "tidemark run data/exports --tenant acme\n"),
        (&["data/exports/acme"], "the folder of one tenant", "tidemark run ~/data/exports --tenant acme\n"),
        (
            &["data/exports/acme/test_table"],
            "the folder of one table",
            "tidemark run ~/data/exports --tenant acme --table test_table\n",
        ),
        (
            &["data/exports/acme/test_table/V1"],
            "the folder of one version",
            "tidemark run ~/data/exports --tenant acme --table test_table\n",
        ),
    ] {
        let workspace = workspace();
        let output = workspace.tidemark(&[&["run"], arguments].concat());
        assert_eq!(output.status, 2, "{arguments:?}: {}", output.transcript());
        assert!(output.stderr.contains(what), "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(right), "{arguments:?}: {}", output.stderr);
        for left in [".tidemark", "out"] {
            assert!(!workspace.path(left).exists(), "{arguments:?}: {left}");
        }
    }
}

#[test]
fn a_right_root_is_not_mistaken_for_a_wrong_one() {
    // A tenant with the name of a table, a version with the name of a table, and a root with the name of a table.
    let workspace = Workspace::new();
    for version in ["test_table/test_table/V1", "acme/test_table/orders"] {
        workspace.write(&format!("orders/{version}/part.csv.gz"), &gzip(GOOD.as_bytes()));
    }
    let output = workspace.tidemark(&["run", "orders"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    for version in ["test_table/test_table/V1", "acme/test_table/orders"] {
        assert!(!workspace.published(version).is_empty(), "{version}");
    }
    // Only tables without a schema: nothing says that the root is wrong.
    let workspace = Workspace::new();
    workspace.export("acme/unknown/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    // Nothing at all, in a folder with the name of a table.
    assert_eq!(Workspace::new().run().status, 0);
    let workspace = Workspace::new();
    std::fs::create_dir_all(workspace.path("orders/exports")).unwrap();
    for empty in ["orders", "orders/exports"] {
        assert_eq!(workspace.tidemark(&["run", empty]).status, 0, "{empty}");
    }
}
