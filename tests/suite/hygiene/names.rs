//! Names that try to escape: on the command line, of folders, and in manifests.

use std::fs::{self, File};

use crate::hygiene::{GOOD, copy_sample, fifo, tidemark_with_timeout, tree};
use crate::workspace::{Workspace, gzip};

/// A version of a table whose exports have a manifest.
const LEDGER: &str = "acme/ledger_entries/20260101_V0001";

/// Commands with names that try to escape, or to control the terminal.
const ESCAPES: &[&[&str]] = &[
    &["history", "../x/test_table"],
    &["history", "../x"],
    &["history", "/etc/passwd"],
    &["history", "acme/test_table\n"],
    &["history", "acme\u{1b}[31m/test_table"],
    &["plan", "acme/test_table/../../x"],
    &["plan", "acme/test_table/.."],
    &["plan", "../x/test_table/V1"],
    &["plan", "acme/test_table/V1\n"],
    &["plan", "acme/test_table/V\u{9b}1"],
    &["plan", "acme/test_table/V1/"],
    &["approve", "acme/test_table/../../x", "00000000"],
    &["reject", "../x/test_table/V1"],
    &["replay", "../x/test_table/V1", "--out", "again"],
    &["retry", "acme/test_table/\u{1b}"],
    &["run", "exports", "--tenant", "../acme"],
    &["run", "exports", "--tenant", ".."],
    &["run", "exports", "--tenant", "/"],
    &["run", "exports", "--tenant", ""],
    &["run", "exports", "--table", "../test_table"],
    &["run", "exports", "--table", "test_table/../test_table"],
    &["run", "no\u{1b}]0;where"],
    &["run", "exports/acme/test_table/V1/part.csv.gz"],
    &["delta", "../test_table", "none", "exports/acme/test_table/V1"],
    &["delta", "test_table", "none", "exports/acme/test_table/V1", "--tenant", "../acme", "-o", "ops"],
    &["delta", "test_table", "none", "exports/acme/test_table/V1", "--version", "a/b", "-o", "ops"],
    &["delta", "test_table", "none", "exports/acme/test_table/V1", "--previous", "V\n", "-o", "ops"],
    &["tables", "../test_table"],
];

#[test]
fn names_on_the_command_line_cannot_escape_the_exports() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    // A target for the names.
    workspace.write("x/test_table/V1/part.csv.gz", &gzip(GOOD.as_bytes()));
    let long = format!("acme/test_table/{}", "9".repeat(300));
    let longer = "x".repeat(5000);
    let too_long: [&[&str]; 5] = [
        &["history", &longer],
        &["plan", &long],
        &["approve", &long, "00000000"],
        &["run", "exports", "--tenant", &longer],
        &["run", &longer],
    ];
    let before: Vec<_> = tree(&workspace.path("")).into_keys().collect();
    for arguments in ESCAPES.iter().copied().chain(too_long) {
        let output = workspace.tidemark(arguments);
        assert_eq!(output.status, 2, "{arguments:?}: {}", output.transcript());
        assert!(
            output.stderr.starts_with("error: ") && output.stdout.is_empty(),
            "{arguments:?}: {}",
            output.transcript()
        );
        assert_eq!(tree(&workspace.path("")).into_keys().collect::<Vec<_>>(), before, "{arguments:?}");
    }
}

#[test]
fn folders_with_long_or_unusual_names_are_strays() {
    let workspace = Workspace::new();
    let names = [
        "x".repeat(129),
        "x".repeat(255),
        "a b".into(),
        "-rf".into(),
        "V1\n".into(),
        "V\u{1b}]0;1\u{7}".into(),
        "Ünï".into(),
    ];
    for name in &names {
        workspace.export(&format!("{name}/test_table/V1"), GOOD);
        workspace.export(&format!("acme/test_table/{name}"), GOOD);
    }
    // The longest valid name, and one that only looks like a parent folder.
    let longest = "x".repeat(128);
    workspace.export(&format!("{longest}/test_table/{longest}"), GOOD);
    workspace.export("acme/test_table/1..", GOOD);
    let (status, report) = workspace.run_json();
    assert_eq!(status, 0, "{report:#}");
    let strays = report["strays"].as_array().unwrap();
    assert_eq!(strays.len(), 2 * names.len(), "{report:#}");
    assert!(strays.iter().all(|stray| stray["problem"].as_str().unwrap().starts_with("not a valid name")));
    assert_eq!(workspace.statuses(&format!("{longest}/test_table"))[&longest], "SUCCEEDED");
    assert_eq!(workspace.output().len(), 2);
}

