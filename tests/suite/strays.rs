//! What is among the exports without being part of one: reported once, ignored where a file says so, and never a reason
//! to fail.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::Value;

use crate::limits::command;
use crate::workspace::{CommandOutput, Workspace};

const GOOD: &str = "PK1;1;a;x\n";

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace
}

fn status(workspace: &Workspace) -> Vec<Value> {
    serde_json::from_str(&workspace.tidemark(&["status", "--format", "json"]).stdout).unwrap()
}

/// Everything that a run says about strays.
fn notes(output: &CommandOutput) -> usize {
    output.stderr.matches("note: ").count()
}

#[test]
fn strays_of_every_level_are_reported_once_and_never_fail_a_run() {
    let workspace = workspace();
    for folder in ["exports/lost+found", "exports/acme/lost+found", "exports/acme/test_table/lost+found"] {
        fs::create_dir(workspace.path(folder)).unwrap();
    }
    workspace.write("exports/acme/Upper/V1/part.csv.gz", b"");
    workspace.write("exports/acme/README.txt", b"");
    let first = workspace.run();
    insta::assert_snapshot!("first", first.transcript());
    assert_eq!((first.status, notes(&first)), (0, 5), "{}", first.stderr);
    let second = workspace.run();
    assert_eq!((second.status, second.stderr.as_str()), (0, ""), "{}", second.stdout);
    // A new stray is reported without those that are known.
    workspace.write("exports/acme/notes.txt", b"");
    let third = workspace.run();
    assert_eq!((third.status, notes(&third)), (0, 1), "{}", third.stderr);
    assert!(third.stderr.starts_with("\nnote: exports/acme/notes.txt: not a folder"), "{}", third.stderr);
}

#[test]
fn hidden_files_and_folders_are_never_mentioned() {
    let workspace = workspace();
    for name in [".snapshot", ".Trash-1000", "_tidemark"] {
        for level in ["exports", "exports/acme", "exports/acme/test_table", "exports/acme/test_table/V1"] {
            workspace.write(&format!("{level}/{name}/V1/part.csv.gz"), b"");
        }
    }
    for level in ["exports", "exports/acme", "exports/acme/test_table", "exports/acme/test_table/V1"] {
        workspace.write(&format!("{level}/.DS_Store"), b"");
    }
    let output = workspace.run();
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "SUCCEEDED");
}

#[test]
fn an_ignore_file_silences_strays_and_hides_exports() {
    let workspace = workspace();
    let rules = "# other programs' files\r\n*.txt\n*.gz\nlost+found/\n/archive/\n/acme/test_table/V0\n!keep.txt\n";
    workspace.write("exports/.tidemarkignore", format!("\u{feff}{rules}").as_bytes());
    for stray in ["exports/a.txt", "exports/acme/b.txt", "exports/acme/test_table/c.txt", "exports/lost+found/d"] {
        workspace.write(stray, b"");
    }
    for export in ["archive/test_table/V1", "acme/test_table/V0"] {
        workspace.export(export, GOOD);
    }
    // A pattern never hides a file of an export: engines and `verify` would not agree on what it is.
    workspace.export("acme/test_table/V2", GOOD);
    workspace.write("exports/keep.txt", b"");
    let output = workspace.run();
    assert_eq!((output.status, notes(&output)), (0, 1), "{}", output.transcript());
    assert!(output.stderr.contains("exports/keep.txt"), "{}", output.stderr);
    assert_eq!(status(&workspace).len(), 1);
    assert_eq!(workspace.statuses("acme/test_table").into_keys().collect::<Vec<_>>(), ["V1", "V2"]);
}

