//! What `gc` takes away, and what it never does.

use std::fs;

use runtime::breakpoint::Breakpoint;
use serde_json::Value;

use crate::breakpoints::Stopped;
use crate::world::{World, files};

fn rows(keys: std::ops::RangeInclusive<u32>) -> String {
    keys.map(|key| format!("PK{key};1;;\n")).collect()
}

/// A world with five good versions, a failed one and one that is held.
fn world() -> World {
    let world = World::new();
    for version in 1..=5 {
        world.export(&format!("acme/test_table/V{version}"), &rows(1..=200 + version));
    }
    world.export("acme/test_table/V6", "PK1;one;;\n");
    world.export("acme/test_table/V7", &rows(1..=20));
    assert_eq!(world.run().status, 1);
    assert_eq!(world.statuses("acme/test_table")["V7"], "HELD");
    world
}

/// The versions that have a change set.
fn kept(world: &World) -> Vec<String> {
    let changes = world.path(".tidemark/changes/acme/test_table");
    let mut versions: Vec<String> =
        fs::read_dir(changes).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    versions.sort();
    versions
}

fn hash(world: &World, version: &str) -> String {
    let said = world.tidemark(&["plan", version, "--format", "json"]);
    let version: Value = serde_json::from_str(&said.stdout).unwrap();
    version["plan"]["hash"].as_str().unwrap().to_owned()
}

#[test]
fn the_newest_change_sets_stay_and_the_others_go() {
    let world = world();
    let published = files(&world.path("out"));
    let all = files(&world.path(".tidemark/changes"));
    insta::assert_snapshot!("gc_dry_run", masked(&world.tidemark(&["gc", "--keep", "2", "--dry-run"]).transcript()));
    assert_eq!(files(&world.path(".tidemark/changes")), all);
    insta::assert_snapshot!("gc", masked(&world.tidemark(&["gc", "--keep", "2"]).transcript()));
    assert_eq!(kept(&world), ["V4", "V5", "V7"]);
    assert_eq!(files(&world.path("out")), published);
    assert_eq!(world.tidemark(&["gc", "--keep", "2"]).stdout, "0 change sets removed, 0 bytes.\n");

    assert_eq!(world.tidemark(&["replay", "acme/test_table/V5"]).status, 0);
    let said = world.tidemark(&["replay", "acme/test_table/V1"]);
    assert_eq!(said.status, 1);
    assert!(said.stderr.contains("is gone"), "{}", said.stderr);
}

#[test]
fn what_is_held_can_be_approved_whatever_was_taken_away() {
    let world = world();
    let hash = hash(&world, "acme/test_table/V7");
    assert_eq!(world.tidemark(&["gc", "--keep", "0"]).status, 0);
    assert_eq!(kept(&world), ["V7"]);
    assert_eq!(world.tidemark(&["approve", "acme/test_table/V7", &hash]).status, 0);
    assert_eq!(world.published("acme/test_table/V7").len(), 2 + 185);
}

#[test]
fn what_began_to_be_published_is_finished_whatever_was_taken_away() {
    for place in [Breakpoint::ChangesDurable, Breakpoint::Planned, Breakpoint::Publishing, Breakpoint::PartWritten] {
        let world = World::new();
        world.export("acme/test_table/V1", &rows(1..=200));
        Stopped::start(&world, &["run", "exports"], place, 1).unwrap().kill();
        assert_eq!(world.tidemark(&["gc", "--keep", "0"]).status, 0);
        // A change set that the registry did not know of yet is nobody's; every other one is needed.
        let expected: &[&str] = if place == Breakpoint::ChangesDurable { &[] } else { &["V1"] };
        assert_eq!(kept(&world), expected, "{}", place.name());
        assert_eq!(world.run().status, 0);
        assert_eq!(world.published("acme/test_table/V1").len(), 202);
    }
}

#[test]
fn what_killed_runs_left_goes() {
    let world = World::new();
    world.export("acme/test_table/V1", &rows(1..=200));
    Stopped::start(&world, &["run", "exports"], Breakpoint::Planning, 7).unwrap().kill();
    assert_eq!(kept(&world), ["V1"]);
    world.tidemark(&["gc"]);
    assert!(kept(&world).is_empty());
}

#[test]
fn a_table_that_somebody_works_on_is_left_alone() {
    let world = World::new();
    world.export("acme/test_table/V1", &rows(1..=200));
    let holder = Stopped::start(&world, &["run", "exports"], Breakpoint::ChangesDurable, 1).unwrap();
    let said = world.tidemark(&["gc", "--keep", "0"]);
    assert_eq!(said.status, 0, "{}", said.transcript());
    assert!(said.stdout.contains("is working on it"), "{}", said.stdout);
    assert_eq!(holder.go_on().0, 0);
    assert_eq!(world.published("acme/test_table/V1").len(), 202);
}

/// The sizes of change sets are not what is looked at.
fn masked(text: &str) -> String {
    regex::Regex::new(r"\d+,\d+|\d{3,}").unwrap().replace_all(text, "#").into_owned()
}