#[test]
fn part_names_with_control_characters_are_refused() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    for (version, name) in [("V2", "a\nb.csv.gz"), ("V3", "\u{1b}]0;owned\u{7}.csv.gz"), ("V4", "a\u{202e}zg.vsc.gz")] {
        workspace.write(&format!("exports/acme/test_table/{version}/{name}"), &gzip(GOOD.as_bytes()));
    }
    workspace.write("exports/acme/test_table/V5/Übersicht (1) 'neu'.csv.gz", &gzip(b"PK1;1;a;x\n"));
    let output = workspace.run();
    assert_eq!(output.status, 1, "{}", output.transcript());
    for shown in ["V2/a\\nb.csv.gz", "V3/\\u{1b}]0;owned\\u{7}.csv.gz", "V4/a\\u{202e}zg.vsc.gz"] {
        let message = format!(
            "error: exports/acme/test_table/{shown}: the file's name has characters that cannot be shown\nhelp: rename or remove it\n"
        );
        assert!(output.stderr.contains(&message), "{}", output.stderr);
    }
    assert_eq!(workspace.published("acme/test_table/V5")[0]["previous"], "V1");
}

/// What the only version waits for if its manifest names this part.
fn waits_for(part: &str) -> String {
    let workspace = Workspace::new();
    let folder = copy_sample(&workspace, LEDGER);
    // Targets for such names: opening one would block forever.
    fifo(&workspace, "exports/acme/ledger_entries/pipe");
    fifo(&workspace, &format!("exports/{LEDGER}/_b/pipe"));
    let manifest = serde_json::json!({ "parts": [{ "name": part, "size": 0 }] });
    fs::write(folder.join("_manifest.json"), manifest.to_string()).unwrap();
    let output = tidemark_with_timeout(&workspace, &["run", "exports"]);
    assert!(workspace.published(LEDGER).is_empty(), "{part}");
    let status = workspace.tidemark(&["status"]).stdout;
    let line =
        status.lines().find(|line| line.contains("WAITING")).unwrap_or_else(|| panic!("{}", output.transcript()));
    line.split_once("WAITING  waits for ").unwrap().1.to_owned()
}

#[test]
fn a_manifest_cannot_name_a_file_outside_its_folder() {
    for part in ["../pipe", "_b/pipe", "/etc/passwd", ".", "..", "", "./part-0000.csv.gz"] {
        assert_eq!(waits_for(part), format!("_manifest.json to list parts only; `{part}` cannot be one"));
    }
    assert_eq!(
        waits_for("a\0\u{1b}]0;owned\u{7}\nb"),
        "_manifest.json to list parts only; `a\\0\\u{1b}]0;owned\\u{7}\\nb` cannot be one"
    );
    let long = waits_for(&"x".repeat(100_000));
    assert!(long.len() < 300 && long.ends_with("x…, which _manifest.json lists"), "{long}");
}

#[test]
fn an_invalid_manifest_is_reported_in_printable_characters() {
    let workspace = Workspace::new();
    let folder = copy_sample(&workspace, LEDGER);
    for text in [
        "{\"\\u001b]0;owned\\u0007\": 1}".to_owned(),
        format!("{{\"{}\": 1}}", "x".repeat(100_000)),
        "\u{1b}".into(),
        "[".repeat(100_000),
        "{\"parts\": [{\"name\": 1, \"size\": -1}]}".into(),
    ] {
        fs::write(folder.join("_manifest.json"), text).unwrap();
        let output = workspace.tidemark_with_env(&["run", "exports"], &[("CLICOLOR_FORCE", "1")]);
        let line = output.stdout.lines().find(|line| line.contains("WAITING")).unwrap();
        assert!(line.contains("waits for _manifest.json to be valid: ") && line.len() < 400, "{line}");
        assert!(!output.stdout.contains(['\u{1b}', '\u{7}']), "{}", output.stdout);
    }
}

#[test]
fn a_manifest_that_names_a_part_twice_is_not_accepted() {
    let workspace = Workspace::new();
    let folder = copy_sample(&workspace, LEDGER);
    let text = fs::read_to_string(folder.join("_manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let parts = manifest["parts"].as_array_mut().unwrap();
    parts.push(parts[0].clone());
    fs::write(folder.join("_manifest.json"), manifest.to_string()).unwrap();
    let output = workspace.run();
    assert!(output.stdout.contains("_manifest.json to list part-0000.csv.gz only once"), "{}", output.transcript());
    assert!(workspace.published(LEDGER).is_empty());
}

#[test]
fn an_oversized_manifest_is_not_read() {
    let workspace = Workspace::new();
    let folder = copy_sample(&workspace, LEDGER);
    let manifest = fs::read(folder.join("_manifest.json")).unwrap();
    // A sparse file of a terabyte costs nothing, unless it is read.
    for size in [(16 << 20) + 1, 1 << 40] {
        File::create(folder.join("_manifest.json")).unwrap().set_len(size).unwrap();
        let output = tidemark_with_timeout(&workspace, &["run", "exports"]);
        let message = "waits for _manifest.json to be readable: larger than 16 MiB";
        assert!(output.stdout.contains(message), "{}", output.transcript());
        assert!(workspace.published(LEDGER).is_empty());
    }
    // A manifest of exactly that size is read.
    let mut padded = manifest;
    padded.resize(16 << 20, b' ');
    fs::write(folder.join("_manifest.json"), padded).unwrap();
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/ledger_entries")["20260101_V0001"], "SUCCEEDED");
}
