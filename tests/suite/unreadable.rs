//! Something among the exports that cannot be read stops nothing but itself.

mod commands;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::workspace::Workspace;

const GOOD: &str = "PK1;1;a;x\n";

const ALL: [&str; 6] = [
    "acme/test_table/V1",
    "acme/test_table/V2",
    "acme/products/V1",
    "globex/test_table/V1",
    "initech/test_table/V1",
    "initech/test_table/V2",
];

/// Exports of three tenants, with one path that nobody may read.
fn workspace(unreadable: &str) -> Workspace {
    let workspace = Workspace::new();
    for version in ALL.iter().filter(|version| version.contains("test_table")) {
        workspace.export(version, GOOD);
    }
    workspace.drop_root();
    fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o000)).unwrap();
    workspace
}

/// The versions that were published.
fn published(workspace: &Workspace) -> Vec<&'static str> {
    ALL.into_iter().filter(|version| !workspace.published(version).is_empty()).collect()
}

/// Lets the workspace be removed.
fn restore(workspace: &Workspace, unreadable: &str) {
    fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn whatever_cannot_be_read_stops_nothing_but_itself() {
    for (unreadable, expected) in [
        (
            "exports/globex",
            &["acme/test_table/V1", "acme/test_table/V2", "initech/test_table/V1", "initech/test_table/V2"][..],
        ),
        (
            "exports/globex/test_table",
            &["acme/test_table/V1", "acme/test_table/V2", "initech/test_table/V1", "initech/test_table/V2"],
        ),
        (
            "exports/acme/test_table/V1",
            &["acme/test_table/V2", "globex/test_table/V1", "initech/test_table/V1", "initech/test_table/V2"],
        ),
        (
            "exports/acme/test_table/V1/part.csv.gz",
            &["acme/test_table/V2", "globex/test_table/V1", "initech/test_table/V1", "initech/test_table/V2"],
        ),
    ] {
        let workspace = workspace(unreadable);
        let output = workspace.run();
        assert_eq!(output.status, 2, "{unreadable}: {}", output.transcript());
        assert_eq!(output.stderr.matches("error: ").count(), 1, "{unreadable}: {}", output.stderr);
        assert!(output.stderr.contains(unreadable) && output.stderr.contains("Permission denied"), "{}", output.stderr);
        assert_eq!(published(&workspace), expected, "{unreadable}");
        // A folder is reported as long as it lasts; a version, once more when it is superseded.
        let again = if unreadable.ends_with(".gz") { 1 } else { 2 };
        assert_eq!(workspace.run().status, again, "{unreadable}");
        restore(&workspace, unreadable);
        let healed = workspace.run();
        assert_eq!(healed.status, 0, "{unreadable}: {}", healed.transcript());
    }
}

#[test]
fn a_version_that_was_never_read_is_not_forgotten_when_a_newer_one_succeeds() {
    let unreadable = "exports/acme/test_table/V1/part.csv.gz";
    let workspace = workspace(unreadable);
    assert_eq!(workspace.run().status, 2);
    let superseding = workspace.run();
    assert_eq!(superseding.status, 1, "{}", superseding.transcript());
    assert!(superseding.stdout.contains("SUPERSEDED") && superseding.stdout.contains("Permission denied"));
    assert_eq!(workspace.run().status, 0, "it is reported once");
    let status = workspace.tidemark(&["status"]).stdout;
    assert!(status.contains("SUPERSEDED  was REGISTERED when V2 succeeded: cannot open"), "{status}");
    let check = workspace.tidemark(&["status", "--check"]);
    assert_eq!((check.status, check.stdout.lines().count()), (1, 1), "{}", check.transcript());
    assert!(check.stdout.contains("acme/test_table/V1  SUPERSEDED"), "{}", check.stdout);
    restore(&workspace, unreadable);
    // The next version that succeeds has all rows as they are then.
    workspace.export("acme/test_table/V3", "PK1;3;a;x\n");
    assert_eq!(workspace.run().status, 0);
    assert!(!workspace.tidemark(&["status"]).stdout.contains("SUPERSEDED"));
    assert!(workspace.tidemark(&["history", "acme/test_table"]).stdout.contains("Permission denied"));
}

#[test]
fn a_version_that_becomes_readable_in_time_leaves_no_trace() {
    let unreadable = "exports/globex/test_table/V1/part.csv.gz";
    let workspace = workspace(unreadable);
    assert_eq!(workspace.run().status, 2);
    restore(&workspace, unreadable);
    assert_eq!(workspace.run().status, 0);
    let history = workspace.tidemark(&["history", "globex/test_table"]).stdout;
    assert!(history.contains("SUCCEEDED") && !history.contains("Permission denied"), "{history}");
}

#[test]
fn a_manifest_that_cannot_be_read_is_reported_as_long_as_it_lasts() {
    let workspace = Workspace::from_schemas();
    let schema = "table: t\ndescription: A table.\nprimary_key: [id]\nsource: { complete: manifest }\ncolumns: [{ name: id, type: int }]\n";
    workspace.write("schemas/t.yaml", schema.as_bytes());
    let part = crate::workspace::gzip(b"id\n1\n");
    workspace.write("exports/acme/t/V1/a.csv.gz", &part);
    let manifest = serde_json::json!({"parts": [{"name": "a.csv.gz", "size": part.len(), "rows": 1}]});
    let path = "exports/acme/t/V1/_manifest.json";
    workspace.write(path, manifest.to_string().as_bytes());
    workspace.drop_root();
    fs::set_permissions(workspace.path(path), Permissions::from_mode(0o000)).unwrap();
    for _ in 0..2 {
        let output = workspace.run();
        assert_eq!(output.status, 1, "{}", output.transcript());
        assert!(output.stderr.contains(path) && output.stderr.contains("Permission denied"), "{}", output.stderr);
        let status = workspace.tidemark(&["status"]).stdout;
        assert!(status.contains("WAITING  waits for _manifest.json to be readable"), "{status}");
    }
    restore(&workspace, path);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/t")["V1"], "SUCCEEDED");
}

#[test]
fn a_registered_version_that_can_no_longer_be_read_does_not_stop_newer_ones() {
    for unreadable in ["exports/acme/test_table/V2", "exports/acme/test_table/V2/part.csv.gz"] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", GOOD);
        workspace.run();
        workspace.export("acme/test_table/V2", "PK1;one;a;x\n");
        workspace.run();
        workspace.tidemark(&["retry", "acme/test_table/V2"]);
        assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
        workspace.export("acme/test_table/V3", "PK1;2;a;x\n");
        workspace.drop_root();
        fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o000)).unwrap();
        let output = workspace.run();
        assert_eq!(output.status, 2, "{unreadable}: {}", output.transcript());
        assert_eq!(output.stderr.matches("error: ").count(), 1, "{}", output.stderr);
        assert_eq!(workspace.statuses("acme/test_table")["V3"], "SUCCEEDED", "{}", output.transcript());
        restore(&workspace, unreadable);
    }
}

