//! `verify`: files against the registry.

use std::fs;
use std::path::PathBuf;

use runtime::table::Compression;
use serde_json::{Value, json};

use super::{lock_all_tables, state_of};
use crate::random::inflate;
use crate::workspace::{Workspace, gunzip, gzip};

/// A workspace with three good versions; the second has two UPDATEs, the third two DELETEs.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for (version, rows) in [
        ("V1", "PK1;1;a;x\nPK2;2;b;y\nPK3;3;c;z\n"),
        ("V2", "PK1;1;a;x\nPK2;20;b;y\nPK3;30;c;z\n"),
        ("V3", "PK1;1;a;x\n"),
    ] {
        workspace.export(&format!("acme/test_table/{version}"), rows);
    }
    assert_eq!(workspace.run().status, 0);
    workspace
}

fn export(workspace: &Workspace, version: &str) -> PathBuf {
    workspace.path(&format!("exports/acme/test_table/{version}/part.csv.gz"))
}

fn published(workspace: &Workspace, version: &str) -> PathBuf {
    let folder = format!("acme/test_table/{version}");
    workspace.parts(&folder).into_iter().next().unwrap()
}

fn verify_json(workspace: &Workspace, arguments: &[&str]) -> (i32, Value) {
    let output = workspace.tidemark(&[&["verify", "--format", "json"], arguments].concat());
    (output.status, serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript())))
}

/// The exit status, and the verdicts on a version's export and on its published files.
fn verdicts(workspace: &Workspace, version: &str) -> (i32, String, String) {
    let (status, report) = verify_json(workspace, &[&format!("acme/test_table/{version}")]);
    let verdict = |of: &str| report["versions"][0][of]["verdict"].as_str().unwrap().to_owned();
    (status, verdict("export"), verdict("published"))
}

/// The verdicts on files that nobody touched.
fn intact() -> (i32, String, String) {
    (0, "same".into(), "same".into())
}

#[test]
fn intact_files_verify_cleanly_and_nothing_is_written() {
    let workspace = workspace();
    lock_all_tables(&workspace);
    let before = state_of(&workspace);
    insta::assert_snapshot!("verify", workspace.tidemark(&["verify"]).transcript());
    for version in ["V1", "V2", "V3"] {
        assert_eq!(verdicts(&workspace, version), intact());
    }
    assert_eq!(state_of(&workspace), before);
}

#[test]
fn json_output_has_the_verdict_and_the_problem() {
    let workspace = workspace();
    fs::remove_file(export(&workspace, "V1")).unwrap();
    let lines = gunzip(&published(&workspace, "V2")).replacen("\"inserted\":0", "\"inserted\":1", 1);
    fs::write(published(&workspace, "V2"), gzip(lines.as_bytes())).unwrap();
    let (status, report) = verify_json(&workspace, &[]);
    assert_eq!((status, &report["wrong"]), (1, &json!(1)));
    let versions = report["versions"].as_array().unwrap();
    let names: Vec<_> =
        versions.iter().map(|version| (version["version"].clone(), version["baseline"].clone())).collect();
    assert_eq!(names, [(json!("V1"), json!(false)), (json!("V2"), json!(false)), (json!("V3"), json!(true))]);
    assert_eq!(versions[0]["export"], json!({"verdict": "gone"}));
    assert_eq!(versions[0]["faults"], json!([]));
    let problem = "0000000000002-part-00000.ndjson.gz:4: its `inserted` is 1, but the registry says 0";
    assert_eq!(versions[1]["published"], json!({"verdict": "different", "problem": problem}));
    assert_eq!(versions[1]["faults"].as_array().unwrap().len(), 1);
}

#[test]
fn old_exports_and_published_files_may_be_deleted_but_not_the_baseline() {
    let workspace = workspace();
    fs::remove_dir_all(workspace.path("exports/acme/test_table/V1")).unwrap();
    fs::remove_file(export(&workspace, "V2")).unwrap();
    fs::remove_dir_all(workspace.path("out/acme/test_table/V2")).unwrap();
    fs::remove_file(published(&workspace, "V3")).unwrap();
    insta::assert_snapshot!("verify_gone", workspace.tidemark(&["verify"]).transcript());
    fs::remove_file(export(&workspace, "V3")).unwrap();
    insta::assert_snapshot!("verify_baseline_gone", workspace.tidemark(&["verify"]).transcript());
    fs::remove_dir_all(workspace.path("exports/acme")).unwrap();
    assert_eq!(verdicts(&workspace, "V3"), (1, "gone".into(), "gone".into()));
}

