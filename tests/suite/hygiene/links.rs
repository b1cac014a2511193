//! Symbolic links: none below the root of the exports is followed.

use std::fs;

use crate::hygiene::{GOOD, copy_sample, link, tree};
use crate::workspace::{Workspace, gzip};

const NOT_FOLLOWED: &str = "a symbolic link, which is never followed";

/// Exports with a good version, and a tree of exports outside the root.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    for version in ["V1", "V2", "V3"] {
        workspace.write(&format!("elsewhere/test_table/{version}/part.csv.gz"), &gzip(GOOD.as_bytes()));
    }
    workspace
}

/// The paths of the strays that a run reports, and how many of them are links.
fn strays(workspace: &Workspace) -> (Vec<String>, usize) {
    let (status, report) = workspace.run_json();
    assert_eq!(status, 0, "{report:#}");
    let strays = report["strays"].as_array().unwrap();
    let mut paths: Vec<String> = strays.iter().map(|stray| stray["path"].as_str().unwrap().to_owned()).collect();
    paths.sort();
    (paths, strays.iter().filter(|stray| stray["problem"] == NOT_FOLLOWED && stray["help"].is_string()).count())
}

#[test]
fn linked_folders_are_reported_and_the_run_continues() {
    let workspace = workspace();
    let absolute = workspace.path("elsewhere");
    link(&workspace, "acme", "exports/inside");
    link(&workspace, &absolute, "exports/outside");
    link(&workspace, "nowhere", "exports/dangling");
    link(&workspace, ".", "exports/round");
    link(&workspace, "../elsewhere/test_table/V1/part.csv.gz", "exports/to_a_file");
    link(&workspace, "../../elsewhere/test_table", "exports/globex/test_table");
    link(&workspace, "V1", "exports/acme/test_table/V2");
    link(&workspace, absolute.join("test_table/V3"), "exports/acme/test_table/V3");
    let (paths, links) = strays(&workspace);
    let expected = [
        "acme/test_table/V2",
        "acme/test_table/V3",
        "dangling",
        "globex/test_table",
        "inside",
        "outside",
        "round",
        "to_a_file",
    ];
    assert_eq!(paths, expected.map(|path| format!("exports/{path}")));
    assert_eq!(links, expected.len());
    // The targets of the links are neither registered nor published.
    let status: serde_json::Value =
        serde_json::from_str(&workspace.tidemark(&["status", "--format", "json"]).stdout).unwrap();
    assert_eq!(status.as_array().unwrap().len(), 1, "{status:#}");
    assert_eq!(Vec::from_iter(workspace.statuses("acme/test_table")), [("V1".into(), "SUCCEEDED".into())]);
    assert_eq!(workspace.output().len(), 1);
}

#[test]
fn a_linked_part_is_refused_wherever_it_points() {
    for target in [
        "_aside/part.csv.gz",
        "../V1/part.csv.gz",
        "../../../../elsewhere/test_table/V1/part.csv.gz",
        "/etc/passwd",
        "nowhere",
        "..",
        "part.csv.gz",
    ] {
        let workspace = workspace();
        workspace.write("exports/acme/test_table/V2/_aside/part.csv.gz", &gzip(GOOD.as_bytes()));
        link(&workspace, target, "exports/acme/test_table/V2/part.csv.gz");
        workspace.export("acme/test_table/V3", "PK1;1;a;x\nPK2;3;b;y\n");
        let output = workspace.run();
        assert_eq!(output.status, 1, "{target}: {}", output.stdout);
        let message = format!(
            "error: exports/acme/test_table/V2/part.csv.gz: {NOT_FOLLOWED}\nhelp: replace the link by the file itself, or remove it\n"
        );
        assert!(output.stderr.contains(&message), "{target}: {}", output.stderr);
        assert!(workspace.published("acme/test_table/V2").is_empty(), "{target}");
        assert_eq!(workspace.published("acme/test_table/V3")[0]["previous"], "V1", "{target}");
    }
}