#[test]
fn a_baseline_that_cannot_be_read_stops_its_table_and_no_other() {
    let workspace = Workspace::new();
    for tenant in ["acme", "globex"] {
        workspace.export(&format!("{tenant}/test_table/V1"), GOOD);
    }
    workspace.run();
    for tenant in ["acme", "globex"] {
        workspace.export(&format!("{tenant}/test_table/V2"), "PK1;2;a;x\n");
        workspace.export(&format!("{tenant}/test_table/V3"), "PK1;3;a;x\n");
    }
    workspace.drop_root();
    let unreadable = "exports/acme/test_table/V1/part.csv.gz";
    fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o000)).unwrap();
    let output = workspace.run();
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert_eq!(output.stderr.matches("error: ").count(), 1, "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/test_table")["V3"], "REGISTERED");
    assert_eq!(workspace.statuses("globex/test_table")["V3"], "SUCCEEDED");
}

#[test]
fn what_is_not_selected_is_neither_read_nor_reported() {
    for unreadable in ["exports/globex", "exports/globex/test_table", "exports/initech/test_table/V1"] {
        let workspace = workspace(unreadable);
        workspace.write("exports/globex.txt", b"");
        workspace.write("exports/initech/stray", b"");
        workspace.write("exports/initech/lost+found/x", b"");
        let output = workspace.tidemark(&["run", "exports", "--tenant", "acme"]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{unreadable}: {}", output.transcript());
        assert_eq!(published(&workspace), ["acme/test_table/V1", "acme/test_table/V2"]);
        restore(&workspace, unreadable);
    }
}

#[test]
fn nothing_but_a_selected_table_is_read() {
    let unreadable = "exports/globex/products";
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace.export("globex/products/V1", GOOD);
    workspace.export("globex/unknown/V1", GOOD);
    workspace.write("exports/globex/stray", b"");
    workspace.drop_root();
    fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o000)).unwrap();
    let output = workspace.tidemark(&["run", "exports", "--table", "test_table"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{}", output.transcript());
    assert_eq!(published(&workspace), ["acme/test_table/V1"]);
    restore(&workspace, unreadable);
}

#[test]
fn a_selected_tenant_is_found_below_a_root_that_may_not_be_listed() {
    let workspace = workspace("exports/globex");
    fs::set_permissions(workspace.path("exports"), Permissions::from_mode(0o311)).unwrap();
    let whole = workspace.run();
    assert_eq!(whole.status, 2, "{}", whole.transcript());
    assert!(whole.stderr.contains("cannot list exports"), "{}", whole.stderr);
    let output = workspace.tidemark(&["run", "exports", "--tenant", "acme"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{}", output.transcript());
    restore(&workspace, "exports");
    restore(&workspace, "exports/globex");
}

#[test]
fn a_selected_tenant_that_is_a_link_or_a_file_is_reported_and_not_followed() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    std::os::unix::fs::symlink("acme", workspace.path("exports/linked")).unwrap();
    std::os::unix::fs::symlink("loop", workspace.path("exports/loop")).unwrap();
    workspace.write("exports/file", b"");
    for tenant in ["linked", "loop", "file"] {
        let output = workspace.tidemark(&["run", "exports", "--tenant", tenant]);
        assert_eq!(output.status, 0, "{tenant}: {}", output.transcript());
        assert!(output.stderr.contains(&format!("note: exports/{tenant}: ")), "{tenant}: {}", output.stderr);
        assert!(workspace.published(&format!("{tenant}/test_table/V1")).is_empty());
    }
}