#[test]
fn an_ignore_file_that_cannot_be_used_stops_the_run_and_says_why() {
    type Break<'a> = &'a dyn Fn(&Path);
    let write = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
    let broken: [(&str, &str, Break<'_>); 7] = [
        (".tidemarkignore:2: ", "fix the pattern; the file has the syntax", &|path| write(path, b"ok\na{b\n")),
        ("not a regular file", "replace it by a file of patterns", &|path| fs::create_dir(path).unwrap()),
        ("not a regular file", "or remove it", &|path| {
            assert!(command("mkfifo").arg(path).status().unwrap().success());
        }),
        ("a symbolic link, which is never followed", "replace the link by the file itself", &|path| {
            symlink("/etc/passwd", path).unwrap();
        }),
        ("cannot be read as patterns: stream did not contain valid UTF-8", "write it as UTF-8 text", &|path| {
            write(path, b"\xff\n");
        }),
        ("cannot be read as patterns: larger than 16 MiB", "in the syntax of a .gitignore", &|path| {
            write(path, &vec![b'#'; (16 << 20) + 1]);
        }),
        ("Permission denied", "", &|path| {
            write(path, b"x\n");
            fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
        }),
    ];
    for (problem, help, make) in broken {
        let workspace = workspace();
        make(&workspace.path("exports/.tidemarkignore"));
        workspace.drop_root();
        let output = workspace.run();
        // What is wrong with the file is the input's fault; that it may not be read is the machine's.
        let status = if help.is_empty() { 2 } else { 1 };
        assert_eq!(output.status, status, "{}", output.transcript());
        assert!(output.stderr.contains("exports/.tidemarkignore"), "{problem}: {}", output.stderr);
        assert!(output.stderr.contains(problem) && output.stderr.contains("help: "), "{problem}: {}", output.stderr);
        assert!(output.stderr.contains(help), "{problem}: {}", output.stderr);
        assert!(workspace.published("acme/test_table/V1").is_empty(), "{problem}");
    }
}

#[test]
fn a_run_says_how_many_names_are_ignored_if_nothing_else_is_there() {
    let workspace = workspace();
    workspace.write("exports/.tidemarkignore", b"acme\n*.txt\n");
    workspace.write("exports/a.txt", b"");
    let output = workspace.run();
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{}", output.transcript());
    assert!(output.stdout.ends_with("; .tidemarkignore hides 2 names\n"), "{}", output.stdout);
}

#[test]
fn a_hundred_thousand_strays_are_one_line() {
    let workspace = workspace().in_memory();
    workspace.export("acme/test_table/V1", GOOD);
    let folder = workspace.path("exports/acme");
    for number in 0..100_000 {
        fs::write(folder.join(format!("stray {number}")), b"").unwrap();
    }
    let first = workspace.run();
    assert_eq!((first.status, notes(&first)), (0, 1), "{}", first.stderr);
    assert!(first.stderr.contains("100,000 files and folders are not exports, such as"), "{}", first.stderr);
    assert!(first.stderr.len() < 1000, "{}", first.stderr);
    let (_, report) = workspace.run_json();
    assert_eq!((&report["strays"], &report["more_strays"]), (&Value::Array(vec![]), &0.into()));
    fs::write(folder.join("one more"), b"").unwrap();
    let later = workspace.run().stderr;
    assert!(later.contains("note: exports/acme: 1 more that cannot be exports, 100001 in all"), "{later}");
    let registry = fs::metadata(workspace.path(".tidemark/registry.sqlite")).unwrap().len();
    assert!(registry < 200_000, "{registry} bytes");
}

#[test]
fn an_export_of_a_table_without_a_schema_waits_until_the_schema_arrives() {
    let workspace = Workspace::from_schemas();
    let schema = |table: &str| {
        format!(
            "{{ table: {table}, primary_key: [id], columns: [{{ name: id, type: int }}], source: {{ header: false }} }}"
        )
    };
    workspace.write("schemas/orders.yaml", schema("orders").as_bytes());
    workspace.export("acme/orders/V1", "1\n");
    workspace.export("acme/ordres/V1", "1\n");
    workspace.export("acme/ordres/V2", "1\n2\n");
    for _ in 0..2 {
        let (exit, report) = workspace.run_json();
        assert_eq!(exit, 0, "{report:#}");
        let waiting: Vec<&Value> =
            report["outcomes"].as_array().unwrap().iter().filter(|o| o["status"] == "WAITING").collect();
        assert_eq!(waiting.len(), 2, "{report:#}");
    }
    let expected = "no schema: write schemas/ordres.yaml and run `cargo run -p generator`, or rename the folder if `orders` is meant";
    assert_eq!(status(&workspace)[1]["open"][0]["reason"], expected);
    assert_eq!(workspace.tidemark(&["history", "acme/ordres"]).status, 0);
    workspace.write("schemas/ordres.yaml", schema("ordres").as_bytes());
    assert_eq!(workspace.run().status, 0);
    let statuses = Vec::from_iter(workspace.statuses("acme/ordres").into_values());
    assert_eq!(statuses, ["SUCCEEDED", "SUCCEEDED"]);
    // Without the schema, what was published stays as it is.
    fs::remove_file(workspace.path("schemas/ordres.yaml")).unwrap();
    workspace.export("acme/ordres/V3", "1\n");
    assert_eq!(workspace.run().status, 0);
    let statuses = Vec::from_iter(workspace.statuses("acme/ordres").into_values());
    assert_eq!(statuses, ["SUCCEEDED", "SUCCEEDED", "WAITING"]);
}

#[test]
fn names_that_no_schema_can_have_are_strays_and_the_generator_refuses_them_too() {
    for name in
        ["lib", "self", "mod", "main", "athena", "bin", "crate", "super", "Orders", "2orders", "or-ders", "or.ders"]
    {
        let schema = format!("{{ table: {name}, primary_key: [id], columns: [{{ name: id, type: int }}] }}");
        assert!(generator::parse(&schema).is_err(), "{name}");
        let workspace = workspace();
        workspace.export(&format!("acme/{name}/V1"), GOOD);
        let output = workspace.run();
        assert_eq!((output.status, notes(&output)), (0, 1), "{name}: {}", output.transcript());
        assert!(!output.transcript().contains("schemas/"), "{name}: {}", output.transcript());
        assert_eq!(status(&workspace).len(), 1, "{name}");
    }
}

#[test]
fn an_export_with_something_else_in_it_waits_and_fails_only_the_run_that_finds_it() {
    let workspace = Workspace::new();
    workspace.write("exports/acme/test_table/V1/sub/part.csv.gz", b"");
    let first = workspace.run();
    assert_eq!(first.status, 1, "{}", first.transcript());
    assert!(first.stderr.contains("a folder inside an export"), "{}", first.stderr);
    assert!(!first.transcript().contains("another run"), "{}", first.transcript());
    let second = workspace.run();
    assert_eq!((second.status, second.stderr.as_str()), (0, ""), "{}", second.transcript());
    assert!(second.stdout.contains("WAITING  waits for a correction: "), "{}", second.stdout);
    fs::remove_dir_all(workspace.path("exports/acme/test_table/V1/sub")).unwrap();
    workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "SUCCEEDED");
}