#[test]
fn a_baseline_replaced_by_a_link_stops_the_table() {
    let workspace = workspace();
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/test_table/V2", "PK1;1;a;x\nPK2;3;b;y\n");
    // The same files, reached through a link.
    fs::rename(workspace.path("exports/acme/test_table/V1"), workspace.path("moved")).unwrap();
    link(&workspace, "../../../moved", "exports/acme/test_table/V1");
    let output = workspace.run();
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stderr.contains("baseline-changed"), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("exports/acme/test_table/V1: {NOT_FOLLOWED}")), "{}", output.stderr);
    assert!(workspace.published("acme/test_table/V2").is_empty());
    fs::remove_file(workspace.path("exports/acme/test_table/V1")).unwrap();
    fs::rename(workspace.path("moved"), workspace.path("exports/acme/test_table/V1")).unwrap();
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUCCEEDED");
}

#[test]
fn a_registered_version_is_not_read_through_a_linked_parent() {
    let workspace = workspace();
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/test_table/V2", "PK1;one;a;x\n");
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.tidemark(&["retry", "acme/test_table/V2"]).status, 0);
    fs::rename(workspace.path("exports/acme"), workspace.path("moved")).unwrap();
    link(&workspace, "../moved", "exports/acme");
    let output = workspace.tidemark(&["plan", "acme/test_table/V2"]);
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stderr.contains(&format!("exports/acme: {NOT_FOLLOWED}")), "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "WAITING");
    fs::remove_file(workspace.path("exports/acme")).unwrap();
    fs::rename(workspace.path("moved"), workspace.path("exports/acme")).unwrap();
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "FAILED");
}

#[test]
fn the_exports_root_may_be_a_link_or_an_indirect_path() {
    let workspace = workspace();
    link(&workspace, "exports", "link");
    let output = workspace.tidemark(&["run", "link"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
    for root in ["exports/../exports", "./link/.", "link/../exports/"] {
        let output = workspace.tidemark(&["run", root]);
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (0, "nothing to do: 1 version known, none is new\n"),
            "{root}"
        );
    }
}

#[test]
fn a_linked_marker_or_manifest_is_not_followed() {
    let workspace = Workspace::new();
    for (version, file) in
        [("acme/web_events/20260101_V0001", "_SUCCESS"), ("acme/ledger_entries/20260101_V0001", "_manifest.json")]
    {
        let folder = copy_sample(&workspace, version);
        let aside = workspace.path(file);
        fs::rename(folder.join(file), &aside).unwrap();
        link(&workspace, &aside, &format!("exports/{version}/{file}"));
        let output = workspace.run();
        let message = format!("{file} to be a regular file; it is a symbolic link, which is never followed");
        assert!(output.stdout.contains(&message), "{}", output.transcript());
        assert!(workspace.published(version).is_empty());
        let (key, name) = version.rsplit_once('/').unwrap();
        assert_eq!(workspace.statuses(key)[name], "WAITING");
        fs::remove_file(folder.join(file)).unwrap();
        fs::rename(aside, folder.join(file)).unwrap();
        assert_eq!(workspace.run().status, 0);
        assert_eq!(workspace.statuses(key)[name], "SUCCEEDED");
    }
}

#[test]
fn hidden_links_of_other_programs_are_ignored() {
    let workspace = workspace();
    // Links that an editor and a file system create.
    link(&workspace, "nobody@nowhere.1:2", "exports/acme/test_table/V1/.#part.csv.gz");
    link(&workspace, "/", "exports/.snapshot");
    link(&workspace, "/", "exports/acme/_trash");
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
}

#[test]
fn delta_follows_only_links_named_on_the_command_line() {
    let workspace = workspace();
    link(&workspace, "elsewhere/test_table/V1/part.csv.gz", "latest.csv.gz");
    link(&workspace, "elsewhere/test_table/V1", "latest");
    for path in ["latest.csv.gz", "latest"] {
        let output = workspace.tidemark(&["delta", "test_table", "none", path]);
        assert_eq!((output.status, output.stdout.lines().count()), (0, 2), "{path}: {}", output.stderr);
    }
    link(&workspace, "../elsewhere/test_table/V1/part.csv.gz", "folder/part.csv.gz");
    let before = tree(&workspace.path("")).into_keys().collect::<Vec<_>>();
    let output = workspace.tidemark(&["delta", "test_table", "none", "folder", "-o", "ops.ndjson"]);
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stderr.contains(&format!("folder/part.csv.gz: {NOT_FOLLOWED}")), "{}", output.stderr);
    assert_eq!(before, tree(&workspace.path("")).into_keys().collect::<Vec<_>>());
}
