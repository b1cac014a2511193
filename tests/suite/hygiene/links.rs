//! Symbolic links: nothing below the root of the exports is reached through one.

use std::fs;

use crate::hygiene::{GOOD, files, link, sample, tree};
use crate::world::{World, gzip};

const FOLLOWED: &str = "a symbolic link, which is never followed";

/// A world with a good version, and a whole tree of exports outside of the root.
fn world() -> World {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    for version in ["V1", "V2", "V3"] {
        world.write(&format!("elsewhere/test_table/{version}/part.csv.gz"), &gzip(GOOD.as_bytes()));
    }
    world
}

/// The path of each stray that the run told, and how many of them are links.
fn strays(world: &World) -> (Vec<String>, usize) {
    let (status, report) = world.run_json();
    assert_eq!(status, 1, "{report:#}");
    let strays = report["strays"].as_array().unwrap();
    let mut paths: Vec<String> = strays.iter().map(|stray| stray["path"].as_str().unwrap().to_owned()).collect();
    paths.sort();
    (paths, strays.iter().filter(|stray| stray["problem"] == FOLLOWED && stray["help"].is_string()).count())
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
    // What was behind the links is neither registered nor published.
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
        let said = world.run();
        assert_eq!(said.status, 1, "{target}: {}", said.stdout);
        let told = format!(
            "error: exports/acme/test_table/V2/part.csv.gz: {FOLLOWED}\nhelp: put the file itself there, or take the link away\n"
        );
        assert!(said.stderr.contains(&told), "{target}: {}", said.stderr);
        assert!(world.published("acme/test_table/V2").is_empty(), "{target}");
        assert_eq!(world.published("acme/test_table/V3")[0]["previous"], "V1", "{target}");
    }
}

#[test]
fn a_baseline_replaced_by_a_link_stops_the_table() {
    let world = world();
    assert_eq!(world.run().status, 0);
    world.export("acme/test_table/V2", "PK1;1;a;x\nPK2;3;b;y\n");
    // The same files, but behind a link.
    fs::rename(world.path("exports/acme/test_table/V1"), world.path("moved")).unwrap();
    link(&world, "../../../moved", "exports/acme/test_table/V1");
    let said = world.run();
    assert_eq!(said.status, 1, "{}", said.stdout);
    assert!(said.stderr.contains("baseline-changed"), "{}", said.stderr);
    assert!(said.stderr.contains(&format!("exports/acme/test_table/V1: {FOLLOWED}")), "{}", said.stderr);
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
    let said = world.tidemark(&["plan", "acme/test_table/V2"]);
    assert_eq!(said.status, 1, "{}", said.stdout);
    assert!(said.stderr.contains(&format!("exports/acme: {FOLLOWED}")), "{}", said.stderr);
    assert_eq!(world.statuses("acme/test_table")["V2"], "REGISTERED");
}

#[test]
fn the_exports_root_may_be_a_link_or_an_indirect_path() {
    let world = world();
    link(&world, "exports", "link");
    let said = world.tidemark(&["run", "link"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
    for root in ["exports/../exports", "./link/.", "link/../exports/"] {
        let said = world.tidemark(&["run", root]);
        assert_eq!((said.status, said.stdout.as_str()), (0, "nothing to do: 1 version known, none is new\n"), "{root}");
    }
}

#[test]
fn a_linked_marker_or_manifest_is_not_followed() {
    let world = World::new();
    for (version, note) in
        [("acme/web_events/20260101_V0001", "_SUCCESS"), ("acme/ledger_entries/20260101_V0001", "_manifest.json")]
    {
        let folder = sample(&world, version);
        let aside = world.path(note);
        fs::rename(folder.join(note), &aside).unwrap();
        link(&world, &aside, &format!("exports/{version}/{note}"));
        let said = world.run();
        let told = format!("{note} to be a regular file; it is a symbolic link, which is never followed");
        assert!(said.stdout.contains(&told), "{}", said.transcript());
        assert!(world.published(version).is_empty());
        let (key, name) = version.rsplit_once('/').unwrap();
        assert_eq!(world.statuses(key)[name], "WAITING");
        fs::remove_file(folder.join(note)).unwrap();
        fs::rename(aside, folder.join(note)).unwrap();
        assert_eq!(world.run().status, 0);
        assert_eq!(world.statuses(key)[name], "SUCCEEDED");
    }
}

#[test]
fn hidden_links_of_other_programs_are_ignored() {
    let world = world();
    // What an editor and a file system leave there.
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
    for named in ["latest.csv.gz", "latest"] {
        let said = world.tidemark(&["delta", "test_table", "none", named]);
        assert_eq!((said.status, said.stdout.lines().count()), (0, 2), "{named}: {}", said.stderr);
    }
    link(&world, "../elsewhere/test_table/V1/part.csv.gz", "folder/part.csv.gz");
    let before = tree(&world.path("")).into_keys().collect::<Vec<_>>();
    let said = world.tidemark(&["delta", "test_table", "none", "folder", "-o", "ops.ndjson"]);
    assert_eq!(said.status, 1, "{}", said.stdout);
    assert!(said.stderr.contains(&format!("folder/part.csv.gz: {FOLLOWED}")), "{}", said.stderr);
    assert_eq!(before, tree(&world.path("")).into_keys().collect::<Vec<_>>());
}
