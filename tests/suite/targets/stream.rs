//! `apply -`: operations in any order, repeated, while versions interleave, lead to the rows of the newest export.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::sqlite::{RUN, check_against_exports, database, expect, samples, text};
use crate::workspace::{CommandOutput, Workspace, files, gunzip};

/// Applies lines from standard input.
pub(super) fn apply_to(workspace: &Workspace, lines: &[String], target: &str, more: &[&str]) -> CommandOutput {
    let file = workspace.write("lines.ndjson", lines.concat().as_bytes());
    let mut command = workspace.command(&[&["apply", "-", "--to", target], more].concat());
    let output = command.stdin(File::open(file).unwrap()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CommandOutput {
        status: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

pub(super) fn apply(workspace: &Workspace, lines: &[String]) -> CommandOutput {
    apply_to(workspace, lines, "sqlite:shop.db", &["--create"])
}

/// Every line that was published, in the order of its file.
pub(super) fn published_lines(workspace: &Workspace) -> Vec<String> {
    let out = workspace.path("out");
    let parts = files(&out).into_keys().filter(|path| path.to_string_lossy().ends_with(".ndjson.gz"));
    let texts = parts.map(|path| gunzip(&out.join(path)));
    texts.flat_map(|text| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Random numbers below a bound.
pub(super) fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    }
}

/// The lines in a random order, some of them several times.
pub(super) fn shuffled(lines: &[String], dice: &mut impl FnMut(usize) -> usize) -> Vec<String> {
    let mut shuffled = lines.to_vec();
    for line in lines {
        if dice(4) == 0 {
            shuffled.push(line.clone());
        }
    }
    for index in (1..shuffled.len()).rev() {
        shuffled.swap(index, dice(index + 1));
    }
    shuffled
}

/// Random versions of `test_table`, one of them in full, published into `out`.
pub(super) fn random_versions(dice: &mut impl FnMut(usize) -> usize) -> Workspace {
    let workspace = Workspace::new().in_memory();
    let versions = 3 + dice(5);
    let full = 1 + dice(versions);
    for version in 1..=versions {
        if version == full {
            workspace.tidemark(&["resync", "acme/test_table"]);
        }
        let mut rows = "always;1;a;\n".to_owned();
        for key in 0..12 {
            if dice(3) > 0 {
                rows += &format!("key {key};{};a;\n", dice(3));
            }
        }
        workspace.export(&format!("acme/test_table/V{version}"), &rows);
        expect(&workspace.run(), 0, "");
    }
    workspace
}

/// The samples without the table that has a history.
pub(super) fn samples_without_history() -> Workspace {
    let workspace = samples();
    for tenant in ["acme", "globex"] {
        let _ = fs::remove_dir_all(workspace.path(&format!("exports/{tenant}/ledger_entries")));
    }
    workspace
}

#[test]
fn any_order_with_any_repetition_in_any_batches_ends_with_the_newest_export() {
    for seed in 0..25 {
        let mut dice = dice(seed + 1);
        let workspace = random_versions(&mut dice);
        let mut lines = shuffled(&published_lines(&workspace), &mut dice);
        let mut last = None;
        while !lines.is_empty() {
            let batch: Vec<String> = lines.drain(..(1 + dice(lines.len())).min(lines.len())).collect();
            last = Some(apply(&workspace, &batch));
        }
        expect(&last.unwrap(), 0, "complete");
        check_against_exports(&workspace);
        // Everything once more changes nothing.
        expect(&apply(&workspace, &shuffled(&published_lines(&workspace), &mut dice)), 0, "0 operations.");
        check_against_exports(&workspace);
    }
}

#[test]
fn every_table_of_the_samples_equals_its_newest_export_and_can_be_applied_alone() {
    let workspace = samples_without_history();
    expect(&workspace.run(), 0, "");
    let lines = shuffled(&published_lines(&workspace), &mut dice(7));
    let alone =
        apply_to(&workspace, &lines, "sqlite:orders.db", &["--create", "--table", "orders", "--tenant", "acme"]);
    expect(&alone, 0, "acme    orders");
    assert_eq!(alone.stdout.matches("complete").count(), 1, "{}", alone.stdout);
    let output = apply(&workspace, &lines);
    expect(&output, 0, "Rows are in sqlite:shop.db.");
    assert!(check_against_exports(&workspace) > 2_000);
}

/// Three versions of `test_table`, published into `out`.
fn published() -> Workspace {
    let workspace = Workspace::new();
    for (version, rows) in [
        ("V1", &[("a", 1), ("b", 1), ("c", 1)][..]),
        ("V2", &[("a", 2), ("c", 1), ("d", 1)]),
        ("V3", &[("b", 3), ("d", 1), ("a", 2)]),
    ] {
        workspace.export(&format!("acme/test_table/{version}"), &text(rows));
    }
    expect(&workspace.run(), 0, "");
    workspace
}

/// The version that the database says it holds, and the number of its rows.
fn held(workspace: &Workspace) -> Option<(String, i64)> {
    let sql = "SELECT version, row_count FROM _tidemark WHERE version IS NOT NULL";
    database(workspace).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
}

#[test]
fn a_lost_operation_is_noticed_until_a_version_comes_in_full() {
    let workspace = published();
    let lines = published_lines(&workspace);
    let is_lost = |line: &String| line.contains("\"version\":\"V2\"") && line.contains("\"INSERT\"");
    let kept: Vec<String> = lines.iter().filter(|line| !is_lost(line)).cloned().collect();
    assert_eq!(kept.len(), lines.len() - 1);
    for lines in [&kept[..], &[]] {
        let output = apply(&workspace, lines);
        expect(&output, 1, "DIFFERS");
        expect(&output, 1, "acme/test_table is not as of V3");
        expect(&output, 1, "resync acme/test_table");
        assert_eq!(held(&workspace), None);
    }
    expect(&workspace.tidemark(&["resync", "acme/test_table"]), 0, "");
    workspace.export("acme/test_table/V4", &text(&[("b", 3), ("e", 1)]));
    expect(&workspace.run(), 0, "");
    let in_full: Vec<String> = published_lines(&workspace).into_iter().filter(|line| line.contains("\"V4\"")).collect();
    expect(&apply(&workspace, &in_full), 0, "complete");
    check_against_exports(&workspace);
    assert_eq!(held(&workspace), Some(("V4".into(), 2)));
    // What was lost comes too late.
    expect(&apply(&workspace, &lines), 0, "0 operations.");
    check_against_exports(&workspace);
}

#[test]
fn a_version_that_is_not_complete_yet_is_said_to_be_arriving() {
    let workspace = published();
    let lines = published_lines(&workspace);
    let (late, early): (Vec<String>, Vec<String>) =
        lines.into_iter().partition(|line| line.contains("\"version\":\"V3\"") && !line.contains("\"BEGIN\""));
    expect(&apply(&workspace, &early), 0, "arriving");
    assert_eq!(held(&workspace), None);
    expect(&apply(&workspace, &late), 0, "complete");
    assert_eq!(held(&workspace), Some(("V3".into(), 3)));
    expect(&workspace.tidemark(&["reconcile", "acme/test_table", "--to", "sqlite:shop.db"]), 0, "as of V3: 3 rows");
}

#[test]
fn a_table_that_files_filled_goes_on_with_a_stream_and_belongs_to_it_until_it_is_adopted() {
    let workspace = published();
    let files = ["apply", "out", "--to", "sqlite:shop.db", "--create", "--until", "V2"];
    expect(&workspace.tidemark(&files), 0, "2 versions");
    // Late duplicates of what the files had change nothing, not even where a row is gone.
    expect(&apply(&workspace, &shuffled(&published_lines(&workspace), &mut dice(3))), 0, "complete");
    check_against_exports(&workspace);
    workspace.export("acme/test_table/V4", &text(&[("b", 4)]));
    expect(&workspace.run(), 0, "");
    expect(&workspace.tidemark(&files[..4]), 1, "another registry (a stream)");
    let run = ["run", "exports", "--out", "out", "--sink", "sqlite:shop.db"];
    expect(&workspace.tidemark(&run), 1, "another registry (a stream)");
    workspace.export("acme/test_table/V5", &text(&[("b", 5)]));
    expect(&workspace.tidemark(&[&run[..], &["--adopt"]].concat()), 0, "");
    check_against_exports(&workspace);
    workspace.export("acme/test_table/V6", &text(&[("b", 5), ("f", 1)]));
    expect(&workspace.tidemark(&run), 0, "SUCCEEDED");
    // And back again.
    expect(&apply(&workspace, &published_lines(&workspace)), 0, "complete");
    check_against_exports(&workspace);
}

#[test]
fn a_table_that_was_dropped_waits_for_a_version_in_full() {
    let workspace = published();
    let lines = published_lines(&workspace);
    expect(&apply(&workspace, &lines), 0, "complete");
    database(&workspace).execute_batch("DROP TABLE test_table").unwrap();
    let last: Vec<String> = lines.iter().filter(|line| line.contains("\"version\":\"V3\"")).cloned().collect();
    expect(&apply(&workspace, &last), 1, "DIFFERS");
    // Everything from the beginning does as well.
    expect(&apply(&workspace, &lines), 0, "complete");
    check_against_exports(&workspace);
}

#[test]
fn what_cannot_be_applied_says_why() {
    let workspace = published();
    let mut lines = published_lines(&workspace);
    expect(&apply_to(&workspace, &lines, "sqlite:shop.db", &[]), 1, "CREATE TABLE \"_tidemark_streams\"");
    assert!(!workspace.path("shop.db").exists());
    expect(&apply_to(&workspace, &lines, "sqlite:shop.db", &["--create", "--until", "V2"]), 2, "are for files");
    expect(&apply(&workspace, &[]), 0, "nothing to do");
    expect(&apply_to(&workspace, &lines, "sqlite:shop.db", &[]), 1, "the table does not exist");
    for (number, damaged) in [(2, "{\"op\":"), (3, "[]"), (4, "{\"op\":\"INSERT\",\"tenant\":\"acme\"}")] {
        let mut damaged_lines = lines.clone();
        damaged_lines.insert(number - 1, format!("{damaged}\n"));
        expect(&apply(&workspace, &damaged_lines), 1, &format!("standard input:{number}: this is not a record"));
    }
    let position = lines.iter().rposition(|line| line.contains("\"INSERT\"")).unwrap();
    lines[position] = lines[position].replace("\"after\":{", "\"after\":{\"other\":1,");
    let output = apply(&workspace, &lines);
    expect(&output, 1, "this is not an operation of acme/test_table under its schema");
    assert_eq!(held(&workspace), None);
    lines.push(lines[position].replace("\"table\":\"test_table\"", "\"table\":\"test_tabel\""));
    expect(&apply(&workspace, &lines[lines.len() - 1..]), 2, "unknown table `test_tabel`");
    lines.push(lines[position].replace("\"table\":\"test_table\"", "\"table\":\"ledger_entries\""));
    expect(&apply(&workspace, &lines[lines.len() - 1..]), 1, "its history needs every version in its order");
}

/// The lines of the file of records that could not be applied.
fn dead_letters(workspace: &Workspace) -> Vec<Value> {
    let text = fs::read_to_string(workspace.path("dead.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Lines with four that cannot be applied: the second, the fourth, the sixth and the eighth.
fn with_rejects(lines: &[String]) -> (Vec<String>, [String; 4]) {
    let insert = lines.iter().find(|line| line.contains("\"INSERT\"")).unwrap();
    let misfit = insert.replace("\"after\":{", "\"after\":{\"other\":1,").replace("\"PK\":\"", "\"PK\":\"x");
    let unknown = misfit.replace("\"table\":\"test_table\"", "\"table\":\"test_tabel\"");
    let rejects = ["{\"op\":\n".to_owned(), misfit, unknown, "[1]\n".to_owned()];
    let mut lines = lines.to_vec();
    for (number, line) in rejects.iter().enumerate() {
        lines.insert(2 * number + 1, line.clone());
    }
    (lines, rejects)
}

#[test]
fn records_that_cannot_be_applied_go_to_a_file_and_the_others_into_the_table() {
    let workspace = published();
    let (lines, rejects) = with_rejects(&published_lines(&workspace));
    expect(&apply(&workspace, &lines), 1, "standard input:2: this is not a record");
    assert_eq!(held(&workspace), None);
    let arguments = ["--create", "--dead-letters", "dead.ndjson"];
    let output = apply_to(&workspace, &lines, "sqlite:shop.db", &arguments);
    expect(&output, 1, "4 records could not be applied, and can be found in dead.ndjson");
    expect(&output, 1, "complete");
    check_against_exports(&workspace);
    let letters = dead_letters(&workspace);
    let texts = |name: &str| -> BTreeSet<String> {
        letters.iter().map(|letter| letter[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("place"), [2, 4, 6, 8].map(|line| format!("standard input:{line}")).into());
    assert_eq!(texts("record"), rejects.map(|line| line.trim_end().to_owned()).into());
    let problems = format!("{:?}", texts("problem"));
    for problem in
        ["not a record of a published version", "not an operation of acme/test_table", "unknown table `test_tabel`"]
    {
        assert!(problems.contains(problem), "{problems}");
    }
}

#[test]
fn the_file_of_records_that_cannot_be_applied_is_private_appended_to_and_for_streams() {
    let workspace = published();
    let (lines, _) = with_rejects(&published_lines(&workspace));
    let arguments = ["--create", "--dead-letters", "dead.ndjson"];
    expect(&apply_to(&workspace, &lines, "sqlite:shop.db", &arguments), 1, "complete");
    let mode = fs::metadata(workspace.path("dead.ndjson")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "its values are for nobody else");
    let file = workspace.write("bytes", b"\xff\n");
    let mut command = workspace.command(&[&["apply", "-", "--to", "sqlite:shop.db"], &arguments[..]].concat());
    assert_eq!(command.stdin(File::open(file).unwrap()).output().unwrap().status.code(), Some(1));
    let letters = dead_letters(&workspace);
    assert_eq!((letters.len(), &letters[4]["record_base64"]), (5, &Value::from("/w==")));
    let full = apply_to(&workspace, &lines, "sqlite:shop.db", &["--dead-letters", "/dev/full"]);
    expect(&full, 2, "cannot write to /dev/full");
    let files = ["apply", "out", "--to", "sqlite:shop.db", "--dead-letters", "dead.ndjson"];
    expect(&workspace.tidemark(&files), 2, "--dead-letters is for streams");
}

#[test]
fn rows_that_nobody_knows_of_are_not_mixed_with_those_of_a_stream() {
    let workspace = published();
    expect(&workspace.tidemark(&RUN), 0, "");
    database(&workspace).execute_batch("DELETE FROM _tidemark").unwrap();
    expect(&apply(&workspace, &published_lines(&workspace)), 1, "it is not known of which version");
}
