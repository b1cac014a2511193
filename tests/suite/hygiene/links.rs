//! Symbolic links: none below the root of the exports is followed.

use std::fs;

use crate::hygiene::{GOOD, copy_sample, files, link, tree};
use crate::world::{World, gzip};

const NOT_FOLLOWED: &str = "a symbolic link, which is never followed";

/// Exports with a good version, and a tree of exports outside the root.
fn world() -> World {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    for version in ["V1", "V2", "V3"] {
        world.write(&format!("elsewhere/test_table/{version}/part.csv.gz"), &gzip(GOOD.as_bytes()));
    }
    world
}

/// The paths of the strays that a run reports, and how many of them are links.
fn strays(world: &World) -> (Vec<String>, usize) {
    let (status, report) = world.run_json();
    assert_eq!(status, 1, "{report:#}");
    let strays = report["strays"].as_array().unwrap();
    let mut paths: Vec<String> = strays.iter().map(|stray| stray["path"].as_str().unwrap().to_owned()).collect();
    paths.sort();
    (paths, strays.iter().filter(|stray| stray["problem"] == NOT_FOLLOWED && stray["help"].is_string()).count())
}

#[test]
fn linked_folders_are_reported_and_the_run_continues() {
    let world = world();
    let absolute = world.path("elsewhere");
    link(&world, "acme", "exports/inside");
    link(&world, &absolute, "exports/outside");
    link(&world, "nowhere", "exports/dangling");
    link(&world, ".", "exports/round");
    link(&world, "../elsewhere/test_table/V1/part.csv.gz", "exports/to_a_file");
    link(&world, "../../elsewhere/test_table", "exports/globex/test_table");
    link(&world, "V1", "exports/acme/test_table/V2");
    link(&world, absolute.join("test_table/V3"), "exports/acme/test_table/V3");
    let (paths, links) = strays(&world);
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
        serde_json::from_str(&world.tidemark(&["status", "--format", "json"]).stdout).unwrap();
    assert_eq!(status.as_array().unwrap().len(), 1, "{status:#}");
    assert_eq!(Vec::from_iter(world.statuses("acme/test_table")), [("V1".into(), "SUCCEEDED".into())]);
    assert_eq!(files(&world.path("out")).len(), 1);
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
        let world = world();
        world.write("exports/acme/test_table/V2/_aside/part.csv.gz", &gzip(GOOD.as_bytes()));
        link(&world, target, "exports/acme/test_table/V2/part.csv.gz");
        world.export("acme/test_table/V3", "PK1;1;a;x\nPK2;3;b;y\n");
        let output = world.run();
        assert_eq!(output.status, 1, "{target}: {}", output.stdout);
        let message = format!(
            "error: exports/acme/test_table/V2/part.csv.gz: {NOT_FOLLOWED}\nhelp: put the file itself there, or take the link away\n"
        );
        assert!(output.stderr.contains(&message), "{target}: {}", output.stderr);
        assert!(world.published("acme/test_table/V2").is_empty(), "{target}");
        assert_eq!(world.published("acme/test_table/V3")[0]["previous"], "V1", "{target}");
    }
}

#[test]
fn a_baseline_replaced_by_a_link_stops_the_table() {
    let world = world();
    assert_eq!(world.run().status, 0);
    world.export("acme/test_table/V2", "PK1;1;a;x\nPK2;3;b;y\n");
    // The same files, reached through a link.
    fs::rename(world.path("exports/acme/test_table/V1"), world.path("moved")).unwrap();
    link(&world, "../../../moved", "exports/acme/test_table/V1");
    let output = world.run();
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stderr.contains("baseline-changed"), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("exports/acme/test_table/V1: {NOT_FOLLOWED}")), "{}", output.stderr);
    assert!(world.published("acme/test_table/V2").is_empty());
    fs::remove_file(world.path("exports/acme/test_table/V1")).unwrap();
    fs::rename(world.path("moved"), world.path("exports/acme/test_table/V1")).unwrap();
    assert_eq!(world.run().status, 0);
    assert_eq!(world.statuses("acme/test_table")["V2"], "SUCCEEDED");
}