#[test]
fn a_flipped_byte_anywhere_in_an_export_is_detected() {
    let workspace = workspace();
    let path = export(&workspace, "V3");
    let good = fs::read(&path).unwrap();
    for offset in 0..good.len() {
        let mut flipped = good.clone();
        flipped[offset] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let (status, export, published) = verdicts(&workspace, "V3");
        assert_eq!((status, &*export, &*published), (1, "different", "same"), "byte {offset}");
    }
    insta::assert_snapshot!("verify_flipped", workspace.tidemark(&["verify"]).transcript());
    fs::write(&path, good).unwrap();
    assert_eq!(verdicts(&workspace, "V3"), intact());
}

#[test]
fn an_export_with_extra_files_is_reported_as_different() {
    let workspace = workspace();
    workspace.write("exports/acme/test_table/V1/more.csv.gz", &gzip(b"PK9;9;;\n"));
    workspace.write("exports/acme/test_table/V2/inner/part.csv.gz", &gzip(b"PK9;9;;\n"));
    for version in ["V1", "V2"] {
        assert_eq!(verdicts(&workspace, version).1, "different", "{version}");
    }
}

#[test]
fn row_counts_and_fingerprints_are_recomputed() {
    let workspace = workspace();
    // As if a faulty program had written the record. The published files would give it away too, so they are removed.
    fs::remove_dir_all(workspace.path("out")).unwrap();
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    for (field, value, problem) in [
        ("$.plan.fingerprint", "12", "V1: the export differs from what was published: its fingerprint is"),
        (
            "$.plan.counts.rows",
            "7",
            "V1: the export differs from what was published: it has 3 rows, but the registry says 7",
        ),
    ] {
        let sql =
            "UPDATE versions SET record = json_set(record, ?1, iif(?1 = '$.plan.counts.rows', CAST(?2 AS INT), ?2))
                   WHERE record ->> 'version' = 'V1'";
        let before: String = registry
            .query_row("SELECT record FROM versions WHERE record ->> 'version' = 'V1'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(registry.execute(sql, [field, value]).unwrap(), 1);
        let output = workspace.tidemark(&["verify", "acme/test_table/V1"]);
        assert_eq!(output.status, 1);
        assert!(output.stderr.contains(problem), "{}", output.transcript());
        registry.execute("UPDATE versions SET record = ?1 WHERE record ->> 'version' = 'V1'", [before]).unwrap();
    }
    assert_eq!(verdicts(&workspace, "V1"), (0, "same".into(), "gone".into()));
}

/// Replaces the lines of V2's only published part: BEGIN, two UPDATEs and END.
fn republish(workspace: &Workspace, lines: &[String]) {
    fs::write(published(workspace, "V2"), gzip((lines.join("\n") + "\n").as_bytes())).unwrap();
}

/// Ways to damage the lines of V2's only published part: a name, the damaged lines, and the problem that is reported.
fn damaged_lines(lines: &[String]) -> Vec<(&'static str, Vec<String>, &'static str)> {
    let only = |indexes: &[usize]| indexes.iter().map(|index| lines[*index].clone()).collect::<Vec<_>>();
    let replaced = |index: usize, from: &str, to: &str| {
        let mut changed = lines.to_vec();
        assert!(changed[index].contains(from), "{from}");
        changed[index] = changed[index].replacen(from, to, 1);
        changed
    };
    let id = lines[1].split("\"id\":\"").nth(1).unwrap()[..32].to_owned();
    let other_id = format!("{}{}", if id.starts_with('0') { '1' } else { '0' }, &id[1..]);
    let hash = lines[1].split("\"hash\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let fingerprint = lines[0].split("\"fingerprint\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    vec![
        ("no BEGIN", only(&[1, 2, 3]), ":1: a record precedes BEGIN"),
        ("no END", only(&[0, 1, 2]), ": END is missing"),
        ("an operation is missing", only(&[0, 1, 3]), ":3: END counts 2 UPDATE, but 1 precede it"),
        ("all are missing", only(&[0, 3]), ":2: END counts 2 UPDATE, but 0 precede it"),
        ("one appears twice", only(&[0, 1, 2, 2, 3]), ":5: END counts 2 UPDATE, but 3 precede it"),
        ("one replaces another", only(&[0, 1, 1, 3]), ":4: the operations do not lead"),
        ("BEGIN twice", only(&[0, 0, 1, 2, 3]), ":2: a second BEGIN"),
        ("after END", only(&[0, 1, 3, 2]), ":3: END counts 2 UPDATE"),
        ("END twice", only(&[0, 1, 2, 3, 3]), ":5: a record follows END"),
        ("another id", replaced(1, &id, &other_id), ": the ids do not match the plan"),
        ("no id", replaced(2, "\"id\":\"", "\"id\":\"x"), ":3: it lacks an id of 32 hex digits"),
        ("another hash", replaced(1, &hash, "\"1\""), ":4: the operations do not lead"),
        ("no hash", replaced(1, "\"hash\"", "\"hush\""), ":2: it lacks a hash"),
        ("another kind", replaced(1, "UPDATE", "UPSERT"), ":2: unknown operation `UPSERT`"),
        ("another sequence", replaced(2, "\"sequence\":1", "\"sequence\":7"), ":3: its `sequence` is 7"),
        ("another version", replaced(1, "\"version\":\"V2\"", "\"version\":\"V1\""), ":2: its `version` is V1"),
        ("another tenant", replaced(0, "acme", "globex"), ":1: its `tenant` is globex"),
        ("another previous", replaced(3, "\"previous\":\"V1\"", "\"previous\":null"), ":4: its `previous` is null"),
        ("a reset", replaced(0, "\"reset\":false", "\"reset\":true"), ":1: its `reset` is true"),
        ("another BEGIN", replaced(0, &fingerprint, "\"7\""), ":1: its `fingerprint` is"),
        ("another END", replaced(3, "\"rows\":3", "\"rows\":4"), ":4: its `rows` is 4, but the registry says 3"),
        ("no record", replaced(2, "{", "["), ":3: not a record"),
    ]
}

#[test]
fn every_operation_must_appear_once_between_begin_and_end() {
    let workspace = workspace();
    let text = gunzip(&published(&workspace, "V2"));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (name, lines, problem) in damaged_lines(&lines) {
        republish(&workspace, &lines);
        let output = workspace.tidemark(&["verify", "acme/test_table/V2"]);
        assert_eq!(output.status, 1, "{name}");
        let message = format!("out/acme/test_table/V2: 0000000000002-part-00000.ndjson.gz{problem}");
        assert!(output.stderr.contains(&message), "{name}: {message}\n{}", output.stderr);
    }
    insta::assert_snapshot!("verify_published", workspace.tidemark(&["verify", "acme/test_table/V2"]).transcript());
    // The command that the help line suggests works.
    assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V2"]).status, 0);
    assert_eq!(verdicts(&workspace, "V2"), intact());
}

#[test]
fn a_damaged_published_file_is_detected() {
    let workspace = workspace();
    let path = published(&workspace, "V2");
    let good = fs::read(&path).unwrap();
    let lines = |bytes: &[u8]| inflate(Compression::Gzip, bytes);
    // Some of the ten bytes of the gzip header are ignored. After it, every byte counts, but for bits that fill one up.
    for offset in (10..good.len()).step_by(3) {
        let mut flipped = good.clone();
        flipped[offset] ^= 4;
        if lines(&flipped) == lines(&good) {
            continue;
        }
        fs::write(&path, &flipped).unwrap();
        assert_eq!(verdicts(&workspace, "V2"), (1, "same".into(), "different".into()), "byte {offset}");
    }
    for (name, bytes) in [("cut off", &good[..good.len() - 9]), ("empty", &[]), ("longer", &[&good[..], b"x"].concat())]
    {
        fs::write(&path, bytes).unwrap();
        assert_eq!(verdicts(&workspace, "V2").2, "different", "{name}");
    }
    fs::write(&path, &good).unwrap();
    // A second part under its sequence, or one that an earlier release named.
    let second = path.with_file_name(path.file_name().unwrap().to_str().unwrap().replace("00000.", "00001."));
    for other in [second, path.with_file_name("part-00001.ndjson.gz")] {
        fs::write(&other, &good).unwrap();
        assert_eq!(verdicts(&workspace, "V2").2, "different");
        fs::remove_file(other).unwrap();
    }
    assert_eq!(verdicts(&workspace, "V2"), intact());
}

#[test]
fn every_published_part_must_be_there() {
    let workspace = Workspace::new();
    // More than 64 MiB of operations need a second part.
    let rows: String = (0..260_000).map(|n| format!("PK{n};{n};a;{:0>20}\n", n)).collect();
    workspace.export("acme/test_table/V1", &rows);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(verdicts(&workspace, "V1"), intact());
    let second = workspace.parts("acme/test_table/V1").remove(1);
    // The second part in place of the first: an intact file under the wrong name.
    let (first, bytes) = (fs::read(published(&workspace, "V1")).unwrap(), fs::read(&second).unwrap());
    fs::write(published(&workspace, "V1"), &bytes).unwrap();
    assert_eq!(verdicts(&workspace, "V1").2, "different");
    fs::write(published(&workspace, "V1"), first).unwrap();
    fs::remove_file(&second).unwrap();
    let output = workspace.tidemark(&["verify", "acme/test_table/V1"]);
    assert!(output.stderr.contains("part-00001.ndjson.gz is missing, of 2 parts"), "{}", output.stderr);
    // Without the change set, `replay` cannot help.
    fs::remove_dir_all(workspace.path(".tidemark/changes")).unwrap();
    let output = workspace.tidemark(&["verify", "acme/test_table/V1"]);
    assert!(output.stderr.contains("tidemark resync acme/test_table"), "{}", output.stderr);
}

#[test]
fn exports_of_another_schema_are_compared_by_their_bytes() {
    let workspace = Workspace::from_schemas();
    let schema = |more: &str| {
        format!(
            "table: t\ndescription: A table.\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n{more}source: {{ compression: none }}\n"
        )
    };
    workspace.write("schemas/t.yaml", schema("").as_bytes());
    workspace.write("exports/acme/t/V1/t.csv", b"id\n1\n");
    workspace.run();
    workspace.write("schemas/t.yaml", schema("  - { name: note, type: string, nullable: true }\n").as_bytes());
    insta::assert_snapshot!("verify_other_schema", workspace.tidemark(&["verify"]).transcript());
    // A missing schema makes no difference.
    fs::rename(workspace.path("schemas/t.yaml"), workspace.path("t.yaml")).unwrap();
    workspace.write("schemas/u.yaml", schema("").replace("table: t", "table: u").as_bytes());
    let output = workspace.tidemark(&["verify"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains("same bytes, other schema"), "{}", output.stdout);
    // The same length, another row.
    workspace.write("exports/acme/t/V1/t.csv", b"id\n2\n");
    let output = workspace.tidemark(&["verify"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("t.csv has a different checksum"), "{}", output.stderr);
}

#[test]
fn operations_are_read_from_the_recorded_output_folder_or_the_given_one() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
    assert_eq!(workspace.tidemark(&["run", "exports", "--out", "elsewhere"]).status, 0);
    assert_eq!(verdicts(&workspace, "V1"), intact());
    let (status, report) = verify_json(&workspace, &["--out", "out"]);
    assert_eq!((status, &report["versions"][0]["published"]["verdict"]), (0, &json!("gone")));
}

#[test]
fn only_succeeded_versions_can_be_verified() {
    let workspace = workspace();
    workspace.export("acme/test_table/V4", "PK1;x;;\n");
    workspace.run();
    assert_eq!(workspace.tidemark(&["verify"]).status, 0);
    for (name, argument) in [
        ("verify_failed", "acme/test_table/V4"),
        ("verify_unknown", "acme/test_table/V9"),
        ("verify_malformed", "acme"),
        ("verify_unknown_table", "acme/test_tabel"),
    ] {
        insta::assert_snapshot!(name, workspace.tidemark(&["verify", argument]).transcript());
    }
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;x;;\n");
    workspace.run();
    assert_eq!(workspace.tidemark(&["verify"]).stdout, "nothing to verify: no version has succeeded yet\n");
}
