//! `verify`, `gc`, `replay` and `why`: what cannot be read is reported with what it concerns, and the rest is done.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::Value;

use crate::workspace::{CommandOutput, Workspace};

/// Two tenants with two published versions each.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for tenant in ["acme", "globex"] {
        for number in 1..=2 {
            workspace.export(&format!("{tenant}/test_table/V{number}"), &format!("PK1;{number};a;x\n"));
        }
    }
    assert_eq!(workspace.run().status, 0);
    workspace.drop_root();
    workspace
}

fn set_mode(workspace: &Workspace, path: &str, mode: u32) {
    fs::set_permissions(workspace.path(path), Permissions::from_mode(mode)).unwrap();
}

/// The only entry of a folder.
fn only_entry(workspace: &Workspace, folder: &str) -> String {
    let entries: Vec<PathBuf> =
        fs::read_dir(workspace.path(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{folder}");
    format!("{folder}/{}", entries[0].file_name().unwrap().to_string_lossy())
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript()))
}

#[test]
fn verify_checks_whatever_it_can_read() {
    for (unreadable, is_published) in [
        ("exports/acme/test_table/V1", false),
        ("exports/acme/test_table/V1/part.csv.gz", false),
        ("out/acme/test_table/V1", true),
        ("PART", true),
    ] {
        let workspace = workspace();
        let part = only_entry(&workspace, "out/acme/test_table/V1");
        let unreadable = if unreadable == "PART" { &part } else { unreadable };
        set_mode(&workspace, unreadable, 0o000);
        let output = workspace.tidemark(&["verify", "--format", "json"]);
        assert_eq!(output.status, 2, "{unreadable}: {}", output.transcript());
        let report = json(&output);
        let versions = report["versions"].as_array().unwrap();
        assert_eq!((versions.len(), &report["unreadable"], &report["wrong"]), (4, &1.into(), &0.into()));
        for version in versions {
            let is_unreadable = version["tenant"] == "acme" && version["version"] == "V1";
            for (what, concerns) in [("export", !is_published), ("published", is_published)] {
                let expected = if is_unreadable && concerns { "unreadable" } else { "same" };
                assert_eq!(version[what]["verdict"], expected, "{unreadable}: {version:#}");
            }
        }
        let text = workspace.tidemark(&["verify"]);
        assert_eq!(text.status, 2, "{}", text.transcript());
        assert!(text.stdout.contains("UNREADABLE") && text.stdout.contains("1 cannot be read"), "{}", text.stdout);
        assert!(text.stderr.contains("Permission denied") && !text.stderr.contains("gone"), "{}", text.stderr);
        set_mode(&workspace, unreadable, 0o755);
        assert_eq!(workspace.tidemark(&["verify"]).status, 0);
    }
}

#[test]
fn verify_checks_the_other_tables_if_a_record_is_damaged() {
    let workspace = workspace();
    let registry = Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    registry.execute("UPDATE versions SET record = '{' WHERE tenant = 'acme' AND place = 'V00012'", []).unwrap();
    drop(registry);
    let output = workspace.tidemark(&["verify", "--format", "json"]);
    assert_eq!(output.status, 2, "{}", output.transcript());
    let report = json(&output);
    assert_eq!(report["versions"].as_array().unwrap().len(), 2);
    let unchecked = &report["unchecked"][0];
    assert_eq!((&unchecked["tenant"], &unchecked["table"]), (&"acme".into(), &"test_table".into()));
    let text = workspace.tidemark(&["verify"]);
    assert!(text.stdout.contains("2 versions: 1 table cannot be checked"), "{}", text.stdout);
    assert!(text.stderr.contains("the record of acme/test_table V2 is damaged"), "{}", text.stderr);
}

#[test]
fn gc_removes_whatever_it_can() {
    let change_set = |workspace: &Workspace| only_entry(workspace, ".tidemark/changes/acme/test_table/V1");
    for unreadable in ["", "/test_table", "/test_table/V1", "/test_table/V1/HASH"] {
        let workspace = workspace();
        let path = match unreadable {
            "/test_table/V1/HASH" => change_set(&workspace),
            below => format!(".tidemark/changes/acme{below}"),
        };
        set_mode(&workspace, &path, 0o000);
        for arguments in [&["gc", "--keep", "0", "--dry-run"][..], &["gc", "--keep", "0"]] {
            let output = workspace.tidemark(arguments);
            assert_eq!(output.status, 2, "{path}: {}", output.transcript());
            assert!(output.stderr.contains(&path) && output.stderr.contains("Permission denied"), "{}", output.stderr);
            assert_eq!(output.stderr.matches("error: ").count(), 1, "{path}: {}", output.stderr);
        }
        set_mode(&workspace, &path, 0o755);
        assert!(!workspace.path(".tidemark/changes/globex").exists(), "{path}: another tenant");
        let is_other_version_there = workspace.path(".tidemark/changes/acme/test_table/V2").exists();
        assert_eq!(is_other_version_there, !path.contains("V1"), "{path}: another version");
        let healed = workspace.tidemark(&["gc", "--keep", "0"]);
        assert_eq!(healed.status, 0, "{path}: {}", healed.transcript());
        assert!(!workspace.path(".tidemark/changes/acme").exists(), "{path}");
    }
}

#[test]
fn a_change_set_that_cannot_be_read_is_not_called_gone() {
    for unreadable in [".tidemark/changes/acme/test_table", ".tidemark/changes/acme/test_table/V1", "PART"] {
        let workspace = workspace();
        let folder = only_entry(&workspace, ".tidemark/changes/acme/test_table/V1");
        let part = only_entry(&workspace, &folder);
        let unreadable = if unreadable == "PART" { &part } else { unreadable };
        set_mode(&workspace, unreadable, 0o000);
        let replay = workspace.tidemark(&["replay", "acme/test_table/V1"]);
        let why = workspace.tidemark(&["why", "acme/test_table", "PK1"]);
        let json = workspace.tidemark(&["why", "acme/test_table", "PK1", "--format", "json"]);
        set_mode(&workspace, unreadable, 0o755);
        assert_eq!(replay.status, 2, "{unreadable}: {}", replay.transcript());
        assert!(replay.stderr.contains("Permission denied") && !replay.stderr.contains("gone"), "{}", replay.stderr);
        assert_eq!(why.status, 2, "{unreadable}: {}", why.transcript());
        assert!(why.stdout.contains("its change set cannot be read") && !why.stdout.contains("gone"), "{}", why.stdout);
        let versions = self::json(&json)["versions"].clone();
        assert_eq!(versions.as_array().unwrap().len(), 2, "{versions:#}");
        assert_eq!(versions[0]["change_set"], "unreadable", "{versions:#}");
        assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V1"]).status, 0);
    }
}