#[test]
fn a_registered_version_is_not_read_through_a_linked_parent() {
    let world = world();
    assert_eq!(world.run().status, 0);
    world.export("acme/test_table/V2", "PK1;one;a;x\n");
    assert_eq!(world.run().status, 1);
    assert_eq!(world.tidemark(&["retry", "acme/test_table/V2"]).status, 0);
    fs::rename(world.path("exports/acme"), world.path("moved")).unwrap();
    link(&world, "../moved", "exports/acme");
    let output = world.tidemark(&["plan", "acme/test_table/V2"]);
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stderr.contains(&format!("exports/acme: {NOT_FOLLOWED}")), "{}", output.stderr);
    assert_eq!(world.statuses("acme/test_table")["V2"], "REGISTERED");
}

#[test]
fn the_exports_root_may_be_a_link_or_an_indirect_path() {
    let world = world();
    link(&world, "exports", "link");
    let output = world.tidemark(&["run", "link"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
    for root in ["exports/../exports", "./link/.", "link/../exports/"] {
        let output = world.tidemark(&["run", root]);
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (0, "nothing to do: 1 version known, none is new\n"),
            "{root}"
        );
    }
}

#[test]
fn a_linked_marker_or_manifest_is_not_followed() {
    let world = World::new();
    for (version, file) in
        [("acme/web_events/20260101_V0001", "_SUCCESS"), ("acme/ledger_entries/20260101_V0001", "_manifest.json")]
    {
        let folder = copy_sample(&world, version);
        let aside = world.path(file);
        fs::rename(folder.join(file), &aside).unwrap();
        link(&world, &aside, &format!("exports/{version}/{file}"));
        let output = world.run();
        let message = format!("{file} to be a regular file; it is a symbolic link, which is never followed");
        assert!(output.stdout.contains(&message), "{}", output.transcript());
        assert!(world.published(version).is_empty());
        let (key, name) = version.rsplit_once('/').unwrap();
        assert_eq!(world.statuses(key)[name], "WAITING");
        fs::remove_file(folder.join(file)).unwrap();
        fs::rename(aside, folder.join(file)).unwrap();
        assert_eq!(world.run().status, 0);
        assert_eq!(world.statuses(key)[name], "SUCCEEDED");
    }
}

#[test]
fn hidden_links_of_other_programs_are_ignored() {
    let world = world();
    // Links that an editor and a file system create.
    link(&world, "nobody@nowhere.1:2", "exports/acme/test_table/V1/.#part.csv.gz");
    link(&world, "/", "exports/.snapshot");
    link(&world, "/", "exports/acme/_trash");
    assert_eq!(world.run().status, 0);
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
}

#[test]
fn delta_follows_only_links_named_on_the_command_line() {
    let world = world();
    link(&world, "elsewhere/test_table/V1/part.csv.gz", "latest.csv.gz");
    link(&world, "elsewhere/test_table/V1", "latest");
    for path in ["latest.csv.gz", "latest"] {
        let output = world.tidemark(&["delta", "test_table", "none", path]);
        assert_eq!((output.status, output.stdout.lines().count()), (0, 2), "{path}: {}", output.stderr);
    }
    link(&world, "../elsewhere/test_table/V1/part.csv.gz", "folder/part.csv.gz");
    let before = tree(&world.path("")).into_keys().collect::<Vec<_>>();
    let output = world.tidemark(&["delta", "test_table", "none", "folder", "-o", "ops.ndjson"]);
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(output.stderr.contains(&format!("folder/part.csv.gz: {NOT_FOLLOWED}")), "{}", output.stderr);
    assert_eq!(before, tree(&world.path("")).into_keys().collect::<Vec<_>>());
}
